import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connectKafka } from '../src/lambda/index.ts'
import { bundle } from '../test/broker/bundle.ts'
import { startKafka } from '../test/broker/kafka.ts'
import { type Bench, type Findings, median, type Ratio, type Row, rounded } from './bench.ts'
import { feed } from './eos/feed.ts'
import type { Measured } from './eos/measured.ts'
import { onBroker, processedIn } from './eos/on-broker.ts'
import { run } from './eos/run.ts'

const rounds = 5
const partitions = 4

const oracle = join(import.meta.dirname, '../test/conformance/oracle/run')

interface Side {
  readonly name: string
  readonly command: readonly string[]
}

/** What runs in Node is bundled, as functions are. */
const sidesIn = async (folder: string): Promise<readonly Side[]> => {
  const app = async (file: string): Promise<readonly string[]> => [
    process.execPath,
    await bundle(join(import.meta.dirname, 'eos', file), join(folder, file)),
  ]
  return [
    { name: 'ours', command: await app('own-app.ts') },
    { name: 'Java Kafka Streams, exactly_once_v2, one thread', command: [oracle, 'bench', 'app'] },
    { name: 'kafkajs by hand', command: await app('kafkajs-app.ts') },
  ]
}

/** End to end on a real broker, exactly once, each side a process of its own: one after the other, round by round. `MILLRACE_BENCH_RECORDS`: a million. */
const bench: Bench = async (note) => {
  const records = Number(process.env.MILLRACE_BENCH_RECORDS ?? 1_000_000)
  const folder = await mkdtemp(join(tmpdir(), 'millrace-bench-'))
  try {
    return await compare(await sidesIn(folder), records, note)
  } finally {
    await rm(folder, { recursive: true })
  }
}

const compare = async (sides: readonly Side[], records: number, note: (text: string) => void): Promise<Findings> => {
  const rows: Row[] = []
  const ratios: Ratio[] = []
  for (const workload of onBroker) {
    const kafka = await startKafka({ settings: { 'log.retention.ms': '-1' } })
    const ports = await connectKafka(kafka.bootstrap)
    try {
      note(`${workload.name}: feeding ${records} records`)
      await feed(ports, { workload, records, partitions })
      const runs = sides.map((): Measured[] => [])
      for (let round = 1; round <= rounds; round++) {
        for (const [at, { name, command }] of sides.entries()) {
          note(`${workload.name}, round ${round} of ${rounds}: ${name}`)
          const given = [workload.name, kafka.bootstrap.join(','), `bench-${at}-${round}`, String(processedIn(workload, records))]
          runs[at]?.push(await run(command, given, 900_000))
        }
      }
      const found = runs.map((all) => ({
        wall: median(all.map(({ ms }) => (1_000 * records) / ms)),
        cpu: median(all.map(({ cpuMs }) => (1_000 * records) / cpuMs)),
        memoryMb: Math.round(median(all.map(({ memoryMb }) => memoryMb))),
      }))
      for (const [at, { name }] of sides.entries()) {
        const { wall = Number.NaN, cpu = Number.NaN, memoryMb = Number.NaN } = found[at] ?? {}
        rows.push({
          ...{ workload: workload.name, side: name, records, 'records/s': Math.round(wall) },
          ...{ 'CPU s per million': rounded(1e6 / cpu), 'memory MB': memoryMb },
        })
        if (at === 0) continue
        const [recordsPerSecond, perCpuSecond] = [(found[0]?.wall ?? 0) / wall, (found[0]?.cpu ?? 0) / cpu].map((it) => rounded(it, 2)) as [
          number,
          number,
        ]
        ratios.push({ workload: workload.name, against: name, recordsPerSecond, perCpuSecond })
      }
    } finally {
      await Promise.all([ports.txnLog.close(), ports.reader.close(), ports.admin.close()])
      await kafka.stop()
    }
  }
  return { rows, ratios }
}

export default bench
