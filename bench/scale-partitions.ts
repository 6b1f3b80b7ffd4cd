import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { connectKafka } from '../src/lambda/index.ts'
import { startKafka } from '../test/broker/kafka.ts'
import { type Bench, median, type Row, rounded } from './bench.ts'
import { type Workload, workloads } from './engine/workloads.ts'
import { feed } from './eos/feed.ts'
import type { PartitionRun } from './scale/partition-app.ts'

const partitionCounts = [1, 2, 4, 8, 16]
const rounds = 3
const recordsDefault = 100_000
const applicationId = (round: number): string => `scale-${round}`

/** All processes of one round: they begin together, and what they took to start is not counted. */
const runAll = async (
  workload: Workload,
  bootstrap: readonly string[],
  partitions: number,
  round: number,
): Promise<readonly PartitionRun[]> => {
  const children = Array.from({ length: partitions }, (_, partition) => {
    const args = [workload.name, bootstrap.join(','), applicationId(round), String(partition), String(partitions)]
    return fork(join(import.meta.dirname, 'scale/partition-app.ts'), args, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  })
  try {
    await Promise.all(children.map(messageOf))
    const runs = Promise.all(children.map(messageOf))
    for (const child of children) child.send('go')
    return (await runs) as readonly PartitionRun[]
  } finally {
    for (const child of children) child.kill('SIGKILL')
  }
}

/** The next message of a process, or an error where it ends before. */
const messageOf = async (child: ChildProcess): Promise<unknown> => {
  const over = new AbortController()
  try {
    const ended = once(child, 'exit', over).then(([code]) => {
      throw new Error(`a process of the benchmark ended with ${code}`)
    })
    const [message] = await Promise.race([once(child, 'message', over), ended])
    return message
  } finally {
    over.abort()
  }
}

const measure = async (workload: Workload, partitions: number, records: number): Promise<Row> => {
  const kafka = await startKafka({ settings: { 'log.retention.ms': '-1' } })
  const ports = await connectKafka(kafka.bootstrap)
  const soon = (): number => Date.now() + 60_000
  try {
    await feed(ports, { workload, records, partitions })
    const found: (readonly PartitionRun[])[] = []
    for (let round = 0; round < rounds; round++) {
      const internal = workload.topology().internalTopics(applicationId(round))
      await ports.admin.create(
        internal.map(({ name: topic, config }) => ({ topic, partitions, config })),
        soon(),
      )
      found.push(await runAll(workload, kafka.bootstrap, partitions, round))
    }
    const sum = (runs: readonly PartitionRun[], of: (run: PartitionRun) => number): number => runs.reduce((all, run) => all + of(run), 0)
    const read = found.map((runs) => sum(runs, (run) => run.records))
    if (read.some((it) => it !== records)) throw new Error(`${read} records were processed, not ${records}`)
    const seconds = found.map(
      (runs) => (Math.max(...runs.map(({ endedMs }) => endedMs)) - Math.min(...runs.map(({ beganMs }) => beganMs))) / 1_000,
    )
    return {
      workload: workload.name,
      partitions,
      records,
      'records/s': Math.round(records / median(seconds)),
      'CPU s per million': rounded(median(found.map((runs) => (1_000 * sum(runs, ({ cpuMs }) => cpuMs)) / records)), 2),
      'memory MB per process': Math.round(median(found.flatMap((runs) => runs.map(({ memoryMb }) => memoryMb)))),
    }
  } finally {
    await Promise.all([ports.txnLog.close(), ports.reader.close(), ports.admin.close()])
    await kafka.stop()
  }
}

/**
 * As many records again for every further partition, a process each, on one broker and with the table in memory: what one more partition
 * costs. Medians of three rounds; processes begin cold. `MILLRACE_BENCH_RECORDS`: of each partition, 100,000.
 */
const bench: Bench = async (note) => {
  const perPartition = Number(process.env.MILLRACE_BENCH_RECORDS ?? recordsDefault)
  const rows: Row[] = []
  for (const name of ['filter-map', 'tumbling-count']) {
    const workload = workloads.find((it) => it.name === name)
    if (!workload) throw new Error(`no workload is called ${name}`)
    for (const partitions of partitionCounts) {
      note(`${name}: ${partitions} partition${partitions === 1 ? '' : 's'}, a process each`)
      rows.push(await measure(workload, partitions, perPartition * partitions))
    }
  }
  const cpuAt = (partitions: number): number =>
    Number(rows.find((row) => row.workload === 'tumbling-count' && row.partitions === partitions)?.['CPU s per million'])
  return {
    rows,
    ratios: [],
    comparisons: [{ name: 'tumbling-count: CPU a record with 16 partitions / with 1', value: rounded(cpuAt(16) / cpuAt(1), 2) }],
  }
}

export default bench
