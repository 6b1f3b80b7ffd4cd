import { StreamsError } from '../errors.ts'
import type { Aggregator } from '../operators/aggregate.ts'
import { merge } from '../operators/merge.ts'
import { storeView } from '../operators/table-view.ts'
import { type LogicalNodeSpec, logicalNode } from '../topology/logical.ts'
import { checkName } from '../topology/naming.ts'
import type { AnySerde, ProcessorNode, StoreSpec } from '../topology/nodes.ts'
import type { Drawing } from './drawing.ts'
import { KTable } from './k-table.ts'
import { historyOf, materializedOf, storeNameOf } from './materialize.ts'
import type { Aggregated, Materialized } from './options.ts'
import type { Grouping } from './windowed-aggregation.ts'

/** A grouping that goes into the table of a cogroup, with the aggregator for its values. */
export interface CogroupInput<K, A> {
  readonly grouping: Grouping<K, unknown>
  readonly aggregator: Aggregator<K, unknown, A>
}

/** What the kinds of cogroups, with and without windows, say of their aggregations. */
export interface CogroupAggregation<K, A> {
  readonly options: Aggregated<K, A>
  /** The one store of all inputs. `keySerde` is the first grouping's, unless the user gave the store one. */
  readonly store: (drawing: Drawing, name: string, materialized: Materialized<K, A>) => StoreSpec
  /** The key serde of the table, for what is written to topics. */
  readonly tableKeySerde: (inner: AnySerde) => AnySerde
  /** The node of one input. */
  readonly node: (
    input: CogroupInput<K, A>,
    at: { readonly store: string; readonly index: number; readonly oldValues: boolean },
  ) => Pick<ProcessorNode, 'supplier' | 'keepsKey' | 'readsByKey' | 'readsWindows' | 'readsFrom'>
  readonly graceMs?: number
}

const aggregatePrefix = 'COGROUPKSTREAM-AGGREGATE-'
const mergePrefix = 'COGROUPKSTREAM-MERGE-'

/** Draws the store, one node per input and the node that brings them together (D-32). */
export const drawCogrouped = <K, KR, A>(
  inputs: readonly CogroupInput<K, A>[],
  { options, store: storeOf, tableKeySerde, node: nodeOf, graceMs }: CogroupAggregation<K, A>,
): KTable<KR, A> => {
  const first = inputs[0]
  if (!first) throw new StreamsError('TOPOLOGY_INVALID', 'A cogrouped stream takes at least one grouping')
  const { drawing, keySerde = undefined } = first.grouping.place
  const materialized = materializedOf(options.store) ?? {}
  const storeName = storeNameOf(drawing, aggregatePrefix, materialized)
  const store = storeOf(drawing, storeName, keySerde === undefined ? materialized : { keySerde, ...materialized })
  const nameOf = (prefix: string, suffix: string): string =>
    drawing.names.processor(prefix, options.name === undefined ? undefined : checkName(`${options.name}${suffix}`))
  // all repartitions come before the first aggregation, as in Java's numbering
  const above = inputs.map(({ grouping }) => grouping.repartitioned(storeName))
  const aggregations = inputs.map((input, index) => {
    const name = nameOf(aggregatePrefix, `-cogroup-agg-${index}`)
    const draw = (oldValues: boolean): LogicalNodeSpec => ({
      name,
      stores: [store],
      ...(graceMs === undefined ? {} : { graceMs }),
      nodes: [{ kind: 'processor', name, parents: [], stores: [storeName], ...nodeOf(input, { store: storeName, index, oldValues }) }],
    })
    const node = logicalNode(draw(false))
    drawing.graph.add(above[index] ?? drawing.graph.root, node)
    return { node, draw }
  })
  const name = nameOf(mergePrefix, '-cogroup-merge')
  const { supplier } = merge<K, unknown>()
  const merged = drawing.graph.add(
    aggregations.map(({ node }) => node),
    logicalNode({
      name,
      nodes: [{ kind: 'processor', name, parents: [], supplier, stores: [], keepsKey: true, readsByKey: [], meets: [] }],
    }),
  )
  return new KTable({
    drawing,
    node: merged,
    keySerde: tableKeySerde(store.keySerde),
    valueSerde: store.valueSerde,
    repartition: false,
    queryableStoreName: materialized.name ?? null,
    facts: {
      historyMs: historyOf(store),
      view: () => storeView(storeName, historyOf(store)),
      sendOldValues: () => {
        for (const { node, draw } of aggregations) node.spec = draw(true)
        return true
      },
    },
  })
}
