import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { type AppName, appNames } from '../test/simulation/apps.ts'
import { appOf } from '../test/simulation/campaign.ts'
import { crashMatrix } from '../test/simulation/crash-matrix.ts'
import { exhaustive } from '../test/simulation/exhaustive.ts'
import { huntAll, rowOf } from '../test/simulation/find-mutants.ts'
import { mutants, notApplicable } from '../test/simulation/mutants.ts'
import { type RunResult, simulate } from '../test/simulation/simulation.ts'
import { runCommand } from './command.ts'

/** `npm run simulate`: the production runtime under every order of events that a seed thinks of. Exit code 1: an invariant was broken; 2: wrong arguments. */
const usage = `Usage: npm run simulate -- [--seeds N] [--from S] [--app A] [--exhaustive | --mutants [--rule R] | --matrix]

  --seeds       how many seeds. Default: 1000; for mutants at most as many each: 5000
  --from        the first one; the same seed is the same run. Default: 0
  --app         ${appNames.join(', ')}. Default: all, in turn
  --exhaustive  instead of seeds: one fault of every kind at every call of a quiet run
  --mutants     takes one rule of the protocol after the other out of the code, and says how many seeds it takes to notice
  --rule        only mutants of this rule, e.g. R13
  --matrix      what a crash at each step leaves behind, and what the next invocation does: the table in docs/exactly-once.md

Prints for each app what was run, and last \`N seeds, N faults, N violations\`. A violation is told with the last steps
before it, and with the command that replays it.`

interface Request {
  readonly help: boolean
  readonly seeds: number
  readonly from: number
  readonly apps: readonly AppName[]
  readonly mode: 'seeds' | 'exhaustive' | 'mutants' | 'matrix'
  readonly rule: string
}

const requestOf = (args: readonly string[]): Request => {
  const { values } = parseArgs({
    args: [...args],
    options: {
      help: { type: 'boolean', short: 'h', default: false },
      seeds: { type: 'string' },
      from: { type: 'string', default: '0' },
      app: { type: 'string' },
      rule: { type: 'string', default: '' },
      exhaustive: { type: 'boolean', default: false },
      mutants: { type: 'boolean', default: false },
      matrix: { type: 'boolean', default: false },
    },
  })
  const whole = (name: 'seeds' | 'from', min: number, otherwise: number): number => {
    const number = Number(values[name] ?? otherwise)
    if (!Number.isSafeInteger(number) || number < min) throw new Error(`--${name} is a whole number from ${min}, not ${values[name]}`)
    return number
  }
  const modes = (['exhaustive', 'mutants', 'matrix'] as const).filter((name) => values[name])
  if (modes.length > 1) throw new Error(`--${modes.join(' and --')} do not go together`)
  const [mode = 'seeds'] = modes
  const apps = appNames.filter((name) => values.app === undefined || name === values.app)
  if (apps.length === 0) throw new Error(`--app is one of ${appNames.join(', ')}, not ${values.app}`)
  if (![...mutants, ...notApplicable].some(isOf(values.rule))) throw new Error(`--rule ${values.rule}: there is no such rule`)
  return {
    help: values.help,
    seeds: whole('seeds', 1, mode === 'mutants' ? 5_000 : 1_000),
    from: whole('from', 0, 0),
    apps,
    mode,
    rule: values.rule,
  }
}

const columns = ['app', 'runs', 'invocations', 'commits', 'calls', 'faults', 'violations'] as const
type Row = Record<Exclude<(typeof columns)[number], 'app'>, number>

const traceLines = 60
const lineLengthMax = 400
const toldMax = 3

/** Columns as wide as their widest cell; numbers to the right. */
const aligned = (rows: readonly (readonly string[])[]): readonly string[] => {
  const widths = rows[0]?.map((_, at) => Math.max(...rows.map((row) => row[at]?.length ?? 0))) ?? []
  const isNumber = (cell: string): boolean => /^\d+$/.test(cell)
  return rows.map((row) =>
    row
      .map((cell, at) => (isNumber(rows[1]?.[at] ?? '') ? cell.padStart(widths[at] ?? 0) : cell.padEnd(widths[at] ?? 0)))
      .join('  ')
      .trimEnd(),
  )
}

/** What was run so far, by app. */
class Tally {
  readonly #rows = new Map<string, Row>()
  readonly #begin = performance.now()
  #told = performance.now()

