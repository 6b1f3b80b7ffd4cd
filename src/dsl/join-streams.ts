import { StreamsError } from '../errors.ts'
import { merge } from '../operators/merge.ts'
import type { PendingJoinsOptions } from '../operators/pending-joins.ts'
import { keepForJoin, type StreamJoinSide, streamJoin, streamJoinSides } from '../operators/stream-join.ts'
import { streamSelfJoin } from '../operators/stream-self-join.ts'
import type { ValueJoiner } from '../operators/table-join.ts'
import { type JoinSide, outerJoinKey, outerJoinValues } from '../serde/outer-join.ts'
import { type LogicalNodeSpec, logicalNode } from '../topology/logical.ts'
import { checkName } from '../topology/naming.ts'
import type { AnySerde, KeyValueStoreSpec, ProcessorNode, WindowStoreSpec } from '../topology/nodes.ts'
import type { JoinWindows } from '../topology/windows.ts'
import { aboveJoin, type Drawing, type Place } from './drawing.ts'
import type { JoinStoreSupplier, StreamJoined } from './options.ts'

interface StreamJoinSpec<K, L, R, VR> {
  /** Sees null for a stream that had no record. */
  readonly joiner: ValueJoiner<K, L | null, R | null, VR>
  readonly windows: JoinWindows
  /** The streams whose records give a result without a partner too. */
  readonly outer: { readonly left: boolean; readonly right: boolean }
  readonly joined: StreamJoined<K, L, R>
}

/** Draws the join of two streams (D-22), each repartitioned first if its key may have changed. */
export const joinStreams = <K, L, R, VR>(left: Place<K, L>, right: Place<K, R>, spec: StreamJoinSpec<K, L, R, VR>): Place<K, VR> => {
  const { joiner, windows, outer, joined } = spec
  const { drawing } = left
  const { name } = joined
  const topic = (side: JoinSide) => (name === undefined ? undefined : `${checkName(name)}-${side}`)
  const parents = [
    aboveJoin(left, { ...joined, name: topic('left') }),
    aboveJoin(right, { ...joined, name: topic('right'), valueSerde: joined.otherValueSerde }),
  ] as const
  const names = namesOf(drawing, spec)
  const keySerde = joined.keySerde ?? left.keySerde ?? right.keySerde
  const stores = storesOf(drawing, names, spec, {
    key: keySerde,
    left: joined.valueSerde ?? left.valueSerde,
    right: joined.otherValueSerde ?? right.valueSerde,
  })
  const windowed = (side: JoinSide): LogicalNodeSpec => ({
    name: names.windowed[side],
    stores: [stores[side]],
    nodes: [node(names.windowed[side], [], [stores[side].name], keepForJoin(stores[side].name))],
  })
  drawing.graph.add(parents[0], logicalNode(windowed('left')))
  drawing.graph.add(parents[1], logicalNode(windowed('right')))
  const sides = streamJoinSides(joiner, windows, outer)
  const pending = stores.pending && pendingOf(stores.pending.name, sides, windows)
  const joining = (side: JoinSide, other: JoinSide): ProcessorNode =>
    reading(
      stores[other].name,
      sides[side].beforeMs,
      node(
        names.join[side],
        [names.windowed[side]],
        [stores[other].name, ...(stores.pending ? [stores.pending.name] : [])],
        side === 'left'
          ? streamJoin(sides.left, { otherStore: stores.right.name, pending })
          : streamJoin(sides.right, { otherStore: stores.left.name, pending }),
      ),
    )
  const merged = { ...node(names.merge, [names.join.left, names.join.right], [], merge().supplier), meets: [] }
  const selfJoin = streamSelfJoin(stores.left.name, windows, joiner as ValueJoiner<K, unknown, unknown, VR>)
  const widestMs = Math.max(windows.beforeMs, windows.afterMs)
  const itself = reading(stores.left.name, widestMs, {
    ...node(names.merge, [names.windowed.left], [stores.left.name], selfJoin),
    meets: [],
  })
  const result = drawing.graph.add(
    parents,
    logicalNode({
      name: names.merge,
      ...(stores.pending ? { stores: [stores.pending] } : {}),
      // as in Kafka Streams: on both sides, though a left join has no use for those of the right one
      takesNullKeys: outer.left,
      nodes: [joining('left', 'right'), joining('right', 'left'), merged],
      withItself: {
        spec: { name: names.merge, takesNullKeys: outer.left, nodes: [itself] },
        without: names.windowed.right,
      },
    }),
  )
  return { drawing, node: result, keySerde, valueSerde: undefined, repartition: false }
}

