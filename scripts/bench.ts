import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { availableParallelism, cpus, loadavg, totalmem } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import type { Bench, Findings } from '../bench/bench.ts'
import { textTable } from '../src/cli/text-table.ts'
import { type Machine, type Result, resultsFolder } from './plots/results.ts'

/**
 * `npm run bench -- NAME`: runs bench/NAME.ts and prints its table; with `--json` the last line is one JSON object; with `--save` it is kept
 * in bench/results, from where `npm run plots` takes it.
 */
const folder = fileURLToPath(new URL('../bench', import.meta.url))
const names = readdirSync(folder)
  .filter((file) => file.endsWith('.ts') && file !== 'bench.ts')
  .map((file) => file.slice(0, -3))
  .sort()

const machine = (): Machine => ({
  cpu: cpus()[0]?.model ?? 'unknown',
  cores: availableParallelism(),
  memoryGb: Math.round(totalmem() / 2 ** 30),
  platform: `${process.platform} ${process.arch}`,
  node: process.version,
  loadBefore: Number((loadavg()[0] ?? 0).toFixed(1)),
})

const show = ({ rows, ratios, comparisons = [] }: Findings): string => {
  const columns = Object.keys(rows[0] ?? {})
  const table = textTable(
    columns,
    rows.map((row) => columns.map((column) => row[column] ?? '')),
  )
  const lines = comparisons.map(({ name, value }) => `  ${name}: ${value}`)
  if (ratios.length === 0) return [table, '', ...lines].join('\n')
  const found = ratios.map(({ workload, against, recordsPerSecond, perCpuSecond }) => [workload, against, recordsPerSecond, perCpuSecond])
  return [table, '', textTable(['workload', 'ours divided by', 'records/s', 'per CPU second'], found), ...lines].join('\n')
}

const { values, positionals } = parseArgs({ options: { json: { type: 'boolean' }, save: { type: 'boolean' } }, allowPositionals: true })
const [name = ''] = positionals
if (names.includes(name)) {
  const module: { readonly default: Bench } = await import(pathToFileURL(join(folder, `${name}.ts`)).href)
  const here = machine()
  const findings = await module.default((text) => process.stderr.write(`${text}\n`))
  process.stdout.write(`${show(findings)}\n`)
  const result: Result = { bench: name, machine: here, ...findings }
  if (values.json) process.stdout.write(`${JSON.stringify(result)}\n`)
  if (values.save) {
    mkdirSync(resultsFolder, { recursive: true })
    writeFileSync(join(resultsFolder, `${name}.json`), `${JSON.stringify(result, null, 2)}\n`)
  }
} else {
  process.stderr.write(`${name === '' ? 'Which benchmark?' : `There is no benchmark "${name}".`} Choose one of: ${names.join(', ')}\n`)
  process.exitCode = 1
}
