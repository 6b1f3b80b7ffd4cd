import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Kafka, logLevel } from 'kafkajs'
import { createKafkaJs } from '../src/adapters/kafkajs/kafkajs.ts'
import { topicName } from '../src/topology/nodes.ts'
import { bundle } from '../test/broker/bundle.ts'
import { deployApp } from '../test/broker/deployed-app.ts'
import { startDynamoDbLocal } from '../test/broker/dynamodb.ts'
import { startKafka } from '../test/broker/kafka.ts'
import { type Bench, percentile, type Row, rounded } from './bench.ts'
import { type Hops, hopsOf, type InvocationLine, type Stage } from './latency/timeline.ts'
import { outputsPerRecord, recordOf, type TopologyName, topologies } from './latency/topologies.ts'

const rates = [10, 100, 1_000]
const windows = [0, 500]
const tables = ['dynamodb', 'stated'] as const
const secondsMax = Number(process.env.MILLRACE_BENCH_SECONDS ?? 30)
const recordsWanted = 2_000
const secondsMin = 5
const warmUpMs = 5_000
/** The broker and DynamoDB Local compile their own code meanwhile. */
const warmUpSeconds = 30
/** Producers send what has come together in so many milliseconds. */
const lingerMs = 5
/** What is on its way when the last record was written must have come by then. */
const drainMs = 30_000

interface Cell {
  readonly topology: TopologyName
  readonly rate: number
  readonly windowMs: number
  readonly table: (typeof tables)[number]
}

interface Parts {
  readonly bootstrap: readonly string[]
  readonly dynamodb: string
  readonly bundleFolder: string
}

interface Found {
  readonly latenciesMs: readonly number[]
  readonly transactionsPerSecond: number
  readonly hops: Hops
}

const nowMs = (): number => performance.timeOrigin + performance.now()
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** Writes at an even rate, each record with the time at which it was due as its own: a writer that comes late makes no latency smaller. */
const produce = async (bootstrap: readonly string[], topic: string, { rate, ms }: { readonly rate: number; readonly ms: number }) => {
  const producer = new Kafka({ brokers: [...bootstrap], logLevel: logLevel.NOTHING }).producer()
  await producer.connect()
  const beganMs = Math.ceil(nowMs())
  const dueOf = (n: number): number => beganMs + Math.floor((n * 1_000) / rate)
  const sent: Promise<unknown>[] = []
  const total = Math.floor((rate * ms) / 1_000)
  for (let next = 0; next < total; ) {
    const messages: { key: string; value: string; timestamp: string }[] = []
    for (; next < total && dueOf(next) <= nowMs(); next++) messages.push({ ...recordOf(next), timestamp: String(dueOf(next)) })
    if (messages.length > 0) sent.push(producer.send({ topic, messages, acks: -1 }))
    if (next < total) await sleep(Math.max(lingerMs, dueOf(next) - nowMs()))
  }
  await Promise.all(sent)
  await producer.disconnect()
  return { beganMs, total }
}

/** Reads committed records until so many have come, and says when each did. */
const startReader = (bootstrap: readonly string[], topic: string) => {
  const { reader } = createKafkaJs({ brokers: bootstrap })
  const seen: { readonly timestamp: number; readonly ms: number }[] = []
  let over = false
  const run = async (): Promise<void> => {
    for (let offset = 0; !over; ) {
      const at = { topic, partition: 0, offset, bytesMax: 2 ** 20 }
      const [answer] = await reader.fetch([at], { waitMs: 500, deadlineMs: Date.now() + 10_000 })
      const ms = nowMs()
      for (const { timestamp } of answer?.records ?? []) seen.push({ timestamp, ms: ms - timestamp })
      offset = answer?.nextOffset ?? offset
    }
  }
  const done = run()
  return {
    seen,
    stop: async () => {
      over = true
      await done
      await reader.close()
    },
  }
}

const secondsOf = (rate: number): number => Math.min(secondsMax, Math.max(secondsMin, recordsWanted / rate))

