import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { TopologyTestDriver } from 'millrace/testing'
import { buildScenario, inputOf } from '../test/conformance/run-scenario.ts'
import type { InputRecord, Scenario, Step } from '../test/conformance/scenario.ts'
import { type Bench, median, type Row, rounded } from './bench.ts'

const measured = 5
const warmUps = 3
const oracle = join(import.meta.dirname, '../test/conformance/oracle/run')

const words = ['mill', 'race', 'water', 'wheel', 'grain', 'stone', 'flour', 'river', 'weir', 'sluice', 'bread', 'sack']
const word = (n: number): string => `${words[n % words.length]}${n % 97}`

const value = { fn: 'value' }
const scenarioOf = (
  name: string,
  topology: readonly Step[],
  record: (n: number) => Omit<InputRecord, 'topic'>,
  records: number,
): Scenario => ({
  name,
  config: { 'default.key.serde': 'string', 'default.value.serde': 'string' },
  topics: { in: ['string', 'string'], out: ['string', 'string'] },
  topology,
  events: Array.from({ length: records }, (_, n) => ({ topic: 'in', ...record(n) })),
  expect: {},
})

/** Vectors' language, so that both drivers run the same topology over the same records; its functions are interpreted on both sides. */
const scenarios: readonly Scenario[] = [
  scenarioOf(
    'filter and map',
    [
      { id: 's0', op: 'stream', args: { topics: ['in'] } },
      { id: 's1', op: 'filter', on: ['s0'], args: { predicate: { fn: 'notNull', of: value } } },
      { id: 's2', op: 'mapValues', on: ['s1'], args: { mapper: { fn: 'upper' } } },
      { op: 'to', on: ['s2'], args: { topic: 'out' } },
    ],
    (n) => ({ k: word(n), v: `${word(n)} ${word(n * 7)}`, ts: n }),
    100_000,
  ),
  scenarioOf(
    'word count',
    [
      { id: 's0', op: 'stream', args: { topics: ['in'] } },
      { id: 's1', op: 'flatMapValues', on: ['s0'], args: { mapper: { fn: 'words' } } },
      { id: 's2', op: 'groupBy', on: ['s1'], args: { mapper: value } },
      { id: 's3', op: 'count', on: ['s2'], args: { materialized: { name: 'counts' } } },
      { id: 's4', op: 'toStream', on: ['s3'] },
      { op: 'to', on: ['s4'], args: { topic: 'out', produced: { key: 'string', value: 'long' } } },
    ],
    (n) => ({ k: null, v: [n, n * 3, n * 5, n * 11].map(word).join(' '), ts: n }),
    20_000,
  ),
  scenarioOf(
    'windowed count',
    [
      { id: 's0', op: 'stream', args: { topics: ['in'] } },
      { id: 's1', op: 'groupByKey', on: ['s0'] },
      { id: 's2', op: 'windowedBy', on: ['s1'], args: { windows: { type: 'time', sizeMs: 10_000, graceMs: 1_000 } } },
      { id: 's3', op: 'count', on: ['s2'], args: { materialized: { name: 'counts' } } },
      { id: 's4', op: 'toStream', on: ['s3'] },
      { op: 'to', on: ['s4'], args: { topic: 'out', produced: { key: { timeWindowed: 'string', sizeMs: 10_000 }, value: 'long' } } },
    ],
    (n) => ({ k: word(n), v: 'x', ts: n * 10 }),
    50_000,
  ),
]

interface Run {
  readonly name: string
  readonly records: number
  readonly ms: number
}

/** Java's driver in one JVM: the first runs warm it up and do not count. */
const theirs = async (file: string): Promise<readonly Run[]> => {
  const { stdout } = await promisify(execFile)(oracle, ['bench', file, String(warmUps + measured)], { maxBuffer: 1e8, timeout: 600_000 })
  const runs = stdout.split('\n').flatMap((line) => (line.startsWith('{') ? [JSON.parse(line) as Run & { readonly run: number }] : []))
  return runs.filter(({ run }) => run >= warmUps)
}

const ours = async (scenario: Scenario): Promise<Run> => {
  const { topology } = buildScenario(scenario)
  const inputs = (scenario.events ?? []).map((event) => {
    const input = event as InputRecord
    return { topic: input.topic, record: inputOf(scenario, input) }
  })
  const driver = new TopologyTestDriver(topology, { applicationId: 'app' })
  const began = performance.now()
  for (const { topic, record } of inputs) await driver.pipe(topic, record)
  const ms = performance.now() - began
  await driver.close()
  return { name: scenario.name, records: inputs.length, ms }
}

const rate = (runs: readonly Run[]): number => median(runs.map(({ records, ms }) => (1_000 * records) / ms))

const bench: Bench = async (note) => {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-bench-'))
  try {
    const file = join(folder, 'scenarios.jsonl')
    await writeFile(file, scenarios.map((scenario) => JSON.stringify(scenario)).join('\n'))
    note(`Java's driver: ${warmUps} runs to warm up, ${measured} measured`)
    const java = await theirs(file)
    const rows: Row[] = []
    const ratios: { readonly name: string; readonly value: number }[] = []
    for (const scenario of scenarios) {
      const { name } = scenario
      note(`our driver: ${name}`)
      const runs: Run[] = []
      for (let i = 0; i < warmUps + measured; i++) runs.push(await ours(scenario))
      const [own, other] = [rate(runs.slice(warmUps)), rate(java.filter((run) => run.name === name))]
      rows.push({
        scenario: name,
        records: scenario.events?.length ?? 0,
        'ours records/s': Math.round(own),
        "Java's records/s": Math.round(other),
      })
      ratios.push({ name: `${name}: ours / Java's`, value: rounded(own / other, 2) })
    }
    return { rows, ratios }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

export default bench
