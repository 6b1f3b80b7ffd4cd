import type { AbortedTransaction } from './record-batch.ts'
import type { Reader, Writer } from './wire.ts'

/** One kind of request. All versions from `versionMin` to `versionMax` share this codec; the broker's largest of them is used. */
export interface Api<Request, Answer> {
  readonly name: string
  readonly key: number
  readonly versionMin: number
  readonly versionMax: number
  write(writer: Writer, request: Request, version: number): void
  read(reader: Reader, version: number): Answer
}

export interface OfTopic<P> {
  readonly topic: string
  readonly partitions: readonly P[]
}

interface Producing {
  readonly transactionalId: string
  readonly producerId: number
  readonly epoch: number
}

export interface PartitionError {
  readonly partition: number
  readonly error: number
}

/** Items grouped by topic, in order of first appearance, as requests want them. */
export const byTopic = <T extends { readonly topic: string }>(items: readonly T[]): readonly OfTopic<T>[] => {
  const groups = new Map<string, T[]>()
  for (const item of items) {
    const group = groups.get(item.topic)
    if (group === undefined) groups.set(item.topic, [item])
    else group.push(item)
  }
  return [...groups].map(([topic, partitions]) => ({ topic, partitions }))
}

const writeTopics = <P>(writer: Writer, topics: readonly OfTopic<P>[], write: (partition: P) => void): void => {
  writer.array(topics, ({ topic, partitions }) => writer.string(topic).array(partitions, write).noTags())
}

const readTopics = <P>(reader: Reader, read: () => P): readonly OfTopic<P>[] =>
  reader.array(() => {
    const topic = reader.string()
    const partitions = reader.array(() => {
      const partition = read()
      reader.tags()
      return partition
    })
    reader.tags()
    return { topic, partitions }
  })

const readPartitionError = (reader: Reader): PartitionError => ({ partition: reader.int32(), error: reader.int16() })

const readError = (reader: Reader): { readonly error: number } => {
  reader.int32()
  return { error: reader.int16() }
}

export interface BrokerAddress {
  readonly host: string
  readonly port: number
}

export interface TopicMetadata {
  readonly error: number
  readonly topic: string
  readonly partitions: readonly { readonly error: number; readonly partition: number; readonly leader: number }[]
}

export const metadata: Api<
  /** null: all that there are. */
  { readonly topics: readonly string[] | null },
  { readonly brokers: readonly (BrokerAddress & { readonly id: number })[]; readonly topics: readonly TopicMetadata[] }
> = {
  name: 'Metadata',
  key: 3,
  versionMin: 12,
  versionMax: 12,
  write(writer, { topics }) {
    if (topics === null) writer.nullArray()
    else writer.array(topics, (topic) => writer.int64(0).int64(0).string(topic).noTags())
    writer.boolean(false).boolean(false).noTags()
  },
  read(reader) {
    reader.int32()
    const brokers = reader.array(() => {
      const broker = { id: reader.int32(), host: reader.string(), port: reader.int32() }
      reader.nullableString()
      reader.tags()
      return broker
    })
    reader.nullableString()
    reader.int32()
    const topics = reader.array(() => {
      const error = reader.int16()
      const topic = reader.string()
      reader.uuid()
      reader.boolean()
      const partitions = reader.array(() => {
        const partition = { error: reader.int16(), partition: reader.int32(), leader: reader.int32() }
        reader.int32()
        for (let lists = 0; lists < 3; lists++) reader.array(() => reader.int32())
        reader.tags()
        return partition
      })
      reader.int32()
      reader.tags()
      return { error, topic, partitions }
    })
    return { brokers, topics }
  },
}

export type CoordinatorType = 'group' | 'transaction'

export const findCoordinator: Api<
  { readonly type: CoordinatorType; readonly key: string },
  BrokerAddress & { readonly error: number; readonly message: string }
> = {
  name: 'FindCoordinator',
  key: 10,
  versionMin: 4,
  versionMax: 4,
  write(writer, { type, key }) {
    writer
      .int8(type === 'group' ? 0 : 1)
      .array([key], (one) => writer.string(one))
      .noTags()
  },
  read(reader) {
    reader.int32()
    const [coordinator] = reader.array(() => {
      reader.string()
      reader.int32()
      const found = { host: reader.string(), port: reader.int32(), error: reader.int16(), message: reader.string() }
      reader.tags()
      return found
    })
    return coordinator ?? { host: '', port: 0, error: 15, message: 'an empty answer' }
  },
}

export const initProducerId: Api<
  { readonly transactionalId: string; readonly transactionTimeoutMs: number },
  { readonly error: number; readonly producerId: number; readonly epoch: number }
> = {
  name: 'InitProducerId',
  key: 22,
  versionMin: 4,
  versionMax: 5,
  write(writer, { transactionalId, transactionTimeoutMs }) {
    writer.string(transactionalId).int32(transactionTimeoutMs).int64(-1).int16(-1).noTags()
  },
  read: (reader) => ({ ...readError(reader), producerId: reader.int64(), epoch: reader.int16() }),
}

export const addPartitionsToTxn: Api<
  Producing & { readonly topics: readonly OfTopic<{ readonly partition: number }>[] },
  { readonly topics: readonly OfTopic<PartitionError>[] }
