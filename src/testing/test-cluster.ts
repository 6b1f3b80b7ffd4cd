import { createMemoryTable } from '../adapters/memory/table.ts'
import { type Awaitable, andThen, forEachInOrder } from '../awaitable.ts'
import { StreamsError } from '../errors.ts'
import type { StateStore } from '../processor/store.ts'
import { type Effects, initialTimes, type TaskTimes } from '../runtime/effects.ts'
import { partitionOfKey } from '../runtime/partitioner.ts'
import { planOf, planWhole, type TaskPlan } from '../runtime/plan.ts'
import { type FetchedRecord, type LogRecord, type PartitionBatch, recordCount } from '../runtime/ports.ts'
import { blockBytesMax, blocksOf, packRecords } from '../runtime/record-block.ts'
import { stateRowsOf, tableReader } from '../runtime/table-rows.ts'
import { type NodeVisit, Task } from '../runtime/task.ts'
import type { TaskStore } from '../runtime/task-stores.ts'
import type { TableBackend } from '../state/backend.ts'
import { readOnly } from '../state/read-only.ts'
import { Rows } from '../state/rows.ts'
import type { SourceNode, StoreSpec } from '../topology/nodes.ts'
import type { Topology } from '../topology/topology.ts'
import { Idling } from './idling.ts'
import type { ProducedTopic } from './produced-topic.ts'

/** A record on its way to a topic; without a partition its key decides, and where there is none the partitions take turns. */
export interface PipedRecord {
  readonly topic: string
  readonly partition?: number
  readonly record: LogRecord
}

export interface TestClusterOptions {
  readonly applicationId: string
  readonly nowMs: () => number
  /** Partition counts of the user's topics; without them all sub-topologies are one task, as in Kafka's driver. */
  readonly partitions: Readonly<Record<string, number>> | undefined
  /** What was written, by topic. */
  readonly produced: (topic: string) => ProducedTopic
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

/** What the cluster knows of a topic. */
interface ClusterTopic {
  readonly name: string
  readonly partitions: number
  readonly produced: ProducedTopic
  /** The next one, by partition. */
  readonly offsets: number[]
  /** Records that came so far. */
  count: number
  /** Who reads it. */
  tasks: readonly RunningTask[]
  globals: readonly RunningTask[]
}

const farFuture = Number.MAX_SAFE_INTEGER

/** The topics, the state table and the tasks of one topology in memory; the tasks are production's. */
export class TestCluster {
  readonly #options: TestClusterOptions
  readonly #table: TableBackend | undefined
  readonly #topics = new Map<string, ClusterTopic>()
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
  add({ topic: name, partition, record }: PipedRecord): Awaitable<void> {
    const topic = this.#topic(name)
    if (partition !== undefined && !(partition >= 0 && partition < topic.partitions))
      throw new StreamsError('INPUT_INVALID', `Topic "${name}" has no partition ${partition}; it has ${topic.partitions}`)
    return this.#enqueue(topic, partition ?? partitionFor(topic, record), [record])
  }

