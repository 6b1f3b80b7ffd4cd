import { DynamoDBClient } from '@aws-sdk/client-dynamodb'
import { createDynamoDb } from '../src/adapters/dynamodb/dynamodb.ts'
import { inParallel } from '../src/adapters/dynamodb/in-parallel.ts'
import { createMemoryTable } from '../src/adapters/memory/table.ts'
import { StreamsBuilder } from '../src/dsl/streams-builder.ts'
import { Serdes } from '../src/serde/serdes.ts'
import type { TableBackend } from '../src/state/backend.ts'
import { hours } from '../src/topology/durations.ts'
import type { DeferredFlush, PackedPages, ResidentStore } from '../src/topology/nodes.ts'
import type { Topology } from '../src/topology/topology.ts'
import { tumbling } from '../src/topology/windows.ts'
import { credentials } from '../test/broker/deployed-app.ts'
import { startDynamoDbLocal } from '../test/broker/dynamodb.ts'
import { type Bench, type Row, rounded } from './bench.ts'
import { type RunningMeter, startMeter } from './state-cost/meter-thread.ts'
import { packedUnits, pageBytes } from './state-cost/packed-units.ts'
import { type Running, recordsPerSecond, start, type Workload } from './state-cost/workload.ts'
import { type WriteKind, writeKinds } from './state-cost/write-kinds.ts'
import { expectedDistinct, sampler, zipf } from './state-cost/zipf.ts'

const keys = 10_000
const shares = zipf(keys)
const soon = () => Date.now() + 120_000
const strings = { keySerde: Serdes.string, valueSerde: Serdes.string }

const windowedCount = (options: { readonly flush?: DeferredFlush; readonly packed?: PackedPages } = {}): Topology => {
  const builder = new StreamsBuilder()
  builder
    .stream('clicks', strings)
    .groupByKey()
    .windowedBy(tumbling({ sizeMs: hours(1), graceMs: 0 }))
    .count({ store: { name: 'counts', ...options } })
    .toStream()
    .to('totals', { keySerde: Serdes.timeWindowed(Serdes.string, hours(1)) })
  return builder.build()
}

const count = (): Topology => {
  const builder = new StreamsBuilder()
  builder
    .stream('clicks', strings)
    .groupByKey()
    .count({ store: { name: 'counts' } })
    .toStream()
    .to('totals', { keySerde: Serdes.string })
  return builder.build()
}

/** Keeps the last value of a key, 100 bytes. */
const latest = (resident?: ResidentStore): Topology => {
  const builder = new StreamsBuilder()
  builder
    .stream('clicks', strings)
    .groupByKey()
    .reduce((_before, after) => after, { store: { name: 'latest', ...(resident ? { resident } : {}) } })
    .toStream()
    .to('totals', strings)
  return builder.build()
}

interface Measured {
  readonly name: string
  readonly workload: Omit<Workload, 'applicationId'>
  readonly seconds: number
  /** What is not measured. */
  readonly before?: (running: Running) => Promise<void>
  /** Write units that the model expects, per 1,000 records: distinct keys that are written, or pages. */
  readonly model?: number
  readonly target?: number
}

const hot = (topology: Topology) => ({ topology, key: sampler(shares, 'state-cost') })
const perThousand = (seconds: number): number => expectedDistinct(shares, seconds * recordsPerSecond) / seconds
const waiting = (seconds: number): DeferredFlush => ({ intervalMs: seconds * 1_000, bytesMax: 8 * 1024 * 1024 })
/** Each flush has the records of the first second, and of as many more. */
const flushedAfter = (seconds: number): Pick<Measured, 'workload' | 'seconds' | 'model'> => ({
  workload: hot(windowedCount({ flush: waiting(seconds) })),
  seconds: seconds < 30 ? 2 * (seconds + 1) : seconds + 1,
  model: perThousand(seconds + 1),
})
/** All pages at each flush, as nearly every one has a key that has changed: of the rows that so many flushes have seen. */
const packedFlushedAfter = (seconds: number, flushes: number): Pick<Measured, 'workload' | 'seconds' | 'model'> => {
  const each = seconds + 1
  const units = Array.from({ length: flushes }, (_, at) => packedUnits(expectedDistinct(shares, (at + 1) * each * recordsPerSecond)))
  return {
    workload: hot(windowedCount({ flush: waiting(seconds), packed: { pageBytes } })),
    seconds: flushes * each,
    model: units.reduce((sum, some) => sum + some, 0) / (flushes * each),
  }
}
const inTurn = (): (() => number) => {
  let next = 0
  return () => next++ % keys
}

const cold = (resident?: ResidentStore): Pick<Measured, 'workload' | 'seconds' | 'before'> => ({
  workload: { topology: latest(resident), key: inTurn() },
  seconds: keys / recordsPerSecond,
  before: async (running) => {
    await running.seconds(keys / recordsPerSecond)
    running.forget()
  },
})

const workloads = (): readonly Measured[] => [
  { name: 'windowed count, Zipf', workload: hot(windowedCount()), seconds: 20, model: perThousand(1), target: 520 },
  { name: 'windowed count, Zipf, flushed after 10 s', ...flushedAfter(10), target: 290 },
  { name: 'windowed count, Zipf, flushed after 60 s', ...flushedAfter(60), target: 130 },
  { name: 'windowed count, Zipf, packed and flushed after 60 s', ...packedFlushedAfter(60, 3), target: 30 },
  { name: 'count, Zipf', workload: hot(count()), seconds: 20, model: perThousand(1) },
  { name: `a process that knows nothing, over ${keys} rows, one by one`, ...cold({ bytesMax: 0 }) },
  { name: `a process that knows nothing, over ${keys} rows, read whole`, ...cold() },
]

