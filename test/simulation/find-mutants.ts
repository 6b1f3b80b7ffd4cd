import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { AppName } from './apps.ts'
import type { Mutant } from './mutant.ts'
import { mutants } from './mutants.ts'

const run = promisify(execFile)
const program = fileURLToPath(new URL('mutant-run.ts', import.meta.url))

export interface Finding {
  readonly seed: number
  readonly app: AppName
  readonly invariant: string
  readonly message: string
}

export interface Hunt {
  readonly mutant: Mutant
  /** Undefined: no seed within the bound. */
  readonly found: Finding | undefined
  /** As it should be: found, unless something else holds what the rule holds. */
  readonly ok: boolean
}

/** Runs a mutant in a process of its own until a seed finds it. */
export const hunt = async (mutant: Mutant, { from, seeds }: { readonly from: number; readonly seeds: number }): Promise<Hunt> => {
  const args = [program, String(mutants.indexOf(mutant)), String(from), String(seeds)]
  const { stdout } = await run(process.execPath, args, { maxBuffer: 1e8 })
  const found: Finding | null = JSON.parse(stdout)
  return { mutant, found: found ?? undefined, ok: (found === null) === (mutant.coveredBy !== undefined) }
}

/** All of them, some at a time, in their order. */
export async function* huntAll(
  some: readonly Mutant[],
  options: { readonly from: number; readonly seeds: number; readonly atOnce: number },
): AsyncGenerator<Hunt> {
  const running: Promise<Hunt>[] = []
  let next = 0
  const start = (): void => {
    const mutant = some[next++]
    if (mutant) running.push(hunt(mutant, options))
  }
  for (let i = 0; i < options.atOnce; i++) start()
  for (let first = running.shift(); first; first = running.shift()) {
    const done = await first
    start()
    yield done
  }
}

/** The rows of the table that `npm run simulate -- --mutants` prints. */
export const rowOf = (
  { mutant, found, ok }: Hunt,
  { from, seeds }: { readonly from: number; readonly seeds: number },
): readonly string[] => {
  const result = found ? `${found.seed - from + 1} (${found.app})` : `not in ${seeds}`
  const what = found ? `${found.invariant}: ${found.message}` : (mutant.coveredBy ?? 'nothing')
  return [mutant.rule, mutant.without, ok ? result : `${result}, WRONG`, what.split('\n')[0]?.slice(0, 120) ?? '']
}
