import { type Awaitable, andThen, forEachInOrder } from '../awaitable.ts'
import { messageOf, StreamsError } from '../errors.ts'
import { invariant } from '../invariant.ts'
import type { ContextHolder } from '../processor/context.ts'
import type { Clock } from '../processor/processor.ts'
import type { Record, RecordMetadata } from '../processor/record.ts'
import type { StateStore } from '../processor/store.ts'
import { keyId } from '../serde/serde.ts'
import type { Rows } from '../state/rows.ts'
import type { AnySerde, SourceNode, StoreSpec } from '../topology/nodes.ts'
import { failOnInvalidTimestamp } from '../topology/timestamps.ts'
import { outputHeaders } from './commit-record.ts'
import { type Effects, initialTimes, Outputs, type Stamp, type StoreChange, type TaskTimes } from './effects.ts'
import { createFailures, type Failures } from './failures.ts'
import { type TaskPlan, taskIdOf } from './plan.ts'
import type { FetchedRecord } from './ports.ts'
import { Punctuations } from './punctuations.ts'
import { PackedRecord } from './record-block.ts'
import { type Prepare, RecordQueues, StampedRecord } from './record-queues.ts'
import { metadataOf, RunningProcessor, runningSink, type TaskNode, type TaskScope } from './task-nodes.ts'
import { openStore, type TaskStore } from './task-stores.ts'

export interface TaskOptions {
  readonly plan: TaskPlan
  readonly partition: number
  readonly clock: Clock
  /** Partition count of a topic; a promise where the cluster has to be asked. */
  readonly partitionsOf: (topic: string) => Awaitable<number>
  /** Rows of each store: the task reads and writes them, the caller flushes them. */
  readonly rowsOf: (store: StoreSpec) => Rows
  readonly times?: TaskTimes
  /** Number of the last transaction: what leaves the application is stamped with the next one's. Absent: nothing is stamped. */
  readonly seq?: number
  /** A global store for the processors to read; undefined where the application has none of that name. */
  readonly globalStore?: (name: string) => StateStore | undefined
  /** Told of every record that reaches a node, before the node sees it: for tests and tools, it costs. */
  readonly visited?: (visit: NodeVisit) => void
}

/** A record at a node. */
export interface NodeVisit {
  readonly taskId: string
  readonly node: string
  /** 0 for sources, and for what follows from a flush or a punctuation. */
  readonly depth: number
  readonly record: Record<unknown, unknown>
  /** Of a source: the topic record. */
  readonly from?: RecordMetadata
}

type Visit = ((node: string, record: Record<unknown, unknown>, from?: RecordMetadata) => void) | undefined

/**
 * One sub-topology and one partition of it: records in, {@link Effects} out. It reaches the world only through its options,
 * so one seed replays one run. An error leaves it unusable: what it did since the last commit is thrown away with it.
 */
export class Task {
  readonly #options: TaskOptions
  readonly #queues: RecordQueues
  readonly #holder: ContextHolder = { current: undefined }
  readonly #outputs: Outputs
  readonly #stores = new Map<string, TaskStore>()
  readonly #cached: TaskStore[] = []
  readonly #sources = new Map<SourceNode, TaskNode[]>()
  readonly #processors = new Map<string, RunningProcessor>()
  readonly #punctuations: Punctuations
  readonly #dropped = new Map<string, number>()
  readonly #failures: Failures
  readonly #remembered: Map<string, number>
  #streamTime: number
  readonly #visit: Visit
  #depth = 0
  /** Of the next transaction. */
  #seq: number | undefined

  constructor(options: TaskOptions) {
    this.#options = options
    const times = options.times ?? initialTimes
    const { visited, plan, partition } = options
    this.#visit =
      visited &&
      ((node, record, from) => visited({ taskId: taskIdOf(plan, partition), node, depth: this.#depth, record, ...(from ? { from } : {}) }))
    this.#failures = createFailures({
      handlers: options.plan.handlers,
      holder: this.#holder,
      taskId: taskIdOf(plan, partition),
      partition: options.partition,
      dropped: (node, why) => this.#drop(node, why),
    })
    this.#seq = options.seq === undefined ? undefined : options.seq + 1
    this.#outputs = new Outputs(this.#stamp())
    this.#streamTime = times.streamTime
    this.#remembered = new Map(Object.entries(times.remembered ?? {}))
    this.#punctuations = new Punctuations(this.#remembered, (node, punctuator, timestampMs) =>
      this.#processors.get(node)?.punctuate(punctuator, timestampMs),
    )
    this.#queues = new RecordQueues((topic) => this.#prepareFrom(topic))
    this.#queues.restore(times.partitionTimes)
    this.#build()
  }