const node = (name: string, parents: readonly string[], stores: readonly string[], supplier: ProcessorNode['supplier']): ProcessorNode => ({
  kind: 'processor',
  name,
  parents,
  supplier,
  stores,
  keepsKey: true,
  readsByKey: [],
})

/** It reads the records that came so long before, and later ones. */
const reading = (store: string, beforeMs: number, spec: ProcessorNode): ProcessorNode => ({
  ...spec,
  readsFrom: [{ store, fromMs: (timestamp) => Math.max(0, timestamp - beforeMs) }],
})

/** Names of nodes and stores; `generated` is the left side's, whose number the store of waiting records shares (S-31, S-32). */
interface JoinNames extends StoreNames {
  readonly windowed: Readonly<Record<JoinSide, string>>
  readonly join: Readonly<Record<JoinSide, string>>
  readonly merge: string
}

interface StoreNames {
  readonly stores: Readonly<Record<JoinSide | 'pending', string>>
}

const namesOf = <K, L, R>({ names }: Drawing, { outer, joined }: Pick<StreamJoinSpec<K, L, R, unknown>, 'outer' | 'joined'>): JoinNames => {
  const { name, storeName, thisStoreSupplier, otherStoreSupplier } = joined
  for (const given of [name, storeName, thisStoreSupplier?.name, otherStoreSupplier?.name]) if (given !== undefined) checkName(given)
  const processor = (prefix: string, suffix: string): string => names.processor(prefix, name === undefined ? undefined : `${name}${suffix}`)
  const windowed = { left: processor('KSTREAM-WINDOWED-', '-this-windowed'), right: processor('KSTREAM-WINDOWED-', '-other-windowed') }
  const generated = {
    left: names.processor(outer.right ? 'KSTREAM-OUTERTHIS-' : 'KSTREAM-JOINTHIS-'),
    right: names.processor(outer.left ? 'KSTREAM-OUTEROTHER-' : 'KSTREAM-JOINOTHER-'),
  }
  const suffixes = { left: outer.right ? '-outer-this-join' : '-this-join', right: outer.left ? '-outer-other-join' : '-other-join' }
  const store = (side: JoinSide): string => `${storeName === undefined ? generated[side] : `${storeName}${suffixes[side]}`}-store`
  const sharedBase = thisStoreSupplier?.name ?? storeName
  const shared = outer.right ? '-outer-shared-join' : '-left-shared-join'
  const pending = sharedBase === undefined ? `KSTREAM-OUTERSHARED-${generated.left.slice(-10)}` : `${sharedBase}${shared}`
  return {
    windowed,
    join: {
      left: name === undefined ? generated.left : `${name}${suffixes.left}`,
      right: name === undefined ? generated.right : `${name}${suffixes.right}`,
    },
    merge: processor('KSTREAM-MERGE-', '-merge'),
    stores: {
      left: thisStoreSupplier?.name ?? store('left'),
      right: otherStoreSupplier?.name ?? store('right'),
      pending: `${pending}-store`,
    },
  }
}

type Serdes = Readonly<Record<JoinSide | 'key', AnySerde | undefined>>

interface JoinStores extends Readonly<Record<JoinSide, WindowStoreSpec>> {
  /** Only where a record without a partner gives a result. */
  readonly pending: KeyValueStoreSpec | undefined
}

