import { type Awaitable, andThen, forEachInOrder } from '../awaitable.ts'
import type { Change } from '../processor/change.ts'
import type { AnyProcessorSupplier, ProcessorContext } from '../processor/processor.ts'
import type { Record } from '../processor/record.ts'
import type { ValueAndTimestamp } from '../processor/store.ts'
import type { Windowed } from '../serde/windowed.ts'
import type { SlidingWindows } from '../topology/windows.ts'
import type { Fold } from './aggregate.ts'
import { openWindowedRows, toldBefore, type WindowedRows, type WindowedRowsOptions } from './windowed-rows.ts'

/** A window as it is before the record; its row's time is the time of its last record. */
interface Found<A> {
  readonly startMs: number
  readonly row: ValueAndTimestamp<A>
}

/** What a record does to a window: takes its value in over what is there or begins as a copy, or only copies rows that it made a window for. */
interface Write<A> {
  readonly startMs: number
  readonly row: ValueAndTimestamp<A> | null
  readonly copies?: boolean
}

/**
 * Folds records into the windows that end at a record and that begin right after one (`KStreamSlidingWindowAggregate`, S-06).
 * A null key or value is dropped and counted, as is a record that every window is closed for, and a closed window of another
 * one. Both ends of a window are inclusive: it is closed when it ended before the latest time less `graceMs`.
 */
export const slidingWindowAggregate =
  <K, V, A>({ timeDifferenceMs, graceMs }: SlidingWindows, fold: Fold<K, V, A>, options: WindowedRowsOptions): AnyProcessorSupplier =>
  () => {
    let context: ProcessorContext<Windowed<K>, Change<A>>
    let rows: WindowedRows<K, A>
    const apply = ({ key, value, timestamp, headers }: Record<K, V>, { startMs, row, copies }: Write<A>, closeTime: number) => {
      const window = { startMs, endMs: startMs + timeDifferenceMs }
      if (window.endMs < closeTime) return context.drop('window is closed')
      const to = { key: { key, window }, headers }
      if (copies && row) return rows.update({ ...to, value: row.value, timestamp: row.timestamp }, null)
      const before = toldBefore(row, options)
      const after = fold(key, value, before) ?? null
      return rows.update({ ...to, value: after, timestamp: row === null ? timestamp : Math.max(timestamp, row.timestamp) }, before)
    }
    const find = (key: K, fromMs: number, toMs: number): Awaitable<readonly Found<A>[]> => {
      const bound = (startMs: number) => ({ startMs, endMs: startMs + timeDifferenceMs })
      return andThen(rows.store.windowsOf(key, bound(fromMs), bound(toMs)), (found) =>
        found.map(([{ window }, row]) => ({ startMs: window.startMs, row })),
      )
    }
    const process = (record: Record<K, V>, closeTime: number): Awaitable<void> => {
      const { key, timestamp } = record
      const early = timestamp < timeDifferenceMs
      return andThen(find(key, Math.max(0, timestamp - 2 * timeDifferenceMs), timestamp + 1), (found) => {
        const writes = early ? earlyWrites(found, timestamp) : laterWrites(found, timestamp, timeDifferenceMs)
        const written = forEachInOrder(writes, (write): Awaitable<void> => apply(record, write, closeTime))
        return early ? written : andThen(written, () => rows.emitClosed(record, closeTime, (time) => time - 1))
      })
    }
    return {
      init: (given: ProcessorContext<Windowed<K>, Change<A>>) => {
        context = given
        rows = openWindowedRows(given, options)
      },
      process: (record: Record<K, V>) => {
        if (record.key === null || record.value === null) return context.drop('null key or value')
        const closeTime = rows.observe(record.timestamp) - graceMs
        if (record.timestamp + timeDifferenceMs < closeTime) return context.drop('windows are closed')
        return process(record, closeTime)
      },
    }
  }

const updated = <A>({ startMs, row }: Found<A>): Write<A> => ({ startMs, row })
const begun = (startMs: number): Write<never> => ({ startMs, row: null })

/** The window right after the record, where later records are known: they are in `row`, the record is not. */
const afterRecord = <A>(timestamp: number, row: ValueAndTimestamp<A> | undefined, exists: boolean): readonly Write<A>[] =>
  exists || !row || row.timestamp <= timestamp ? [] : [{ startMs: timestamp + 1, row, copies: true }]

/** Found windows go from the latest to the earliest, as Kafka's stores give them. */
const laterWrites = <A>(found: readonly Found<A>[], timestamp: number, timeDifferenceMs: number): readonly Write<A>[] => {
  const exists = (startMs: number): boolean => found.some((it) => it.startMs === startMs)
  const writes: Write<A>[] = []
  let later: Found<A> | undefined
  let own: Found<A> | undefined
  let earlier: Found<A> | undefined
  for (let at = found.length - 1; at >= 0 && !earlier; at--) {
    const it = found[at] as Found<A>
    const endMs = it.startMs + timeDifferenceMs
    if (it.startMs > timestamp) continue
    if (endMs < timestamp) {
      earlier = it
      continue
    }
    writes.push(updated(it))
    if (endMs === timestamp) own = it
    else later ??= it
  }
  const previous = earlier?.row.timestamp ?? (own && own.row.timestamp < timestamp ? own.row.timestamp : undefined)
  if (previous !== undefined && !exists(previous + 1) && previous + 1 + timeDifferenceMs >= timestamp) writes.push(begun(previous + 1))
  const inside = previous !== undefined && previous >= timestamp - timeDifferenceMs ? earlier : undefined
  if (!own) writes.push({ startMs: timestamp - timeDifferenceMs, row: inside?.row ?? null })
  writes.push(...afterRecord(timestamp, later?.row, exists(timestamp + 1)))
  return writes
}

/** Records before the first full window share the one that begins at 0. */
const earlyWrites = <A>(found: readonly Found<A>[], timestamp: number): readonly Write<A>[] => {
  const starts = new Set(found.map(({ startMs }) => startMs))
  const shared = found.find(({ startMs }) => startMs === 0)
  const around = found.filter(({ startMs }) => startMs > 0 && startMs <= timestamp)
  const previous = shared && shared.row.timestamp < timestamp ? shared.row.timestamp : undefined
  return [
    ...around.map(updated),
    ...afterRecord(timestamp, (around.at(-1) ?? shared)?.row, starts.has(timestamp + 1)),
    ...(previous !== undefined && !starts.has(previous + 1) ? [begun(previous + 1)] : []),
    shared ? updated(shared) : begun(0),
  ]
}
