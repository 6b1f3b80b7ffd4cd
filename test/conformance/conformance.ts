import { anyValue, compare, type Difference } from './compare.ts'
import { checkFormat, missingFormat } from './formats.ts'
import { hasWindowsInMemory, type Mode, runScenario } from './run-scenario.ts'
import { type Expectations, type InputEvent, isFormatTable, type OutputRecord, type Scenario, type Vector } from './scenario.ts'
import { type Missing, missingIn } from './support.ts'

export interface Result {
  readonly name: string
  readonly mode: Mode
  readonly outcome: 'passed' | 'failed' | 'skipped'
  readonly differences: readonly Difference[]
  readonly missing: Missing
}

const nothing: Missing = { verbs: [], features: [] }

/** Runs one vector in one mode, unless it needs what we do not have yet. */
export const conform = async (vector: Vector, mode: Mode): Promise<Result> => {
  const { name } = vector
  const missing = missingOf(vector)
  if (missing.verbs.length + missing.features.length > 0) return { name, mode, outcome: 'skipped', differences: [], missing }
  const differences = await differencesOf(vector, mode)
  return { name, mode, outcome: differences.length > 0 ? 'failed' : 'passed', differences, missing }
}

const missingOf = (vector: Vector): Missing => {
  if (!isFormatTable(vector)) return missingIn(vector)
  const format = missingFormat(vector)
  return format === undefined ? nothing : { verbs: [], features: [format] }
}

const differencesOf = async (vector: Vector, mode: Mode): Promise<readonly Difference[]> => {
  if (isFormatTable(vector)) return checkFormat(vector)
  try {
    return compare(withoutEstimates(vector), await runScenario(vector, mode), {
      mayLoseWindows: mayLoseWindows(vector),
      mayAskMorePartitions:
        vector.topology.some(({ op }) => op === 'suppress' || op === 'cogroup') || joinsTwice(vector) || movesRepartitions(vector),
      joinsMore: vector.topology.some(({ op }) => op === 'cogroup'),
      mayDropMore: hasWindowsInMemory(vector),
    })
  } catch (error) {
    return [{ at: 'scenario', expected: 'runs', actual: error instanceof Error ? (error.stack ?? error.message) : String(error) }]
  }
}

/** Repartitions above a merge: Java forgets those that its optimiser has put in the place of others. */
const movesRepartitions = ({ config, topology }: Scenario): boolean =>
  (config?.['topology.optimization'] ?? 'none') !== 'none' && topology.some(({ op }) => op === 'merge')

/** One stream in two joins, or twice in one: its repartition topic is made once, and Java forgets it at the second one. */
const joinsTwice = ({ topology }: Scenario): boolean => {
  const joined = topology.flatMap(({ op, on = [] }) => (['join', 'leftJoin', 'outerJoin'].includes(op) ? on : []))
  return new Set(joined).size < joined.length
}

/** What Java's stores on a disk guess their size to be is theirs: our answer stands where theirs is, a number. */
const withoutEstimates = ({ events = [], topology, expect }: Scenario): Expectations => {
  const onDisk = topology.some(({ args }) => args?.store?.persistent)
  const asksSize = (event: InputEvent | undefined): boolean => event !== undefined && 'v' in event && isSize(event.v)
  if (!onDisk || !expect.events || !events.some(asksSize)) return expect
  const anyNumber = (record: OutputRecord): OutputRecord => ({ ...record, v: anyValue })
  return {
    ...expect,
    events: expect.events.map((event, at) => (asksSize(events[at]) ? { ...event, out: (event.out ?? []).map(anyNumber) } : event)),
  }
}

const isSize = (command: unknown): boolean => typeof command === 'object' && command !== null && 'op' in command && command.op === 'size'

/**
 * README section 8.4, quirk `emit-final-retention`: Java reads windows that close from a store that may have forgotten them.
 * Sliding windows show it as well, though the vectors do not mark it there.
 */
const mayLoseWindows = ({ quirk, topology }: Scenario): boolean => {
  const final = topology.some(({ args }) => args?.strategy === 'onWindowClose')
  return quirk === 'emit-final-retention' || (final && topology.some(({ args }) => args?.windows?.type === 'sliding'))
}

const shortened = (value: unknown): string => {
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? 'nothing')
  return text.length > 600 ? `${text.slice(0, 600)}…` : text
}

/** A failure in a few lines: the first differences, expected above actual. */
export const failureLines = ({ name, mode, differences }: Result): readonly string[] => [
  `FAILED ${name} (${mode})`,
  ...differences
    .slice(0, 3)
    .flatMap(({ at, expected, actual }) => [`  ${at}`, `    expected ${shortened(expected)}`, `    actual   ${shortened(actual)}`]),
  ...(differences.length > 3 ? [`  and ${differences.length - 3} more`] : []),
]

/** `N passed, N failed, N skipped`. */
export const tally = (results: readonly Result[]): string => {
  const count = (outcome: Result['outcome']): number => results.filter((result) => result.outcome === outcome).length
  return `${count('passed')} passed, ${count('failed')} failed, ${count('skipped')} skipped`
}
