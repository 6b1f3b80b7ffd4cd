import { describe, expect, it } from 'vitest'
import { createMemoryKafka } from '../../src/adapters/memory/log.ts'
import { createMemoryTable } from '../../src/adapters/memory/table.ts'
import { StreamsBuilder } from '../../src/dsl/streams-builder.ts'
import { type StreamsHandlerOptions, streamsHandler } from '../../src/lambda/streams-handler.ts'
import type { LogEntry } from '../../src/runtime/invocation-request.ts'
import type { TableBackend } from '../../src/state/backend.ts'
import { numberOf, record, strings, textOf } from '../runtime/scene.ts'
import { eventRecord, mskEvent, selfManagedEvent, tick } from './events.ts'

const context = { getRemainingTimeInMillis: () => 60_000 }
const soon = () => Date.now() + 60_000

const fragile = () => {
  const builder = new StreamsBuilder()
  builder
    .stream('words', strings)
    .peek((key) => {
      if (key === 'boom') throw new Error('no such luck')
    })
    .groupByKey()
    .count({ store: 'counts' })
    .toStream()
    .to('totals')
  return builder.build()
}

/** A function over memory, with one record `w<partition>` in every partition. */
const deployed = async (
  partitions: number,
  change: StreamsHandlerOptions & { readonly around?: (table: TableBackend) => TableBackend } = {},
) => {
  const [kafka, table, topology] = [createMemoryKafka(), createMemoryTable(), fragile()]
  const counts = new Map([
    ['words', partitions],
    ['totals', partitions],
    ...topology.partitionCounts('app', new Map([['words', partitions]])),
  ])
  await kafka.admin.create(
    [...counts].map(([topic, count]) => ({ topic, partitions: count, config: {} })),
    soon(),
  )
  for (let partition = 0; partition < partitions; partition++)
    kafka.produce([{ topic: 'words', partition, records: [record(`w${partition}`)] }])
  const entries: LogEntry[] = []
  const { around = (it) => it, ...options } = change
  const handler = streamsHandler(topology, {
    ...{ identity: { applicationId: 'app', subTopology: 'words' }, adapters: () => ({ kafka, table: around(table) }) },
    log: (entry) => entries.push(entry),
    ...options,
  })
  const totals = async () => {
    const requests = Array.from({ length: partitions }, (_, partition) => ({ topic: 'totals', partition, offset: 0, bytesMax: 1e6 }))
    const answers = await kafka.reader.fetch(requests, { waitMs: 0, deadlineMs: soon() })
    return answers.flatMap(({ records }) => records.map(({ key, value }) => `${textOf(key)}=${numberOf(value)}`)).sort()
  }
  return { kafka, table, entries, totals, handler, invoke: (event: unknown) => handler(event, context) }
}
const everyPartition = (count: number) => mskEvent(...Array.from({ length: count }, (_, partition) => eventRecord('words', partition, 0)))

