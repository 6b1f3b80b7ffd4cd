import { andThen } from '../awaitable.ts'
import type { Change } from '../processor/change.ts'
import type { AnyProcessorSupplier, ProcessorContext } from '../processor/processor.ts'
import type { Record } from '../processor/record.ts'
import { openTableRows, type TableRows } from './table-rows.ts'
import type { TableView } from './table-view.ts'

/** What a verb that computes a table from one other table, row by row, says of itself. */
export interface TableOperator<K, V, VR> {
  /** Begin of generated names (S-30). */
  readonly prefix: string
  /** The row for a row of the parent; null where there is none. It may be computed again for a look-up. */
  readonly compute: (key: K, value: V | null) => VR | null
  /** Where it is known that there was no row, none is not forwarded; for that it takes the parent's old values if they cost no store. */
  readonly skipsNothing: boolean
}

/** The operator's processor. With a store it keeps its rows, without one it forwards what it computes. `versioned`: its parent has no rows that never were (S-21). */
export const computeTable =
  <K, V, VR>(
    { compute, skipsNothing }: TableOperator<K, V, VR>,
    { store, oldValues, versioned }: { readonly store: string | undefined; readonly oldValues: boolean; readonly versioned: boolean },
  ): AnyProcessorSupplier =>
  () => {
    let context: ProcessorContext<K, Change<VR>>
    let rows: TableRows<K, VR> | undefined
    const skips = skipsNothing && oldValues && !versioned
    const isNothing = (change: Change<VR>): boolean => skips && change.newValue === null && change.oldValue === null
    return {
      init: (given: ProcessorContext<K, Change<VR>>) => {
        context = given
        rows = store === undefined ? undefined : openTableRows(given, store, oldValues)
      },
      process: (record: Record<K, Change<V>>) => {
        const { key, value: change } = record
        const newValue = compute(key, change.newValue)
        if (!rows) {
          const computed = { newValue, oldValue: oldValues ? compute(key, change.oldValue) : null }
          if (isNothing(computed)) return
          return context.forward({ ...record, value: change.isLatest === false ? { ...computed, isLatest: false } : computed })
        }
        const kept = rows
        const row = { ...record, value: newValue }
        if (newValue !== null || !skips) return kept.replace(row)
        return andThen(kept.get(key), (before) => (before === null ? undefined : kept.update(row, before.value)))
      },
    }
  }

/** Rows that are computed when they are looked up. */
export const computedView = <K, V, VR>({ compute }: TableOperator<K, V, VR>, parent: TableView<K, V>): TableView<K, VR> => ({
  stores: parent.stores,
  historyMs: parent.historyMs,
  open: (context) => {
    const lookUp = parent.open(context)
    return (key, asOfMs) =>
      andThen(lookUp(key, asOfMs), (row) => {
        const value = row === null ? null : compute(key, row.value)
        return row === null || value === null ? null : { value, timestamp: row.timestamp }
      })
  },
})
