import { StreamsError } from '../errors.ts'
import type { Serde } from '../serde/serde.ts'
import type { Windowed } from '../serde/windowed.ts'
import { type LogicalNode, type LogicalNodeSpec, logicalNode } from '../topology/logical.ts'
import { checkName } from '../topology/naming.ts'
import type { AnySerde, ProcessorNode, SessionStoreSpec, StoreSpec, WindowStoreSpec } from '../topology/nodes.ts'
import { tableOptions } from '../topology/table-options.ts'
import { topologyError } from '../topology/topology-error.ts'
import type { Drawing, Place } from './drawing.ts'
import { KTable } from './k-table.ts'
import { materializedOf, storedTable, storeNameOf } from './materialize.ts'
import type { Aggregated, Materialized } from './options.ts'
import { type Retention, type WindowKind, windowReads } from './window-kinds.ts'

/** A grouping as its windowed forms see it. */
export interface Grouping<K, V> {
  readonly place: Place<K, V>
  /** The node below which an aggregation with this store stands: repartitioned where the key may have changed. */
  readonly repartitioned: (storeName: string) => LogicalNode
}

/** What a windowed store is, beyond what every store is. */
type WindowedStoreKind =
  | Pick<WindowStoreSpec, 'kind' | 'holds' | 'windowSizeMs' | 'retainDuplicates'>
  | Pick<SessionStoreSpec, 'kind' | 'holds'>

/** What the kinds of windows say of their aggregations. */
export interface WindowedAggregation<A> {
  readonly prefix: string
  readonly options: Aggregated<unknown, A>
  readonly defaultSerde: Serde<A> | undefined
  readonly kind: WindowedStoreKind
  readonly retention: Retention
  /** The key serde of the table, for what is written to topics. */
  readonly windowed: (inner: AnySerde) => AnySerde
  /** Which rows a record's time tells that are read. */
  readonly reads: Pick<WindowKind<unknown, unknown>, 'windowsFor' | 'fromMs'>
  readonly supplier: (storeName: string, oldValues: boolean) => ProcessorNode['supplier']
  /** False: the store is not cached whatever the user says. */
  readonly cacheable?: boolean
}

/** Draws store and node of one windowed aggregation. Throws TOPOLOGY_INVALID where the store would forget too early. */
export const drawWindowed = <K, V, A>(
  { place, repartitioned }: Grouping<K, V>,
  { prefix, options, defaultSerde, kind, retention, windowed, reads, supplier, cacheable = true }: WindowedAggregation<A>,
): KTable<Windowed<K>, A> => {
  const { drawing } = place
  const materialized: Materialized<unknown, A> = materializedOf(options.store) ?? {}
  if (materialized.versioned) throw topologyError('Windowed tables cannot be versioned.')
  const storeName = storeNameOf(drawing, prefix, materialized)
  const name = drawing.names.processor(prefix, options.name === undefined ? undefined : checkName(options.name))
  const { keySerde = place.keySerde, valueSerde = defaultSerde, caching = true } = materialized
  const given = { ...materialized, caching: cacheable && caching, keySerde, valueSerde, kind, retention }
  const store = windowedStore(drawing, storeName, given)
  const draw = ({ oldValues }: { readonly oldValues: boolean }): LogicalNodeSpec => ({
    name,
    stores: [store],
    graceMs: retention.graceMs,
    nodes: [
      {
        kind: 'processor',
        name,
        parents: [],
        supplier: supplier(storeName, oldValues),
        stores: [storeName],
        keepsKey: false,
        readsByKey: [],
        ...windowReads(storeName, reads),
      },
    ],
  })
  const node = logicalNode(draw({ oldValues: false }))
  drawing.graph.add(repartitioned(storeName), node)
  return new KTable({
    drawing,
    node,
    keySerde: windowed(store.keySerde),
    valueSerde: store.valueSerde,
    repartition: false,
    queryableStoreName: materialized.name ?? null,
    facts: storedTable(node, store, draw),
  })
}

/** A store with windows under this name. Throws CONFIG_INVALID where there is no serde for it, TOPOLOGY_INVALID where it would forget too early. */
export const windowedStore = (
  drawing: Drawing,
  name: string,
  {
    kind,
    retention,
    keySerde,
    valueSerde,
    ...materialized
  }: Omit<Materialized<unknown, unknown>, 'keySerde' | 'valueSerde'> & {
    readonly kind: WindowedStoreKind
    readonly retention: Retention
    readonly keySerde?: AnySerde | undefined
    readonly valueSerde?: AnySerde | undefined
  },
): StoreSpec => ({
  ...kind,
  ...(drawing.holdsHeaders ? { holds: 'headers' } : {}),
  name,
  keySerde: drawing.keySerde(keySerde, `the key of store ${name}`),
  valueSerde: drawing.valueSerde(valueSerde, `the value of store ${name}`),
  retentionMs: retentionOf(name, retention, materialized.retentionMs),
  caching: materialized.caching ?? true,
  logging: materialized.logging ?? {},
  named: materialized.name !== undefined,
  ...tableOptions(name, { ...materialized, kind: kind.kind }),
})

/** S-11: what the windows need, or what the user asks for if it is no less. */
const retentionOf = (store: string, { leastMs, refusal }: Retention, retentionMs = leastMs): number => {
  if (retentionMs >= leastMs) return retentionMs
  throw new StreamsError('TOPOLOGY_INVALID', refusal(store, retentionMs), { remedy: 'Raise retentionMs, or leave it out.' })
}
