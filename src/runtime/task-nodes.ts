import { type Awaitable, forEachInOrder } from '../awaitable.ts'
import { messageOf, StreamsError } from '../errors.ts'
import type { ContextHolder, RecordContext } from '../processor/context.ts'
import type { AnyProcessor, Cancellable, Clock, ProcessorContext, Punctuator, Schedule } from '../processor/processor.ts'
import { type Headers, noHeaders, type Record, type RecordMetadata } from '../processor/record.ts'
import type { StateStore, StoreBuilder } from '../processor/store.ts'
import { type ProcessorNode, type SinkNode, topicName } from '../topology/nodes.ts'
import type { Outputs } from './effects.ts'
import type { Failures } from './failures.ts'
import type { Punctuations } from './punctuations.ts'

/** What the nodes of one task share. */
export interface TaskScope {
  readonly applicationId: string
  readonly taskId: string
  readonly partition: number
  readonly clock: Clock
  readonly holder: ContextHolder
  readonly outputs: Outputs
  readonly stores: ReadonlyMap<string, { readonly api: StateStore }>
  /** A global store, which any node may read without being connected. */
  globalStore(name: string): StateStore | undefined
  readonly remembered: Map<string, number>
  /** Partition count of a topic; a promise where the cluster has to be asked. */
  partitionsOf(topic: string): Awaitable<number>
  streamTime(): number
  dropped(node: string, why: string): void
  readonly failures: Failures
  readonly punctuations: Punctuations
}

/** A node of a running task. */
export interface TaskNode {
  readonly name: string
  process(record: Record<unknown, unknown>): Awaitable<void>
}

const negativeTimestamp = (node: string, timestamp: number): StreamsError =>
  new StreamsError('PROCESSING_FAILED', `Node ${node} forwards a record with the timestamp ${timestamp}: it may not be negative`)

const located = new WeakSet<object>()

/** Says at which node and at which input record something failed; an error that says so already stays as it is. */
const locate = (error: unknown, node: string, { current }: ContextHolder, doing = ''): unknown => {
  if (error instanceof StreamsError && located.has(error)) return error
  const where = current?.topic ? ` at ${current.topic}/${current.partition}@${current.offset}` : ''
  const code = error instanceof StreamsError ? error.code : 'PROCESSING_FAILED'
  const remedy = error instanceof StreamsError ? { remedy: error.remedy } : {}
  const found = new StreamsError(code, `Node ${node} failed${doing && ` ${doing}`}${where}: ${messageOf(error)}`, {
    cause: error,
    ...remedy,
  })
  located.add(found)
  return found
}

/** Where the record of a context was read. */
export const metadataOf = ({ topic, partition, offset }: RecordContext): RecordMetadata => ({ topic, partition, offset })

/** The context of a record that was forwarded with another time, or other headers: where it was read stays. */
class ForwardedContext implements RecordContext {
  readonly timestamp: number
  readonly headers: Headers
  readonly #before: RecordContext

  constructor(before: RecordContext, { timestamp, headers }: Record<unknown, unknown>) {
    this.#before = before
    this.timestamp = timestamp
    this.headers = headers
  }

  get topic(): string {
    return this.#before.topic
  }

  get partition(): number {
    return this.#before.partition
  }

  get offset(): number {
    return this.#before.offset
  }

  get rawKey(): Uint8Array | null {
    return this.#before.rawKey
  }

  get rawValue(): Uint8Array | null {
    return this.#before.rawValue
  }
}

/** A processor with its children; also its context. */
export class RunningProcessor implements TaskNode, ProcessorContext<unknown, unknown> {
  readonly name: string
  readonly #scope: TaskScope
  readonly #processor: AnyProcessor
  readonly #stores: readonly string[]
  readonly #mayPunctuate: boolean
  readonly #children: TaskNode[] = []
  #starting = false

  constructor(node: ProcessorNode, scope: TaskScope) {
    this.name = node.name
    this.#scope = scope
    this.#stores = node.stores
    this.#mayPunctuate = node.mayPunctuate ?? true
    this.#processor = node.supplier()
  }

  addChild(child: TaskNode): void {
    this.#children.push(child)
  }

