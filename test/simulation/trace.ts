import { isStreamsError } from '../../src/errors.ts'

interface Line {
  readonly step: number
  readonly atMs: number
  readonly who: string
  readonly what: () => string
}

/** What happened, one line per step; put into words only if somebody reads it. */
export class Trace {
  readonly #lines: Line[] = []

  add(step: number, atMs: number, who: string, what: () => string): void {
    this.#lines.push({ step, atMs, who, what })
  }

  /** The last lines, or all. */
  lines(count = this.#lines.length): readonly string[] {
    return this.#lines
      .slice(-count)
      .map(
        ({ step, atMs, who, what }) => `${String(step).padStart(5)} ${(atMs / 1000).toFixed(3).padStart(9)}s  ${who.padEnd(5)} ${what()}`,
      )
  }
}

/** An answer, or an error, in a few words. */
export const brief = (value: unknown): string => {
  if (value === undefined) return 'done'
  if (value instanceof Error) return isStreamsError(value) ? value.code : value.message
  const words = Array.isArray(value) ? value.map(word) : word(value)
  return typeof words === 'string' ? words : JSON.stringify(words)
}

const word = (value: unknown): unknown => {
  if (typeof value !== 'object' || value === null) return value
  if ('nextOffset' in value && 'baseOffset' in value) return `${value.baseOffset}-${value.nextOffset}`
  if ('nextOffset' in value && 'lastStableOffset' in value && 'highWatermark' in value)
    return `to ${value.nextOffset}, stable ${value.lastStableOffset} of ${value.highWatermark}`
  if ('highWatermark' in value) return `end ${value.highWatermark}`
  if ('key' in value && 'seq' in value) return `seq ${value.seq}`
  if ('transactionalId' in value) return 'open'
  return value
}
