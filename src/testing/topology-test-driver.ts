import { createMemoryTable } from '../adapters/memory/table.ts'
import { StreamsError } from '../errors.ts'
import { noHeaders } from '../processor/record.ts'
import type {
  KeyValueStore,
  SessionStore,
  SessionStoreWithHeaders,
  StateStore,
  TimestampedKeyValueStore,
  TimestampedKeyValueStoreWithHeaders,
  TimestampedWindowStore,
  TimestampedWindowStoreWithHeaders,
  VersionedKeyValueStore,
  WindowStore,
} from '../processor/store.ts'
import { type Effects, initialTimes, type TaskTimes } from '../runtime/effects.ts'
import { planWhole, type TaskPlan } from '../runtime/plan.ts'
import type { FetchedRecord, LogRecord } from '../runtime/ports.ts'
import { stateRowsOf, tableReader } from '../runtime/table-rows.ts'
import { Task } from '../runtime/task.ts'
import { readOnly } from '../state/read-only.ts'
import { Rows } from '../state/rows.ts'
import type { SourceNode, StoreSpec } from '../topology/nodes.ts'
import type { Topology } from '../topology/topology.ts'
import { TestInputTopic, TestOutputTopic, type TestTopicSerdes } from './test-topics.ts'

export interface TestDriverOptions {
  /** Default `test`. */
  readonly applicationId?: string
  /** Where the wall clock stands at the start, Unix ms; it moves only by {@link TopologyTestDriver.advanceWallClockTime}. Default 0. */
  readonly wallClockMs?: number
  /**
   * `never` (default): one task lives as long as the driver, as in Java. `record`: the task is thrown away after every input
   * record and the next one starts from the table, as a function that starts cold each time.
   */
  readonly cutAfter?: 'never' | 'record'
}

const farFuture = Number.MAX_SAFE_INTEGER

/**
 * Runs a topology in memory, one record at a time (Kafka's `TopologyTestDriver`, T-12): one partition per topic and one task
 * `0_0` over all sub-topologies; every record is followed by a commit, and what was written to a topic that the topology
 * reads is processed too. It is the production task over the in-memory table.
 *
 * @example
 * ```ts
 * import { Serdes, StreamsBuilder } from 'millrace'
 * import { TopologyTestDriver } from 'millrace/testing'
 *
 * const builder = new StreamsBuilder()
 * const words = builder.stream('words', { keySerde: Serdes.string, valueSerde: Serdes.string })
 * words.groupByKey().count({ store: 'counts' }).toStream().to('counts')
 *
 * await using driver = new TopologyTestDriver(builder.build())
 * const input = driver.createInputTopic('words', { keySerde: Serdes.string, valueSerde: Serdes.string })
 * await input.pipeInput('mill', 'a')
 * await input.pipeInput('mill', 'b', { timestamp: 10 })
 * driver.createOutputTopic('counts', { keySerde: Serdes.string, valueSerde: Serdes.long }).readRecords().map((it) => it.value) // => [1, 2]
 * ```
 */
export class TopologyTestDriver implements AsyncDisposable {
  readonly #plan: TaskPlan
  /** The plan's, and topics that turned out to match a pattern. */
  readonly #sources: Map<string, SourceNode>
  readonly #options: TestDriverOptions
  readonly #table = createMemoryTable()
  readonly #produced = new Map<string, LogRecord[]>()
  readonly #offsets = new Map<string, number>()
  #wallClockMs: number
  #globals: readonly Task[]
  #task: Task
  #times: TaskTimes = initialTimes
  readonly #globalTimes = new Map<string, TaskTimes>()
  #seq = 0
  #droppedBefore = 0
  #used = false

  constructor(topology: Topology, options: TestDriverOptions = {}) {
    this.#options = options
    const plan = planWhole(topology, options.applicationId ?? 'test')
    this.#sources = new Map(plan.sources)
    this.#plan = { ...plan, sources: this.#sources }
    this.#wallClockMs = options.wallClockMs ?? 0
    this.#globals = this.#startGlobals()
    this.#task = this.#start()
  }

  createInputTopic<K, V>(topic: string, serdes: TestTopicSerdes<K, V>): TestInputTopic<K, V> {
    this.#checkSource(topic)
    return new TestInputTopic(topic, serdes, (name, record) => this.pipe(name, record))
  }

  /** Also for repartition topics and changelogs, by their full names. */
  createOutputTopic<K, V>(topic: string, serdes: TestTopicSerdes<K, V>): TestOutputTopic<K, V> {
    return new TestOutputTopic(topic, serdes, this.producedTo(topic))
  }

  /** Processes one record of bytes and everything that follows from it. */
  pipe(topic: string, record: LogRecord): Promise<void> {
    return this.pipeAll([{ topic, record }])
  }