const storesOf = <K, L, R>(
  drawing: Drawing,
  { stores }: StoreNames,
  { windows, outer, joined }: Pick<StreamJoinSpec<K, L, R, unknown>, 'windows' | 'outer' | 'joined'>,
  serdes: Serdes,
): JoinStores => {
  const { storeName, thisStoreSupplier, otherStoreSupplier, logging = {} } = joined
  const windowSizeMs = windows.beforeMs + windows.afterMs
  const retentionMs = windowSizeMs + windows.graceMs
  checkSuppliers([thisStoreSupplier, otherStoreSupplier], { windowSizeMs, retentionMs })
  const valueSerde = (side: JoinSide) => drawing.valueSerde(serdes[side], `the value of store ${stores[side]}`)
  const keySerde = drawing.keySerde(serdes.key, `the key of store ${stores.left}`)
  const window = (side: JoinSide, supplier: JoinStoreSupplier | undefined): WindowStoreSpec => ({
    ...{ kind: 'window', holds: 'values', name: stores[side], keySerde, valueSerde: valueSerde(side) },
    ...{ windowSizeMs, retentionMs, retainDuplicates: true, caching: false, logsHeaders: true },
    // no two records have the same key, there is nothing to compact; of a supplier's store Kafka Streams compacts the changelog all the same
    logging: logging === false ? false : { 'cleanup.policy': supplier ? 'compact,delete' : 'delete', ...logging },
    named: (supplier?.name ?? storeName) !== undefined,
  })
  const pending = (): KeyValueStoreSpec => ({
    ...{ kind: 'key-value', holds: 'values', name: stores.pending, keySerde: outerJoinKey(keySerde) },
    valueSerde: outerJoinValues(valueSerde('left'), valueSerde('right')),
    ...{ caching: false, logging, named: (thisStoreSupplier?.name ?? storeName) !== undefined },
  })
  return {
    left: window('left', thisStoreSupplier),
    right: window('right', otherStoreSupplier),
    pending: outer.left || outer.right ? pending() : undefined,
  }
}

/** A store of one's own must keep what the windows need, and every record. Throws TOPOLOGY_INVALID. */
const checkSuppliers = (
  [left, right]: readonly [JoinStoreSupplier | undefined, JoinStoreSupplier | undefined],
  { windowSizeMs, retentionMs }: { readonly windowSizeMs: number; readonly retentionMs: number },
): void => {
  const wrong = (why: string): never => {
    throw new StreamsError('TOPOLOGY_INVALID', why, { remedy: 'Make the stores as the windows need them, or leave them out.' })
  }
  if (left && right && left.name === right.name) wrong('Both StoreSuppliers have the same name.  StoreSuppliers must provide unique names')
  for (const supplier of [left, right]) {
    if (!supplier) continue
    if (supplier.windowSizeMs !== windowSizeMs || supplier.retentionMs !== retentionMs) {
      wrong(
        `Window settings mismatch. Store ${supplier.name} has windowSizeMs=${supplier.windowSizeMs} and retentionMs=${supplier.retentionMs}, the windows of the join need windowSizeMs=${windowSizeMs} and retentionMs=${retentionMs}`,
      )
    }
    if (!supplier.retainDuplicates) wrong('The StoreSupplier must set retainDuplicates=true, found retainDuplicates=false')
  }
}

const pendingOf = <K, L, R, VR>(
  store: string,
  sides: { readonly left: StreamJoinSide<K, L, R, VR>; readonly right: StreamJoinSide<K, R, L, VR> },
  { graceMs }: JoinWindows,
): PendingJoinsOptions<unknown, unknown, VR, K> => ({
  store,
  graceMs,
  waitsMs: {
    left: sides.left.outer ? sides.left.afterMs : undefined,
    right: sides.right.outer ? sides.right.afterMs : undefined,
  },
  alone: ({ side, value }, key) => (side === 'left' ? sides.left.join(value as L, null, key) : sides.right.join(value as R, null, key)),
})
