import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { Measured } from './measured.ts'

/** Runs one side to its end and answers what it has told. Throws if it tells nothing, or takes longer. */
export const run = async ([command = '', ...args]: readonly string[], given: readonly string[], timeoutMs: number): Promise<Measured> => {
  const { stdout } = await promisify(execFile)(command, [...args, ...given], { maxBuffer: 1e8, timeout: timeoutMs })
  const last = stdout
    .trim()
    .split('\n')
    .findLast((line) => line.startsWith('{'))
  if (last === undefined) throw new Error(`${command} ${args.join(' ')} told nothing:\n${stdout}`)
  return JSON.parse(last) as Measured
}
