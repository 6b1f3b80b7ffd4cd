import { type Awaitable, andThen } from '../awaitable.ts'
import type { Change } from '../processor/change.ts'
import type { AnyProcessorSupplier, ProcessingContext, ProcessorContext } from '../processor/processor.ts'
import type { Record } from '../processor/record.ts'
import { openTableRows, type TableRows } from './table-rows.ts'
import type { TableView } from './table-view.ts'

/** The row for a row of the parent; null where there is none. It may be computed again for a look-up. */
export type ComputeRow<K, V, VR> = (key: K, value: V | null) => Awaitable<VR | null>

/** What a verb that computes a table from one other table, row by row, says of itself. */
export interface TableOperator<K, V, VR> {
  /** Begin of generated names (S-30). */
  readonly prefix: string
  /** Called once for each node that computes rows; `close` when its task is closed. */
  readonly open: (context: ProcessingContext) => { readonly compute: ComputeRow<K, V, VR>; readonly close?: () => void }
  /** Stores that it uses. */
  readonly stores?: readonly string[]
  /** A store without a name uses up a number, as Java's does, though it is none (S-31). */
  readonly numbersUnnamed: boolean
  /** Where it is known that there was no row, none is not forwarded; for that it takes the parent's old values if they cost no store. */
  readonly skipsNothing: boolean
  /** The user's code runs in it, which may ask for the clock. */
  readonly mayPunctuate?: boolean
}

/** How a computed table is kept and sent. */
export interface ComputedRows {
  readonly store: string | undefined
  readonly oldValues: boolean
  /** Its parent has no rows that never were (S-21). */
  readonly versioned: boolean
  /** Its changes tell whether they are of the latest version, as those of its parent do. */
  readonly tellsVersions: boolean
}

/** The operator's processor. With a store it keeps its rows, without one it forwards what it computes. */
export const computeTable =
  <K, V, VR>(
    { open, skipsNothing }: TableOperator<K, V, VR>,
    { store, oldValues, versioned, tellsVersions }: ComputedRows,
  ): AnyProcessorSupplier =>
  () => {
    let context: ProcessorContext<K, Change<VR>>
    let rows: TableRows<K, VR> | undefined
    let computing: ReturnType<typeof open>
    const skips = skipsNothing && oldValues && !versioned
    const isNothing = (change: Change<VR>): boolean => skips && change.newValue === null && change.oldValue === null
    const forward = (record: Record<K, Change<V>>, newValue: VR | null): Awaitable<void> =>
      andThen(oldValues ? computing.compute(record.key, record.value.oldValue) : null, (oldValue) => {
        const computed = tellsVersions ? { ...record.value, newValue, oldValue } : { newValue, oldValue }
        return isNothing(computed) ? undefined : context.forward({ ...record, value: computed })
      })
    const keep = (kept: TableRows<K, VR>, record: Record<K, Change<V>>, newValue: VR | null): Awaitable<void> => {
      const row = { ...record, value: newValue }
      if (newValue !== null || !skips) return kept.replace(row)
      return andThen(kept.get(record.key), (before) => (before === null ? undefined : kept.update(row, before.value)))
    }
    return {
      init: (given: ProcessorContext<K, Change<VR>>) => {
        context = given
        computing = open(given)
        rows = store === undefined ? undefined : openTableRows(given, store, oldValues)
      },
      process: (record: Record<K, Change<V>>) =>
        andThen(computing.compute(record.key, record.value.newValue), (newValue) =>
          rows ? keep(rows, record, newValue) : forward(record, newValue),
        ),
      close: () => computing.close?.(),
    }
  }

/** Rows that are computed when they are looked up, also those that are not there: a transformer may make something of nothing, at no time. */
export const computedView = <K, V, VR>({ open, stores = [] }: TableOperator<K, V, VR>, parent: TableView<K, V>): TableView<K, VR> => ({
  stores: [...new Set([...parent.stores, ...stores])],
  historyMs: parent.historyMs,
  open: (context, inPassing) => {
    const lookUp = parent.open(context, inPassing)
    const { compute } = open(context)
    return (key, asOfMs) =>
      andThen(lookUp(key, asOfMs), (row) =>
        andThen(compute(key, row === null ? null : row.value), (value) =>
          value === null ? null : { value, timestamp: row === null ? -1 : row.timestamp },
        ),
      )
  },
})
