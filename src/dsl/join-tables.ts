import { joinedView, joinSides, mergeJoined, tableJoin, tableJoinPrefixes, type ValueJoiner } from '../operators/table-join.ts'
import { storeView, type TableFacts } from '../operators/table-view.ts'
import { type LogicalNodeSpec, logicalNode } from '../topology/logical.ts'
import { checkName } from '../topology/naming.ts'
import type { ProcessorNode } from '../topology/nodes.ts'
import { historyOf, keyValueStore, materializedOf, storeNameOf, type TablePlace } from './materialize.ts'
import type { Aggregated } from './options.ts'

/** The joiner sees null for a table whose row is not needed. */
interface JoinSpec<K, L, R, VR> {
  readonly joiner: ValueJoiner<K, L | null, R | null, VR>
  readonly needed: { readonly left: boolean; readonly right: boolean }
  readonly options: Aggregated<K, NonNullable<VR>>
}

/** Draws the join of two tables by key (D-55). Both are kept in stores from now on; the result is where it has options for one. */
export const joinTables = <K, L, R, VR>(
  left: TablePlace<K, L>,
  right: TablePlace<K, R>,
  { joiner, needed, options }: JoinSpec<K, L, R, VR>,
): TablePlace<K, NonNullable<VR>> => {
  const { drawing } = left
  if (!needed.right) left.facts.sendOldValues(true)
  if (!needed.left) right.facts.sendOldValues(true)
  const views = { left: left.facts.view(), right: right.facts.view() }
  const sides = joinSides(joiner as ValueJoiner<K, L | null, R | null, NonNullable<VR>>, needed)
  const materialized = materializedOf(options.store)
  const storeName = materialized && storeNameOf(drawing, tableJoinPrefixes.merge, materialized)
  const given = options.name === undefined ? undefined : checkName(options.name)
  const merge = drawing.names.processor(tableJoinPrefixes.merge, given)
  const joinLeft = drawing.names.processor(tableJoinPrefixes.left, given && `${given}-join-this`)
  const joinRight = drawing.names.processor(tableJoinPrefixes.right, given && `${given}-join-other`)
  const { keySerde = left.keySerde, valueSerde } = materialized ?? {}
  const store = storeName === undefined ? undefined : keyValueStore(drawing, storeName, { ...materialized, keySerde, valueSerde })
  const draw = (oldValues: boolean): LogicalNodeSpec => {
    return {
      name: merge,
      ...(store ? { stores: [store] } : {}),
      nodes: [
        lookingUp(joinLeft, left.node.spec.name, { stores: views.right.stores, supplier: tableJoin(sides.left, views.right, oldValues) }),
        lookingUp(joinRight, right.node.spec.name, { stores: views.left.stores, supplier: tableJoin(sides.right, views.left, oldValues) }),
        mergeNode(merge, [joinLeft, joinRight], { store: storeName, oldValues }),
      ],
    }
  }
  const node = drawing.graph.add([left.node, right.node], logicalNode(draw(false)))
  const facts: TableFacts<K, NonNullable<VR>> = {
    historyMs: historyOf(store),
    view: () => (store ? storeView(store.name, historyOf(store)) : joinedView(sides.left, views)),
    sendOldValues: () => {
      for (const side of [left, right]) side.facts.sendOldValues(true)
      node.spec = draw(true)
      return true
    },
  }
  return { drawing, node, keySerde, valueSerde, repartition: false, queryableStoreName: storeName ?? null, facts }
}

const lookingUp = (name: string, parent: string, { stores, supplier }: Pick<ProcessorNode, 'stores' | 'supplier'>): ProcessorNode => ({
  ...{ kind: 'processor', name, parents: [parent], supplier, stores, keepsKey: true, readsByKey: stores },
})

const mergeNode = (
  name: string,
  parents: readonly string[],
  { store, oldValues }: { readonly store: string | undefined; readonly oldValues: boolean },
): ProcessorNode => ({
  kind: 'processor',
  name,
  parents,
  supplier: mergeJoined(store, oldValues),
  stores: store === undefined ? [] : [store],
  keepsKey: true,
  readsByKey: store !== undefined && oldValues ? [store] : [],
  meets: [],
})
