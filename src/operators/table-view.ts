import type { Awaitable } from '../awaitable.ts'
import type { ProcessingContext } from '../processor/processor.ts'
import type { ValueAndTimestamp } from '../processor/store.ts'
import type { TableStore } from './table-rows.ts'

/** The row of a key with its time, the latest or, where the table is versioned, the one that held at a time; null where there is none. */
export type Lookup<K, V> = (key: K, asOfMs?: number) => Awaitable<ValueAndTimestamp<V> | null>

/** How other nodes look up a table's rows (Kafka's `KTableValueGetterSupplier`): in its store, or computed from its parents' rows. */
export interface TableView<K, V> {
  /** To be connected to the node that looks up; each is read with exactly the key that is looked up. */
  readonly stores: readonly string[]
  /** How far back it can be looked up; undefined: there are only the latest rows (KIP-914). */
  readonly historyMs: number | undefined
  /** `inPassing`: nothing is kept of what is found, so that nobody need be told if it comes and goes between two commits. */
  readonly open: (context: ProcessingContext, inPassing?: boolean) => Lookup<K, V>
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
  /** Of a versioned table: how far back its rows are known (S-21). */
  readonly historyMs: number | undefined
}

export const storeView = <K, V>(store: string, historyMs?: number): TableView<K, V> => ({
  stores: [store],
  historyMs,
  open: (context, inPassing = false) => {
    const opened = context.getStateStore<TableStore<K, V>>(store)
    if (!('cacheable' in opened)) return (key, asOfMs) => opened.get(key, asOfMs)
    return (key) => (inPassing ? opened.cacheable.get(key) : opened.cacheable.lookUp(key))
  },
})
