import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { startDynamoDbLocal } from '../test/broker/dynamodb.ts'
import { startKafka } from '../test/broker/kafka.ts'
import { type Bench, median, type Row, rounded } from './bench.ts'

const runs = 3
const main = join(import.meta.dirname, '../src/cli/main.ts')
/** Tells what the process has used when it ends. */
const meter = `import { writeSync } from 'node:fs'
process.on('exit', () => writeSync(2, '\\nusage ' + JSON.stringify(process.resourceUsage())))`

interface Run {
  readonly records: number
  /** Of feeding and processing, without the start of the process. */
  readonly seconds: number
  readonly cpuSeconds: number
  readonly memoryMb: number
}

/** The word count over its own input, fed and processed by the command line in a process of its own. */
const run = async (args: readonly string[]): Promise<Run> => {
  const meterUrl = `data:text/javascript,${encodeURIComponent(meter)}`
  const child = spawn(process.execPath, ['--import', meterUrl, main, 'start', 'word-count', '--quiet', ...args])
  let [stdout, stderr] = ['', '']
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  const [code] = await once(child, 'close')
  const [, records, seconds] = /^([\d,]+) records in ([\d.]+) s/m.exec(stdout) ?? []
  const usage = /^usage (.*)$/m.exec(stderr)?.[1]
  if (code !== 0 || records === undefined || usage === undefined) throw new Error(`start ended with ${code}: ${stderr}`)
  const { userCPUTime, systemCPUTime, maxRSS } = JSON.parse(usage) as NodeJS.ResourceUsage
  return {
    records: Number(records.replaceAll(',', '')),
    seconds: Number(seconds),
    cpuSeconds: (userCPUTime + systemCPUTime) / 1e6,
    memoryMb: maxRSS / 1024,
  }
}

const rowOf = (engine: string, results: readonly Run[]): Row => ({
  engine,
  records: results[0]?.records ?? 0,
  'records/s': Math.round(median(results.map(({ records, seconds }) => records / seconds))),
  s: rounded(median(results.map(({ seconds }) => seconds))),
  'CPU s': rounded(median(results.map(({ cpuSeconds }) => cpuSeconds))),
  'CPU µs/record': rounded(median(results.map(({ records, cpuSeconds }) => (1e6 * cpuSeconds) / records))),
  'memory MB': Math.round(median(results.map(({ memoryMb }) => memoryMb))),
})

/** Records of both sub-topologies; CPU of our process alone, without broker and table. */
const bench: Bench = async (note) => {
  const embedded: Run[] = []
  const real: Run[] = []
  for (let i = 1; i <= runs; i++) {
    note(`embedded, run ${i} of ${runs}`)
    embedded.push(await run([]))
  }
  const dynamodb = await startDynamoDbLocal()
  try {
    for (let i = 1; i <= runs; i++) {
      note(`Kafka and DynamoDB Local, run ${i} of ${runs}`)
      // A new broker each time: what was fed once is not fed again.
      const kafka = await startKafka()
      const where = ['--brokers', kafka.bootstrap.join(','), '--table-endpoint', dynamodb.endpoint, '--application-id', `bench-${i}`]
      try {
        real.push(await run(where))
      } finally {
        await kafka.stop()
      }
    }
  } finally {
    await dynamodb.stop()
  }
  const rows = [rowOf('embedded', embedded), rowOf('Kafka and DynamoDB Local', real)]
  const [ours, theirs] = [embedded, real].map((results) => median(results.map(({ cpuSeconds }) => cpuSeconds)))
  return {
    rows,
    ratios: [],
    comparisons: [{ name: 'CPU with Kafka and DynamoDB Local / CPU embedded', value: rounded((theirs ?? 0) / (ours ?? 1), 2) }],
  }
}

export default bench
