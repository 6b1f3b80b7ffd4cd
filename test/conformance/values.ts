/** What flows through a scenario's functions at run time: JSON-like values, bytes, bigints (a long beyond 2^53), and these two. */
export class Pair {
  readonly key: unknown
  readonly value: unknown

  constructor(key: unknown, value: unknown) {
    this.key = key
    this.value = value
  }
}

export class Windowed {
  readonly key: unknown
  readonly start: number
  readonly end: number

  constructor(key: unknown, start: number, end: number) {
    this.key = key
    this.start = start
    this.end = end
  }
}

/** The JSON form of a value, as the vectors write it. */
export const toJson = (value: unknown): unknown => {
  if (value === null || value === undefined) return null
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : String(value)
  if (typeof value === 'number') return Number.isFinite(value) ? value + 0 : String(value)
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64')
  if (Array.isArray(value)) return value.map(toJson)
  if (value instanceof Windowed) return { key: toJson(value.key), start: value.start, end: value.end }
  return value
}

/** The text form of a value (README section 4). */
export const show = (value: unknown): string => {
  if (value instanceof Windowed) return `[${show(value.key)}@${value.start}/${value.end}]`
  if (value instanceof Pair) return `(${show(value.key)}, ${show(value.value)})`
  const json = toJson(value)
  return typeof json === 'string' ? json : JSON.stringify(json)
}

/** A long: a number where it is exact, else a bigint of 64 bits, wrapping around as Java's does. */
export const longOf = (value: bigint): number | bigint => {
  const wrapped = BigInt.asIntN(64, value)
  return Number.isSafeInteger(Number(wrapped)) ? Number(wrapped) : wrapped
}
