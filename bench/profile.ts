import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import type { Profiler } from 'node:inspector'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connectKafka } from '../src/lambda/index.ts'
import { startKafka } from '../test/broker/kafka.ts'
import { type Bench, type Row, rounded } from './bench.ts'
import { type Measure, runDriver, runTasks } from './engine/own-engine.ts'
import { type Workload, workloads } from './engine/workloads.ts'
import { feed } from './eos/feed.ts'
import { onBroker, processedIn } from './eos/on-broker.ts'
import { run } from './eos/run.ts'
import { parts, type Spent, spentIn } from './profile/parts.ts'
import { startRecorder } from './profile/recorder.ts'

const warmUps = 3
const measured = 5
const partitions = 4
const named = 3

/** Where the CPU time of `engine` and of `eos` goes, on our side: in per cent, by part of the house. `MILLRACE_BENCH_RECORDS`: a million on the broker. */
const bench: Bench = async (note) => {
  const rows: Row[] = []
  for (const workload of workloads) {
    for (const [where, runOne] of Object.entries({ tasks: runTasks, driver: runDriver })) {
      note(`${workload.name}, ${where}`)
      rows.push(
        rowOf(workload.name, where, {
          spent: await profileHere((measure) => runOne(workload, measure)),
          records: measured * workload.records,
        }),
      )
    }
  }
  const records = Number(process.env.MILLRACE_BENCH_RECORDS ?? 1_000_000)
  for (const workload of onBroker) {
    note(`${workload.name}, broker`)
    rows.push(rowOf(workload.name, 'broker', { spent: [spentIn(await profileOnBroker(workload, records))], records }))
  }
  return { rows, ratios: [] }
}

/** In this process; the first runs only warm it. */
const profileHere = async (runOne: (measure: Measure<Spent>) => Promise<Spent>): Promise<readonly Spent[]> => {
  using recorder = await startRecorder()
  const all: Spent[] = []
  for (let round = 0; round < warmUps + measured; round++) {
    const spent = await runOne(async (work) => {
      await recorder.start()
      await work()
      return spentIn(await recorder.stop())
    })
    if (round >= warmUps) all.push(spent)
  }
  return all
}

/** The process of `eos`, from its start to its end; not bundled, so that functions are found in their files. */
const profileOnBroker = async (workload: Workload, records: number): Promise<Profiler.Profile> => {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-profile-'))
  const kafka = await startKafka({ settings: { 'log.retention.ms': '-1' } })
  const ports = await connectKafka(kafka.bootstrap)
  try {
    await feed(ports, { workload, records, partitions })
    const app = [process.execPath, '--cpu-prof', `--cpu-prof-dir=${folder}`, join(import.meta.dirname, 'eos/own-app.ts')]
    await run(app, [workload.name, kafka.bootstrap.join(','), 'profile', String(processedIn(workload, records))], 900_000)
    const [file] = await readdir(folder)
    if (file === undefined) throw new Error('the process has left no profile')
    return JSON.parse(await readFile(join(folder, file), 'utf8')) as Profiler.Profile
  } finally {
    await Promise.all([ports.txnLog.close(), ports.reader.close(), ports.admin.close()])
    await kafka.stop()
    await rm(folder, { recursive: true })
  }
}

const rowOf = (
  workload: string,
  where: string,
  { spent, records }: { readonly spent: readonly Spent[]; readonly records: number },
): Row => {
  const sum = (of: (one: Spent) => number): number => spent.reduce((total, one) => total + of(one), 0)
  const total = sum(({ byPart }) => Object.values(byPart).reduce((all, us) => all + us, 0))
  const share = (us: number): number => rounded((100 * us) / total)
  const byFunction = new Map<string, number>()
  for (const one of spent) for (const [name, us] of one.byFunction) byFunction.set(name, (byFunction.get(name) ?? 0) + us)
  const most = [...byFunction].sort(([, one], [, other]) => other - one).slice(0, named)
  return {
    ...{ workload, where, 'CPU µs a record': rounded(total / records, 2) },
    ...Object.fromEntries(parts.map((part) => [`${part} %`, share(sum(({ byPart }) => byPart[part]))])),
    'most, %': most.map(([name, us]) => `${name} ${share(us)}`).join(', '),
  }
}

export default bench
