import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connectKafka } from '../src/lambda/index.ts'
import { compressionTypes } from '../src/topology/config.ts'
import { bundle } from '../test/broker/bundle.ts'
import { startKafka } from '../test/broker/kafka.ts'
import { type Bench, type Findings, median, rounded } from './bench.ts'
import { feed } from './eos/feed.ts'
import type { Measured } from './eos/measured.ts'
import { onBroker, processedIn } from './eos/on-broker.ts'
import { run } from './eos/run.ts'

const rounds = 5
const partitions = 4
const workload = onBroker.find(({ name }) => name === 'word-count')

/** The word count of `eos`, with each `compression.type`: one after the other, round by round. `MILLRACE_BENCH_RECORDS`: a million. */
const bench: Bench = async (note) => {
  const records = Number(process.env.MILLRACE_BENCH_RECORDS ?? 1_000_000)
  if (!workload) throw new Error('there is no word count')
  const folder = await mkdtemp(join(tmpdir(), 'millrace-bench-'))
  const kafka = await startKafka({ settings: { 'log.retention.ms': '-1' } })
  const ports = await connectKafka(kafka.bootstrap)
  try {
    const app = [process.execPath, await bundle(join(import.meta.dirname, 'eos/own-app.ts'), join(folder, 'own-app.ts'))]
    note(`feeding ${records} records`)
    await feed(ports, { workload, records, partitions })
    const runs = compressionTypes.map((): Measured[] => [])
    for (let round = 1; round <= rounds; round++) {
      for (const [at, type] of compressionTypes.entries()) {
        note(`round ${round} of ${rounds}: ${type}`)
        const applicationId = `bench-${type}-${round}`
        const given = [workload.name, kafka.bootstrap.join(','), applicationId, String(processedIn(workload, records)), type]
        runs[at]?.push(await run(app, given, 900_000))
      }
    }
    return findingsOf(runs, records)
  } finally {
    await Promise.all([ports.txnLog.close(), ports.reader.close(), ports.admin.close()])
    await kafka.stop()
    await rm(folder, { recursive: true })
  }
}

const findingsOf = (runs: readonly (readonly Measured[])[], records: number): Findings => {
  const found = runs.map((all, at) => ({
    type: compressionTypes[at] ?? 'none',
    perSecond: median(all.map(({ ms }) => (1_000 * records) / ms)),
    perCpuSecond: median(all.map(({ cpuMs }) => (1_000 * records) / cpuMs)),
    sent: median(all.map(({ sentBytes = Number.NaN }) => sentBytes)),
    received: median(all.map(({ receivedBytes = Number.NaN }) => receivedBytes)),
  }))
  const mbPerMillion = (bytes: number): number => rounded(bytes / records)
  return {
    rows: found.map(({ type, perSecond, perCpuSecond, sent, received }) => ({
      ...{ 'compression.type': type, records, 'records/s': Math.round(perSecond), 'CPU s per million': rounded(1e6 / perCpuSecond) },
      ...{ 'MB sent per million': mbPerMillion(sent), 'MB received per million': mbPerMillion(received) },
    })),
    ratios: found.slice(1).map(({ type, perSecond, perCpuSecond }) => ({
      ...{ workload: `word-count, ${type}`, against: 'none' },
      recordsPerSecond: rounded(perSecond / (found[0]?.perSecond ?? 0), 2),
      perCpuSecond: rounded(perCpuSecond / (found[0]?.perCpuSecond ?? 0), 2),
    })),
  }
}

export default bench
