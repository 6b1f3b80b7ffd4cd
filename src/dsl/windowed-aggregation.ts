import { StreamsError } from '../errors.ts'
import type { Serde } from '../serde/serde.ts'
import type { Windowed } from '../serde/windowed.ts'
import { type LogicalNode, type LogicalNodeSpec, logicalNode } from '../topology/logical.ts'
import { checkName } from '../topology/naming.ts'
import type { AnySerde, ProcessorNode, StoreSpec } from '../topology/nodes.ts'
import type { Place } from './drawing.ts'
import { KTable } from './k-table.ts'
import { materializedOf, storedTable, storeNameOf } from './materialize.ts'
import type { Aggregated, Materialized } from './options.ts'

/** A grouping as its windowed forms see it. */
export interface Grouping<K, V> {
  readonly place: Place<K, V>
  /** The node below which an aggregation with this store stands: repartitioned where the key may have changed. */
  readonly repartitioned: (storeName: string) => LogicalNode
}

/** What the kinds of windows say of their aggregations. */
export interface WindowedAggregation<A> {
  readonly prefix: string
  readonly options: Aggregated<unknown, A>
  readonly defaultSerde: Serde<A> | undefined
  readonly windowSizeMs: number
  readonly graceMs: number
  /** The key serde of the table, for what is written to topics. */
  readonly windowed: (inner: AnySerde) => AnySerde
  readonly supplier: (storeName: string, oldValues: boolean) => ProcessorNode['supplier']
}

/** Draws store and node of one windowed aggregation. Throws TOPOLOGY_INVALID where the store would forget too early. */
export const drawWindowed = <K, V, A>(
  { place, repartitioned }: Grouping<K, V>,
  { prefix, options, defaultSerde, windowSizeMs, graceMs, windowed, supplier }: WindowedAggregation<A>,
): KTable<Windowed<K>, A> => {
  const { drawing } = place
  const materialized: Materialized<unknown, A> = materializedOf(options.store) ?? {}
  const storeName = storeNameOf(drawing, prefix, materialized)
  const name = drawing.names.processor(prefix, options.name === undefined ? undefined : checkName(options.name))
  const valueSerde = drawing.valueSerde(materialized.valueSerde ?? defaultSerde, `the value of store ${storeName}`)
  const store: StoreSpec = {
    kind: 'timestamped-window',
    name: storeName,
    keySerde: drawing.keySerde(materialized.keySerde ?? place.keySerde, `the key of store ${storeName}`),
    valueSerde,
    windowSizeMs,
    retentionMs: retentionOf(storeName, { sizeMs: windowSizeMs, graceMs, retentionMs: materialized.retentionMs }),
    caching: materialized.caching ?? true,
    logging: materialized.logging ?? {},
    named: materialized.name !== undefined,
  }
  const draw = ({ oldValues }: { readonly oldValues: boolean }): LogicalNodeSpec => ({
    name,
    stores: [store],
    nodes: [
      {
        kind: 'processor',
        name,
        parents: [],
        supplier: supplier(storeName, oldValues),
        stores: [storeName],
        keepsKey: false,
        readsByKey: [],
      },
    ],
  })
  const node = logicalNode(draw({ oldValues: false }))
  drawing.graph.add(repartitioned(storeName), node)
  return new KTable({
    drawing,
    node,
    keySerde: windowed(store.keySerde),
    valueSerde,
    repartition: false,
    queryableStoreName: materialized.name ?? null,
    facts: storedTable(node, storeName, draw),
  })
}

/** S-11: what the windows need, or what the user asks for if it is no less. */
const retentionOf = (
  store: string,
  given: { readonly sizeMs: number; readonly graceMs: number; readonly retentionMs: number | undefined },
): number => {
  const { sizeMs, graceMs, retentionMs = sizeMs + graceMs } = given
  if (retentionMs >= sizeMs + graceMs) return retentionMs
  const got = `Got size=[${sizeMs}], grace=[${graceMs}], retention=[${retentionMs}]`
  const why = `The retention period of the window store ${store} must be no smaller than its window size plus the grace period. ${got}`
  throw new StreamsError('TOPOLOGY_INVALID', why, { remedy: 'Raise retentionMs, or leave it out.' })
}
