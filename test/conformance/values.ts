import type { Windowed } from 'millrace'

/** What flows through a scenario's functions at run time: JSON-like values, bytes, bigints (a long beyond 2^53), and pairs. */
export class Pair {
  readonly key: unknown
  readonly value: unknown

  constructor(key: unknown, value: unknown) {
    this.key = key
    this.value = value
  }
}

/** A windowed key is the project's own: `{ key, window }`. No JSON of the vectors has such members. */
export const isWindowed = (value: unknown): value is Windowed<unknown> =>
  typeof value === 'object' && value !== null && 'key' in value && 'window' in value

/** Java's end of time, where we say Infinity: a long, and as any long of the vectors a text where it is not exact. */
const endOf = ({ window: { endMs } }: Windowed<unknown>): number | string =>
  endMs === Number.POSITIVE_INFINITY ? '9223372036854775807' : endMs

/** The JSON form of a value, as the vectors write it. */
export const toJson = (value: unknown): unknown => {
  if (value === null || value === undefined) return null
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : String(value)
  if (typeof value === 'number') return Number.isFinite(value) ? value + 0 : String(value)
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64')
  if (Array.isArray(value)) return value.map(toJson)
  if (isWindowed(value)) return { key: toJson(value.key), start: value.window.startMs, end: endOf(value) }
  return value
}

/** The text form of a value (README section 4). */
export const show = (value: unknown): string => {
  if (isWindowed(value)) return `[${show(value.key)}@${value.window.startMs}/${endOf(value)}]`
  if (value instanceof Pair) return `(${show(value.key)}, ${show(value.value)})`
  const json = toJson(value)
  return typeof json === 'string' ? json : JSON.stringify(json)
}

/** A long: a number where it is exact, else a bigint of 64 bits, wrapping around as Java's does. */
export const longOf = (value: bigint): number | bigint => {
  const wrapped = BigInt.asIntN(64, value)
  return Number.isSafeInteger(Number(wrapped)) ? Number(wrapped) : wrapped
}
