/** What a benchmark found: rows of a table, and what holds on any machine. */
export interface Findings {
  readonly rows: readonly Row[]
  readonly ratios: readonly Ratio[]
  /** Other numbers without a unit. */
  readonly comparisons?: readonly { readonly name: string; readonly value: number }[]
}

/** Ours divided by theirs, measured side by side in one run: above 1 we are better. */
export interface Ratio {
  readonly workload: string
  readonly against: string
  readonly recordsPerSecond: number
  readonly perCpuSecond: number
}

/** Column by its heading, with the unit; all rows have the same columns. */
export type Row = Readonly<Record<string, string | number>>

/** A benchmark is a file of bench/ with this as its default export; `note` is told what is being done. */
export type Bench = (note: (text: string) => void) => Promise<Findings>

export const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((one, other) => one - other)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1
    ? (sorted[middle] ?? Number.NaN)
    : ((sorted[middle - 1] ?? Number.NaN) + (sorted[middle] ?? Number.NaN)) / 2
}

/** The smallest value that so many of all, as a share, do not exceed. */
export const percentile = (values: readonly number[], share: number): number => {
  const sorted = values.toSorted((one, other) => one - other)
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN
}

export const rounded = (value: number, digits = 1): number => Number(value.toFixed(digits))
