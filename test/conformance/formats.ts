import { murmur2, partitionOfKey } from '../../src/runtime/partitioner.ts'
import { changeSerde } from '../../src/serde/change.ts'
import { murmur3 } from '../../src/serde/murmur3.ts'
import { type JoinSide, outerJoinKey, outerJoinValue } from '../../src/serde/outer-join.ts'
import {
  combinedKey,
  foreignKeyPrefix,
  type Instruction,
  instructions,
  subscriptionResponseSerde,
  subscriptionSerde,
} from '../../src/serde/subscription.ts'
import { windowStoreKey } from '../../src/serde/windowed.ts'
import { hashSetOrder, stringHashCode } from '../../src/topology/java-order.ts'
import { type Difference, differences } from './compare.ts'
import type { FormatTable } from './scenario.ts'
import { decode, encode, fromJson, missingSerde, serdeOf } from './serdes.ts'
import { toJson } from './values.ts'
import { windowsOf } from './windows.ts'

type Row = Readonly<Record<string, unknown>>
type Fill = (table: FormatTable, input: unknown) => Row

const bytesOf = (hex: unknown): Uint8Array | null => (hex === null ? null : Buffer.from(hex as string, 'hex'))
const hexOf = (bytes: Uint8Array | null): string | null => (bytes === null ? null : Buffer.from(bytes).toString('hex'))
const perCount = ({ partitions = [] }: FormatTable, choose: (count: number) => number | null): Row => ({
  partitions: Object.fromEntries(partitions.map((count) => [count, choose(count)])),
})

type Hash = readonly [string, string] | null
const hashOf = (hash: Hash): Uint8Array | null => {
  if (hash === null) return null
  const bytes = Buffer.alloc(16)
  hash.forEach((half, at) => void bytes.writeBigInt64BE(BigInt(half), 8 * at))
  return bytes
}
const javaInstructions: Readonly<Record<string, Instruction>> = {
  DELETE_KEY_NO_PROPAGATE: instructions.deleteSilently,
  DELETE_KEY_AND_PROPAGATE: instructions.deleteAndTell,
  PROPAGATE_NULL_IF_NO_FK_VAL_AVAILABLE: instructions.tell,
  PROPAGATE_ONLY_IF_FK_VAL_AVAILABLE: instructions.tellIfFound,
}

