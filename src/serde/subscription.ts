import { StreamsError } from '../errors.ts'
import type { Serde } from './serde.ts'

/** What the owner of a foreign key is asked to do with a subscription to it; the numbers are Kafka's (S-20). */
export const instructions = { deleteSilently: 0, deleteAndTell: 1, tell: 2, tellIfFound: 3 } as const
export type Instruction = (typeof instructions)[keyof typeof instructions]

/** A row's wish to hear of the row that its foreign key names (Kafka's `SubscriptionWrapper`). */
export interface Subscription {
  /** Of the row's value; null where it was deleted. */
  readonly hash: Uint8Array | null
  readonly instruction: Instruction
  /** Bytes of the row's own key. */
  readonly primaryKey: Uint8Array
  /** Where the row lives and the answer is to go. */
  readonly partition: number
}

/** The answer to a subscription (Kafka's `SubscriptionResponseWrapper`). */
export interface SubscriptionResponse<V> {
  /** Of the value that asked: an answer to a value that is gone is stale. */
  readonly hash: Uint8Array | null
  readonly value: V | null
  /** Decides where it is sent; it is not written. */
  readonly partition?: number
}

const noHash = 0x80
const hashBytes = 16

/** A version byte, in whose highest bit stands that there is no hash, and the hash. */
const begin = (version: number, hash: Uint8Array | null): readonly Uint8Array[] =>
  hash === null ? [Uint8Array.of(version | noHash)] : [Uint8Array.of(version), hash]

const checkVersion = (bytes: Uint8Array, what: string, version: number): boolean => {
  const first = bytes[0] ?? 0x7f
  if ((first & ~noHash) === version) return (first & noHash) === 0
  throw new StreamsError('SERDE_FAILED', `A ${what} of version ${first & ~noHash} was read, version ${version} is known`)
}

/** F-08: version 1, instruction, hash, primary key, int32BE partition. */
export const subscriptionSerde: Serde<Subscription> = Object.freeze({
  name: 'subscription',
  serialize: ({ hash, instruction, primaryKey, partition }: Subscription) => {
    const end = Buffer.alloc(4)
    end.writeInt32BE(partition)
    const [version, ...rest] = begin(1, hash)
    return Buffer.concat([version as Uint8Array, Uint8Array.of(instruction), ...rest, primaryKey, end])
  },
  deserialize: (bytes: Uint8Array) => {
    const keyAt = checkVersion(bytes, 'subscription', 1) ? 2 + hashBytes : 2
    if (bytes.length < keyAt + 4) throw new StreamsError('SERDE_FAILED', `A subscription takes more than ${bytes.length} bytes`)
    return {
      hash: keyAt === 2 ? null : bytes.subarray(2, keyAt),
      instruction: bytes[1] as Instruction,
      primaryKey: bytes.subarray(keyAt, -4),
      partition: Buffer.from(bytes.subarray(-4)).readInt32BE(),
    }
  },
})

/** F-08: version 0, hash, the foreign row's value. */
export const subscriptionResponseSerde = <V>(inner: Serde<V>): Serde<SubscriptionResponse<V>> => ({
  name: `response(${inner.name})`,
  serialize: ({ hash, value }, topic) => Buffer.concat([...begin(0, hash), ...(value === null ? [] : [inner.serialize(value, topic)])]),
  deserialize: (bytes, topic) => {
    const valueAt = checkVersion(bytes, 'subscription response', 0) ? 1 + hashBytes : 1
    return {
      hash: valueAt === 1 ? null : bytes.subarray(1, valueAt),
      value: bytes.length === valueAt ? null : inner.deserialize(bytes.subarray(valueAt), topic),
    }
  },
})

/** Begins the keys of all subscriptions to a foreign key: int32BE length of its bytes, and these. */
export const foreignKeyPrefix = (foreignKey: Uint8Array): Uint8Array => {
  const length = Buffer.alloc(4)
  length.writeInt32BE(foreignKey.length)
  return Buffer.concat([length, foreignKey])
}

/** The key of a subscription in its store: the prefix, and the bytes of the primary key. */
export const combinedKey = (foreignKey: Uint8Array, primaryKey: Uint8Array): Uint8Array =>
  Buffer.concat([foreignKeyPrefix(foreignKey), primaryKey])
