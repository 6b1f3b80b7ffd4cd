import { StreamsError } from '../errors.ts'
import { storeView, type TableFacts } from '../operators/table-view.ts'
import type { LogicalNode, LogicalNodeSpec } from '../topology/logical.ts'
import { checkName } from '../topology/naming.ts'
import type { AnySerde, StoreSpec } from '../topology/nodes.ts'
import { tableOptions } from '../topology/table-options.ts'
import type { Drawing, Place } from './drawing.ts'
import type { Materialized } from './options.ts'

/** Where a table stands, and what can be asked of it. */
export interface TablePlace<K, V> extends Place<K, V> {
  readonly queryableStoreName: string | null
  readonly facts: TableFacts<K, V>
}

/** The option in full; undefined stays undefined, as it may decide the numbering. */
export const materializedOf = <K, V>(store: string | Materialized<K, V> | undefined): Materialized<K, V> | undefined => {
  if (typeof store === 'string') return { name: store }
  if (store?.versioned && store.name === undefined) throw new StreamsError('CONFIG_INVALID', 'A versioned store needs a name')
  return store
}

/** The user's name for a store or the next generated one. */
export const storeNameOf = ({ names }: Drawing, prefix: string, { name }: { readonly name?: string }): string =>
  name === undefined ? names.store(prefix) : checkName(name)

/** A key-value store with times, or of versions, under this name; throws CONFIG_INVALID where there is no serde for it. */
export const keyValueStore = <K, V>(
  drawing: Drawing,
  name: string,
  materialized: Omit<Materialized<K, V>, 'keySerde' | 'valueSerde'> & {
    readonly keySerde?: AnySerde | undefined
    readonly valueSerde?: AnySerde | undefined
  },
): StoreSpec => {
  const { versioned, caching = true, logging = {}, maxEntries } = materialized
  const facts = {
    name,
    keySerde: drawing.keySerde(materialized.keySerde, `the key of store ${name}`),
    valueSerde: drawing.valueSerde(materialized.valueSerde, `the value of store ${name}`),
    logging,
    named: materialized.name !== undefined,
    ...tableOptions(name, { ...materialized, logging, kind: versioned ? 'versioned' : 'key-value' }),
  }
  if (versioned)
    return { ...facts, kind: 'versioned', holds: 'versions', historyMs: checkHistory(versioned.historyRetentionMs), caching: false }
  return { ...facts, kind: 'key-value', holds: drawing.holdsHeaders ? 'headers' : 'timestamped', caching, ...entriesOf(maxEntries) }
}

const entriesOf = (maxEntries: number | undefined): { readonly maxEntries?: number } => {
  if (maxEntries === undefined) return {}
  if (Number.isInteger(maxEntries) && maxEntries >= 1) return { maxEntries }
  throw new StreamsError('CONFIG_INVALID', `maxEntries is at least 1, not ${maxEntries}`)
}

const checkHistory = (ms: number): number => {
  if (Number.isSafeInteger(ms) && ms >= 0) return ms
  throw new StreamsError('CONFIG_INVALID', `historyRetentionMs is milliseconds, 0 or more, not ${ms}`)
}

/** Of a versioned store, how far back it goes. */
export const historyOf = (store: StoreSpec | undefined): number | undefined => (store?.kind === 'versioned' ? store.historyMs : undefined)

/** Facts of a table whose node keeps its rows in `store`, whatever those below ask for. */
export const storedTable = <K, V>(
  node: LogicalNode,
  store: StoreSpec,
  draw: (demand: { readonly oldValues: boolean }) => LogicalNodeSpec,
): TableFacts<K, V> => ({
  historyMs: historyOf(store),
  view: () => storeView(store.name, historyOf(store)),
  sendOldValues: () => {
    node.spec = draw({ oldValues: true })
    return true
  },
})

/** What those below a table that is a source ask of it; it only grows. */
export interface SourceDemand {
  readonly stored: boolean
  readonly oldValues: boolean
}

/** Facts of a table that is read from records: it has a store as soon as somebody needs its rows (D-02). */
export const sourceTable = <K, V>(
  node: LogicalNode,
  store: string,
  {
    stored,
    historyMs,
    draw,
  }: { readonly stored: boolean; readonly historyMs: number | undefined; readonly draw: (demand: SourceDemand) => LogicalNodeSpec },
): TableFacts<K, V> => {
  let demand: SourceDemand = { stored, oldValues: false }
  const raise = (more: Partial<SourceDemand>): void => {
    demand = { ...demand, ...more }
    node.spec = draw(demand)
  }
  return {
    historyMs,
    view: () => {
      if (!demand.stored) raise({ stored: true })
      return storeView(store, historyMs)
    },
    sendOldValues: (force) => {
      if (!force && !demand.stored) return false
      if (!demand.oldValues) raise({ stored: true, oldValues: true })
      return true
    },
  }
}
