import type { Change } from '../processor/change.ts'
import type { AnyProcessorSupplier, ProcessorContext } from '../processor/processor.ts'
import type { Record } from '../processor/record.ts'
import type { ValueAndTimestamp } from '../processor/store.ts'
import { openTableRows, type TableRows } from './table-rows.ts'

export type Initializer<A> = () => A
export type Aggregator<K, V, A> = (key: K, value: V, aggregate: A) => A | null
export type Reducer<V> = (aggregate: V, value: V) => V | null

/** The aggregate after a record; `before` is null for the first record of a key and after a deletion. */
export type Fold<K, V, A> = (key: K, value: V, before: A | null) => A | null

export const aggregatePrefix = 'KSTREAM-AGGREGATE-'
export const reducePrefix = 'KSTREAM-REDUCE-'

export const aggregateFold =
  <K, V, A>(initializer: Initializer<A>, aggregator: Aggregator<K, V, A>): Fold<K, V, A> =>
  (key, value, before) =>
    aggregator(key, value, before ?? initializer())

/** How many records of the key there were. */
export const countFold: Fold<unknown, unknown, number> = (_key, _value, before) => (before ?? 0) + 1

/** The first value of a key is its first aggregate. */
export const reduceFold =
  <K, V>(reducer: Reducer<V>): Fold<K, V, V> =>
  (_key, value, before) =>
    before === null ? value : reducer(before, value)

export interface AggregateOptions<A> {
  /** Changes tell the aggregate before (S-16). */
  readonly oldValues: boolean
  /** Where there was none it is what the fold began with: so does Kafka tell it, if the store is not cached. */
  readonly initial?: Initializer<A> | undefined
}

/**
 * Folds the records of each key into a row of `store` (`KStreamAggregate`, `KStreamReduce`, D-30). A null key or value is
 * dropped and counted; a null result deletes the row, and the next record of the key starts anew. The row's time is the
 * latest of its records, or the record's own where there was no row (S-01). A cached store forwards at the commit (S-15).
 */
export const aggregate =
  <K, V, A>(store: string, fold: Fold<K, V, A>, { oldValues, initial }: AggregateOptions<A>): AnyProcessorSupplier =>
  () => {
    let context: ProcessorContext<K, Change<A>>
    let rows: TableRows<K, A>
    const update = ({ key, value, timestamp, headers }: Record<K, V>, row: ValueAndTimestamp<A> | null) => {
      const before = row === null ? (initial?.() ?? null) : row.value
      const time = row === null ? timestamp : Math.max(timestamp, row.timestamp)
      return rows.update({ key, value: fold(key, value, before) ?? null, timestamp: time, headers }, before)
    }
    return {
      init: (given: ProcessorContext<K, Change<A>>) => {
        context = given
        rows = openTableRows(given, store, oldValues)
      },
      process: (record: Record<K, V>) => {
        if (record.key === null || record.value === null) return context.drop('null key or value')
        const row = rows.get(record.key)
        return row instanceof Promise ? row.then((it) => update(record, it)) : update(record, row)
      },
    }
  }
