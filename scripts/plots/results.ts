import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Findings } from '../../bench/bench.ts'

/** What `npm run bench -- NAME --json` prints as its last line. */
export interface Result extends Findings {
  readonly bench: string
  readonly machine: Machine
}

export interface Machine {
  readonly cpu: string
  readonly cores: number
  readonly memoryGb: number
  readonly platform: string
  readonly node: string
  /** Of the minute before the benchmark began: how many processes wanted to run. */
  readonly loadBefore: number
}

export const resultsFolder = fileURLToPath(new URL('../../bench/results', import.meta.url))

/** Those that are kept, by the name of their benchmark. */
export const readResults = (): ReadonlyMap<string, Result> => {
  const files = existsSync(resultsFolder) ? readdirSync(resultsFolder).filter((file) => file.endsWith('.json')) : []
  return new Map(files.sort().map((file) => [file.slice(0, -5), JSON.parse(readFileSync(join(resultsFolder, file), 'utf8')) as Result]))
}
