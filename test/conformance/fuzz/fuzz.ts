import { conform, type Result } from '../conformance.ts'
import { modes } from '../run-scenario.ts'
import type { Scenario, Step } from '../scenario.ts'
import { scenarioOf } from './generate.ts'
import { type Draft, type Oracle, RefusedError } from './oracle.ts'

export interface FuzzOptions {
  readonly seed: string
  /** Index of the first scenario. */
  readonly from: number
  readonly count: number
}

/** One scenario with what came of it: nothing where Java gives it no meaning. */
export interface Judged {
  readonly index: number
  readonly scenario: Scenario | undefined
  /** One for each mode. */
  readonly results: readonly Result[]
}

/** How many scenarios Java may be ahead of us: it runs while we compare. */
const aheadMax = 50

/** Scenarios of a seed in their order, each run by Java and by us. */
export async function* fuzz(oracle: Oracle, { seed, from, count }: FuzzOptions): AsyncGenerator<Judged> {
  const asked: Promise<Scenario | undefined>[] = []
  const askNext = (): void => {
    if (asked.length >= count) return
    const answer = meaningOf(oracle, scenarioOf(seed, from + asked.length))
    // it is awaited, and its failure told, when its turn has come
    answer.catch(() => {})
    asked.push(answer)
  }
  for (let at = 0; at < Math.min(aheadMax, count); at++) askNext()
  for (let at = 0; at < count; at++) {
    const scenario = await asked[at]
    askNext()
    yield { index: from + at, scenario, results: scenario === undefined ? [] : await judge(scenario) }
  }
}

/** What Java does with a draft; undefined where it has no meaning there. */
export const meaningOf = async (oracle: Oracle, draft: Draft): Promise<Scenario | undefined> => {
  try {
    return await oracle.ask(draft)
  } catch (error) {
    if (error instanceof RefusedError) return undefined
    throw error
  }
}

/** Runs a scenario in both modes. */
export const judge = async (scenario: Scenario): Promise<readonly Result[]> => {
  const results: Result[] = []
  for (const mode of modes) results.push(await conform(scenario, mode))
  return results
}

export const differs = (results: readonly Result[]): boolean => results.some(({ outcome }) => outcome === 'failed')

/** The verbs of a scenario, those inside branches too, each once. */
export const verbsOf = (steps: readonly Step[]): readonly string[] => {
  const nested = (step: Step): readonly Step[] => {
    const { branches = [], default: last } = step.args ?? {}
    return [...branches, ...(last ? [last] : [])].flatMap((branch) => [
      ...(branch.function?.steps ?? []),
      ...(branch.consumer?.steps ?? []),
    ])
  }
  return [...new Set(steps.flatMap((step) => [step.op, ...verbsOf(nested(step))]))]
}
