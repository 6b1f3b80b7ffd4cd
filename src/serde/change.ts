import { StreamsError } from '../errors.ts'
import { invariant } from '../invariant.ts'
import type { Serde } from './serde.ts'

/** A row before and after, at least one of which is there. */
export interface ChangeParts<V> {
  readonly newValue: V | null
  readonly oldValue: V | null
  /** False where a versioned table had a newer row already. */
  readonly isLatest?: boolean
}

/**
 * How a table's changes are written to its repartition topics (F-07), byte for byte as Kafka's `ChangedSerializer` does: the
 * old value and 00, the new one and 01, or the new one's length as a zigzag varint, both, and 02. The forms 03 to 05, which
 * have a byte for "is the latest" before the last one, are read as well.
 */
export const changeSerde = <V>(inner: Serde<V>): Serde<ChangeParts<V>> => ({
  name: `change(${inner.name})`,
  serialize: ({ newValue, oldValue }, topic) => {
    invariant(newValue !== null || oldValue !== null, 'a change between nothing and nothing was sent')
    if (newValue === null) return Buffer.concat([inner.serialize(oldValue as V, topic), Uint8Array.of(0)])
    const bytes = inner.serialize(newValue, topic)
    if (oldValue === null) return Buffer.concat([bytes, Uint8Array.of(1)])
    return Buffer.concat([varint(bytes.length), bytes, inner.serialize(oldValue, topic), Uint8Array.of(2)])
  },
  deserialize: (bytes, topic) => {
    const form = bytes.at(-1) ?? 255
    if (form > 5) throw new StreamsError('SERDE_FAILED', `A table's change ends in a byte from 0 to 5, not in ${form}`)
    const rest = bytes.subarray(0, form < 3 ? -1 : -2)
    const latest = form < 3 ? {} : { isLatest: bytes.at(-2) === 1 }
    const read = (part: Uint8Array): V | null => inner.deserialize(part, topic)
    if (form % 3 === 0) return { newValue: null, oldValue: read(rest), ...latest }
    if (form % 3 === 1) return { newValue: read(rest), oldValue: null, ...latest }
    const { value: length, end } = readVarint(rest)
    return { newValue: read(rest.subarray(end, end + length)), oldValue: read(rest.subarray(end + length)), ...latest }
  },
})

/** Lengths are never negative, so zigzag doubles them. */
const varint = (length: number): Uint8Array => {
  const bytes: number[] = []
  let left = length * 2
  for (; left > 0x7f; left = Math.floor(left / 128)) bytes.push((left % 128) | 0x80)
  return Uint8Array.of(...bytes, left)
}

const readVarint = (bytes: Uint8Array): { readonly value: number; readonly end: number } => {
  let value = 0
  for (let at = 0; at < 5; at++) {
    const byte = bytes[at] ?? 0
    value += (byte & 0x7f) * 128 ** at
    if (byte < 0x80) return { value: Math.floor(value / 2), end: at + 1 }
  }
  throw new StreamsError('SERDE_FAILED', "The length in a table's change is longer than 5 bytes")
}
