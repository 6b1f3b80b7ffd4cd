import { Serdes, StreamsBuilder, tumbling } from 'millrace'
import { type QueryHandlerOptions, queryHandler, streamsHandler } from 'millrace/lambda'
import { describe, expect, it } from 'vitest'
import { createMemoryKafka } from '../../src/adapters/memory/log.ts'
import { createMemoryTable } from '../../src/adapters/memory/table.ts'
import { StreamsError } from '../../src/errors.ts'
import type { LogEntry } from '../../src/runtime/invocation-request.ts'
import { partitionOfKey } from '../../src/runtime/partitioner.ts'
import { topicName } from '../../src/topology/nodes.ts'
import { bytes, record, startMs, strings } from '../runtime/scene.ts'
import { eventRecord, mskEvent } from './events.ts'

const context = { getRemainingTimeInMillis: () => 60_000 }
const soon = () => Date.now() + 60_000
const partitions = 4

/** Stores with text, number and JSON keys, one whose keys are no text, and one of windows. */
const manyStores = () => {
  const builder = new StreamsBuilder()
  const words = builder.stream('words', strings)
  const byWord = words.groupByKey()
  byWord.aggregate(
    () => 0n,
    (_key, _value, count) => count + 1n,
    { store: { name: 'counts', valueSerde: Serdes.bigint } },
  )
  byWord.aggregate(
    () => ({ last: '' }),
    (_key, last) => ({ last }),
    { store: { name: 'last', valueSerde: Serdes.json<{ last: string }>() } },
  )
  byWord.windowedBy(tumbling({ sizeMs: 60_000, graceMs: 0 })).count({ store: 'minutes' })
  const lengths = { name: 'lengths', keySerde: Serdes.integer, valueSerde: Serdes.string }
  words.groupBy((word) => word.length, lengths).count({ store: 'lengths' })
  const shapes = { name: 'shapes', keySerde: Serdes.json<{ length: number }>(), valueSerde: Serdes.string }
  words.groupBy((word) => ({ length: word.length }), shapes).count({ store: 'shapes' })
  const raw = { name: 'raw', keySerde: Serdes.bytes, valueSerde: Serdes.string }
  words.groupBy((word) => bytes(word), raw).count({ store: 'raw' })
  return builder.build()
}

/** An application over memory that has read these words, and what its URL answers. */
const asked = async (words: readonly string[], options: QueryHandlerOptions = {}) => {
  const [kafka, table, topology] = [createMemoryKafka(), createMemoryTable(), manyStores()]
  const counts = new Map([['words', partitions], ...topology.partitionCounts('app', new Map([['words', partitions]]))])
  await kafka.admin.create(
    [...counts].map(([topic, count]) => ({ topic, partitions: count, config: {} })),
    soon(),
  )
  const adapters = () => ({ kafka, table })
  for (const word of words)
    kafka.produce([{ topic: 'words', partition: partitionOfKey(bytes(word), partitions), records: [record(word, 'x')] }])
  for (const { name, sourceTopics } of topology.subTopologies) {
    const run = streamsHandler(topology, { identity: { applicationId: 'app', subTopology: name }, adapters, log: () => {} })
    const sources = sourceTopics.map((topic) => topicName(topic, 'app'))
    const all = sources.flatMap((topic) => Array.from({ length: partitions }, (_, partition) => ({ topic, partition })))
    const ends = await kafka.reader.bounds(all, soon())
    const filled = all.filter((_, at) => (ends[at]?.highWatermark ?? 0) > 0)
    await run(mskEvent(...filled.map(({ topic, partition }) => eventRecord(topic, partition, 0))), context)
  }
  const entries: LogEntry[] = []
  const handler = queryHandler(topology, { applicationId: 'app', adapters, log: (entry) => entries.push(entry), ...options })
  const get = async (path: string, method = 'GET') => {
    const [rawPath = '', rawQueryString = ''] = path.split('?')
    const { statusCode, headers, body } = await handler({ rawPath, rawQueryString, requestContext: { http: { method } } }, context)
    const retry = headers['retry-after']
    return { status: statusCode, ...JSON.parse(body), ...(retry === undefined ? {} : { retry }) }
  }
  return { get, entries, handler }
}
const timestamp = new Date(startMs).toISOString()

