/** What a run has cost: the time from the first record to the last commit, CPU and memory of the whole process. */
export interface Measured {
  readonly ms: number
  readonly cpuMs: number
  readonly memoryMb: number
  readonly transactions?: number
  /** Over its sockets, where it has counted. */
  readonly sentBytes?: number
  readonly receivedBytes?: number
}

/** Tells it to whoever started this process. */
export const measured = (run: Omit<Measured, 'cpuMs' | 'memoryMb'>): void => {
  const { userCPUTime, systemCPUTime, maxRSS } = process.resourceUsage()
  const all: Measured = { ...run, cpuMs: (userCPUTime + systemCPUTime) / 1_000, memoryMb: Math.round(maxRSS / 1_024) }
  process.stdout.write(`${JSON.stringify(all)}\n`)
}
