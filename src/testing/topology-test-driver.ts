import { type Awaitable, andThen, forEachInOrder } from '../awaitable.ts'
import { StreamsError } from '../errors.ts'
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
import type { LogRecord } from '../runtime/ports.ts'
import type { StoreSpec } from '../topology/nodes.ts'
import type { Topology } from '../topology/topology.ts'
import { type ProducedRecord, ProducedTopic } from './produced-topic.ts'
import { type PipedRecord, TestCluster } from './test-cluster.ts'
import { type InputTopicOptions, TestInputTopic, TestOutputTopic, type TestTopicSerdes } from './test-topics.ts'
import { traceLine } from './trace.ts'

export interface TestDriverOptions {
  /** Default `test`. */
  readonly applicationId?: string
  /** Where the wall clock stands at the start, Unix ms; it moves only by {@link TopologyTestDriver.advanceWallClockTime}. Default 0. */
  readonly wallClockMs?: number
  /**
   * `never` (default): tasks live as long as the driver, as in Java. `record`: they are thrown away after every input record
   * and the next ones start from the table, as a function that starts cold each time.
   */
  readonly cutAfter?: 'never' | 'record'
  /**
   * Partition counts by topic; a topic that is not there has one. With them the driver runs what a deployment runs: one task for
   * each partition of each sub-topology, each with its own stream time. Without them, as in Java, everything is the one task `0_0`.
   */
  readonly partitions?: Readonly<Record<string, number>>
  /** Notes what each node sees, for {@link TopologyTestDriver.trace}. Default false. */
  readonly trace?: boolean
}

/**
 * Runs a topology in memory, one record at a time (Kafka's `TopologyTestDriver`, T-10 to T-12): every record is followed by a
 * commit, and what was written to a topic that the topology reads is processed too. It is the production task over the in-memory
 * table.
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
 * await using driver = new TopologyTestDriver(builder.build(), { trace: true })
 * const input = driver.createInputTopic('words', { keySerde: Serdes.string, valueSerde: Serdes.string })
 * await input.pipeInput('mill', 'a')
 * await input.pipeInput('mill', 'b', { timestamp: 10 })
 * driver.createOutputTopic('counts', { keySerde: Serdes.string, valueSerde: Serdes.long }).readValues() // => [1, 2]
 * driver.trace().split('\n')[0] // => '0_0 KSTREAM-SOURCE-0000000000  "mill": "a"  at 0 <- words/0@0'
 * ```
 */
export class TopologyTestDriver implements AsyncDisposable {
  readonly #topology: Topology
  readonly #options: TestDriverOptions
  readonly #produced = new Map<string, ProducedTopic>()
  /** What was done so far, to be done again. */
  #history: Step[] = []
  #trace: string[] = []
  #wallClockMs: number
  #cluster: TestCluster

  constructor(topology: Topology, options: TestDriverOptions = {}) {
    this.#topology = topology
    this.#options = options
    this.#wallClockMs = options.wallClockMs ?? 0
    this.#cluster = this.#start()
  }

  createInputTopic<K, V>(topic: string, serdes: TestTopicSerdes<K, V>, options?: InputTopicOptions): TestInputTopic<K, V> {
    this.#cluster.checkSource(topic)
    return new TestInputTopic({ topic, serdes, pipe: (records) => this.pipeAll(records), ...(options ? { options } : {}) })
  }