  add(app: AppName, { invocations, commits, calls, faults, violation }: RunResult): void {
    const row = this.#rows.get(app) ?? { runs: 0, invocations: 0, commits: 0, calls: 0, faults: 0, violations: 0 }
    this.#rows.set(app, row)
    row.runs++
    row.invocations += invocations
    row.commits += commits
    row.calls += calls
    row.faults += [...faults.values()].reduce((sum, count) => sum + count, 0)
    if (violation) row.violations++
    if (performance.now() - this.#told < 10_000) return
    this.#told = performance.now()
    console.error(this.progress())
  }

  sum(column: keyof Row): number {
    return [...this.#rows.values()].reduce((sum, row) => sum + row[column], 0)
  }

  progress(): string {
    const perSecond = (this.sum('runs') / (performance.now() - this.#begin)) * 1000
    return `${this.sum('runs')} runs, ${this.sum('violations')} violations, ${perSecond.toFixed(0)} a second`
  }

  lines(what: string): readonly string[] {
    const cells = [columns, ...[...this.#rows].map(([app, row]) => columns.map((column) => (column === 'app' ? app : String(row[column]))))]
    return [...aligned(cells), `${this.sum('runs')} ${what}, ${this.sum('faults')} faults, ${this.sum('violations')} violations`]
  }
}

const tell = (what: string, { violation, trace }: RunResult, replay: string): void => {
  if (!violation) return
  for (const line of trace.lines(traceLines)) console.log(line.length > lineLengthMax ? `${line.slice(0, lineLengthMax)}...` : line)
  console.log(`${what}: ${violation.invariant} is broken. ${violation.message}`)
  console.log(`Replay: ${replay}`)
}

const runSeeds = async ({ seeds, from, apps }: Request): Promise<Tally> => {
  const tally = new Tally()
  for (let seed = from; seed < from + seeds; seed++) {
    const app = appOf(seed, apps)
    const result = await simulate({ app, seed: String(seed) })
    tally.add(app, result)
    if (tally.sum('violations') <= toldMax)
      tell(`Seed ${seed} of ${app}`, result, `npm run simulate -- --app ${app} --from ${seed} --seeds 1`)
  }
  return tally
}

const runExhaustive = async ({ apps }: Request): Promise<Tally> => {
  const tally = new Tally()
  for (const app of apps)
    for await (const { call, blow, result } of exhaustive(app)) {
      tally.add(app, result)
      const what = [blow.fault, ...(blow.events ?? [])].filter(Boolean).join(', ')
      if (tally.sum('violations') <= toldMax)
        tell(`${what} at call ${call} of ${app}`, result, `npm run simulate -- --app ${app} --exhaustive`)
    }
  return tally
}

const isOf =
  (rule: string) =>
  (it: { readonly rule: string }): boolean =>
    rule === '' || it.rule === rule || it.rule.split(/\W/).includes(rule)

const runMutants = async ({ seeds, from, rule }: Request): Promise<number> => {
  const chosen = mutants.filter(isOf(rule))
  const left = notApplicable.filter(isOf(rule))
  const rows = [['rule', 'without it', 'seeds until found', 'what is broken']]
  let [found, covered, wrong] = [0, 0, 0]
  for await (const hunted of huntAll(chosen, { from, seeds, atOnce: availableParallelism() })) {
    rows.push([...rowOf(hunted, { from, seeds })])
    if (!hunted.ok) wrong++
    else if (hunted.found) found++
    else covered++
    console.error(rows.at(-1)?.join('  '))
  }
  for (const { rule: name, why } of left) rows.push([name, 'not applicable', '', why])
  console.log(aligned(rows).join('\n'))
  console.log(`${chosen.length} mutants, ${found} found, ${covered} covered by another rule, ${wrong} wrong, ${left.length} not applicable`)
  return wrong > 0 ? 1 : 0
}

const simulateAll = async (request: Request): Promise<number> => {
  if (request.mode === 'mutants') return runMutants(request)
  if (request.mode === 'matrix') {
    console.log(await crashMatrix())
    return 0
  }
  const tally = request.mode === 'exhaustive' ? await runExhaustive(request) : await runSeeds(request)
  console.error(tally.progress())
  console.log(tally.lines(request.mode === 'exhaustive' ? 'cases' : 'seeds').join('\n'))
  return tally.sum('violations') > 0 ? 1 : 0
}

process.exitCode = await runCommand({ usage, requestOf, run: simulateAll })
