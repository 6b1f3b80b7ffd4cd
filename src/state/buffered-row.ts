import { StreamsError } from '../errors.ts'
import { type Header, type Headers, noHeaders, type RecordMetadata } from '../processor/record.ts'
import { long } from '../serde/numbers.ts'

/** A row of a suppression buffer: a change that waits, with the record that brought it. */
export interface BufferedRow extends RecordMetadata {
  /** From when it waits. */
  readonly timeMs: number
  readonly timestamp: number
  readonly headers: Headers
  /** The row as it was when the buffer took its first change in: what those below the buffer know. */
  readonly prior: Uint8Array | null
  /** Before and after the last change. */
  readonly oldValue: Uint8Array | null
  readonly newValue: Uint8Array | null
}

/** Kafka writes the version of the form into this header of the changelog's records. */
export const bufferedRowHeaders: Headers = Object.freeze([['v', Uint8Array.of(3)] as const])

const isEqual = (one: Uint8Array | null, other: Uint8Array | null): boolean =>
  one === other || (one !== null && other !== null && Buffer.compare(one, other) === 0)

const lengthOf = (bytes: Uint8Array | null): number => bytes?.length ?? 0
const text = (value: string): Uint8Array => Buffer.from(value, 'utf8')
/** Of a window without an end. */
const endOfTime = 2n ** 63n - 1n

/**
 * The bytes of Kafka's `BufferValue` in version 3 (F-09): the record's time, offset, topic, partition and headers; the prior, the
 * old (-2: equal to the prior) and the new value; and from when it waits. Big-endian, lengths in 32 bits, -1 for null.
 */
export const writeBufferedRow = (row: BufferedRow): Uint8Array => {
  const { prior, oldValue, newValue } = row
  const topic = text(row.topic)
  const headers = row.headers.map(([name, value]) => [text(name), value] as const)
  const isOldPrior = prior !== null && isEqual(prior, oldValue)
  const ofHeaders = headers.reduce((sum, [name, value]) => sum + 8 + name.length + lengthOf(value), 0)
  const ofValues = 12 + lengthOf(prior) + (isOldPrior ? 0 : lengthOf(oldValue)) + lengthOf(newValue)
  const out = Buffer.allocUnsafe(36 + topic.length + ofHeaders + ofValues)
  let at = 0
  const int32 = (value: number): void => {
    at = out.writeInt32BE(value, at)
  }
  const int64 = (value: number): void => {
    if (Number.isSafeInteger(value)) at = long.serializeInto?.(value, out, at) ?? -1
    else at = out.writeBigInt64BE(Number.isFinite(value) ? BigInt(value) : endOfTime, at)
  }
  const sized = (bytes: Uint8Array | null): void => {
    int32(bytes === null ? -1 : bytes.length)
    if (bytes === null) return
    out.set(bytes, at)
    at += bytes.length
  }
  int64(row.timestamp)
  int64(row.offset)
  sized(topic)
  int32(row.partition)
  int32(headers.length)
  for (const [name, value] of headers) {
    sized(name)
    sized(value)
  }
  sized(prior)
  if (isOldPrior) int32(-2)
  else sized(oldValue)
  sized(newValue)
  int64(row.timeMs)
  return out
}

/** Throws SERDE_FAILED where the bytes end too early. */
export const readBufferedRow = (bytes: Uint8Array): BufferedRow => {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let at = 0
  const take = (length: number): number => {
    if (at + length > view.length) throw new StreamsError('SERDE_FAILED', `A suppressed row ends in the middle, after ${view.length} bytes`)
    at += length
    return at - length
  }
  const int32 = (): number => view.readInt32BE(take(4))
  const int64 = (): number => {
    const value = view.readBigInt64BE(take(8))
    return value === endOfTime ? Number.POSITIVE_INFINITY : Number(value)
  }
  const slice = (length: number): Uint8Array => {
    const from = take(length)
    return view.subarray(from, from + length)
  }
  const sized = (length: number): Uint8Array | null => (length < 0 ? null : slice(length))
  const utf8 = (): string => Buffer.from(sized(int32()) ?? []).toString('utf8')
  const timestamp = int64()
  const offset = int64()
  const topic = utf8()
  const partition = int32()
  const headers = Array.from({ length: int32() }, (): Header => [utf8(), sized(int32())])
  const prior = sized(int32())
  const old = int32()
  const oldValue = old === -2 ? prior : sized(old)
  const newValue = sized(int32())
  return {
    timestamp,
    offset,
    topic,
    partition,
    headers: headers.length === 0 ? noHeaders : headers,
    prior,
    oldValue,
    newValue,
    timeMs: int64(),
  }
}

/** What the row counts against `maxBytes`, as in Kafka: no lengths, text by its characters, an old value that equals the prior not at all. */
export const bufferedBytes = (key: Uint8Array, { topic, headers, prior, oldValue, newValue }: BufferedRow): number => {
  const times = 8 + 8
  const context = 8 + topic.length + 4 + headers.reduce((sum, [name, value]) => sum + name.length + (value?.length ?? 0), 0)
  const old = isEqual(prior, oldValue) ? 0 : (oldValue?.length ?? 0)
  return times + context + key.length + (prior?.length ?? 0) + old + (newValue?.length ?? 0)
}
