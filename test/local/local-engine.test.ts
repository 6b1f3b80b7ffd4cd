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
