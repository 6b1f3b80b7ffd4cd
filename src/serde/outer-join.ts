import { StreamsError } from '../errors.ts'
import { list } from './list.ts'
import { long } from './numbers.ts'
import type { Serde } from './serde.ts'

/** Which of two joined streams a record came from. */
export type JoinSide = 'left' | 'right'

/** Where a record waits for a partner; without `of` it comes before every record of its time. */
export interface OuterJoinKey<K> {
  readonly timestamp: number
  readonly of?: { readonly side: JoinSide; readonly key: K }
}

export interface OuterJoinValue<L, R> {
  readonly side: JoinSide
  readonly value: L | R
}

const sideBytes = { left: 1, right: 0 } as const
const longBytes = 8

const sideOf = (byte: number | undefined): JoinSide => {
  if (byte === sideBytes.left) return 'left'
  if (byte === sideBytes.right) return 'right'
  throw new StreamsError('SERDE_FAILED', `The side of a join is a byte 0 or 1, not ${byte}`)
}

/** Time, side (1 left, 0 right) and key bytes (F-09): in the order of time, right before left (Kafka's `TimestampedKeyAndJoinSideSerde`). */
export const outerJoinKey = <K>(inner: Serde<K>): Serde<OuterJoinKey<K>> => {
  const name = `outer join key ${inner.name}`
  return Object.freeze({
    name,
    serialize: ({ timestamp, of }: OuterJoinKey<K>, topic: string) => {
      const time = long.serialize(timestamp, topic)
      return of ? Buffer.concat([time, Uint8Array.of(sideBytes[of.side]), inner.serialize(of.key, topic)]) : time
    },
    deserialize: (bytes: Uint8Array, topic: string) => {
      if (bytes.length <= longBytes)
        throw new StreamsError('SERDE_FAILED', `The ${name} serde got ${bytes.length} bytes, too few for a side`)
      return {
        timestamp: long.deserialize(bytes.subarray(0, longBytes), topic) ?? 0,
        of: { side: sideOf(bytes[longBytes]), key: inner.deserialize(bytes.subarray(longBytes + 1), topic) as K },
      }
    },
  })
}

/** Side and value bytes (F-09; Kafka's `LeftOrRightValueSerde`). */
export const outerJoinValue = <L, R>(left: Serde<L>, right: Serde<R>): Serde<OuterJoinValue<L, R>> =>
  Object.freeze({
    name: `outer join value ${left.name} or ${right.name}`,
    serialize: ({ side, value }: OuterJoinValue<L, R>, topic: string) =>
      Buffer.concat([
        Uint8Array.of(sideBytes[side]),
        side === 'left' ? left.serialize(value as L, topic) : right.serialize(value as R, topic),
      ]),
    deserialize: (bytes: Uint8Array, topic: string) => {
      const side = sideOf(bytes[0])
      const value = (side === 'left' ? left : right).deserialize(bytes.subarray(1), topic)
      return { side, value: value as L | R }
    },
  })

/** All values of one side, time and key, in the order in which they came. */
export const outerJoinValues = <L, R>(left: Serde<L>, right: Serde<R>): Serde<readonly (OuterJoinValue<L, R> | null)[]> =>
  list(outerJoinValue(left, right))