  /** Also for repartition topics and changelogs, by their full names. */
  createOutputTopic<K, V>(topic: string, serdes: TestTopicSerdes<K, V>): TestOutputTopic<K, V> {
    return new TestOutputTopic(topic, serdes, this.#producedOf(topic))
  }

  /** Processes one record of bytes and everything that follows from it. */
  pipe(topic: string, record: LogRecord): Promise<void> {
    return this.pipeAll([{ topic, record }])
  }

  /** Puts all records on their topics, in this order, before the first one is processed: timestamps decide which goes first (S-13). */
  async pipeAll(inputs: readonly PipedRecord[]): Promise<void> {
    for (const { topic } of inputs) this.#cluster.checkSource(topic)
    const done = this.#do(inputs)
    if (done instanceof Promise) await done
  }

  /** Moves the clock, calls the punctuators that are due, and processes what follows from it. */
  async advanceWallClockTime(ms: number): Promise<void> {
    await this.#do(ms)
  }

  /** Inputs and moves of the clock so far: where {@link travelTo} can go. */
  get step(): number {
    return this.#history.length
  }

  /**
   * Goes back to where things stood after so many steps: stores, clock, times, and on the topics everything that was written until
   * then, read or not. From there another story can be told.
   */
  async travelTo(step: number): Promise<void> {
    if (!Number.isInteger(step) || step < 0 || step > this.step)
      throw new StreamsError('INPUT_INVALID', `There is no step ${step} to go to: ${this.step} were made`)
    const past = this.#history.slice(0, step)
    await this.#cluster.close()
    for (const topic of this.#produced.values()) topic.clear()
    this.#history = []
    this.#trace = []
    this.#wallClockMs = this.#options.wallClockMs ?? 0
    this.#cluster = this.#start()
    for (const made of past) await this.#do(made)
  }

  /** What each node saw since the last call, one line per visit; needs the option `trace`. */
  trace(): string {
    if (!this.#options.trace) throw new StreamsError('CONFIG_INVALID', 'The driver keeps no trace: it was made without { trace: true }')
    return this.#trace.splice(0).join('\n')
  }

  /** Records written to a topic and not yet read, oldest first; the list is live. */
  producedTo(topic: string): ProducedRecord[] {
    return this.#producedOf(topic).watch()
  }

  /** Every topic that was written to. */
  producedTopicNames(): readonly string[] {
    return [...this.#produced].filter(([, produced]) => !produced.isEmpty).map(([topic]) => topic)
  }

  /** How many partitions a topic has. */
  partitionsOf(topic: string): number {
    return this.#cluster.partitionsOf(topic)
  }

  /**
   * A store as its processors see it; where it has several partitions, that of one. INPUT_INVALID for a name that the topology does
   * not have, or for a store of another kind.
   */
  getKeyValueStore<K, V>(name: string, partition?: number): KeyValueStore<K, V> {
    return this.#store(name, { kind: 'key-value', holds: 'values' }, partition)
  }

  getTimestampedKeyValueStore<K, V>(name: string, partition?: number): TimestampedKeyValueStore<K, V> {
    return this.#store(name, { kind: 'key-value', holds: 'timestamped' }, partition)
  }

  getTimestampedKeyValueStoreWithHeaders<K, V>(name: string, partition?: number): TimestampedKeyValueStoreWithHeaders<K, V> {
    return this.#store(name, { kind: 'key-value', holds: 'headers' }, partition)
  }

  getWindowStore<K, V>(name: string, partition?: number): WindowStore<K, V> {
    return this.#store(name, { kind: 'window', holds: 'values' }, partition)
  }

  getTimestampedWindowStore<K, V>(name: string, partition?: number): TimestampedWindowStore<K, V> {
    return this.#store(name, { kind: 'window', holds: 'timestamped' }, partition)
  }

  getTimestampedWindowStoreWithHeaders<K, V>(name: string, partition?: number): TimestampedWindowStoreWithHeaders<K, V> {
    return this.#store(name, { kind: 'window', holds: 'headers' }, partition)
  }

  getSessionStore<K, V>(name: string, partition?: number): SessionStore<K, V> {
    return this.#store(name, { kind: 'session', holds: 'values' }, partition)
  }

  getSessionStoreWithHeaders<K, V>(name: string, partition?: number): SessionStoreWithHeaders<K, V> {
    return this.#store(name, { kind: 'session', holds: 'headers' }, partition)
  }

  getVersionedKeyValueStore<K, V>(name: string, partition?: number): VersionedKeyValueStore<K, V> {
    return this.#store(name, { kind: 'versioned', holds: 'versions' }, partition)
  }

  /** The names of all stores. */
  storeNames(): readonly string[] {
    return [...new Set(this.#cluster.stores().map(({ spec }) => spec.name))]
  }

  /** Records dropped so far: null keys in aggregations, invalid timestamps and the like. */
  get dropped(): number {
    return [...this.#cluster.dropped.values()].reduce((sum, count) => sum + count, 0)
  }

  /** The same by `<node>: <why>`. */
  get droppedRecords(): ReadonlyMap<string, number> {
    return this.#cluster.dropped
  }

  async close(): Promise<void> {
    await this.#cluster.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #start(): TestCluster {
    return new TestCluster(this.#topology, {
      applicationId: this.#options.applicationId ?? 'test',
      nowMs: () => this.#wallClockMs,
      partitions: this.#options.partitions,
      produced: (topic) => this.#producedOf(topic),
      cuts: this.#options.cutAfter === 'record',
      visited: this.#options.trace ? (visit) => void this.#trace.push(traceLine(visit)) : undefined,
    })
  }

  #do(step: Step): Awaitable<void> {
    if (this.#options.cutAfter === 'record' && this.step > 0) this.#cluster.cut()
    this.#history.push(step)
    if (typeof step !== 'number')
      return andThen(
        forEachInOrder(step, (input) => this.#cluster.add(input)),
        () => this.#cluster.processAll(),
      )
    this.#wallClockMs += step
    return this.#cluster.punctuate()
  }

  #producedOf(topic: string): ProducedTopic {
    const known = this.#produced.get(topic)
    if (known) return known
    const produced = new ProducedTopic()
    this.#produced.set(topic, produced)
    return produced
  }

  #store<S extends StateStore>(
    name: string,
    wanted: { readonly kind: StoreSpec['kind']; readonly holds: string },
    partition: number | undefined,
  ): S {
    const stores = this.#cluster.stores()
    const named = stores.filter(({ spec }) => spec.name === name)
    const found = partition === undefined && named.length === 1 ? named[0] : named.find((it) => it.partition === partition)
    if (!found) {
      if (named.length === 0) throw noStore(`The topology has no store "${name}"; it has ${this.storeNames().join(', ') || 'none'}`)
      const asked = partition === undefined ? 'say of which' : `there is no ${partition}`
      throw noStore(`Store "${name}" has partitions 0 to ${named.length - 1}: ${asked}`)
    }
    const { spec, store } = found
    if (!('holds' in spec)) {
      const whose = spec.kind === 'join-buffer' ? 'join' : 'suppression'
      throw noStore(`Store "${name}" is the buffer of a ${whose}, which cannot be read`)
    }
    if (spec.kind === wanted.kind && spec.holds === wanted.holds) return store.api as S
    throw noStore(`Store "${name}" is a ${spec.kind} store of ${spec.holds}, not a ${wanted.kind} store of ${wanted.holds}`)
  }
}

/** Records that were piped together, or what the clock was moved by, ms. */
type Step = readonly PipedRecord[] | number

const noStore = (why: string): StreamsError =>
  new StreamsError('INPUT_INVALID', why, { remedy: 'Ask for a store by its name, with the getter of its kind.' })
