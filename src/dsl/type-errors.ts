import type { KeyValueMapper } from '../operators/map.ts'
import type { ValueJoiner } from '../operators/table-join.ts'
import type { JoinWindows } from '../topology/windows.ts'
import type { GlobalKTable } from './global-k-table.ts'
import type { KStream } from './k-stream.ts'
import type { KTable } from './k-table.ts'
import type { Aggregated, Joined, Named, StreamJoined, TableJoined } from './options.ts'

declare const sentence: unique symbol

/** Nothing is of this type: where it stands, the compiler shows the sentence. */
export interface StreamsTypeError<Sentence extends string> {
  readonly [sentence]: Sentence
}

/** Keys of one type are keys of the other, whichever is the narrower one. */
type SameKeys<K, KO, Sentence extends string> = [K] extends [KO] ? unknown : [KO] extends [K] ? unknown : StreamsTypeError<Sentence>

// biome-ignore-start lint/suspicious/noExplicitAny: what stands for all tables and streams
type Any = any
type AnyTable = KTable<Any, Any>
export type AnyJoinable = AnyTable | KStream<Any, Any> | GlobalKTable<Any, Any>
// biome-ignore-end lint/suspicious/noExplicitAny: what stands for all tables and streams

/** Refuses another side of a stream's join whose keys are of another type. */
export type JoinableWith<K, O> =
  O extends KTable<infer KO, Any>
    ? SameKeys<K, KO, 'A stream is joined with the row of its own key: selectKey the stream first, or join a globalTable, by any key'>
    : O extends KStream<infer KO, Any>
      ? SameKeys<K, KO, 'Streams are joined by equal keys: selectKey one of them first'>
      : unknown

/** What `join` and `leftJoin` of a stream take after the other side; `Missing` is null where that may have no row. */
export type JoinArguments<K, V, O, Missing> =
  O extends GlobalKTable<infer KG, infer VG>
    ? [mapper: KeyValueMapper<K, V, KG | null>, joiner: ValueJoiner<K, V, VG | Missing, unknown>, named?: Named]
    : O extends KTable<Any, infer VO>
      ? [joiner: ValueJoiner<K, V, VO | Missing, unknown>, joined?: Joined<K, V>]
      : O extends KStream<Any, infer VO>
        ?
            | [
                joiner: ValueJoiner<K, NonNullable<V>, NonNullable<VO> | Missing, unknown>,
                windows: JoinWindows,
                joined?: StreamJoined<K, V, VO>,
              ]
            | [
                joiner: ValueJoiner<K, V, VO, unknown> &
                  StreamsTypeError<'Streams are joined within windows: join(other, joiner, joinWindows({ timeDifferenceMs, graceMs }))'>,
              ]
        : never

/** Refuses another table whose keys are of another type, unless an extractor comes next. */
export type TableJoinableWith<K, O> =
  O extends KTable<infer KO, Any>
    ? SameKeys<
        K,
        KO,
        'Tables with different keys are joined by foreign key: join(other, (value, key) => keyOfOther, joiner), where the first function gives a key of the other table'
      >
    : unknown

/** What `join` and `leftJoin` of a table take after the other one. */
export type TableJoinArguments<K, V, O, Missing> =
  O extends KTable<infer KO, infer VO>
    ?
        | [joiner: ValueJoiner<K, V, VO | Missing, unknown>, options?: Aggregated<K, unknown>]
        | [extractor: (value: V, key: K) => KO | null, joiner: ValueJoiner<K, V, VO | Missing, unknown>, options?: TableJoined<K, unknown>]
    : never

/** Refuses values of which nobody said what they are. */
export type Known<V> = [V] extends [never]
  ? {
      readonly valueSerde: StreamsTypeError<'Serdes.json() does not say what the values are: write Serdes.json<Trade>(), or give it a schema'>
    }
  : unknown
