import { relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { textTable } from '../src/cli/text-table.ts'
import { conform, failureLines, type Result, tally } from '../test/conformance/conformance.ts'
import { type Mode, modes } from '../test/conformance/run-scenario.ts'
import type { Vector } from '../test/conformance/scenario.ts'
import { readVectors } from '../test/conformance/vector-files.ts'
import { runCommand } from './command.ts'

/** `npm run conformance`: runs vectors of Kafka Streams and compares. Exit code 1: something failed; 2: wrong arguments or files. */
const usage = `Usage: npm run conformance -- [--mode warm|cold] [--name TEXT] [--verbose] [PATH...]

  --mode     warm: one task per scenario; cold: a new task, its state read back, for every event. Default: both
  --name     only vectors whose name contains the text
  --verbose  a line for every vector
  PATH       files (.jsonl, one vector per line) or folders of them. Default: test/conformance/vectors

Prints failures, what passed by area, what was skipped and why, and last \`N passed, N failed, N skipped\`: a vector counts once per mode.`

interface Request {
  readonly help: boolean
  readonly modes: readonly Mode[]
  readonly vectors: readonly Vector[]
  readonly verbose: boolean
}

const vectorsFolder = relative(process.cwd(), fileURLToPath(new URL('../test/conformance/vectors', import.meta.url)))

const requestOf = (args: readonly string[]): Request => {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      help: { type: 'boolean', short: 'h', default: false },
      mode: { type: 'string' },
      name: { type: 'string', default: '' },
      verbose: { type: 'boolean', default: false },
    },
  })
  const { help, mode, name, verbose } = values
  if (help) return { help, verbose, modes, vectors: [] }
  const chosen = mode === undefined ? modes : modes.filter((it) => it === mode)
  if (chosen.length === 0) throw new Error(`--mode is warm or cold, not ${mode}`)
  const vectors = readVectors(positionals.length > 0 ? positionals : [vectorsFolder]).filter((vector) => vector.name.includes(name))
  if (vectors.length === 0) throw new Error('there is no such vector')
  return { help, verbose, modes: chosen, vectors }
}

const areaOf = ({ name }: Result): string => name.split('/')[0] ?? name

/** One line per area and mode. */
const byArea = (results: readonly Result[]): readonly string[] => {
  const areas = [...new Set(results.map((result) => `${areaOf(result)} ${result.mode}`))].sort()
  const rows = areas.map((area) => {
    const own = results.filter((result) => `${areaOf(result)} ${result.mode}` === area)
    const count = (outcome: Result['outcome']): number => own.filter((result) => result.outcome === outcome).length
    const [name = '', mode = ''] = area.split(' ')
    return [name, mode, count('passed'), count('failed'), count('skipped')]
  })
  return ['', textTable(['area', 'mode', 'passed', 'failed', 'skipped'], rows)]
}

/** Every vector that was not run, with the reason, once for all modes. */
const skippedLines = (results: readonly Result[]): readonly string[] => {
  const skipped = new Map(
    results.flatMap(({ outcome, name, missing }) =>
      outcome === 'skipped' ? [[name, [...missing.verbs, ...missing.features].join(', ')] as const] : [],
    ),
  )
  return skipped.size === 0 ? [] : ['', 'Skipped:', ...[...skipped].map(([name, why]) => `  ${name}: ${why}`)]
}

const run = async ({ vectors, modes, verbose }: Request): Promise<readonly Result[]> => {
  const results: Result[] = []
  for (const mode of modes) {
    for (const vector of vectors) {
      const result = await conform(vector, mode)
      results.push(result)
      if (result.outcome === 'failed') console.log(failureLines(result).join('\n'))
      else if (verbose) console.log(`${result.outcome} ${result.name} (${mode})`)
    }
  }
  return results
}

const conformAll = async (request: Request): Promise<number> => {
  const results = await run(request)
  console.log([...byArea(results), ...skippedLines(results), '', tally(results)].join('\n'))
  return results.some(({ outcome }) => outcome === 'failed') ? 1 : 0
}

process.exitCode = await runCommand({ usage, requestOf, run: conformAll })