  /** Puts all records on their topics, in this order, before the first one is processed: timestamps decide which goes first (S-13). */
  async pipeAll(inputs: readonly { readonly topic: string; readonly record: LogRecord }[]): Promise<void> {
    for (const { topic } of inputs) this.#checkSource(topic)
    this.#beginEvent()
    for (const { topic, record } of inputs) await this.#enqueue(topic, [record])
    await this.#processAll()
  }

  #beginEvent(): void {
    if (this.#options.cutAfter === 'record' && this.#used) this.#cut()
    this.#used = true
  }

  async #processAll(): Promise<void> {
    for (let processed = true; processed; ) {
      // also after records that were all dropped on reading: their dead letters are to be written
      processed = await this.#task.processNext()
      await this.#settle(await this.#task.commit())
    }
  }

  /** Records written to a topic and not yet read, oldest first; the list is live. */
  producedTo(topic: string): LogRecord[] {
    const known = this.#produced.get(topic)
    if (known) return known
    const records: LogRecord[] = []
    this.#produced.set(topic, records)
    return records
  }

  /** Every topic that was written to. */
  producedTopicNames(): readonly string[] {
    return [...this.#produced].filter(([, records]) => records.length > 0).map(([topic]) => topic)
  }

  /** A store as its processors see it; INPUT_INVALID for a name that the topology does not have, or for a store of another kind. */
  getKeyValueStore<K, V>(name: string): KeyValueStore<K, V> {
    return this.#store(name, { kind: 'key-value', holds: ['values'] })
  }

  getTimestampedKeyValueStore<K, V>(name: string): TimestampedKeyValueStore<K, V> {
    return this.#store(name, { kind: 'key-value', holds: ['timestamped'] })
  }

  getTimestampedKeyValueStoreWithHeaders<K, V>(name: string): TimestampedKeyValueStoreWithHeaders<K, V> {
    return this.#store(name, { kind: 'key-value', holds: ['headers'] })
  }

  getWindowStore<K, V>(name: string): WindowStore<K, V> {
    return this.#store(name, { kind: 'window', holds: ['values'] })
  }

  getTimestampedWindowStore<K, V>(name: string): TimestampedWindowStore<K, V> {
    return this.#store(name, { kind: 'window', holds: ['timestamped'] })
  }

  getTimestampedWindowStoreWithHeaders<K, V>(name: string): TimestampedWindowStoreWithHeaders<K, V> {
    return this.#store(name, { kind: 'window', holds: ['headers'] })
  }

  getSessionStore<K, V>(name: string): SessionStore<K, V> {
    return this.#store(name, { kind: 'session', holds: ['values'] })
  }

  getSessionStoreWithHeaders<K, V>(name: string): SessionStoreWithHeaders<K, V> {
    return this.#store(name, { kind: 'session', holds: ['headers'] })
  }

  getVersionedKeyValueStore<K, V>(name: string): VersionedKeyValueStore<K, V> {
    return this.#store(name, { kind: 'versioned', holds: ['versions'] })
  }

  /** Records dropped so far: null keys in aggregations, invalid timestamps and the like. */
  get dropped(): number {
    return (
      this.#droppedBefore +
      this.#tasks()
        .flatMap((task) => [...task.dropped.values()])
        .reduce((sum, count) => sum + count, 0)
    )
  }

  /** Moves the clock, calls the punctuators that are due, and processes what follows from it. */
  async advanceWallClockTime(ms: number): Promise<void> {
    this.#beginEvent()
    this.#wallClockMs += ms
    await this.#task.punctuateWallClock()
    await this.#settle(await this.#task.commit())
    await this.#processAll()
  }

  async close(): Promise<void> {
    for (const task of this.#tasks()) task.close()
    await this.#table.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #store<S extends StateStore>(name: string, wanted: { readonly kind: StoreSpec['kind']; readonly holds: readonly string[] }): S {
    const stores = [this.#plan, ...this.#plan.globals].flatMap((plan) => plan.stores)
    const spec = stores.find((it) => it.name === name)
    const store = this.#tasks().flatMap((task) => task.store(name) ?? [])[0]
    if (!spec || !store) {
      const known = stores.map((it) => it.name).join(', ') || 'none'
      throw new StreamsError('INPUT_INVALID', `The topology has no store "${name}"; it has ${known}`)
    }
    if (spec.kind === 'suppression-buffer' || spec.kind === 'join-buffer') {
      const whose = spec.kind === 'join-buffer' ? 'join' : 'suppression'
      throw new StreamsError('INPUT_INVALID', `Store "${name}" is the buffer of a ${whose}, which cannot be read`)
    }
    if (spec.kind === wanted.kind && wanted.holds.includes(spec.holds)) return store.api as S
    const asked = `${wanted.kind} store of ${wanted.holds.join(' or ')}`
    throw new StreamsError('INPUT_INVALID', `Store "${name}" is a ${spec.kind} store of ${spec.holds}, not a ${asked}`, {
      remedy: 'Ask for it with the getter of its kind.',
    })
  }

  #tasks(): readonly Task[] {
    return [...this.#globals, this.#task]
  }

  #start(): Task {
    return this.#startOf(this.#plan, this.#times, (name) => {
      const now = () => this.#globals.map((task) => task.store(name)?.api).find((api) => api !== undefined)
      const store = now()
      return store && readOnly(name, { now, later: async () => store })
    })
  }

  /** As in Java's driver a record of theirs that cannot be read is skipped, whatever the handler says. */
  #startGlobals(): readonly Task[] {
    return this.#plan.globals.map((plan) => {
      const handlers = { ...plan.handlers, deserialization: 'LogAndContinue' as const }
      return this.#startOf({ ...plan, handlers }, this.#globalTimes.get(plan.subTopology) ?? initialTimes)
    })
  }

  #startOf(plan: TaskPlan, times: TaskTimes, globalStore: (name: string) => StateStore | undefined = () => undefined): Task {
    const id = { subTopology: plan.subTopology, partition: 0 }
    return new Task({
      plan,
      partition: 0,
      clock: { nowMs: () => this.#wallClockMs },
      partitionsOf: () => 1,
      rowsOf: (store) => new Rows({ reader: tableReader(this.#table, { ...id, gen: 0, store: store.name }, () => farFuture) }),
      times,
      globalStore,
    })
  }

  /** A topic that no source names may match the pattern of one, from then on. */
  #checkSource(topic: string): void {
    if (this.#isRead(topic)) return
    const sources = this.#plan.nodes.filter((node) => node.kind === 'source')
    const matching = sources.find(({ pattern }) => pattern && new RegExp(`^(?:${pattern.source})$`, pattern.flags).test(topic))
    if (!matching) {
      const known = [...this.#sources.keys(), ...sources.flatMap(({ pattern }) => (pattern ? [String(pattern)] : []))].join(', ')
      throw new StreamsError('INPUT_INVALID', `The topology does not read topic "${topic}"; it reads ${known}`)
    }
    this.#sources.set(topic, matching)
  }

  #cut(): void {
    this.#droppedBefore = this.dropped
    for (const task of this.#tasks()) task.close()
    this.#globals = this.#startGlobals()
    this.#task = this.#start()
  }

  #isRead(topic: string): boolean {
    return this.#sources.has(topic) || this.#plan.globals.some((plan) => plan.sources.has(topic))
  }

  /** Records of global stores are applied at once, and change no time but that of their own topic. */
  async #enqueue(topic: string, records: readonly LogRecord[]): Promise<void> {
    const offset = this.#offsets.get(topic) ?? 0
    this.#offsets.set(topic, offset + records.length)
    const fetched = records.map((record, at): FetchedRecord => ({ ...record, offset: offset + at }))
    const at = this.#plan.globals.findIndex((plan) => plan.sources.has(topic))
    const [plan, task] = [this.#plan.globals[at], this.#globals[at]]
    if (!plan || !task) return this.#task.add(topic, fetched)
    task.add(topic, fetched)
    await task.process()
    await this.#settleGlobal(plan, await task.commit())
  }

  async #settleGlobal({ subTopology }: TaskPlan, { changes, times }: Effects): Promise<void> {
    this.#seq++
    this.#globalTimes.set(subTopology, times)
    for (const { store, rows } of changes) {
      const at = { subTopology, partition: 0, gen: 0, store, seq: this.#seq, nowMs: this.#wallClockMs }
      await this.#table.put(stateRowsOf(rows, at), farFuture)
    }
  }

  async #settle({ outputs, changes, times }: Effects): Promise<void> {
    const { subTopology, changelogs } = this.#plan
    this.#seq++
    this.#times = times
    for (const { store, rows, log = rows } of changes) {
      const changelog = changelogs.get(store)
      if (changelog) this.producedTo(changelog).push(...log.map((row): LogRecord => ({ ...row, headers: row.headers ?? noHeaders })))
      await this.#table.put(
        stateRowsOf(rows, { subTopology, partition: 0, gen: 0, store, seq: this.#seq, nowMs: this.#wallClockMs }),
        farFuture,
      )
    }
    for (const { topic, records } of outputs) {
      this.producedTo(topic).push(...records)
      if (this.#isRead(topic)) await this.#enqueue(topic, records)
    }
  }
}
