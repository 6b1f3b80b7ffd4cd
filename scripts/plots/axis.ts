export interface Axis {
  /** From 0 to 1; outside of it only what is not between the ends. */
  readonly at: (value: number) => number
  readonly ticks: readonly number[]
}

const steps = [1, 2, 5]

/** From 0 to the first round number that is not below the largest value. */
export const linearAxis = (values: readonly number[]): Axis => {
  const largest = Math.max(...values, Number.MIN_VALUE)
  const magnitude = 10 ** Math.floor(Math.log10(largest / 4))
  const step = [...steps, 10].map((it) => it * magnitude).find((it) => largest / it <= 5) ?? 10 * magnitude
  const count = Math.ceil(largest / step - 1e-9)
  const ticks = Array.from({ length: count + 1 }, (_, n) => Number((n * step).toPrecision(12)))
  const end = ticks.at(-1) ?? 1
  return { at: (value) => value / end, ticks }
}

/** Between the powers of ten, or their double or half, around the values, which are above 0. */
export const logAxis = (values: readonly number[]): Axis => {
  const [smallest, largest] = [Math.min(...values), Math.max(...values)]
  const exponents = Array.from({ length: 40 }, (_, n) => n - 12)
  const all = exponents.flatMap((exponent) => steps.map((step) => Number((step * 10 ** exponent).toPrecision(6))))
  const first = all.findLastIndex((tick) => tick <= smallest * (1 + 1e-9))
  const last = all.findIndex((tick) => tick >= largest * (1 - 1e-9))
  const [low = 1, high = 10] = [all[first], all[Math.max(last, first + 1)]]
  const ticks = all.filter((tick) => tick >= low && tick <= high)
  const powers = ticks.filter((tick) => Number.isInteger(Number(Math.log10(tick).toFixed(6))))
  const at = (value: number): number => Math.log(value / low) / Math.log(high / low)
  return { at, ticks: ticks.length > 7 && powers.length > 2 ? powers : ticks }
}

/** `1.5 k`, `2 M`. */
export const short = (value: number): string => {
  const [divisor, unit] = Math.abs(value) >= 1e6 ? [1e6, ' M'] : Math.abs(value) >= 1e4 ? [1e3, ' k'] : [1, '']
  return `${Number((value / divisor).toPrecision(3)).toLocaleString('en-US')}${unit}`
}
