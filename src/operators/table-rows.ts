import { type Awaitable, andThen } from '../awaitable.ts'
import type { Change } from '../processor/change.ts'
import type { ProcessorContext } from '../processor/processor.ts'
import type { Record } from '../processor/record.ts'
import type { CacheableStore, StoreWithCache, ValueAndTimestamp } from '../processor/store.ts'

/** A node's own rows: what is written goes downstream as a change, at once or, where the store is cached, at the commit (S-15). */
export interface TableRows<K, V> {
  get(key: K): Awaitable<ValueAndTimestamp<V> | null>
  /** Writes the record's value as the row, null deletes it; `before` is the row's value until now. */
  update(record: Record<K, V | null>, before: V | null): Awaitable<void>
  /** As `update`; reads the row before only where the change is to tell it. */
  replace(record: Record<K, V | null>): Awaitable<void>
}

export const openTableRows = <K, V>(
  context: Pick<ProcessorContext<K, Change<V>>, 'getStateStore' | 'forward'>,
  store: string,
  oldValues: boolean,
): TableRows<K, V> => {
  const rows = context.getStateStore<StoreWithCache<CacheableStore<K, V>>>(store).cacheable
  rows.onFlush((change) => context.forward(change), oldValues)
  const update: TableRows<K, V>['update'] = ({ key, value, timestamp, headers }, before) => {
    rows.put(key, value === null ? null : { value, timestamp })
    if (!rows.caching) return context.forward({ key, value: { newValue: value, oldValue: oldValues ? before : null }, timestamp, headers })
  }
  return {
    get: (key) => rows.get(key),
    update,
    replace: (record) =>
      oldValues && !rows.caching
        ? andThen(rows.get(record.key), (row) => update(record, row === null ? null : row.value))
        : update(record, null),
  }
}
