import {
  hopping,
  type JoinWindows,
  joinWindows,
  type SessionWindows,
  type SlidingWindows,
  session,
  sliding,
  tumbling,
  unlimited,
  type Windows,
} from 'millrace'
import type { WindowsSpec } from './scenario.ts'

/** Calendar months of UTC (README section 3.1). */
const utcMonth = (graceMs: number): Windows => ({
  sizeMs: 31 * 86_400_000,
  graceMs,
  windowsFor: (timestamp) => {
    const date = new Date(timestamp)
    const [year, month] = [date.getUTCFullYear(), date.getUTCMonth()]
    return [{ startMs: Date.UTC(year, month), endMs: Date.UTC(year, month + 1) }]
  },
})

const offset = (sizeMs: number, offsetMs: number, graceMs: number): Windows => ({
  sizeMs,
  graceMs,
  windowsFor: (timestamp) => {
    const startMs = Math.floor((timestamp - offsetMs) / sizeMs) * sizeMs + offsetMs
    return [{ startMs: Math.max(0, startMs), endMs: startMs + sizeMs }]
  },
})

export const windowsOf = (spec: WindowsSpec): Windows | SlidingWindows | SessionWindows => {
  const { graceMs = 0, sizeMs = 0 } = spec
  switch (spec.type) {
    case 'time':
      return spec.advanceMs === undefined ? tumbling({ sizeMs, graceMs }) : hopping({ sizeMs, advanceMs: spec.advanceMs, graceMs })
    case 'sliding':
      return sliding({ timeDifferenceMs: spec.diffMs ?? 0, graceMs })
    case 'session':
      return session({ inactivityGapMs: spec.gapMs ?? 0, graceMs })
    case 'unlimited':
      return unlimited(spec.startMs === undefined ? {} : { startMs: spec.startMs })
    case 'utcMonth':
      return utcMonth(graceMs)
    case 'offset':
      return offset(sizeMs, spec.offsetMs ?? 0, graceMs)
    default:
      throw new Error(`unknown windows ${spec.type}`)
  }
}

/** Of a join of streams; what is not given is `diffMs`. */
export const joinWindowsOf = ({ diffMs = 0, beforeMs = diffMs, afterMs = diffMs, graceMs = 0 }: WindowsSpec): JoinWindows =>
  joinWindows({ beforeMs, afterMs, graceMs })
