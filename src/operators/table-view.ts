import type { Awaitable } from '../awaitable.ts'
import type { CacheableStore, StateStore, StoreWithCache, ValueAndTimestamp } from '../processor/store.ts'

/** The row of a key with its time; null where there is none. */
export type Lookup<K, V> = (key: K) => Awaitable<ValueAndTimestamp<V> | null>

/** How other nodes look up a table's rows (Kafka's `KTableValueGetterSupplier`): in its store, or computed from its parents' rows. */
export interface TableView<K, V> {
  /** To be connected to the node that looks up; each is read with exactly the key that is looked up. */
  readonly stores: readonly string[]
  readonly open: (context: { getStateStore<S extends StateStore>(name: string): S }) => Lookup<K, V>
}

/** What to do with a table for those below it: asking may give it a store, or its changes their old values. */
export interface TableFacts<K, V> {
  /** A source that was not materialized is from now on. */
  view(): TableView<K, V>
  /**
   * From now on changes tell the row before (S-16). Where that would take a store that is not there, only `force` makes one;
   * the answer says whether old values will come.
   */
  sendOldValues(force: boolean): boolean
}

export const storeView = <K, V>(store: string): TableView<K, V> => ({
  stores: [store],
  open: (context) => {
    const rows = context.getStateStore<StoreWithCache<CacheableStore<K, V>>>(store).cacheable
    return (key) => rows.lookUp(key)
  },
})