/** The tables of formats.jsonl whose code exists (README section 9): what we compute for an input. */
const tables: Readonly<Record<string, Fill>> = {
  serialize: ({ serde = 'bytes' }, input) => ({ hex: hexOf(encode(serde, input, 't')) }),
  deserialize: ({ serde = 'bytes' }, input) => ({ value: decode(serde, bytesOf(input), 't') }),
  murmur2: (table, input) => {
    const key = bytesOf(input) ?? Buffer.alloc(0)
    const hash = murmur2(key)
    return { murmur2: hash, positive: hash & 0x7fffffff, ...perCount(table, (count) => partitionOfKey(key, count)) }
  },
  defaultPartitioner: (table, input) => {
    const key = encode(table.serde ?? 'bytes', input, 't')
    return perCount(table, (count) => (key === null ? null : partitionOfKey(key, count)))
  },
  windowedPartitioner: (table, input) => {
    const serde = table.serde ?? 'bytes'
    const { serialize, windowBytes } = serdeOf(serde)
    const key = windowBytes ? serialize(fromJson(serde, input), 't').subarray(0, -windowBytes) : undefined
    return perCount(table, (count) => (key === undefined ? null : partitionOfKey(key, count)))
  },
  windowStoreKey: ({ serde = 'bytes' }, input) => {
    const { key, start, seq } = input as { readonly key: unknown; readonly start: number; readonly seq: number }
    return { hex: hexOf(windowStoreKey(encode(serde, key, 't') ?? Buffer.alloc(0), start, seq)) }
  },
  windowsFor: ({ windows }, input) => {
    const found = windows && windowsOf(windows)
    if (!found || !('windowsFor' in found)) throw new Error('no windows by timestamp')
    const endOf = (endMs: number): number => (endMs === Number.POSITIVE_INFINITY ? 2 ** 63 : endMs)
    return { windows: found.windowsFor(input as number).map(({ startMs, endMs }) => [startMs, endOf(endMs)]) }
  },
  changed: ({ serde = 'bytes' }, input) => {
    const { old, new: newer } = input as { readonly old: unknown; readonly new: unknown }
    const change = { newValue: fromJson(serde, newer), oldValue: fromJson(serde, old) }
    return { hex: hexOf(changeSerde(serdeOf(serde)).serialize(change, 't')) }
  },
  changedDeserialize: ({ serde = 'bytes' }, input) => {
    const change = changeSerde(serdeOf(serde)).deserialize(bytesOf(input) ?? Buffer.alloc(0), 't')
    return { new: toJson(change?.newValue), old: toJson(change?.oldValue), isLatest: change?.isLatest ?? true }
  },
  murmur3: (_table, input) => {
    const hash = Buffer.from(murmur3(bytesOf(input) ?? Buffer.alloc(0)))
    return { hash128: [String(hash.readBigInt64BE(0)), String(hash.readBigInt64BE(8))] }
  },
  combinedKey: ({ serde = 'bytes' }, input) => {
    const { fk, pk } = input as { readonly fk: unknown; readonly pk: unknown }
    const [foreign, primary] = [encode(serde, fk, 't'), encode(serde, pk, 't')]
    if (!foreign || !primary) throw new Error('a combined key has two keys')
    return { hex: hexOf(combinedKey(foreign, primary)), prefix: hexOf(foreignKeyPrefix(foreign)) }
  },
  subscription: ({ serde = 'bytes' }, input) => {
    const { hash, instruction, pk, partition } = input as {
      readonly hash: Hash
      readonly instruction: string
      readonly pk: unknown
      readonly partition: number
    }
    const primaryKey = encode(serde, pk, 't') ?? Buffer.alloc(0)
    const subscription = { hash: hashOf(hash), instruction: javaInstructions[instruction] ?? instructions.tell, primaryKey, partition }
    const bytes = subscriptionSerde.serialize(subscription, 't')
    return { hex: hexOf(subscriptionSerde.serialize(subscriptionSerde.deserialize(bytes, 't') ?? subscription, 't')) }
  },
  subscriptionResponse: ({ serde = 'bytes' }, input) => {
    const { hash, value } = input as { readonly hash: Hash; readonly value: unknown }
    return { hex: hexOf(subscriptionResponseSerde(serdeOf(serde)).serialize({ hash: hashOf(hash), value: fromJson(serde, value) }, 't')) }
  },
  outerJoinKey: ({ serde = 'bytes' }, input) => {
    const { key, ts, side } = input as { readonly key: unknown; readonly ts: number; readonly side: JoinSide }
    return { hex: hexOf(outerJoinKey(serdeOf(serde)).serialize({ timestamp: ts, of: { side, key: fromJson(serde, key) } }, 't')) }
  },
  outerJoinValue: ({ serde = 'bytes' }, input) => {
    const { value, side } = input as { readonly value: unknown; readonly side: JoinSide }
    const inner = serdeOf(serde)
    return { hex: hexOf(outerJoinValue(inner, inner).serialize({ side, value: fromJson(serde, value) }, 't')) }
  },
  stringHashCode: (_table, input) => ({ hashCode: stringHashCode(input as string) }),
  hashSetOrder: (_table, input) => ({ order: hashSetOrder(input as readonly string[]) }),
}

/** Undefined where we have the code for the table. */
/** What only Kafka Streams itself reads (F-10, F-11): we keep times and headers beside the value, and progress in a commit topic. */
const local: Readonly<Record<string, string>> = {
  headers: "a format of Kafka's stores on a disk",
  valueAndTimestamp: "a format of Kafka's stores on a disk",
  valueTimestampHeaders: "a format of Kafka's stores on a disk",
  partitionMetadata: "metadata of a consumer group's offsets, which we do not commit",
  partitionMetadataDecode: "metadata of a consumer group's offsets, which we do not commit",
}

export const missingFormat = ({ table, serde }: FormatTable): string | undefined => {
  if (!Object.hasOwn(tables, table)) return local[table] ?? `format ${table}`
  return serde === undefined ? undefined : missingSerde(serde)
}

export const checkFormat = (table: FormatTable): readonly Difference[] => {
  const fill = tables[table.table]
  return table.rows.flatMap(({ in: input, error, ...expected }, index) => {
    const at = `rows[${index}]`
    try {
      const actual = fill?.(table, input)
      return error === undefined ? differences(at, expected, actual) : [{ at, expected: error, actual }]
    } catch (thrown) {
      return error === undefined ? [{ at, expected, actual: String(thrown) }] : []
    }
  })
}