/** Milliseconds of CPU time of this thread; the meter has one of its own. */
const cpuOf = async (run: () => Promise<void>): Promise<number> => {
  const began = process.threadCpuUsage()
  await run()
  const { user, system } = process.threadCpuUsage(began)
  return (user + system) / 1_000
}

const run = async ({ workload, seconds, before }: Measured, name: string, table: TableBackend, began: () => Promise<unknown>) => {
  const running = await start({ ...workload, applicationId: name }, table)
  await before?.(running)
  await began()
  return cpuOf(async () => {
    await running.seconds(seconds)
    await running.tick()
  })
}

const rowOf = (name: string, thousands: number, metered: Awaited<ReturnType<RunningMeter['take']>>, cpuMs: number): Row => {
  const each = (total: number): number => rounded(total / thousands)
  return {
    workload: name,
    'write units': each(metered.writeUnits),
    'read units': each(metered.readUnits),
    requests: each(Object.values(metered.requests).reduce((sum, some) => sum + some, 0)),
    KB: each(metered.bytes / 1_000),
    'client CPU ms': each(cpuMs),
  }
}

interface Parts {
  readonly meter: RunningMeter
  readonly client: DynamoDBClient
  readonly table: (name: string) => Promise<TableBackend>
}

/** A write for every record, as one would write it by hand. */
const naive = async ({ client, meter, table }: Parts): Promise<Row> => {
  const [kind, key] = [writeKinds.find(({ name }) => name === 'PutItem, conditional') as WriteKind, sampler(shares, 'state-cost')]
  await (await table('naive')).close()
  await meter.take()
  const records = Array.from({ length: 2 * recordsPerSecond }, (_, seq) => ({ row: key(), seq }))
  // one after the other per key is what a table needs; a refused write costs the same
  const cpuMs = await cpuOf(async () => {
    await inParallel(records, 16, ({ row, seq }) => kind.send(client, 'naive', [row], seq + 1).catch(refused))
  })
  return { ...rowOf('a put for every record', 2, await meter.take(), cpuMs), model: 1_000, target: '' }
}

const refused = (error: unknown): void => {
  if (!(error instanceof Error) || error.name !== 'ConditionalCheckFailedException') throw error
}

const rowsWritten = 1_000

/** A thousand rows that are there, each way to write them: first what is cheapest for the service, then for the client. */
const kindsOfWrites = async ({ client, meter, table }: Parts): Promise<readonly Row[]> => {
  await (await table('kinds')).close()
  const rows: Row[] = []
  const [puts] = writeKinds.slice(-1) as [WriteKind]
  const write = (kind: WriteKind, seq: number): Promise<unknown> => {
    const batches = Array.from({ length: rowsWritten / kind.rowsPerRequest }, (_, at) =>
      Array.from({ length: kind.rowsPerRequest }, (_, i) => at * kind.rowsPerRequest + i),
    )
    return inParallel(batches, 16, (batch) => kind.send(client, 'kinds', batch, seq))
  }
  await write(puts, 1)
  let seq = 1
  for (const kind of writeKinds) {
    // what is measured is the second time: code is compiled, sockets are open
    await write(kind, ++seq)
    await meter.take()
    const cpuMs = await cpuOf(async () => {
      await write(kind, ++seq)
    })
    rows.push({ ...rowOf(`1,000 rows: ${kind.name}`, 1, await meter.take(), cpuMs), model: '', target: '' })
  }
  return rows
}

/**
 * What state costs, per 1,000 input records (or rows): requests, units as the service counts them, bytes, and CPU time of the client, which
 * is what a run over DynamoDB takes more than one over memory. Kafka is in memory, DynamoDB is DynamoDB Local behind a meter.
 */
const bench: Bench = async (note) => {
  const dynamodb = await startDynamoDbLocal()
  const meter = await startMeter(dynamodb.endpoint)
  const client = new DynamoDBClient({ endpoint: meter.endpoint, region: 'us-east-1', credentials })
  const table = async (name: string): Promise<TableBackend> => {
    const made = createDynamoDb({ table: name, endpoint: meter.endpoint, region: 'us-east-1', credentials })
    await made.ensure(soon())
    return made
  }
  try {
    const parts = { meter, client, table }
    note('warming up')
    // a DynamoDB Local that is slow to answer at first is asked twice, which would count
    await run({ name: 'warm-up', workload: hot(count()), seconds: 3 }, 'warm-up', await table('warm-up'), meter.take)
    note('a put for every record')
    const rows: Row[] = [await naive(parts)]
    for (const [at, measured] of workloads().entries()) {
      const { name, seconds, model, target = '' } = measured
      note(name)
      const inMemory = await run(workloads()[at] as Measured, `bench-${at}`, createMemoryTable(), async () => undefined)
      const remote = await table(`bench-${at}`)
      const cpuMs = await run(measured, `bench-${at}`, remote, meter.take)
      await remote.close()
      const expected = model === undefined ? '' : rounded(model)
      rows.push({ ...rowOf(name, seconds, await meter.take(), Math.max(0, cpuMs - inMemory)), model: expected, target })
    }
    note('kinds of writes')
    rows.push(...(await kindsOfWrites(parts)))
    return { rows, ratios: [] }
  } finally {
    client.destroy()
    await Promise.all([meter.stop(), dynamodb.stop()])
  }
}

export default bench
