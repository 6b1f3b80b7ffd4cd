import { StreamsError } from '../errors.ts'
import type { Window } from '../serde/windowed.ts'

/**
 * Windows that a timestamp alone decides (Kafka's `Windows`, D-78): those of {@link tumbling}, {@link hopping} and
 * {@link unlimited}, or one's own, calendar months for example. The window's end is exclusive; its start is its identity.
 */
export interface Windows {
  /** The longest a window lasts; decides how long rows are kept. */
  readonly sizeMs: number
  /** A window takes records until stream time is this far beyond its end. */
  readonly graceMs: number
  /** In the order in which they are updated. */
  windowsFor(timestamp: number): readonly Window[]
  /** Only of windows that begin at the multiples of it: they can be emitted when they close. */
  readonly advanceMs?: number
}

/** A window ends at each record and one begins right after it, both of the same length (Kafka's `SlidingWindows`, S-06). */
export interface SlidingWindows {
  readonly timeDifferenceMs: number
  readonly graceMs: number
}

/** A window lasts as long as records come within the gap (Kafka's `SessionWindows`, S-07). */
export interface SessionWindows {
  readonly inactivityGapMs: number
  readonly graceMs: number
}

/**
 * How far apart the records of two streams may be to be joined (Kafka's `JoinWindows`, D-76): a record of the left stream meets
 * those of the right one that are at most `beforeMs` earlier and at most `afterMs` later. One of both may be negative.
 */
export interface JoinWindows {
  readonly beforeMs: number
  readonly afterMs: number
  readonly graceMs: number
}

const wrong = (why: string): StreamsError => new StreamsError('TOPOLOGY_INVALID', why)

const checkGrace = (graceMs: number): void => {
  if (!(graceMs >= 0)) throw wrong('Grace period must not be negative.')
}

/** Windows of one size, side by side (Kafka's `TimeWindows`). TOPOLOGY_INVALID where a number makes no sense. */
export const tumbling = ({ sizeMs, graceMs }: { readonly sizeMs: number; readonly graceMs: number }): Windows =>
  hopping({ sizeMs, advanceMs: sizeMs, graceMs })

/**
 * Windows of one size that begin every `advanceMs` (Kafka's `TimeWindows` with `advanceBy`, S-05). None begins before 0.
 *
 * @example
 * ```ts
 * import { hopping } from 'millrace'
 *
 * hopping({ sizeMs: 10, advanceMs: 5, graceMs: 0 }).windowsFor(12).map((it) => it.startMs) // => [5, 10]
 * ```
 */
export const hopping = (given: { readonly sizeMs: number; readonly advanceMs: number; readonly graceMs: number }): Windows => {
  const { sizeMs, advanceMs, graceMs } = given
  if (!(sizeMs > 0)) throw wrong('Window size (sizeMs) must be larger than zero.')
  if (!(advanceMs > 0 && advanceMs <= sizeMs)) {
    throw wrong(
      `Window advancement interval should be more than zero and less than window duration which is ${sizeMs} ms, but given advancement interval is: ${advanceMs} ms`,
    )
  }
  checkGrace(graceMs)
  const windowsFor = (timestamp: number): readonly Window[] => {
    const windows: Window[] = []
    const first = Math.floor(Math.max(0, timestamp - sizeMs + advanceMs) / advanceMs) * advanceMs
    for (let startMs = first; startMs <= timestamp; startMs += advanceMs) windows.push({ startMs, endMs: startMs + sizeMs })
    return windows
  }
  return Object.freeze({ sizeMs, advanceMs, graceMs, windowsFor })
}

/** One window without an end, for all records from `startMs` on (Kafka's `UnlimitedWindows`, S-08). */
export const unlimited = ({ startMs = 0 }: { readonly startMs?: number } = {}): Windows => {
  if (!(startMs >= 0)) throw wrong('Window start time (startMs) cannot be negative.')
  const window = Object.freeze({ startMs, endMs: Number.POSITIVE_INFINITY })
  const windowsFor = (timestamp: number): readonly Window[] => (timestamp >= startMs ? [window] : [])
  return Object.freeze({ sizeMs: Number.POSITIVE_INFINITY, graceMs: 0, windowsFor })
}

/** See {@link SlidingWindows}; both ends are inclusive. */
export const sliding = (given: { readonly timeDifferenceMs: number; readonly graceMs: number }): SlidingWindows => {
  if (!(given.timeDifferenceMs >= 0)) throw wrong('Window time difference must not be negative.')
  if (!(given.graceMs >= 0)) throw wrong('Window grace period must not be negative.')
  return Object.freeze({ timeDifferenceMs: given.timeDifferenceMs, graceMs: given.graceMs })
}

/** See {@link SessionWindows}; both ends are inclusive: the times of the first and the last record. */
export const session = (given: { readonly inactivityGapMs: number; readonly graceMs: number }): SessionWindows => {
  if (!(given.inactivityGapMs >= 0)) throw wrong('Gap time cannot be negative.')
  checkGrace(given.graceMs)
  return Object.freeze({ inactivityGapMs: given.inactivityGapMs, graceMs: given.graceMs })
}

/**
 * See {@link JoinWindows}; `timeDifferenceMs` stands for the side that is not given. A record that found no partner is known to
 * have none when the latest time is more than `graceMs` beyond its window. TOPOLOGY_INVALID where a number makes no sense.
 *
 * @example
 * ```ts
 * import { joinWindows, minutes, seconds } from 'millrace'
 *
 * joinWindows({ timeDifferenceMs: minutes(1), graceMs: 0 }) // => { beforeMs: 60000, afterMs: 60000, graceMs: 0 }
 * joinWindows({ beforeMs: 0, afterMs: seconds(5), graceMs: 0 }).afterMs // => 5000
 * ```
 */
export const joinWindows = (given: JoinWindowsSpec): JoinWindows => {
  const { timeDifferenceMs = 0, beforeMs = timeDifferenceMs, afterMs = timeDifferenceMs, graceMs } = given
  if (!(beforeMs + afterMs >= 0)) throw wrong('Window interval (ie, beforeMs+afterMs) must not be negative.')
  checkGrace(graceMs)
  return Object.freeze({ beforeMs, afterMs, graceMs })
}

type JoinWindowsSpec = { readonly graceMs: number } & (
  | { readonly timeDifferenceMs: number; readonly beforeMs?: number; readonly afterMs?: number }
  | { readonly timeDifferenceMs?: never; readonly beforeMs: number; readonly afterMs: number }
)
