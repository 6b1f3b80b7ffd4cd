import { repartition } from '../operators/repartition.ts'
import { type ComputedRows, computedView, computeTable, type TableOperator } from '../operators/table-operator.ts'
import { tableSourceNode, toTablePrefix } from '../operators/table-source.ts'
import { storeView, type TableFacts } from '../operators/table-view.ts'
import type { Serde } from '../serde/serde.ts'
import { type LogicalNode, type LogicalNodeSpec, logicalNode } from '../topology/logical.ts'
import { checkName } from '../topology/naming.ts'
import type { StoreSpec } from '../topology/nodes.ts'
import type { Place } from './drawing.ts'
import { historyOf, keyValueStore, materializedOf, type SourceDemand, sourceTable, storeNameOf, type TablePlace } from './materialize.ts'
import type { Aggregated } from './options.ts'

/** Draws a table that is computed from `parent` row by row; it has a store only if the user named one (D-50, D-51). */
export const deriveTable = <K, V, VR>(
  parent: TablePlace<K, V>,
  operator: TableOperator<K, V, VR>,
  {
    options,
    inherited,
    ownStores = [],
  }: {
    readonly options: Aggregated<K, VR>
    readonly inherited: Serde<VR> | undefined
    /** Stores that the operator brings. */
    readonly ownStores?: readonly StoreSpec[]
  },
): TablePlace<K, VR> => {
  const { drawing } = parent
  const materialized = materializedOf(options.store)
  if (operator.numbersUnnamed && materialized && materialized.name === undefined) drawing.names.store(operator.prefix)
  const { keySerde = parent.keySerde, valueSerde = inherited } = materialized ?? {}
  const storeName = materialized?.name === undefined ? undefined : checkName(materialized.name)
  const name = drawing.names.processor(operator.prefix, options.name === undefined ? undefined : checkName(options.name))
  const store = storeName === undefined ? undefined : keyValueStore(drawing, storeName, { ...materialized, keySerde, valueSerde })
  const versioned = parent.facts.historyMs !== undefined
  // as in Java a store ends a table of versions, also one that it does not make for want of a name
  const historyMs = materialized ? historyOf(store) : parent.facts.historyMs
  const draw = (oldValues: boolean): LogicalNodeSpec =>
    computedNode(operator, { name, store, ownStores, rows: { oldValues, versioned, tellsVersions: historyMs !== undefined } })
  const oldValues = operator.skipsNothing && parent.facts.sendOldValues(false)
  const node = drawing.graph.add(parent.node, logicalNode(draw(oldValues)))
  const facts: TableFacts<K, VR> = {
    historyMs,
    view: () => (store ? storeView(store.name, historyOf(store)) : computedView(operator, parent.facts.view())),
    sendOldValues: (force) => {
      if (storeName === undefined && !parent.facts.sendOldValues(force)) return false
      node.spec = draw(true)
      return true
    },
  }
  return { drawing, node, keySerde, valueSerde, repartition: false, queryableStoreName: storeName ?? null, facts }
}

const computedNode = <K, V, VR>(
  operator: TableOperator<K, V, VR>,
  {
    name,
    store,
    rows,
    ownStores,
  }: {
    readonly name: string
    readonly store: StoreSpec | undefined
    readonly rows: Omit<ComputedRows, 'store'>
    readonly ownStores: readonly StoreSpec[]
  },
): LogicalNodeSpec => ({
  name,
  stores: store ? [store, ...ownStores] : ownStores,
  nodes: [
    {
      kind: 'processor',
      name,
      parents: [],
      supplier: computeTable(operator, { ...rows, store: store?.name }),
      stores: [...(store ? [store.name] : []), ...(operator.stores ?? [])],
      keepsKey: true,
      readsByKey: store && rows.oldValues ? [store.name] : [],
      ...(operator.mayPunctuate ? { mayPunctuate: true } : {}),
    },
  ],
})

/** Draws the table whose updates are the records of a stream (D-20). */
export const tableOfStream = <K, V>(
  { drawing, node: parent, ...stream }: Place<K, V>,
  options: Aggregated<K, NonNullable<V>>,
): TablePlace<K, NonNullable<V>> => {
  const name = drawing.names.processor(toTablePrefix, options.name === undefined ? undefined : checkName(options.name))
  const materialized = materializedOf(options.store) ?? {}
  const storeName = storeNameOf(drawing, toTablePrefix, materialized)
  const { keySerde = stream.keySerde, valueSerde = stream.valueSerde as Serde<NonNullable<V>> | undefined } = materialized
  const store = keyValueStore(drawing, storeName, { ...materialized, keySerde, valueSerde })
  const above = (): LogicalNode => {
    const made = repartition(drawing.names, name, { keySerde: store.keySerde, valueSerde: store.valueSerde, mergeable: true })
    return drawing.graph.add(parent, logicalNode(made))
  }
  const draw = ({ stored, oldValues }: SourceDemand): LogicalNodeSpec => ({
    name,
    ...(stored ? { stores: [store] } : { storesOnDemand: [store] }),
    nodes: [tableSourceNode({ name, parents: [], store: stored ? storeName : undefined, oldValues })],
  })
  const stored = materialized.name !== undefined
  const node = drawing.graph.add(stream.repartition ? above() : parent, logicalNode(draw({ stored, oldValues: false })))
  return {
    ...{ drawing, node, keySerde, valueSerde, repartition: false, queryableStoreName: materialized.name ?? null },
    facts: sourceTable(node, storeName, { stored, historyMs: historyOf(store), draw }),
  }
}
