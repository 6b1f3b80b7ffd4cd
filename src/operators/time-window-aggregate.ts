import { andThen, forEachInOrder } from '../awaitable.ts'
import type { Change } from '../processor/change.ts'
import type { AnyProcessorSupplier, ProcessorContext } from '../processor/processor.ts'
import type { Record } from '../processor/record.ts'
import type { ValueAndTimestamp } from '../processor/store.ts'
import type { Window, Windowed } from '../serde/windowed.ts'
import type { Windows } from '../topology/windows.ts'
import type { Fold } from './aggregate.ts'
import { openWindowedRows, toldBefore, type WindowedRows, type WindowedRowsOptions } from './windowed-rows.ts'

/**
 * Folds the records of each key and window into a row (`KStreamWindowAggregate`, S-05). A null key is dropped and counted,
 * a null value is handed to the fold (S-09). A window that ended `graceMs` or more before the latest time seen here takes no
 * more records: each such window of a record counts as dropped, the record's other windows are updated all the same.
 */
export const timeWindowAggregate =
  <K, V, A>(windows: Windows, fold: Fold<K, V, A>, options: WindowedRowsOptions): AnyProcessorSupplier =>
  () => {
    let context: ProcessorContext<Windowed<K>, Change<A>>
    let rows: WindowedRows<K, A>
    const { sizeMs, graceMs, advanceMs = 1 } = windows
    const lastClosed = (closeTime: number): number => Math.floor((closeTime - sizeMs) / advanceMs) * advanceMs + sizeMs
    const update = ({ value, timestamp, headers }: Record<K, V>, windowed: Windowed<K>, row: ValueAndTimestamp<A> | null) => {
      const before = toldBefore(row, options)
      const time = row === null ? timestamp : Math.max(timestamp, row.timestamp)
      return rows.update({ key: windowed, value: fold(windowed.key, value, before) ?? null, timestamp: time, headers }, before)
    }
    const updateWindow = (record: Record<K, V>, window: Window) => {
      const windowed = { key: record.key, window }
      const row = rows.store.getLive(windowed)
      return row instanceof Promise ? row.then((it) => update(record, windowed, it)) : update(record, windowed, row)
    }
    return {
      init: (given: ProcessorContext<Windowed<K>, Change<A>>) => {
        context = given
        rows = openWindowedRows(given, options)
      },
      process: (record: Record<K, V>) => {
        if (record.key === null) return context.drop('null key')
        const closeTime = rows.observe(record.timestamp) - graceMs
        const updated = forEachInOrder(windows.windowsFor(record.timestamp), (window) =>
          window.endMs > closeTime ? updateWindow(record, window) : context.drop('window is closed'),
        )
        return andThen(updated, () => rows.emitClosed(record, closeTime, lastClosed))
      },
    }
  }
