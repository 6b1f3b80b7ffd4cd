import { StreamsError } from '../errors.ts'
import type { Serde } from './serde.ts'

/** Inner serdes whose entries all have the same size: Kafka writes no length per entry for them. */
const fixedSizes: Readonly<Record<string, number>> = { short: 2, integer: 4, long: 8, bigint: 8, float: 4, double: 8, uuid: 36 }

/**
 * Kafka's `ListSerde` (F-02): byte 0 for fixed-size entries, with the indexes of the nulls, or byte 1, with a length per
 * entry; then the number of entries, then the entries. As in Kafka a list that ends in an empty entry can be written but not read.
 */
export const list = <T>(inner: Serde<T>): Serde<readonly (T | null)[]> => {
  const size = fixedSizes[inner.name]
  return Object.freeze({
    name: `list of ${inner.name}`,
    serialize: (values: readonly (T | null)[], topic: string) => {
      const entries = values.map((value) => (value === null ? null : inner.serialize(value, topic)))
      return size === undefined ? writeWithLengths(entries) : writeFixed(entries)
    },
    deserialize: (bytes: Uint8Array, topic: string) =>
      read(bytes, size).map((entry) => (entry === null ? null : inner.deserialize(entry, topic))),
  })
}

const int32 = (value: number): Buffer => {
  const bytes = Buffer.allocUnsafe(4)
  bytes.writeInt32BE(value)
  return bytes
}

const writeFixed = (entries: readonly (Uint8Array | null)[]): Buffer => {
  const nulls = entries.flatMap((entry, at) => (entry === null ? [at] : []))
  return Buffer.concat([
    Buffer.from([0]),
    int32(nulls.length),
    ...nulls.map(int32),
    int32(entries.length),
    ...entries.flatMap((entry) => entry ?? []),
  ])
}

const writeWithLengths = (entries: readonly (Uint8Array | null)[]): Buffer =>
  Buffer.concat([
    Buffer.from([1]),
    int32(entries.length),
    ...entries.flatMap((entry) => (entry === null ? [int32(-1)] : [int32(entry.length), entry])),
  ])

const read = (bytes: Uint8Array, size: number | undefined): readonly (Uint8Array | null)[] => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let at = 1
  const next = (): number => {
    if (at + 4 > bytes.length) throw new StreamsError('SERDE_FAILED', `A list ends in the middle, after ${bytes.length} bytes`)
    at += 4
    return view.getInt32(at - 4)
  }
  const take = (length: number): Uint8Array => {
    // an empty entry at the very end is refused too, as Kafka's ListDeserializer does: both sides stop at the same record
    if (at + length > bytes.length || at === bytes.length)
      throw new StreamsError('SERDE_FAILED', `A list ends in the middle, after ${bytes.length} bytes`)
    at += length
    return bytes.subarray(at - length, at)
  }
  if (bytes[0] !== 0 && bytes[0] !== 1) throw new StreamsError('SERDE_FAILED', `A list begins with byte 0 or 1, not ${bytes[0]}`)
  const nulls = new Set(bytes[0] === 0 ? Array.from({ length: next() }, next) : [])
  return Array.from({ length: next() }, (_, index) => {
    if (nulls.has(index)) return null
    const length = bytes[0] === 1 ? next() : size
    if (length === undefined) throw new StreamsError('SERDE_FAILED', 'A list of fixed-size entries was read with a serde of variable size')
    return length < 0 ? null : take(length)
  })
}