> = {
  name: 'AddPartitionsToTxn',
  key: 24,
  versionMin: 3,
  versionMax: 3,
  write(writer, { transactionalId, producerId, epoch, topics }) {
    writer.string(transactionalId).int64(producerId).int16(epoch)
    writeTopics(writer, topics, ({ partition }) => writer.int32(partition))
    writer.noTags()
  },
  read(reader) {
    reader.int32()
    return { topics: readTopics(reader, () => readPartitionError(reader)) }
  },
}

export interface Produced extends PartitionError {
  readonly baseOffset: number
  readonly message: string | null
}

export const produce: Api<
  {
    readonly transactionalId: string
    readonly timeoutMs: number
    readonly topics: readonly OfTopic<{ readonly partition: number; readonly bytes: Buffer }>[]
  },
  { readonly topics: readonly OfTopic<Produced>[] }
> = {
  name: 'Produce',
  key: 0,
  versionMin: 9,
  versionMax: 12,
  write(writer, { transactionalId, timeoutMs, topics }) {
    writer.string(transactionalId).int16(-1).int32(timeoutMs)
    writeTopics(writer, topics, ({ partition, bytes }) => writer.int32(partition).bytes(bytes).noTags())
    writer.noTags()
  },
  read(reader) {
    const topics = readTopics(reader, () => {
      const answer = { ...readPartitionError(reader), baseOffset: reader.int64() }
      reader.int64()
      reader.int64()
      reader.array(() => {
        reader.int32()
        reader.nullableString()
        reader.tags()
      })
      return { ...answer, message: reader.nullableString() }
    })
    return { topics }
  },
}

/** From version 5 on the coordinator bumps the epoch with every end (KIP-890); before, the answer has no producer. */
export const endTxn: Api<
  Producing & { readonly committed: boolean },
  { readonly error: number; readonly next: { readonly producerId: number; readonly epoch: number } | null }
> = {
  name: 'EndTxn',
  key: 26,
  versionMin: 3,
  versionMax: 5,
  write(writer, { transactionalId, producerId, epoch, committed }) {
    writer.string(transactionalId).int64(producerId).int16(epoch).boolean(committed).noTags()
  },
  read(reader, version) {
    const { error } = readError(reader)
    return { error, next: version < 5 ? null : { producerId: reader.int64(), epoch: reader.int16() } }
  },
}

export const listOffsets: Api<
  /** A number: the first record that is not older, Unix milliseconds; the answer is -1 where there is none. */
  { readonly at: 'earliest' | 'latest' | number; readonly topics: readonly OfTopic<{ readonly partition: number }>[] },
  { readonly topics: readonly OfTopic<PartitionError & { readonly offset: number }>[] }
> = {
  name: 'ListOffsets',
  key: 2,
  versionMin: 6,
  versionMax: 7,
  write(writer, { at, topics }) {
    writer.int32(-1).int8(0)
    writeTopics(writer, topics, ({ partition }) =>
      writer
        .int32(partition)
        .int32(-1)
        .int64(at === 'earliest' ? -2 : at === 'latest' ? -1 : at)
        .noTags(),
    )
    writer.noTags()
  },
  read(reader) {
    reader.int32()
    const topics = readTopics(reader, () => {
      const at = readPartitionError(reader)
      reader.int64()
      const offset = reader.int64()
      reader.int32()
      return { ...at, offset }
    })
    return { topics }
  },
}

export interface FetchAnswer extends PartitionError {
  readonly highWatermark: number
  readonly lastStableOffset: number
  readonly logStartOffset: number
  readonly aborted: readonly AbortedTransaction[]
  readonly set: Buffer | null
}

export const fetch: Api<
  {
    readonly waitMs: number
    readonly topics: readonly OfTopic<{ readonly partition: number; readonly offset: number; readonly bytesMax: number }>[]
  },
  { readonly error: number; readonly topics: readonly OfTopic<FetchAnswer>[] }
> = {
  name: 'Fetch',
  key: 1,
  versionMin: 12,
  versionMax: 12,
  write(writer, { waitMs, topics }) {
    const bytesMax = topics.reduce((sum, { partitions }) => partitions.reduce((all, partition) => all + partition.bytesMax, sum), 0)
    writer.int32(-1).int32(waitMs).int32(1).int32(Math.min(bytesMax, 0x7fffffff))
    writer.int8(1).int32(0).int32(-1)
    writeTopics(writer, topics, (at) =>
      writer.int32(at.partition).int32(-1).int64(at.offset).int32(-1).int64(-1).int32(at.bytesMax).noTags(),
    )
    writer
      .array([], () => {})
      .string('')
      .noTags()
  },
  read(reader) {
    const { error } = readError(reader)
    reader.int32()
    const topics = readTopics(reader, () => {
      const at = readPartitionError(reader)
      const offsets = { highWatermark: reader.int64(), lastStableOffset: reader.int64(), logStartOffset: reader.int64() }
      const aborted = reader.array(() => {
        const transaction = { producerId: reader.int64(), firstOffset: reader.int64() }
        reader.tags()
        return transaction
      })
      reader.int32()
      return { ...at, ...offsets, aborted, set: reader.nullableBytes() }
    })
    return { error, topics }
  },
}