let cells = 0
const measure = async (parts: Parts, { topology: name, rate, windowMs, table }: Cell, seconds = secondsOf(rate)): Promise<Found> => {
  const applicationId = `latency-${cells++}`
  const topology = topologies[name](applicationId)
  const { bootstrap, dynamodb, bundleFolder } = parts
  const app = await deployApp({ topology, applicationId, bundleFolder, kafka: bootstrap, dynamodb, partitions: 1 })
  const reader = startReader(bootstrap, `${applicationId}-out`)
  try {
    const stages = new Map<string, { -readonly [K in keyof Stage]: Stage[K][number][] }>()
    const environment = { BENCH_TOPOLOGY: name, BENCH_TABLE: table, MILLRACE_BATCHING_WINDOW: String(windowMs / 1_000) }
    const lambdas = new Map(
      topology.subTopologies.map((sub) => {
        const stage = { invokedMs: [] as number[], lines: [] as InvocationLine[], records: [] as Stage['records'][number][] }
        stages.set(sub.name, stage)
        const onLog = (line: string): void => {
          if (line.startsWith('{"enteredMs"')) stage.lines.push(JSON.parse(line))
          else process.stderr.write(`${sub.name}: ${line}\n`)
        }
        return [sub.name, app.lambda(sub.name, { environment, onLog })] as const
      }),
    )
    await app.connect(
      (subTopology, event) => {
        const stage = stages.get(subTopology)
        stage?.records.push(...Object.values(event.records).flat())
        stage?.invokedMs.push(nowMs())
        const lambda = lambdas.get(subTopology)
        if (!lambda) throw new Error(`no function is called ${subTopology}`)
        return lambda.invoke(JSON.stringify(event))
      },
      { windowMs, batchSize: 10_000 },
    )
    /** Resolves when the outputs of all that was written have come; says when the first record was due. */
    const feed = async (ms: number): Promise<number> => {
      const before = reader.seen.length
      const { beganMs, total } = await produce(bootstrap, `${applicationId}-in`, { rate, ms })
      const expected = before + total * outputsPerRecord[name]
      for (const lateMs = Date.now() + drainMs; reader.seen.length < expected && Date.now() < lateMs; ) await sleep(20)
      if (reader.seen.length !== expected) throw new Error(`${reader.seen.length} outputs came, not ${expected}`)
      return beganMs
    }
    // the functions have started, and their code is warm, before anything counts
    await feed(warmUpMs)
    const fromMs = await feed(seconds * 1_000)
    const during = { fromMs, toMs: fromMs + seconds * 1_000 }
    const measured = reader.seen.filter(({ timestamp }) => timestamp >= during.fromMs)
    const latenciesMs = measured.map(({ ms }) => ms)
    const inOrder = topology.subTopologies
      .toSorted((a, b) => Number(isFirst(b.sourceTopics[0], applicationId)) - Number(isFirst(a.sourceTopics[0], applicationId)))
      .flatMap((sub) => stages.get(sub.name) ?? [])
    const last = inOrder.at(-1)?.lines ?? []
    const within = last.filter(({ enteredMs }) => enteredMs >= during.fromMs && enteredMs < during.toMs)
    const transactions = within.reduce((sum, { commits }) => sum + commits.length, 0)
    const hops = hopsOf(inOrder, during, latenciesMs.reduce((sum, ms) => sum + ms, 0) / latenciesMs.length)
    return { latenciesMs, transactionsPerSecond: transactions / seconds, hops }
  } finally {
    await reader.stop()
    await app.close()
  }
}

const isFirst = (source: Parameters<typeof topicName>[0] | undefined, applicationId: string): boolean =>
  source !== undefined && topicName(source, applicationId) === `${applicationId}-in`

const rowOf = ({ topology, rate, windowMs }: Cell, found: Found, stated: Found): Row => {
  const ms = ({ latenciesMs }: Found, share: number): number => rounded(percentile(latenciesMs, share))
  const hops = Object.entries(found.hops).map(([hop, value]) => [`${hop}, mean ms`, rounded(value)] as const)
  return {
    topology,
    'sub-topologies': topology === 'count' ? 1 : 2,
    'records/s': rate,
    'window ms': windowMs,
    outputs: found.latenciesMs.length,
    'transactions/s': rounded(found.transactionsPerSecond),
    'p50 ms': ms(found, 0.5),
    'p99 ms': ms(found, 0.99),
    'p50 ms, stated table': ms(stated, 0.5),
    'p99 ms, stated table': ms(stated, 0.99),
    ...Object.fromEntries(hops),
  }
}

/**
 * From the time when a record was due to when a read_committed reader has its output: a real broker, DynamoDB Local (or a table in the
 * function's memory whose requests take as long as is stated), the emulated event source and the emulated Lambda, one partition. `MILLRACE_BENCH_SECONDS`: at most so long each.
 */
const bench: Bench = async (note) => {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-latency-'))
  const [kafka, dynamodb] = await Promise.all([startKafka(), startDynamoDbLocal()])
  try {
    await bundle(join(import.meta.dirname, 'latency/handler.ts'), folder)
    const parts = { bootstrap: kafka.bootstrap, dynamodb: dynamodb.endpoint, bundleFolder: folder }
    note('warming up')
    for (const table of tables) await measure(parts, { topology: 'word count', rate: 200, windowMs: 0, table }, warmUpSeconds)
    const rows: Row[] = []
    for (const topology of ['count', 'word count'] as const) {
      for (const rate of rates) {
        for (const windowMs of windows) {
          const found: Found[] = []
          for (const table of tables) {
            note(`${topology}, ${rate} records/s, window ${windowMs} ms, ${table}`)
            found.push(await measure(parts, { topology, rate, windowMs, table }))
          }
          const [real, stated] = found
          if (real && stated) rows.push(rowOf({ topology, rate, windowMs, table: 'dynamodb' }, real, stated))
        }
      }
    }
    const target = rows.find((row) => row.topology === 'count' && row['records/s'] === 100 && row['window ms'] === 0)
    return {
      rows,
      ratios: [],
      comparisons: [
        { name: 'p99 of one sub-topology, 100 records/s, window 0 / 50 ms', value: rounded(Number(target?.['p99 ms']) / 50, 2) },
      ],
    }
  } finally {
    await Promise.all([kafka.stop(), dynamodb.stop()])
    await rm(folder, { recursive: true })
  }
}

export default bench