describe('the handler', () => {
  it.each([
    ['Amazon MSK', mskEvent],
    ['a self-managed cluster', selfManagedEvent],
  ])('processes what an event of %s announces, and reports no failed items', async (_what, event) => {
    const { invoke, totals } = await deployed(3)
    expect(await invoke(event(eventRecord('words', 0, 0), eventRecord('words', 2, 0)))).toEqual({ batchItemFailures: [] })
    expect(await totals()).toEqual(['w0=1', 'w2=1'])
  })

  it('logs one entry per task: who, where, how far, how much', async () => {
    const { invoke, entries } = await deployed(1)
    await invoke(everyPartition(1))
    expect(entries.filter(({ level }) => level !== 'debug')).toEqual([
      {
        ...{ level: 'info', message: 'done', applicationId: 'app', subTopology: 'words', partition: 0, trigger: 'delivery' },
        ...{ seq: 1, offsets: { words: 1 }, transactions: 1, recordsRead: 1, recordsWritten: 1, rowsWritten: 1 },
      },
    ])
    expect(entries.filter(({ level }) => level === 'debug')).toEqual([
      {
        ...{ level: 'debug', message: 'committed', applicationId: 'app', subTopology: 'words', partition: 0 },
        ...{ seq: 1, offsets: { words: 1 }, records: 1 },
      },
    ])
  })

  it('tells of every transaction and of every outcome', async () => {
    const told: unknown[] = []
    const { invoke } = await deployed(1, {
      onCommit: (chunk) => told.push(chunk),
      onOutcome: ({ subTopology, partition, result, seq }) => told.push({ subTopology, partition, result, seq }),
    })
    await invoke(everyPartition(1))
    expect(told).toEqual([
      { recordsRead: 1, recordsWritten: 1 },
      { subTopology: 'words', partition: 0, result: 'done', seq: 1 },
    ])
  })

  it('lets the other tasks finish when one fails, and then throws, so that the batch comes again', async () => {
    const { invoke, kafka, totals, entries } = await deployed(3)
    kafka.produce([{ topic: 'words', partition: 1, records: [record('boom')] }])
    await expect(
      invoke(mskEvent(eventRecord('words', 0, 0), eventRecord('words', 1, 1), eventRecord('words', 2, 0))),
    ).rejects.toMatchObject({
      code: 'PROCESSING_FAILED',
      message: 'Node KSTREAM-PEEK-0000000001 failed at words/1@1: no such luck',
    })
    expect(await totals()).toEqual(['w0=1', 'w2=1'])
    expect(entries.filter(({ level }) => level === 'error')).toEqual([
      {
        ...{ level: 'error', message: 'Node KSTREAM-PEEK-0000000001 failed at words/1@1: no such luck' },
        ...{
          code: 'PROCESSING_FAILED',
          retryable: false,
          remedy: 'Correct the callback that threw: the message names the node and the record.',
        },
        ...{ applicationId: 'app', subTopology: 'words', partition: 1, trigger: 'delivery' },
      },
    ])
  })

  it('runs at most eight tasks of an event side by side', async () => {
    let [running, most] = [0, 0]
    const around = (table: TableBackend): TableBackend => ({
      ...table,
      acquire: (...args) => {
        most = Math.max(most, ++running)
        return table.acquire(...args)
      },
      release: (...args) => {
        running--
        return table.release(...args)
      },
    })
    const { invoke, totals } = await deployed(20, { around })
    await invoke(everyPartition(20))
    expect({ running, most, totals: (await totals()).length }).toEqual({ running: 0, most: 8, totals: 20 })
  })

  it('answers a tick for those tasks that need one', async () => {
    const { invoke, table, totals } = await deployed(30)
    const at = (partition: number) => ({ subTopology: 'words', partition })
    const turn = Math.floor(Date.now() / 60_000)
    // the two that are furthest from their regular turn, whatever the minute
    const [rung, quiet] = [(turn + 5) % 10, (turn + 6) % 10]
    const lease = { token: 'gone', source: 'tick', expiresAtMs: Date.now() + 60_000, nowMs: Date.now(), steal: false }
    await table.acquire(at(rung), lease, soon())
    await table.ring(at(rung), { token: 'other', topic: 'words', target: 1 }, soon())
    await table.release(at(rung), { token: 'gone', checkpoint: undefined, sources: ['words'], handover: {} }, soon())
    await invoke(tick)
    const found = await totals()
    expect([found.includes(`w${rung}=1`), found.includes(`w${quiet}=1`)]).toEqual([true, false])
  })

  it('answers a tick for all for every task', async () => {
    const { invoke, totals } = await deployed(30)
    await invoke({ ...tick, all: true })
    expect((await totals()).length).toBe(30)
  })

  it('keeps its tasks between two events, so that the second reads no rows', async () => {
    const { invoke, kafka, table, totals } = await deployed(1)
    await invoke(everyPartition(1))
    const { rowsRead } = table.metrics
    kafka.produce([{ topic: 'words', partition: 0, records: [record('w0')] }])
    await invoke(mskEvent(eventRecord('words', 0, 1)))
    expect({ rowsRead: table.metrics.rowsRead - rowsRead, totals: await totals() }).toEqual({ rowsRead: 0, totals: ['w0=1', 'w0=2'] })
  })

  it('opens its adapters once, and again after they could not be opened', async () => {
    let opened = 0
    const [kafka, table] = [createMemoryKafka(), createMemoryTable()]
    const handler = streamsHandler(fragile(), {
      ...{ identity: { applicationId: 'app', subTopology: 'words' }, log: () => {} },
      adapters: () => {
        if (++opened === 1) throw new Error('not yet')
        return { kafka, table }
      },
    })
    await expect(handler(mskEvent(), context)).rejects.toThrow('not yet')
    expect([await handler(mskEvent(), context), await handler(mskEvent(), context), opened]).toEqual([
      { batchItemFailures: [] },
      { batchItemFailures: [] },
      2,
    ])
  })

  it('refuses an event that is none, and a sub-topology that the topology does not have', async () => {
    const { invoke } = await deployed(1)
    await expect(invoke({ hello: 'world' })).rejects.toMatchObject({ code: 'EVENT_INVALID' })
    const { invoke: elsewhere } = await deployed(1, { identity: { applicationId: 'app', subTopology: 'lines' } })
    await expect(elsewhere(tick)).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: 'The topology has no sub-topology "lines"; it has words',
    })
  })
})

describe('the end of its time', () => {
  it('is watched by the tasks alone: no timer answers while one of them is still at work', async () => {
    const { handler } = await deployed(1)
    let asked = 0
    const remaining = () => {
      asked++
      return 60_000
    }
    await handler(everyPartition(1), { getRemainingTimeInMillis: remaining })
    expect(asked).toBe(1)
  })
})
