import type { Result } from '../conformance.ts'
import type { JavaError, Scenario } from '../scenario.ts'
import { differs, judge, meaningOf } from './fuzz.ts'
import type { Draft, Oracle } from './oracle.ts'
import { fewerEvents, fewerSteps, type Smaller, simplerArguments } from './smaller.ts'

/** A scenario that differs, and how. */
export interface Differing {
  readonly scenario: Scenario
  readonly results: readonly Result[]
}

/** Java is asked about a few candidates at once: it answers while we look at those before. */
const atOnce = 6
/** Enough for what random topologies are: beyond it the scenario stays as small as it is. */
const triesMax = 4000

/**
 * The smallest scenario that can be found that differs as the given one does: fewer events first, then fewer steps, then simpler
 * arguments, again and again until nothing can be left out. What Java cannot build does not count, unless it could not before.
 */
export const shrink = async (oracle: Oracle, scenario: Scenario): Promise<Differing> => {
  let smallest: Differing = { scenario, results: await judge(scenario) }
  let tries = 0
  const first = smallest
  const ways: readonly Smaller[] = [fewerEvents, fewerSteps, simplerArguments]
  for (let progress = true; progress; ) {
    progress = false
    for (const smaller of ways) {
      for (;;) {
        const found = await firstLike(oracle, first, smaller(draftOf(smallest.scenario)), () => tries++ < triesMax)
        if (!found) break
        smallest = found
        progress = true
      }
    }
  }
  return smallest
}

const draftOf = ({ expect, ...draft }: Scenario): Draft => draft

const firstLike = async (
  oracle: Oracle,
  like: Differing,
  candidates: Iterable<Draft>,
  mayTry: () => boolean,
): Promise<Differing | undefined> => {
  const rest = candidates[Symbol.iterator]()
  for (;;) {
    const asked: Promise<Scenario | undefined>[] = []
    while (asked.length < atOnce) {
      const { value, done } = rest.next()
      if (done || !mayTry()) break
      asked.push(meaningOf(oracle, value))
    }
    if (asked.length === 0) return undefined
    for (const scenario of await Promise.all(asked)) {
      if (!scenario || errorsOf(scenario) !== errorsOf(like.scenario)) continue
      const results = await judge(scenario)
      if (differs(results) && placesOf(results).some((place) => placesOf(like.results).includes(place))) return { scenario, results }
    }
  }
}

/** How Java fails: a scenario that fails otherwise is another one. */
const errorsOf = ({ expect }: Scenario): string =>
  JSON.stringify([expect.error, ...(expect.events ?? []).map(({ error }) => error)].flatMap((error) => (error ? kindOf(error) : [])))

/** The class, and how the message begins, before it tells names. */
const kindOf = ({ class: name, message }: JavaError): string => `${name} ${(message ?? '').split(' ').slice(0, 4).join(' ')}`

/** Where the results differ, without names and numbers, which change with the size of a scenario: `events.out`, `stores.entries`. */
const placesOf = (results: readonly Result[]): readonly string[] =>
  results.flatMap(({ differences }) =>
    differences.map(({ at }) => {
      const [part = '', second = '', third = ''] = at.replace(/\[\d+\]/g, '').split('.')
      return `${part}.${part === 'events' ? second : third}`
    }),
  )
