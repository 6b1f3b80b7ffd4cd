import { type Awaitable, andThen } from '../awaitable.ts'
import type { Change } from '../processor/change.ts'
import type { AnyProcessorSupplier, ProcessorContext } from '../processor/processor.ts'
import type { Record } from '../processor/record.ts'
import type { ValueAndTimestamp } from '../processor/store.ts'
import { openTableRows, type TableRows } from './table-rows.ts'
import type { Lookup, TableView } from './table-view.ts'

/** The key comes last (Java's `ValueJoinerWithKey` twin) and is not to be changed. */
export type ValueJoiner<K, L, R, VR> = (left: L, right: R, key: K) => VR

export const tableJoinPrefixes = { merge: 'KTABLE-MERGE-', left: 'KTABLE-JOINTHIS-', right: 'KTABLE-JOINOTHER-' } as const

/** One side of a join as seen by the node that joins its changes with the other side's rows. */
export interface JoinSide<K, V, VO, VR> {
  /** The result needs a row of this side, of the other side; at least one side is there whenever it is called. */
  readonly needed: { readonly own: boolean; readonly other: boolean }
  readonly join: (own: V | null, other: VO | null, key: K) => VR
}

/** A join seen from its left and from its right side. */
export const joinSides = <K, L, R, VR>(
  joiner: ValueJoiner<K, L | null, R | null, VR>,
  { left, right }: { readonly left: boolean; readonly right: boolean },
): { readonly left: JoinSide<K, L, R, VR>; readonly right: JoinSide<K, R, L, VR> } => ({
  left: { needed: { own: left, other: right }, join: joiner },
  right: { needed: { own: right, other: left }, join: (own, other, key) => joiner(other, own, key) },
})

const joined = <K, V, VO, VR>({ needed, join }: JoinSide<K, V, VO, VR>, key: K, own: V | null, other: VO | null): VR | null => {
  if ((own === null && (needed.own || other === null)) || (other === null && needed.other)) return null
  return join(own, other, key) ?? null
}

/**
 * Joins the changes of one table with the rows of the other (`KTableKTableInnerJoin`, `LeftJoin`, `RightJoin`, `OuterJoin`,
 * D-55, S-17). Where a side that the result needs is missing in the other table, or neither table has or had a row, nothing is
 * forwarded; where the changed row itself is missing, a deletion is. A null key is dropped and counted. The result has the later
 * time of both rows.
 *
 * @example
 * ```ts
 * import { Serdes, StreamsBuilder } from 'millrace'
 *
 * const strings = { keySerde: Serdes.string, valueSerde: Serdes.string }
 * const builder = new StreamsBuilder()
 * const names = builder.table('names', strings)
 * const cities = builder.table('cities', strings)
 * names.leftJoin(cities, (name, city, id) => `${id}: ${name} of ${city ?? 'nowhere'}`).toStream().to('people', strings)
 * builder.build().subTopologies.map((sub) => sub.copartitioned.flat().map((topic) => topic.name)) // => [['names', 'cities']]
 * ```
 */
export const tableJoin =
  <K, V, VO, VR>(side: JoinSide<K, V, VO, VR>, other: TableView<K, VO>, oldValues: boolean): AnyProcessorSupplier =>
  () => {
    let context: ProcessorContext<K, Change<VR>>
    let lookUp: Lookup<K, VO>
    const update = (record: Record<K, Change<V>>, row: ValueAndTimestamp<VO> | null): Awaitable<void> => {
      const { key, value: change } = record
      if (row === null && (side.needed.other || (change.newValue === null && change.oldValue === null))) return
      const found = row === null ? null : row.value
      return context.forward({
        ...record,
        value: {
          newValue: joined(side, key, change.newValue, found),
          oldValue: oldValues ? joined(side, key, change.oldValue, found) : null,
        },
        timestamp: row === null ? record.timestamp : Math.max(record.timestamp, row.timestamp),
      })
    }
    return {
      init: (given: ProcessorContext<K, Change<VR>>) => {
        context = given
        lookUp = other.open(given)
      },
      process: (record: Record<K, Change<V>>) => {
        if (record.key === null) return context.drop('null key')
        if (record.value.isLatest === false) return context.drop('older than the row of a versioned table')
        return andThen(lookUp(record.key), (row) => update(record, row))
      },
    }
  }

/**
 * Brings the results of both sides together, and keeps them where the join has a store (`KTableKTableJoinMerger`). As old value
 * a change tells what the sides joined before, as in Kafka, also where the store has another row: so it is in a join with itself.
 */
export const mergeJoined =
  <K, VR>(store: string | undefined, oldValues: boolean): AnyProcessorSupplier =>
  () => {
    let context: ProcessorContext<K, Change<VR>>
    let rows: TableRows<K, VR> | undefined
    return {
      init: (given: ProcessorContext<K, Change<VR>>) => {
        context = given
        rows = store === undefined ? undefined : openTableRows(given, store, oldValues)
      },
      process: (record: Record<K, Change<VR>>) =>
        rows ? rows.update({ ...record, value: record.value.newValue }, record.value.oldValue) : context.forward(record),
    }
  }

/** Rows of a join without a store: joined again for every look-up. */
export const joinedView = <K, L, R, VR>(
  side: JoinSide<K, L, R, VR>,
  { left, right }: { readonly left: TableView<K, L>; readonly right: TableView<K, R> },
): TableView<K, VR> => ({
  stores: [...new Set([...left.stores, ...right.stores])],
  historyMs: undefined,
  open: (context, inPassing) => {
    const [lookUpLeft, lookUpRight] = [left.open(context, inPassing), right.open(context, inPassing)]
    return (key) =>
      andThen(lookUpLeft(key), (own) =>
        andThen(lookUpRight(key), (other) => {
          const value = joined(side, key, own === null ? null : own.value, other === null ? null : other.value)
          const timestamp = Math.max(own === null ? 0 : own.timestamp, other === null ? 0 : other.timestamp)
          return value === null ? null : { value, timestamp }
        }),
      )
  },
})
