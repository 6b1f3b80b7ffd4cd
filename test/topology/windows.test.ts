import { describe, expect, it } from 'vitest'
import { days, hours, minutes, seconds } from '../../src/topology/durations.ts'
import { hopping, joinWindows, session, sliding, tumbling, unlimited } from '../../src/topology/windows.ts'

const spans = (windows: ReturnType<typeof tumbling>, timestamp: number) =>
  windows.windowsFor(timestamp).map(({ startMs, endMs }) => `${startMs}-${endMs}`)

describe('windows', () => {
  it('lie side by side when they tumble', () => {
    const windows = tumbling({ sizeMs: 10, graceMs: 0 })
    expect([0, 9, 10].map((timestamp) => spans(windows, timestamp))).toEqual([['0-10'], ['0-10'], ['10-20']])
  })

  it('overlap when they hop, and none begins before 0', () => {
    const windows = hopping({ sizeMs: 10, advanceMs: 3, graceMs: 0 })
    expect([2, 9, 10].map((timestamp) => spans(windows, timestamp))).toEqual([
      ['0-10'],
      ['0-10', '3-13', '6-16', '9-19'],
      ['3-13', '6-16', '9-19'],
    ])
  })

  it('have no end when they are unlimited, and no records before their start', () => {
    const windows = unlimited({ startMs: 5 })
    expect([4, 5, 1_000].map((timestamp) => spans(windows, timestamp))).toEqual([[], ['5-Infinity'], ['5-Infinity']])
  })

  it('of a join reach as far back as forth unless it is said otherwise', () => {
    expect(joinWindows({ timeDifferenceMs: 5, graceMs: 1 })).toEqual({ beforeMs: 5, afterMs: 5, graceMs: 1 })
    expect(joinWindows({ timeDifferenceMs: 5, beforeMs: -2, graceMs: 1 })).toEqual({ beforeMs: -2, afterMs: 5, graceMs: 1 })
    expect(joinWindows({ beforeMs: 0, afterMs: 3, graceMs: 0 })).toEqual({ beforeMs: 0, afterMs: 3, graceMs: 0 })
  })

  it.each([
    [() => tumbling({ sizeMs: 0, graceMs: 0 }), 'Window size (sizeMs) must be larger than zero.'],
    [
      () => hopping({ sizeMs: 5, advanceMs: 6, graceMs: 0 }),
      'Window advancement interval should be more than zero and less than window duration which is 5 ms, but given advancement interval is: 6 ms',
    ],
    [() => tumbling({ sizeMs: 5, graceMs: -1 }), 'Grace period must not be negative.'],
    [() => sliding({ timeDifferenceMs: -1, graceMs: 0 }), 'Window time difference must not be negative.'],
    [() => sliding({ timeDifferenceMs: 1, graceMs: -1 }), 'Window grace period must not be negative.'],
    [() => session({ inactivityGapMs: -1, graceMs: 0 }), 'Gap time cannot be negative.'],
    [() => session({ inactivityGapMs: 1, graceMs: -1 }), 'Grace period must not be negative.'],
    [() => joinWindows({ timeDifferenceMs: 5, afterMs: -6, graceMs: 0 }), 'Window interval (ie, beforeMs+afterMs) must not be negative.'],
    [() => joinWindows({ timeDifferenceMs: 5, graceMs: -1 }), 'Grace period must not be negative.'],
    [() => unlimited({ startMs: -1 }), 'Window start time (startMs) cannot be negative.'],
  ])('refuse what makes no sense, in the words of Kafka Streams', (make, message) => {
    expect(make).toThrow(expect.objectContaining({ code: 'TOPOLOGY_INVALID', message }))
  })

  it('are measured in milliseconds', () => {
    expect([seconds(2), minutes(2), hours(2), days(2)]).toEqual([2_000, 120_000, 7_200_000, 172_800_000])
  })
})
