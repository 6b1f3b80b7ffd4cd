import { storeView, type TableFacts } from '../operators/table-view.ts'
import type { LogicalNode, LogicalNodeSpec } from '../topology/logical.ts'
import { checkName } from '../topology/naming.ts'
import type { AnySerde, StoreSpec } from '../topology/nodes.ts'
import type { Drawing, Place } from './drawing.ts'
import type { Materialized } from './options.ts'

/** Where a table stands, and what can be asked of it. */
export interface TablePlace<K, V> extends Place<K, V> {
  readonly queryableStoreName: string | null
  readonly facts: TableFacts<K, V>
}

/** The option in full; undefined stays undefined, as it may decide the numbering. */
export const materializedOf = <K, V>(store: string | Materialized<K, V> | undefined): Materialized<K, V> | undefined =>
  typeof store === 'string' ? { name: store } : store

/** The user's name for a store or the next generated one. */
export const storeNameOf = ({ names }: Drawing, prefix: string, { name }: { readonly name?: string }): string =>
  name === undefined ? names.store(prefix) : checkName(name)

/** A key-value store with times under this name; throws CONFIG_INVALID where there is no serde for it. */
export const keyValueStore = <K, V>(
  drawing: Drawing,
  name: string,
  materialized: Omit<Materialized<K, V>, 'keySerde' | 'valueSerde'> & {
    readonly keySerde?: AnySerde | undefined
    readonly valueSerde?: AnySerde | undefined
  },
): StoreSpec => ({
  kind: 'key-value',
  holds: 'timestamped',
  name,
  keySerde: drawing.keySerde(materialized.keySerde, `the key of store ${name}`),
  valueSerde: drawing.valueSerde(materialized.valueSerde, `the value of store ${name}`),
  caching: materialized.caching ?? true,
  logging: materialized.logging ?? {},
  named: materialized.name !== undefined,
})

/** Facts of a table whose node keeps its rows in `store`, whatever those below ask for. */
export const storedTable = <K, V>(
  node: LogicalNode,
  store: string,
  draw: (demand: { readonly oldValues: boolean }) => LogicalNodeSpec,
): TableFacts<K, V> => ({
  view: () => storeView(store),
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
  { stored, draw }: { readonly stored: boolean; readonly draw: (demand: SourceDemand) => LogicalNodeSpec },
): TableFacts<K, V> => {
  let demand: SourceDemand = { stored, oldValues: false }
  const raise = (more: Partial<SourceDemand>): void => {
    demand = { ...demand, ...more }
    node.spec = draw(demand)
  }
  return {
    view: () => {
      if (!demand.stored) raise({ stored: true })
      return storeView(store)
    },
    sendOldValues: (force) => {
      if (!force && !demand.stored) return false
      if (!demand.oldValues) raise({ stored: true, oldValues: true })
      return true
    },
  }
}
