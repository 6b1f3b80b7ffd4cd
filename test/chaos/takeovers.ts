/** How long tasks stood still after the process that held them was killed: until their next commit, by anyone. */
export interface Takeovers {
  killed(task: string, atMs: number): void
  committed(task: string, atMs: number): void
  readonly timesMs: readonly number[]
}

export const createTakeovers = (): Takeovers => {
  const waiting = new Map<string, number>()
  const timesMs: number[] = []
  return {
    timesMs,
    killed(task, atMs) {
      // killed again before it came to a commit: it still stands since the first time
      if (!waiting.has(task)) waiting.set(task, atMs)
    },
    committed(task, atMs) {
      const sinceMs = waiting.get(task)
      if (sinceMs === undefined || atMs < sinceMs) return
      waiting.delete(task)
      timesMs.push(atMs - sinceMs)
    },
  }
}

/** By nearest rank; null of nothing. */
export const percentile = (values: readonly number[], share: number): number | null =>
  values.toSorted((one, other) => one - other)[Math.max(0, Math.ceil(share * values.length) - 1)] ?? null