  /** Records dropped so far, by node and reason (Kafka's `dropped-records`). */
  get dropped(): ReadonlyMap<string, number> {
    return this.#dropped
  }

  get streamTime(): number {
    return this.#streamTime
  }

  /** For interactive reads; undefined where the topology has no such store. */
  store(name: string): TaskStore | undefined {
    return this.#stores.get(name)
  }

  add(topic: string, records: readonly FetchedRecord[]): void {
    this.#queues.add(topic, records)
  }

  /** Reads the rows that these records will touch, all at once, so that processing them need not wait. */
  async prefetch(topic: string, records: readonly FetchedRecord[]): Promise<void> {
    await Promise.all(
      this.#options.plan.prefetch.map(async (rule) => {
        const store = this.#stores.get(rule.store)
        if (rule.topic !== topic || !store || store.rows.isComplete) return
        if ('rangesOf' in rule)
          await store.rows.prefetchRanges(readAll(records, (record) => rule.rangesOf(keyOf(record), record.timestamp)))
        else if ('idsOf' in rule) await store.prefetch(readAll(records, (record) => rule.idsOf(idOf(record), record.timestamp)))
        else await store.prefetch(readAll(records, (record) => rule.idOf(idOf(record))))
      }),
    )
  }

  /** Processes all that was added; synchronous as long as every read is. */
  process(): Awaitable<void> {
    for (let record = this.#queues.poll(); record !== undefined; record = this.#queues.poll()) {
      const pending = this.#processOne(record)
      if (pending instanceof Promise) return this.#processRest(pending)
    }
  }

  /** What was added and is not processed yet. */
  get waiting(): RecordQueues['waiting'] {
    return this.#queues.waiting
  }

  /** Whether records of a topic wait to be processed. */
  hasQueued(topic: string): boolean {
    return this.#queues.has(topic)
  }

  /** Processes one record; false when there is none. */
  processNext(): Awaitable<boolean> {
    const record = this.#queues.poll()
    return record === undefined ? false : andThen(this.#processOne(record), () => true)
  }

  /** Whether {@link punctuateWallClock} has something to do. */
  get wallClockIsDue(): boolean {
    return this.#punctuations.isDue('WALL_CLOCK_TIME', this.#options.clock.nowMs())
  }

  /** When {@link wallClockIsDue} will be true, Unix milliseconds; 0 where never again, undefined where nobody ever asked. */
  get wakeMs(): number | undefined {
    return this.#punctuations.wakeMs
  }

  /** Calls the punctuators whose time on the clock has come. */
  punctuateWallClock(): Awaitable<void> {
    if (this.wallClockIsDue) return this.#punctuations.punctuate('WALL_CLOCK_TIME', this.#options.clock.nowMs())
  }

  /** Flushes the caches, which may forward, and hands over what is to be committed. */
  commit(): Awaitable<Effects> {
    return andThen(this.settle(), (settled) => ({ ...settled, times: this.times }))
  }

  /** The same for whoever keeps the task, and does not ask what it would have to remember. */
  settle(): Awaitable<Omit<Effects, 'times'>> {
    const told = andThen(this.#flushStores(), () => this.#sendDeadLetters())
    return told instanceof Promise ? told.then(() => this.#take()) : this.#take()
  }

  #take(): Omit<Effects, 'times'> {
    this.#holder.current = undefined
    const changes: StoreChange[] = []
    for (const store of this.#stores.values()) {
      store.settle?.()
      const rows = store.rows.takeWritten()
      const log = store.takeLog?.()
      if (rows.length === 0 && (log === undefined || log.length === 0)) continue
      changes.push(log ? { store: store.name, rows, log } : { store: store.name, rows })
    }
    const seq = this.#seq
    if (seq === undefined) return { outputs: this.#outputs.take(notStamped), changes }
    this.#seq = seq + 1
    return { seq, outputs: this.#outputs.take(this.#stamp()), changes }
  }

  /** Records that leave the application say which transaction they came from; its own topics stay as Kafka Streams writes them. */
  #stamp(): Stamp {
    if (this.#seq === undefined) return notStamped
    const stamp = outputHeaders(this.#seq)
    return (topic) => (this.#options.plan.internalSinks.has(topic) ? undefined : stamp)
  }

  /** What the task after this one is to know of time. */
  get times(): TaskTimes {
    const times = { streamTime: this.#streamTime, partitionTimes: this.#queues.partitionTimes }
    return this.#remembered.size === 0 ? times : { ...times, remembered: Object.fromEntries(this.#remembered) }
  }

  close(): void {
    for (const processor of this.#processors.values()) processor.close()
  }

  #sendDeadLetters(): Awaitable<void> {
    return forEachInOrder(this.#failures.takeDeadLetters(), ({ topic, ...record }) =>
      andThen(this.#options.partitionsOf(topic), (count) => {
        this.#outputs.key.set(record.key)
        this.#outputs.value.set(record.value)
        this.#outputs.add(topic, record.key === null ? this.#options.partition % count : this.#outputs.partitionOf(count), record)
      }),
    )
  }

  async #processRest(pending: Promise<void>): Promise<void> {
    await pending
    for (let record = this.#queues.poll(); record !== undefined; record = this.#queues.poll()) {
      const next = this.#processOne(record)
      if (next instanceof Promise) await next
    }
  }

  #processOne(stamped: StampedRecord): Awaitable<void> {
    const { source, raw, key, value, timestamp } = stamped
    const { children } = source
    if (timestamp > this.#streamTime) this.#streamTime = timestamp
    this.#holder.current = stamped
    const record = { key, value, timestamp, headers: raw.headers }
    this.#visit?.(this.#sourceOf(source.topic).name, record, metadataOf(stamped))
    const processed =
      children.length === 1 ? (children[0] as TaskNode).process(record) : forEachInOrder(children, (child) => child.process(record))
    return processed instanceof Promise ? processed.then(() => this.#punctuateStreamTime()) : this.#punctuateStreamTime()
  }

  #punctuateStreamTime(): Awaitable<void> {
    if (this.#punctuations.isDue('STREAM_TIME', this.#streamTime)) return this.#punctuations.punctuate('STREAM_TIME', this.#streamTime)
  }

  /** Deserializes the records of a topic and gives them their time. */
  #prepareFrom(topic: string): Prepare {
    const { partition } = this.#options
    const source = this.#sourceOf(topic)
    const children = this.#sources.get(source)
    invariant(children, `no source reads ${topic}`)
    const from = { topic, partition, children }
    const { timestampExtractor: extract } = source
    return (raw, partitionTime) => {
      const { timestamp: own, headers, offset } = raw
      let key: unknown
      let value: unknown
      try {
        key = this.#deserialize('key', source.keySerde, topic, raw)
        value = this.#deserialize('value', source.valueSerde, topic, raw)
      } catch (error) {
        if (this.#failures.deserialization({ node: source.name, topic, raw }, error)) return undefined
        throw error
      }
      const isOwn = extract === undefined || (extract === failOnInvalidTimestamp && own >= 0)
      const timestamp = isOwn ? own : extract({ key, value, timestamp: own, headers, topic, partition, offset }, partitionTime)
      if (timestamp >= 0) return new StampedRecord(raw, from, timestamp, key, value)
      this.#drop(source.name, 'negative timestamp')
    }
  }

  #deserialize(what: 'key' | 'value', serde: AnySerde, topic: string, raw: FetchedRecord): unknown {
    try {
      if (raw instanceof PackedRecord) return what === 'key' ? raw.readKey(serde, topic) : raw.readValue(serde, topic)
      const bytes = raw[what]
      return bytes === null ? null : serde.deserialize(bytes, topic)
    } catch (cause) {
      const where = `${topic}/${this.#options.partition}@${raw.offset}`
      throw new StreamsError('SERDE_FAILED', `Cannot read the ${what} of ${where} with the ${serde.name} serde: ${messageOf(cause)}`, {
        cause,
      })
    }
  }

  #sourceOf(topic: string): SourceNode {
    const source = this.#options.plan.sources.get(topic)
    invariant(source, `no source reads ${topic}`)
    return source
  }

  #drop(node: string, why: string): void {
    const key = `${node}: ${why}`
    this.#dropped.set(key, (this.#dropped.get(key) ?? 0) + 1)
  }

  /** In their order, as Kafka does; again where one that was flushed got something more, which must not be left behind. */
  #flushStores(): Awaitable<void> {
    while (this.#cached.some(isDirty)) {
      const flushed = forEachInOrder(this.#cached, flush)
      if (flushed instanceof Promise) return flushed.then(() => this.#flushStores())
    }
  }

  /** A node that tells when it is visited. */
  #traced(node: TaskNode, visit: NonNullable<Visit>): TaskNode {
    return {
      name: node.name,
      process: (record) => {
        this.#depth++
        visit(node.name, record)
        return andThen(node.process(record), () => {
          this.#depth--
        })
      },
    }
  }

  #build(): void {
    const { plan, partition, clock, partitionsOf, rowsOf, globalStore = () => undefined } = this.#options
    for (const spec of plan.stores) {
      const changelog = plan.changelogs.get(spec.name) ?? spec.name
      const store = openStore(spec, {
        changelog,
        rows: rowsOf(spec),
        holder: this.#holder,
        remembered: this.#remembered,
        dropped: (why) => this.#drop(spec.name, why),
      })
      this.#stores.set(spec.name, store)
      if (store.typed) this.#cached.push(store)
    }
    const scope: TaskScope = {
      applicationId: plan.applicationId,
      taskId: taskIdOf(plan, partition),
      partition,
      clock,
      holder: this.#holder,
      outputs: this.#outputs,
      stores: this.#stores,
      globalStore,
      remembered: this.#remembered,
      partitionsOf,
      streamTime: () => this.#streamTime,
      dropped: (node, why) => this.#drop(node, why),
      failures: this.#failures,
      punctuations: this.#punctuations,
    }
    const adopt = (parents: readonly string[], node: TaskNode): void => {
      const child = this.#visit ? this.#traced(node, this.#visit) : node
      for (const name of parents) {
        const parent = this.#processors.get(name)
        if (parent) parent.addChild(child)
        else for (const [source, children] of this.#sources) if (source.name === name) children.push(child)
      }
    }
    for (const node of plan.nodes) {
      if (node.kind === 'source') this.#sources.set(node, [])
      else if (node.kind === 'sink') adopt(node.parents, runningSink(node, scope))
      else {
        const processor = new RunningProcessor(node, scope)
        this.#processors.set(node.name, processor)
        adopt(node.parents, processor)
      }
    }
    for (const processor of this.#processors.values()) processor.start()
  }
}

const isDirty = ({ typed }: TaskStore): boolean => typed?.isDirty === true
const flush = (store: TaskStore): Awaitable<void> => store.flush()
const notStamped: Stamp = () => undefined

const keyOf = ({ key }: FetchedRecord): Uint8Array => key ?? noKey
const noKey = Buffer.of()
const idOf = (record: FetchedRecord): string => (record instanceof PackedRecord ? record.keyId : keyId(keyOf(record)))

const hasKey = (record: FetchedRecord): boolean => (record instanceof PackedRecord ? record.hasKey : record.key !== null)

/** What is read for all records with a key. */
const readAll = <T>(records: readonly FetchedRecord[], read: (record: FetchedRecord) => T | readonly T[]): readonly T[] => {
  const all: T[] = []
  for (const record of records) {
    if (!hasKey(record)) continue
    try {
      const found = read(record)
      if (Array.isArray(found)) for (const one of found as readonly T[]) all.push(one)
      else all.push(found as T)
    } catch {
      // a key that cannot be read fails where it is processed, with its offset
    }
  }
  return all
}
