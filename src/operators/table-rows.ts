import { type Awaitable, andThen } from '../awaitable.ts'
import type { Change } from '../processor/change.ts'
import type { ProcessorContext } from '../processor/processor.ts'
import type { Record } from '../processor/record.ts'
import {
  type CacheableStore,
  notPut,
  type StoreWithCache,
  type ValueAndTimestamp,
  type VersionedKeyValueStore,
  validForever,
} from '../processor/store.ts'

/**
 * A node's own rows: what is written goes downstream as a change, at once or, where the store is cached, at the commit (S-15). Where
 * the store is versioned a change says whether it is the latest version, and one that is too late for the history goes nowhere (S-21).
 */
export interface TableRows<K, V> {
  get(key: K): Awaitable<ValueAndTimestamp<V> | null>
  /** Writes the record's value as the row, null deletes it; `before` is the row's value until now. */
  update(record: Record<K, V | null>, before: V | null): Awaitable<void>
  /** As `update`; reads the row before only where the change is to tell it. */
  replace(record: Record<K, V | null>): Awaitable<void>
}

type RowsContext<K, V> = Pick<ProcessorContext<K, Change<V>>, 'getStateStore' | 'forward'>

export const openTableRows = <K, V>(context: RowsContext<K, V>, store: string, oldValues: boolean): TableRows<K, V> => {
  const opened = context.getStateStore<TableStore<K, V>>(store)
  return 'cacheable' in opened ? latestRows(context, opened.cacheable, oldValues) : versionedRows(context, opened, oldValues)
}

/** A store of a table, as the operators see it. */
export type TableStore<K, V> = StoreWithCache<CacheableStore<K, V>> | VersionedKeyValueStore<K, V>

const versionedRows = <K, V>(context: RowsContext<K, V>, rows: VersionedKeyValueStore<K, V>, oldValues: boolean): TableRows<K, V> => {
  const update: TableRows<K, V>['update'] = ({ key, value, timestamp, headers }, before) =>
    andThen(rows.put(key, value, timestamp), (validTo) => {
      if (validTo === notPut) return
      const change = { newValue: value, oldValue: oldValues ? before : null }
      return context.forward({ key, value: validTo === validForever ? change : { ...change, isLatest: false }, timestamp, headers })
    })
  return {
    get: (key) => rows.get(key),
    update,
    replace: (record) =>
      oldValues ? andThen(rows.get(record.key), (row) => update(record, row === null ? null : row.value)) : update(record, null),
  }
}

const latestRows = <K, V>(context: RowsContext<K, V>, rows: CacheableStore<K, V>, oldValues: boolean): TableRows<K, V> => {
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
