import { Serdes, StreamsBuilder } from 'millrace'
import { expect, it } from 'vitest'
import { createMemoryKafka } from '../../src/adapters/memory/log.ts'
import { createMemoryTable } from '../../src/adapters/memory/table.ts'
import { createLocalEngine } from '../../src/local/local-engine.ts'

const soon = () => Date.now() + 1_000
const strings = { keySerde: Serdes.string, valueSerde: Serdes.string }

/** What a start says where the commit topic was made by somebody else, and which topics there are then. */
const startWith = async (config: Readonly<Record<string, string>>) => {
  const builder = new StreamsBuilder()
  builder.stream('in', strings).groupByKey(strings).count({ store: 'counts' })
  const kafka = createMemoryKafka()
  await kafka.admin.create([{ topic: 'app-in-commits', partitions: 2, config }], soon())
  const said: string[] = []
  const engine = createLocalEngine({
    ...{ topology: builder.build(), applicationId: 'app', partitions: 2, adapters: { kafka, table: createMemoryTable() } },
    log: ({ level, message }) => void said.push(`${level}: ${message}`),
  })
  const failure = await engine.open().then(
    () => undefined,
    (error: unknown) => error,
  )
  await engine.stop()
  return { failure, said, topics: (await kafka.admin.list('', soon())).map(({ topic }) => topic) }
}

it('does not start over an internal topic whose settings lose records, and creates nothing', async () => {
  expect(await startWith({ 'cleanup.policy': 'delete' })).toEqual({
    failure: expect.objectContaining({
      code: 'TOPIC_MISMATCH',
      message: expect.stringMatching(/^topic app-in-commits has cleanup.policy=delete and needs cleanup.policy=compact: /),
    }),
    said: [],
    topics: ['app-in-commits'],
  })
})

it('starts over an internal topic whose settings are others and lose nothing, and says so', async () => {
  expect(await startWith({ 'cleanup.policy': 'compact' })).toEqual({
    failure: undefined,
    said: ['warn: topic app-in-commits has delete.retention.ms=86400000, it would be created with 604800000'],
    topics: ['app-counts-changelog', 'app-in-commits', 'in', 'in-local-input'],
  })
})

it('is drained once the table has what waited for its flush', { timeout: 20_000 }, async () => {
  const builder = new StreamsBuilder()
  builder
    .stream('in', strings)
    .groupByKey(strings)
    .count({ store: { name: 'counts', flush: { intervalMs: 600_000 } } })
  const [kafka, table] = [createMemoryKafka(), createMemoryTable()]
  const engine = createLocalEngine({ topology: builder.build(), applicationId: 'app', partitions: 2, adapters: { kafka, table } })
  await engine.open()
  for (const partition of [0, 1])
    kafka.produce([{ topic: 'in', partition, records: [{ key: Buffer.from('a'), value: Buffer.from('x'), timestamp: 1, headers: [] }] }])
  await engine.start()
  await engine.drained()
  await engine.stop()
  const rows = []
  for (const partition of [0, 1])
    for await (const page of table.query({ subTopology: 'in', partition, gen: 0, store: 'counts' }, soon())) rows.push(...page)
  expect(rows.map(({ partition, value }) => [partition, value && Serdes.long.deserialize(value, '')])).toEqual([
    [0, 1],
    [1, 1],
  ])
})
