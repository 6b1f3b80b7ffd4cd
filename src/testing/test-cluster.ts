import { createMemoryTable } from '../adapters/memory/table.ts'
import { type Awaitable, andThen, forEachInOrder } from '../awaitable.ts'
import { StreamsError } from '../errors.ts'
import { noHeaders } from '../processor/record.ts'
import type { StateStore } from '../processor/store.ts'
import { type Effects, initialTimes, type TaskTimes } from '../runtime/effects.ts'
import { partitionOfKey } from '../runtime/partitioner.ts'
import { planOf, planWhole, type TaskPlan } from '../runtime/plan.ts'
import type { FetchedRecord, LogRecord } from '../runtime/ports.ts'
import { stateRowsOf, tableReader } from '../runtime/table-rows.ts'
import { type NodeVisit, Task } from '../runtime/task.ts'
import type { TaskStore } from '../runtime/task-stores.ts'
import type { TableBackend } from '../state/backend.ts'
import { readOnly } from '../state/read-only.ts'
import { Rows } from '../state/rows.ts'
import type { SourceNode, StoreSpec } from '../topology/nodes.ts'
import type { Topology } from '../topology/topology.ts'
import { Idling } from './idling.ts'

/** A record on its way to a topic; without a partition its key decides, and where there is none the partitions take turns. */
export interface PipedRecord {
  readonly topic: string
  readonly partition?: number
  readonly record: LogRecord
}

/** A record that was written, in the order of writing. */
export interface ProducedRecord extends LogRecord {
  readonly partition: number
}

export interface TestClusterOptions {
  readonly applicationId: string
  readonly nowMs: () => number
  /** Partition counts of the user's topics; without them all sub-topologies are one task, as in Kafka's driver. */
  readonly partitions: Readonly<Record<string, number>> | undefined
  /** What was written, by topic. */
  readonly produced: Map<string, ProducedRecord[]>
  readonly visited: ((visit: NodeVisit) => void) | undefined
  /** Tasks are thrown away: what they leave goes to a table. Else their rows stay in their memory, and nobody else wants them. */
  readonly cuts: boolean
}

/** A task and what it leaves for the next one. */
interface RunningTask {
  readonly plan: TaskPlan
  readonly partition: number
  readonly idling: Idling
  task: Task
  times: TaskTimes
}

const farFuture = Number.MAX_SAFE_INTEGER

/** The topics, the state table and the tasks of one topology in memory; the tasks are production's. */
export class TestCluster {
  readonly #options: TestClusterOptions
  readonly #table: TableBackend | undefined
  readonly #offsets = new Map<string, number>()
  readonly #counts: ReadonlyMap<string, number>
  readonly #idleMs: number
  readonly #globals: readonly RunningTask[]
  readonly #tasks: readonly RunningTask[]
  #seq = 0
  #droppedBefore: ReadonlyMap<string, number> = new Map()

  constructor(topology: Topology, options: TestClusterOptions) {
    this.#options = options
    this.#table = options.cuts ? createMemoryTable() : undefined
    this.#counts = partitionCounts(topology, options)
    this.#idleMs = topology.maxTaskIdleMs
    const whole = planWhole(topology, options.applicationId)
    this.#globals = whole.globals.map((plan) => this.#running(skipping(plan), 0))
    this.#tasks = options.partitions === undefined ? [this.#running(whole, 0)] : this.#partitioned(topology)
  }