  /** A topic that no source names may match the pattern of one, from then on. */
  checkSource(topic: string): void {
    const known = this.#topic(topic)
    if (known.tasks.length + known.globals.length > 0) return
    const matching = this.#tasks.flatMap(({ plan }) => plan.nodes.flatMap((node) => (matches(node, topic) ? [{ plan, node }] : [])))
    if (matching.length === 0) {
      const plans = [...this.#globals, ...this.#tasks].map(({ plan }) => plan)
      const patterns = plans.flatMap(({ nodes }) =>
        nodes.flatMap((node) => (node.kind === 'source' && node.pattern ? [String(node.pattern)] : [])),
      )
      const read = [...new Set([...plans.flatMap(({ sources }) => [...sources.keys()]), ...patterns])].join(', ')
      throw new StreamsError('INPUT_INVALID', `The topology does not read topic "${topic}"; it reads ${read}`)
    }
    for (const { plan, node } of matching) (plan.sources as Map<string, SourceNode>).set(topic, node as SourceNode)
    Object.assign(known, this.#readersOf(topic))
  }

  /** Processes until nothing is left, task by task, one record and one commit at a time. */
  processAll(): Awaitable<void> {
    return this.#processFrom(0, false)
  }

  async punctuate(): Promise<void> {
    for (const running of this.#tasks) {
      await running.task.punctuateWallClock()
      await this.#commit(running)
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

  #topic(name: string): ClusterTopic {
    const known = this.#topics.get(name)
    if (known) return known
    const produced = this.#options.produced(name)
    const topic = { name, partitions: this.partitionsOf(name), produced, offsets: [], count: 0, ...this.#readersOf(name) }
    this.#topics.set(name, topic)
    return topic
  }

  #readersOf(topic: string): Pick<ClusterTopic, 'tasks' | 'globals'> {
    const reads = ({ plan }: RunningTask): boolean => plan.sources.has(topic)
    return { tasks: this.#tasks.filter(reads), globals: this.#globals.filter(reads) }
  }

  /** From this task on, until none has anything; `any`: one has processed something before. */
  #processFrom(first: number, any: boolean): Awaitable<void> {
    const tasks = this.#tasks
    let found = any
    for (let [at, idle] = [first, 0]; idle < tasks.length; ) {
      const processed = this.#processNext(tasks[at] as RunningTask)
      at = (at + 1) % tasks.length
      if (processed instanceof Promise) return processed.then((it) => this.#processFrom(at, found || it))
      idle = processed ? 0 : idle + 1
      found ||= processed
    }
    // records that were all dropped on reading: their dead letters are to be written
    if (!found) return forEachInOrder(tasks, (running) => this.#commit(running))
  }

  /** One record and its commit; false where there is none. */
  #processNext(running: RunningTask): Awaitable<boolean> {
    if (!running.idling.isReady(running.task, running.plan.sources.keys(), this.#options.nowMs())) return false
    const next = running.task.processNext()
    if (next instanceof Promise) return next.then((it) => it && andThen(this.#commit(running), () => true))
    if (!next) return false
    const committed = this.#commit(running)
    return committed instanceof Promise ? committed.then(() => true) : true
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

  #enqueue(topic: ClusterTopic, partition: number, records: readonly LogRecord[]): Awaitable<void> {
    const offset = advance(topic, partition, records.length)
    const fetched = records.map(
      ({ key, value, timestamp, headers }, index): FetchedRecord => ({ offset: offset + index, key, value, timestamp, headers }),
    )
    for (const running of topic.tasks) if (running.partition === partition) running.task.add(topic.name, fetched)
    if (topic.globals.length === 0) return
    return forEachInOrder(topic.globals, (running) => {
      running.task.add(topic.name, fetched)
      const committed = andThen(running.task.process(), () => running.task.settle())
      return andThen(committed, (effects) => this.#keep(running, effects))
    })
  }

  #commit(running: RunningTask): Awaitable<void> {
    const settled = running.task.settle()
    return settled instanceof Promise ? settled.then((it) => this.#settle(running, it)) : this.#settle(running, settled)
  }

  #settle(running: RunningTask, effects: Omit<Effects, 'times'>): Awaitable<void> {
    const { partition, plan } = running
    for (const { store, rows, log = rows } of effects.changes) {
      const changelog = plan.changelogs.get(store)
      if (changelog === undefined) continue
      this.#topic(changelog).produced.add(partition, packRecords(log))
    }
    if (this.#table === undefined) return this.#send(effects.outputs)
    return andThen(this.#keep(running, effects), () => this.#send(effects.outputs))
  }

  #send(outputs: readonly PartitionBatch[]): Awaitable<void> {
    return forEachInOrder(outputs, (batch) => {
      const topic = this.#topic(batch.topic)
      topic.produced.add(batch.partition, blocksOf(batch, blockBytesMax))
      if (topic.tasks.length + topic.globals.length > 0) return this.#enqueue(topic, batch.partition, batch.records)
      advance(topic, batch.partition, recordCount(batch))
    })
  }

  #keep(running: RunningTask, { changes }: Pick<Effects, 'changes'>): Awaitable<void> {
    const { plan, partition } = running
    const table = this.#table
    if (table === undefined) return
    this.#seq++
    running.times = running.task.times
    return forEachInOrder(changes, ({ store, rows }) => {
      const at = { subTopology: plan.subTopology, partition, gen: 0, store, seq: this.#seq, nowMs: this.#options.nowMs() }
      return table.put(stateRowsOf(rows, at), farFuture)
    })
  }
}

/** Records come to a topic: answers the offset of the first. */
const advance = (topic: ClusterTopic, partition: number, records: number): number => {
  const offset = topic.offsets[partition] ?? 0
  topic.offsets[partition] = offset + records
  topic.count += records
  return offset
}

const partitionFor = ({ partitions, count }: ClusterTopic, { key }: LogRecord): number => {
  if (partitions === 1) return 0
  return key === null ? count % partitions : partitionOfKey(key, partitions)
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
