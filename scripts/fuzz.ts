import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { failureLines } from '../test/conformance/conformance.ts'
import { differs, type FuzzOptions, fuzz, type Judged, verbsOf } from '../test/conformance/fuzz/fuzz.ts'
import { type Oracle, startOracle } from '../test/conformance/fuzz/oracle.ts'
import { type Differing, shrink } from '../test/conformance/fuzz/shrink.ts'
import type { Scenario } from '../test/conformance/scenario.ts'
import { runCommand } from './command.ts'

/** `npm run fuzz`: random scenarios, run by Kafka Streams and by us. Exit code 1: something differs; 2: wrong arguments, or no Java. */
const usage = `Usage: npm run fuzz -- [--seed S] [--count N] [--from I] [--shrink N] [--output FILE]

  --seed    chooses the scenarios: number I of a seed is always the same one. Default: 1
  --count   how many. Default: 1000
  --from    the number of the first one. Default: 0
  --shrink  how many of the differences are made small and printed. Default: 1
  --output  where all of them are written, for npm run conformance -- FILE. Default: a file in the system's temporary folder

Needs Java 17+ and Maven. Prints the differences, which verbs were used, and last \`N scenarios, N differences\`.`

interface Request extends FuzzOptions {
  readonly help: boolean
  readonly shrunkMax: number
  readonly output: string | undefined
}

const requestOf = (args: readonly string[]): Request => {
  const { values } = parseArgs({
    args: [...args],
    options: {
      help: { type: 'boolean', short: 'h', default: false },
      seed: { type: 'string', default: '1' },
      count: { type: 'string', default: '1000' },
      from: { type: 'string', default: '0' },
      shrink: { type: 'string', default: '1' },
      output: { type: 'string' },
    },
  })
  const whole = (name: 'count' | 'from' | 'shrink', min: number): number => {
    const number = Number(values[name])
    if (!Number.isSafeInteger(number) || number < min) throw new Error(`--${name} is a whole number from ${min}, not ${values[name]}`)
    return number
  }
  const { help, seed, output } = values
  return { help, seed, output, count: whole('count', 1), from: whole('from', 0), shrunkMax: whole('shrink', 0) }
}

/** What was run so far. */
class Tally {
  #scenarios = 0
  #differences = 0
  #refused = 0
  #skipped = new Map<string, number>()
  #verbs = new Map<string, number>()
  readonly #begin = performance.now()

  add({ scenario, results }: Judged): void {
    this.#scenarios++
    if (differs(results)) this.#differences++
    if (!scenario) this.#refused++
    for (const verb of scenario ? verbsOf(scenario.topology) : []) this.#verbs.set(verb, (this.#verbs.get(verb) ?? 0) + 1)
    const missing = results[0]?.missing
    for (const what of [...(missing?.verbs ?? []), ...(missing?.features ?? [])]) {
      this.#skipped.set(what, (this.#skipped.get(what) ?? 0) + 1)
    }
  }

  get differences(): number {
    return this.#differences
  }

  progress(): string {
    const perSecond = (this.#scenarios / (performance.now() - this.#begin)) * 1000
    return `${this.#scenarios} scenarios, ${this.#differences} differences, ${perSecond.toFixed(1)} a second`
  }

  lines(): readonly string[] {
    const table = (title: string, counts: ReadonlyMap<string, number>): readonly string[] =>
      counts.size === 0
        ? []
        : [title, ...[...counts].sort(([, one], [, other]) => other - one).map(([what, count]) => `${String(count).padStart(7)}  ${what}`)]
    return [
      ...table('Scenarios by verb:', this.#verbs),
      ...table('Not compared, as something is not there yet:', this.#skipped),
      ...(this.#refused > 0 ? [`Without a meaning in Java, not compared: ${this.#refused}`] : []),
      `${this.#scenarios} scenarios, ${this.#differences} differences`,
    ]
  }
}

const defaultOutput = (): string => join(mkdtempSync(join(tmpdir(), 'millrace-fuzz-')), 'differences.jsonl')

const tellSmall = ({ scenario: { expect, ...draft }, results }: Differing): void => {
  console.log(JSON.stringify(draft))
  for (const result of results) if (result.outcome === 'failed') console.log(failureLines(result).join('\n'))
}

const run = async (request: Request, oracle: Oracle): Promise<number> => {
  const tally = new Tally()
  const found: Scenario[] = []
  let told = performance.now()
  let output = request.output
  for await (const judged of fuzz(oracle, request)) {
    tally.add(judged)
    const { scenario, results, index } = judged
    if (scenario && differs(results)) {
      console.log(
        `Number ${index} of seed ${request.seed} differs: ${results.find(({ outcome }) => outcome === 'failed')?.differences[0]?.at}`,
      )
      const small = found.length < request.shrunkMax ? await shrink(oracle, scenario) : undefined
      found.push(small?.scenario ?? scenario)
      output ??= defaultOutput()
      writeFileSync(output, found.map((it) => `${JSON.stringify(it)}\n`).join(''))
      if (small) tellSmall(small)
      console.log(`Replay: npm run conformance -- ${output}`)
    }
    if (performance.now() - told > 10_000) {
      told = performance.now()
      console.error(tally.progress())
    }
  }
  console.error(tally.progress())
  console.log(tally.lines().join('\n'))
  return tally.differences > 0 ? 1 : 0
}

const compareAll = async (request: Request): Promise<number> => {
  const oracle = startOracle()
  try {
    return await run(request, oracle)
  } finally {
    await oracle.close()
  }
}

process.exitCode = await runCommand({ usage, requestOf, java: 'Random scenarios', run: compareAll })
