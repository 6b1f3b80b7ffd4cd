import type { Fold } from '../operators/aggregate.ts'
import { slidingWindowAggregate } from '../operators/sliding-window-aggregate.ts'
import { timeWindowAggregate } from '../operators/time-window-aggregate.ts'
import type { WindowedRowsOptions } from '../operators/windowed-rows.ts'
import type { ProcessorNode } from '../topology/nodes.ts'
import type { SessionWindows, SlidingWindows, Windows } from '../topology/windows.ts'

/** What tells windows that a timestamp decides from those that slide with the records. */
export interface WindowKind<K, V> {
  readonly sizeMs: number
  /** Where the record's time alone tells its windows. */
  readonly windowsFor?: Windows['windowsFor']
  /** Otherwise: the earliest window that a record of a time has to do with. */
  readonly fromMs?: (timestamp: number) => number
  readonly retention: Retention
  /** Why windows of this kind cannot be sent when they close; undefined: they can. */
  readonly neverCloses: string | undefined
  /** Java uses up a number for a count whose Materialized has no name: with these windows it does, with those not. */
  readonly countTakesNumber: boolean
  readonly supplier: <A>(fold: Fold<K, V, A>, options: WindowedRowsOptions) => ProcessorNode['supplier']
}

/** How long rows may still change (S-11), and what is said where somebody wants to forget them before. */
export interface Retention {
  readonly leastMs: number
  /** A row changes no more once stream time is this far beyond the end of its window. */
  readonly graceMs: number
  readonly refusal: (store: string, retentionMs: number) => string
}

export const fixedWindows = <K, V>(windows: Windows): WindowKind<K, V> => {
  const { sizeMs, graceMs, advanceMs } = windows
  const custom = 'ON_WINDOW_CLOSE strategy is only supported for TimeWindows and SlidingWindows for TimeWindowedKStream'
  const unlimited = 'ON_WINDOW_CLOSE emit strategy cannot be used for UnlimitedWindows'
  return {
    sizeMs,
    windowsFor: (timestamp) => windows.windowsFor(timestamp),
    retention: {
      leastMs: sizeMs + graceMs,
      graceMs,
      refusal: (store, retentionMs) =>
        `The retention period of the window store ${store} must be no smaller than its window size plus the grace period. Got size=[${sizeMs}], grace=[${graceMs}], retention=[${retentionMs}]`,
    },
    neverCloses: sizeMs === Number.POSITIVE_INFINITY ? unlimited : advanceMs === undefined ? custom : undefined,
    countTakesNumber: true,
    supplier: (fold, options) => timeWindowAggregate(windows, fold, options),
  }
}

export const slidingWindows = <K, V>(windows: SlidingWindows): WindowKind<K, V> => {
  const { timeDifferenceMs, graceMs } = windows
  return {
    sizeMs: timeDifferenceMs,
    fromMs: (timestamp) => Math.max(0, timestamp - 2 * timeDifferenceMs),
    retention: {
      leastMs: 2 * timeDifferenceMs + graceMs,
      graceMs,
      refusal: (store, retentionMs) =>
        `The retention period of the window store ${store} must be no smaller than 2 * time difference plus the grace period. Got time difference=[${timeDifferenceMs}], grace=[${graceMs}], retention=[${retentionMs}]`,
    },
    neverCloses: undefined,
    countTakesNumber: false,
    supplier: (fold, options) => slidingWindowAggregate(windows, fold, options),
  }
}

export const sessionRetention = ({ inactivityGapMs, graceMs }: SessionWindows): Retention => ({
  leastMs: inactivityGapMs + graceMs,
  graceMs: inactivityGapMs + graceMs,
  refusal: (store, retentionMs) =>
    `The retention period of the session store ${store} must be no smaller than the session inactivity gap plus the grace period. Got gap=[${inactivityGapMs}], grace=[${graceMs}], retention=[${retentionMs}]`,
})

/** The end of the earliest session that a record of a time has to do with. */
export const sessionsFrom =
  ({ inactivityGapMs }: SessionWindows) =>
  (timestamp: number): number =>
    Math.max(0, timestamp - inactivityGapMs)

/** What a node reads of the store of its windows, as far as a record's time tells it. */
export const windowReads = (
  store: string,
  { windowsFor, fromMs }: Pick<WindowKind<unknown, unknown>, 'windowsFor' | 'fromMs'>,
): Pick<ProcessorNode, 'readsWindows' | 'readsFrom'> => ({
  ...(windowsFor ? { readsWindows: [{ store, windowsFor }] } : {}),
  ...(fromMs ? { readsFrom: [{ store, fromMs }] } : {}),
})