describe('a query', () => {
  it('answers with the row of a key, as of a transaction', async () => {
    const { get } = await asked(['a', 'b', 'a', 'ä/%'])
    expect(await get('/stores/counts/a')).toEqual({ status: 200, store: 'counts', key: 'a', value: '2', timestamp, seq: 1 })
    expect(await get('/stores/last/b')).toEqual({ status: 200, store: 'last', key: 'b', value: { last: 'x' }, timestamp, seq: 1 })
    expect(await get('/stores/counts/%C3%A4/%25')).toMatchObject({ status: 200, key: 'ä/%', value: '1' })
    expect(await get('/stores/counts?key=%C3%A4%2F%25')).toMatchObject({ status: 200, key: 'ä/%', value: '1' })
    expect(await get('/stores/counts/a?atLeast=1')).toMatchObject({ status: 200, value: '2' })
  })

  it('takes keys that are numbers or JSON', async () => {
    const { get } = await asked(['aa', 'bb', 'c'])
    expect(await get('/stores/lengths/2')).toMatchObject({ status: 200, key: 2, value: 2 })
    expect(await get('/stores/shapes?key=%7B%22length%22%3A1%7D')).toMatchObject({ status: 200, key: { length: 1 }, value: 1 })
  })

  it('says what can be asked', async () => {
    const { get } = await asked([])
    const stores = [
      { store: 'counts', subTopology: 'words', key: 'string' },
      { store: 'last', subTopology: 'words', key: 'string' },
      { store: 'lengths', subTopology: 'lengths-repartition', key: 'integer' },
      { store: 'shapes', subTopology: 'shapes-repartition', key: 'json' },
      { store: 'raw', subTopology: 'raw-repartition', key: 'bytes' },
    ]
    expect(await get('/')).toEqual({ status: 200, stores })
    expect(await get('/stores')).toEqual({ status: 200, stores })
  })

  it('finds nothing where there is no row, no store, or no such path', async () => {
    const { get, entries } = await asked(['a'])
    expect(await get('/stores/counts/a')).toMatchObject({ status: 200 })
    expect(await get('/stores/counts/nobody')).toEqual({ status: 404, store: 'counts', key: 'nobody', seq: expect.any(Number) })
    expect(await get('/stores/count/a')).toEqual({
      status: 404,
      error: 'There is no store "count"',
      remedy: 'Choose one of: counts, last, lengths, shapes, raw',
    })
    expect(await get('/store/counts/a')).toMatchObject({ status: 400, error: 'There is nothing at /store/counts/a' })
    expect(entries).toEqual([])
  })

  it('refuses what it cannot understand, and says how to ask', async () => {
    const { get, handler, entries } = await asked(['a'])
    expect(await get('/stores/counts')).toEqual({ status: 400, error: 'The key is missing', remedy: 'Ask for /stores/counts/KEY.' })
    expect(await get('/stores/counts/%E0%A4%A')).toMatchObject({ status: 400, error: '"%E0%A4%A" is not percent-encoded' })
    expect(await get('/stores/counts/a?atLeast=-1')).toMatchObject({
      status: 400,
      error: 'atLeast is the number of a transaction, not "-1"',
    })
    expect(await get('/stores/lengths/two')).toMatchObject({
      status: 400,
      code: 'INPUT_INVALID',
      remedy: 'Its keys are integer: write JSON.',
    })
    expect(await get('/stores/lengths/2.5')).toMatchObject({
      status: 400,
      error: expect.stringMatching(/^That is no key of store "lengths"/),
    })
    expect(await get('/stores/raw/a')).toMatchObject({
      status: 400,
      error: 'Keys of store "raw" are bytes: they cannot be written as text',
    })
    expect(await get('/stores/minutes/a')).toMatchObject({
      status: 400,
      error: 'Store "minutes" is a window store: a key alone does not name one of its rows',
    })
    expect(await get('/stores/counts/a', 'DELETE')).toEqual({
      status: 405,
      error: 'DELETE is not possible here',
      remedy: 'Send GET.',
    })
    expect((await handler({ source: 'millrace.tick' }, context)).statusCode).toBe(400)
    expect(entries).toEqual([])
  })

  it('asks to be asked again for a transaction that is not committed yet', async () => {
    const { get } = await asked(['a'])
    expect(await get('/stores/counts/a?atLeast=7')).toEqual({
      status: 503,
      code: 'DEADLINE_EXCEEDED',
      error: 'No state of task 0_0 that is of one transaction could be read',
      remedy: 'Ask again: transaction 7 may not be committed yet, or another one is under way.',
      retry: '1',
    })
  })

  it('tells failures of its own in the log, and opens its connections again', async () => {
    let attempts = 0
    const adapters = () => {
      attempts++
      throw attempts === 1 ? new StreamsError('CONFIG_INVALID', 'no way') : new StreamsError('BROKER_UNREACHABLE', 'silence')
    }
    const { get, entries } = await asked(['a'], { adapters })
    expect(await get('/stores/counts/a')).toMatchObject({ status: 500, code: 'CONFIG_INVALID', error: 'no way' })
    expect(entries).toMatchObject([{ level: 'error', message: 'no way', code: 'CONFIG_INVALID' }])
    expect(await get('/stores/counts/a')).toMatchObject({ status: 503, code: 'BROKER_UNREACHABLE', retry: '1' })
    expect(entries).toHaveLength(1)
  })
})