  /** By `<node>: <why>`. */
  get dropped(): ReadonlyMap<string, number> {
    const counts = new Map(this.#droppedBefore)
    for (const { task } of this.#all()) for (const [why, count] of task.dropped) counts.set(why, (counts.get(why) ?? 0) + count)
    return counts
  }

  /** Every store with what it was declared as, in every task that has it. */
  stores(): readonly { readonly spec: StoreSpec; readonly partition: number; readonly store: TaskStore }[] {
    return this.#all().flatMap(({ plan, partition, task }) =>
      plan.stores.flatMap((spec) => {
        const store = task.store(spec.name)
        return store ? [{ spec, partition, store }] : []
      }),
    )
  }

  partitionsOf(topic: string): number {
    return this.#counts.get(topic) ?? this.#options.partitions?.[topic] ?? 1
  }

  /** Puts a record on a topic. Records of global stores are applied at once, and change no time but that of their own topic. */
  add({ topic, partition, record }: PipedRecord): Awaitable<void> {
    const count = this.partitionsOf(topic)
    if (partition !== undefined && !(partition >= 0 && partition < count))
      throw new StreamsError('INPUT_INVALID', `Topic "${topic}" has no partition ${partition}; it has ${count}`)
    return this.#enqueue(topic, partition ?? this.#partitionFor(topic, record, count), [record])
  }

  /** A topic that no source names may match the pattern of one, from then on. */
  checkSource(topic: string): void {
    if (this.#reading(topic).length > 0) return
    const matching = this.#tasks.flatMap(({ plan }) => plan.nodes.flatMap((node) => (matches(node, topic) ? [{ plan, node }] : [])))
    if (matching.length === 0) {
      const plans = [...this.#globals, ...this.#tasks].map(({ plan }) => plan)
      const patterns = plans.flatMap(({ nodes }) =>
        nodes.flatMap((node) => (node.kind === 'source' && node.pattern ? [String(node.pattern)] : [])),
      )
      const known = [...new Set([...plans.flatMap(({ sources }) => [...sources.keys()]), ...patterns])].join(', ')
      throw new StreamsError('INPUT_INVALID', `The topology does not read topic "${topic}"; it reads ${known}`)
    }
    for (const { plan, node } of matching) (plan.sources as Map<string, SourceNode>).set(topic, node as SourceNode)
  }

  /** Processes until nothing is left, task by task, one record and one commit at a time. */
  async processAll(): Promise<void> {
    let any = false
    for (let processed = true; processed; any ||= processed) {
      processed = false
      for (const running of this.#tasks) {
        if (!running.idling.isReady(running.task, running.plan.sources.keys(), this.#options.nowMs())) continue
        const next = running.task.processNext()
        if (!(next instanceof Promise ? await next : next)) continue
        processed = true
        const settled = andThen(running.task.commit(), (effects) => this.#settle(running, effects))
        if (settled instanceof Promise) await settled
      }
    }
    // records that were all dropped on reading: their dead letters are to be written
    if (!any) for (const running of this.#tasks) await andThen(running.task.commit(), (effects) => this.#settle(running, effects))
  }

  async punctuate(): Promise<void> {
    for (const running of this.#tasks) {
      await running.task.punctuateWallClock()
      await this.#settle(running, await running.task.commit())
    }
    await this.processAll()
  }

  /** New tasks that have nothing but what is in the table. */
  cut(): void {
    this.#droppedBefore = this.dropped
    for (const running of this.#all()) {
      const { waiting } = running.task
      running.task.close()
      running.task = this.#start(running.plan, running.partition, running.times)
      // those of a task that idles: they come again, as they are not committed
      for (const { topic, records } of waiting) running.task.add(topic, records)
    }
  }

  async close(): Promise<void> {
    for (const { task } of this.#all()) task.close()
    await this.#table?.close()
  }

  #all(): readonly RunningTask[] {
    return [...this.#globals, ...this.#tasks]
  }

  #reading(topic: string): readonly RunningTask[] {
    return this.#all().filter(({ plan }) => plan.sources.has(topic))
  }

  /** One task for each partition of a sub-topology, as a deployed application has them. */
  #partitioned(topology: Topology): readonly RunningTask[] {
    const { applicationId, partitions = {} } = this.#options
    return topology.subTopologies.flatMap((sub) => {
      if (sub.globalStore) return []
      const plan = planOf(topology, applicationId, sub)
      const matched = Object.keys(partitions).filter((topic) => plan.nodes.some((node) => matches(node, topic)))
      const tasks = Math.max(1, ...[...plan.sources.keys(), ...matched].map((topic) => this.partitionsOf(topic)))
      return Array.from({ length: tasks }, (_, partition) => this.#running({ ...plan, sources: new Map(plan.sources) }, partition))
    })
  }

  #running(plan: TaskPlan, partition: number): RunningTask {
    return { plan, partition, idling: new Idling(this.#idleMs), times: initialTimes, task: this.#start(plan, partition, initialTimes) }
  }

  #start(plan: TaskPlan, partition: number, times: TaskTimes): Task {
    const { nowMs, visited } = this.#options
    const id = { subTopology: plan.subTopology, partition }
    const table = this.#table
    return new Task({
      plan,
      partition,
      clock: { nowMs },
      partitionsOf: (topic) => this.partitionsOf(topic),
      rowsOf: (store) => new Rows(table ? { reader: tableReader(table, { ...id, gen: 0, store: store.name }, () => farFuture) } : {}),
      times,
      globalStore: (name) => this.#globalStore(name),
      ...(visited ? { visited } : {}),
    })
  }

  #globalStore(name: string): StateStore | undefined {
    const now = () => this.#globals.map(({ task }) => task.store(name)?.api).find((api) => api !== undefined)
    const store = now()
    return store && readOnly(name, { now, later: async () => store })
  }

  #partitionFor(topic: string, { key }: LogRecord, count: number): number {
    if (count === 1) return 0
    return key === null ? (this.#offsets.get(`${topic} turn`) ?? 0) % count : partitionOfKey(key, count)
  }

  #enqueue(topic: string, partition: number, records: readonly LogRecord[]): Awaitable<void> {
    const at = `${topic}/${partition}`
    const offset = this.#offsets.get(at) ?? 0
    this.#offsets.set(at, offset + records.length)
    this.#offsets.set(`${topic} turn`, (this.#offsets.get(`${topic} turn`) ?? 0) + records.length)
    const fetched = records.map(
      ({ key, value, timestamp, headers }, index): FetchedRecord => ({ offset: offset + index, key, value, timestamp, headers }),
    )
    for (const running of this.#tasks) {
      if (running.partition === partition && running.plan.sources.has(topic)) running.task.add(topic, fetched)
    }
    return forEachInOrder(this.#globals, (running) => {
      if (!running.plan.sources.has(topic)) return
      running.task.add(topic, fetched)
      const committed = andThen(running.task.process(), () => running.task.commit())
      return andThen(committed, (effects) => this.#keep(running, effects))
    })
  }

  #settle(running: RunningTask, effects: Effects): Awaitable<void> {
    const { changelogs } = running.plan
    for (const { store, rows, log = rows } of effects.changes) {
      const changelog = changelogs.get(store)
      if (changelog === undefined) continue
      const { partition } = running
      const records = log.map(({ key, value, timestamp, headers = noHeaders }) => ({ key, value, timestamp, headers, partition }))
      this.#produce(changelog, records)
    }
    return andThen(this.#keep(running, effects), () =>
      forEachInOrder(effects.outputs, ({ topic, partition, records }) => {
        this.#produce(
          topic,
          records.map(({ key, value, timestamp, headers }) => ({ key, value, timestamp, headers, partition })),
        )
        return this.#enqueue(topic, partition, records)
      }),
    )
  }

  #keep(running: RunningTask, { changes, times }: Effects): Awaitable<void> {
    const { plan, partition } = running
    const table = this.#table
    if (table === undefined) return
    this.#seq++
    running.times = times
    return forEachInOrder(changes, ({ store, rows }) => {
      const at = { subTopology: plan.subTopology, partition, gen: 0, store, seq: this.#seq, nowMs: this.#options.nowMs() }
      return table.put(stateRowsOf(rows, at), farFuture)
    })
  }

  #produce(topic: string, records: readonly ProducedRecord[]): void {
    const { produced } = this.#options
    const all = produced.get(topic) ?? []
    // one by one: an event may make more records than a call takes arguments
    for (const record of records) all.push(record)
    produced.set(topic, all)
  }
}

/** As in Java's driver a record of a global topic that cannot be read is skipped, whatever the handler says. */
const skipping = (plan: TaskPlan): TaskPlan => ({ ...plan, handlers: { ...plan.handlers, deserialization: 'LogAndContinue' } })

const matches = (node: TaskPlan['nodes'][number], topic: string): boolean =>
  node.kind === 'source' && node.pattern !== undefined && new RegExp(`^(?:${node.pattern.source})$`, node.pattern.flags).test(topic)

/** Of the topology's own topics; TOPIC_MISMATCH where topics that are joined have not the same count. */
const partitionCounts = (topology: Topology, { applicationId, partitions }: TestClusterOptions): ReadonlyMap<string, number> =>
  partitions === undefined
    ? new Map()
    : topology.partitionCounts(applicationId, new Map(topology.sourceTopics.map((topic) => [topic, partitions[topic] ?? 1])))