  start(): void {
    this.#starting = true
    try {
      this.#processor.init?.(this)
    } catch (error) {
      throw locate(error, this.name, this.#scope.holder, 'to start')
    } finally {
      this.#starting = false
    }
  }

  close(): void {
    this.#processor.close?.()
  }

  process(record: Record<unknown, unknown>): Awaitable<void> {
    const context = this.#scope.holder.current
    try {
      const pending = this.#processor.process(record)
      if (!(pending instanceof Promise)) return
      return pending.catch((error: unknown) => this.#failed(error, record, context))
    } catch (error) {
      this.#failed(error, record, context)
    }
  }

  /** Calls a punctuator of this node: there is no input record, and the time is that of the call (S-12). */
  punctuate(punctuator: Punctuator, timestamp: number): Awaitable<void> {
    const { holder } = this.#scope
    holder.current = { topic: '', partition: -1, offset: -1, timestamp, headers: noHeaders, rawKey: null, rawValue: null }
    const context = holder.current
    try {
      const pending = punctuator(timestamp)
      if (!(pending instanceof Promise)) return
      return pending.catch((error: unknown) => this.#failed(error, null, context))
    } catch (error) {
      this.#failed(error, null, context)
    }
  }

  /** Resumes if the handler says so: the record is dropped at this node, what was forwarded before stays. */
  #failed(error: unknown, record: Record<unknown, unknown> | null, context: RecordContext | undefined): void {
    const { failures, holder } = this.#scope
    const inner = holder.current
    holder.current = context
    if (failures.processing(this.name, record, error)) return
    holder.current = inner
    throw failures.final(locate(error, this.name, holder))
  }

  forward(record: Record<unknown, unknown>, child?: string): Awaitable<void> {
    const { holder } = this.#scope
    const before = holder.current
    if (record.timestamp < 0) throw negativeTimestamp(this.name, record.timestamp)
    const only = child === undefined ? (this.#children.length === 1 ? this.#children[0] : undefined) : this.#child(child)
    if (before === undefined || (before.timestamp === record.timestamp && before.headers === record.headers)) {
      return only ? only.process(record) : forEachInOrder(this.#children, (child) => child.process(record))
    }
    holder.current = new ForwardedContext(before, record)
    const pending = only ? only.process(record) : forEachInOrder(this.#children, (child) => child.process(record))
    if (pending instanceof Promise) {
      return pending.then(() => {
        holder.current = before
      })
    }
    holder.current = before
  }

  #child(name: string): TaskNode {
    const found = this.#children.find((it) => it.name === name)
    if (found) return found
    const known = this.#children.map((it) => it.name).join(', ') || 'none'
    throw new StreamsError('CONFIG_INVALID', `Node ${this.name} forwards to "${name}", which is not one of its children: ${known}`)
  }

  get applicationId(): string {
    return this.#scope.applicationId
  }

  get taskId(): string {
    return this.#scope.taskId
  }

  get recordMetadata(): RecordMetadata | undefined {
    const { current } = this.#scope.holder
    return current && metadataOf(current)
  }

  drop(why: string): void {
    this.#scope.dropped(this.name, why)
  }

  getStateStore<S extends StateStore>(asked: string | StoreBuilder<S>): S {
    const name = typeof asked === 'string' ? asked : asked.name
    const store = this.#stores.includes(name) ? this.#scope.stores.get(name)?.api : this.#scope.globalStore(name)
    if (store) return store as S
    const connected = this.#stores.join(', ') || 'no store'
    throw new StreamsError('CONFIG_INVALID', `Node ${this.name} asks for store "${name}" but is connected to ${connected}`)
  }

  currentStreamTimeMs(): number {
    return this.#scope.streamTime()
  }

  currentSystemTimeMs(): number {
    return this.#scope.clock.nowMs()
  }

  schedule(schedule: Schedule, punctuator: Punctuator): Cancellable {
    if (!this.#mayPunctuate)
      throw new StreamsError(
        'CONFIG_INVALID',
        `Node ${this.name} fills a global store: it makes no schedules, for each reader would fire them`,
      )
    if (!this.#starting) {
      throw new StreamsError('CONFIG_INVALID', `Node ${this.name} makes a schedule after init: it would be gone when the invocation ends`, {
        remedy: 'Make it in init, and let the punctuator return at once while there is nothing to do.',
      })
    }
    return this.#scope.punctuations.add(this.name, schedule, {
      punctuator,
      nowMs: schedule.type === 'STREAM_TIME' ? this.currentStreamTimeMs() : this.currentSystemTimeMs(),
    })
  }

  commit(): void {}

  remember(name: string, value: number): void {
    this.#scope.remembered.set(name, value)
  }

  remembered(name: string): number | undefined {
    return this.#scope.remembered.get(name)
  }
}

/** Serializes and partitions what leaves the task. */
export const runningSink = (node: SinkNode, scope: TaskScope): TaskNode => {
  const { holder, outputs } = scope
  const fixed = typeof node.topic === 'function' ? undefined : topicName(node.topic, scope.applicationId)
  let fixedPartitions: number | undefined
  const topicOf = (record: Record<unknown, unknown>): string => {
    if (fixed !== undefined) return fixed
    const { topic = '', partition = -1, offset = -1 } = holder.current ?? {}
    return (node.topic as (key: unknown, value: unknown, context: object) => string)(record.key, record.value, {
      topic,
      partition,
      offset,
      timestamp: record.timestamp,
    })
  }
  /** False: the handler dropped the record. */
  const write = (origin: 'KEY' | 'VALUE', topic: string, record: Record<unknown, unknown>): boolean => {
    const isKey = origin === 'KEY'
    const slot = isKey ? outputs.key : outputs.value
    const value = isKey ? record.key : record.value
    if (value === null || value === undefined) {
      slot.set(null)
      return true
    }
    const serde = isKey ? node.keySerde : node.valueSerde
    try {
      slot.write(serde, value, topic)
      return true
    } catch (cause) {
      if (!isMistake(cause) && scope.failures.production(node.name, { topic, record, origin }, cause)) return false
      const what = `the ${origin.toLowerCase()} for topic ${topic} with the ${serde.name} serde`
      throw new StreamsError('SERDE_FAILED', `Cannot write ${what}: ${messageOf(cause)}`, { cause })
    }
  }
  const { windowBytes } = node.keySerde
  const send = (topic: string, count: number, record: Record<unknown, unknown>): void => {
    if (!write('KEY', topic, record) || !write('VALUE', topic, record)) return
    const chosen = node.partitioner?.(topic, record.key, record.value, count)
    if (chosen === undefined) {
      // without a key the task's own partition: spread like the input, and one batch instead of many
      outputs.add(topic, outputs.key.isNull ? scope.partition % count : outputs.partitionOf(count, windowBytes), record)
      return
    }
    if (chosen.length === 0) scope.dropped(node.name, 'the partitioner chose no partition')
    for (const partition of chosen) outputs.add(topic, checkPartition(partition, count, topic), record)
  }
  return {
    name: node.name,
    process: (record) => {
      try {
        const topic = topicOf(record)
        const count = topic === fixed && fixedPartitions !== undefined ? fixedPartitions : scope.partitionsOf(topic)
        if (count instanceof Promise) {
          return count
            .then((it) => {
              if (topic === fixed) fixedPartitions = it
              send(topic, it, record)
            })
            .catch((error: unknown) => {
              throw locate(error, node.name, holder)
            })
        }
        if (topic === fixed) fixedPartitions = count
        send(topic, count, record)
      } catch (error) {
        throw locate(error, node.name, holder)
      }
    },
  }
}

/** A value of another type than the serde's: no handler is asked, as Kafka does not for a ClassCastException. */
const isMistake = (error: unknown): boolean => error instanceof TypeError || (error instanceof Error && error.cause instanceof TypeError)

const checkPartition = (partition: number, count: number, topic: string): number => {
  if (Number.isInteger(partition) && partition >= 0 && partition < count) return partition
  throw new StreamsError('PROCESSING_FAILED', `The partitioner chose partition ${partition} of topic ${topic}, which has ${count}`)
}
