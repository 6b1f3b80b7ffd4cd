import { type Operator, stateless } from './operator.ts'

export type Predicate<K, V> = (key: K, value: V) => boolean

/**
 * Keeps the records for which the predicate is true, or with `keep` false the others (`KStreamFilter`, D-10). Null keys and
 * values reach the predicate; key, value, timestamp and headers stay.
 *
 * @example
 * ```ts
 * import { Serdes, StreamsBuilder } from 'millrace'
 *
 * const builder = new StreamsBuilder()
 * builder.stream('orders', { keySerde: Serdes.string, valueSerde: Serdes.long }).filter((_id, cents) => cents >= 10_000).to('large-orders')
 * builder.build().sinkTopics // => ['large-orders']
 * ```
 */
export const filter = <K, V>(predicate: Predicate<K, V>, keep = true): Operator => ({
  prefix: 'KSTREAM-FILTER-',
  changesKey: false,
  changesValue: false,
  supplier: stateless<K, V, K, V>((record, context) => {
    if (predicate(record.key, record.value) ? keep : !keep) return context.forward(record)
  }),
})
