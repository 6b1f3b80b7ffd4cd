import { andThen } from '../awaitable.ts'
import { StreamsError } from '../errors.ts'
import type { Change } from '../processor/change.ts'
import type { AnyProcessorSupplier, ProcessorContext } from '../processor/processor.ts'
import type { Record } from '../processor/record.ts'
import type { ValueAndTimestamp } from '../processor/store.ts'
import { type Aggregator, aggregateFold, type Fold, type Initializer, type Reducer, reduceFold } from './aggregate.ts'
import { openTableRows, type TableRows } from './table-rows.ts'

export const tableAggregatePrefix = 'KTABLE-AGGREGATE-'
export const tableReducePrefix = 'KTABLE-REDUCE-'

/** How rows enter and leave an aggregate. */
export interface TableFold<K, V, A> {
  readonly add: Fold<K, V, A>
  readonly subtract: (key: K, value: V, before: A) => A | null
}

export const tableAggregateFold = <K, V, A>(
  initializer: Initializer<A>,
  adder: Aggregator<K, V, A>,
  subtractor: Aggregator<K, V, A>,
): TableFold<K, V, A> => ({ add: aggregateFold(initializer, adder), subtract: subtractor })

export const tableReduceFold = <K, V>(adder: Reducer<V>, subtractor: Reducer<V>): TableFold<K, V, V> => ({
  add: reduceFold(adder),
  subtract: (_key, value, before) => subtractor(before, value),
})

/** How many rows of the table have the key. */
export const tableCountFold: TableFold<unknown, unknown, number> = {
  add: (_key, _value, before) => (before ?? 0) + 1,
  subtract: (_key, _value, before) => before - 1,
}

/**
 * Keeps an aggregate of the rows that have a key now (`KTableAggregate`, `KTableReduce`, D-33, S-18): a change first takes the
 * old row out, then puts the new one in, and one update goes downstream. A null result deletes the aggregate; without one there
 * is nothing to take out of. Its time is the latest of all changes, those that only took away among them (S-01).
 */
export const tableAggregate =
  <K, V, A>(store: string, { add, subtract }: TableFold<K, V, A>, oldValues: boolean): AnyProcessorSupplier =>
  () => {
    let context: ProcessorContext<K, Change<A>>
    let rows: TableRows<K, A>
    const update = (record: Record<K, Change<V>>, row: ValueAndTimestamp<A> | null) => {
      const { key, value: change } = record
      const before = row === null ? null : row.value
      const without = change.oldValue === null || before === null ? before : (subtract(key, change.oldValue, before) ?? null)
      const value = change.newValue === null ? without : (add(key, change.newValue, without) ?? null)
      const timestamp = row === null ? record.timestamp : Math.max(record.timestamp, row.timestamp)
      return rows.update({ ...record, value, timestamp }, before)
    }
    return {
      init: (given: ProcessorContext<K, Change<A>>) => {
        context = given
        rows = openTableRows(given, store, oldValues)
      },
      process: (record: Record<K, Change<V>>) => {
        if (record.key === null) throw new StreamsError('RECORD_INVALID', `The key of a change for store ${store} must not be null`)
        if (record.value.isLatest === false) return context.drop('older than the row of a versioned table')
        return andThen(rows.get(record.key), (row) => update(record, row))
      },
    }
  }
