import { describe, expect, it } from 'vitest'
import { StreamsBuilder } from '../../src/dsl/streams-builder.ts'
import type { Processor, ProcessorContext } from '../../src/processor/processor.ts'
import type { Record } from '../../src/processor/record.ts'
import { TopologyTestDriver } from '../../src/testing/topology-test-driver.ts'
import { Stores } from '../../src/topology/stores.ts'
import { Topology } from '../../src/topology/topology.ts'
import { json, modes, outOf, strings } from './run.ts'

const names = Stores.keyValueStore('names', strings)

/** Appends each text to what the store has. */
const remember = (): Processor<string, string, never, never> => {
  let context: ProcessorContext<never, never>
  return {
    init: (given) => {
      context = given
    },
    process: async ({ key, value }) => {
      const store = context.getStateStore(names)
      store.put(key, `${(await store.get(key)) ?? ''}${value}`)
    },
  }
}

const greet = (): Processor<string, string, string, string> => {
  let context: ProcessorContext<string, string>
  return {
    init: (given) => {
      context = given
    },
    process: async (visit: Record<string, string>) => {
      await context.forward({ ...visit, value: `${await context.getStateStore(names).get(visit.value)}` })
    },
  }
}

const writes = (): Processor<string, string, string, string> => {
  let context: ProcessorContext<string, string>
  return {
    init: (given) => {
      context = given
    },
    process: ({ key, value }) => context.getStateStore(names).put(key, value),
  }
}

describe.each(modes)('a global store (new task: %s)', (mode) => {
  it('is read by any processor, and written by its own alone', async () => {
    const { lines } = await outOf(
      mode,
      (builder) => {
        builder.addGlobalStore(names, 'people', remember, strings)
        builder.stream('visits', strings).process(greet).to('out', json())
      },
      [
        ...[['people', 'p', 'A', 5] as const, ['visits', 'v', 'p', 1] as const],
        ...[['people', 'p', 'nn', 3] as const, ['visits', 'v', 'p', 2] as const, ['visits', 'v', 'q', 2] as const],
      ],
    )
    expect(lines).toEqual(['"v"="A" @1', '"v"="Ann" @2', '"v"="null" @2'])
  })
})

it('is numbered, named and described as in Kafka Streams', () => {
  const builder = new StreamsBuilder()
  builder.addGlobalStore(names, 'people', remember, strings)
  builder.addGlobalStore(Stores.keyValueStore('others', strings), 'others', remember, { ...strings, name: 'mine' })
  const topology = builder.build()
  expect(topology.describe()).toBe(`Topologies:
   Sub-topology: 0 for global store (will not generate tasks)
    Source: KSTREAM-SOURCE-0000000000 (topics: [people])
      --> KTABLE-SOURCE-0000000001
    Processor: KTABLE-SOURCE-0000000001 (stores: [names])
      --> none
      <-- KSTREAM-SOURCE-0000000000
  Sub-topology: 1 for global store (will not generate tasks)
    Source: mine-source (topics: [others])
      --> mine
    Processor: mine (stores: [others])
      --> none
      <-- mine-source
`)
  // who fills it has a changelog: what a processor makes of the topic is not in the topic
  expect(topology.internalTopics('app').map(({ name }) => name)).toContain('app-names-changelog')
})

it('refuses a reader that writes', async () => {
  const builder = new StreamsBuilder()
  builder.addGlobalStore(names, 'people', remember, strings)
  builder.stream('visits', strings).process(writes)
  await using driver = new TopologyTestDriver(builder.build())
  const visit = driver.createInputTopic('visits', strings).pipeInput('a', 'b')
  await expect(visit).rejects.toThrow('Global store "names" is read only')
})

it('refuses schedules of the processor that fills it', () => {
  const builder = new StreamsBuilder()
  const supplier = (): Processor<string, string, never, never> => ({
    init: (context) => void context.schedule({ intervalMs: 5, type: 'WALL_CLOCK_TIME' }, () => {}),
    process: () => {},
  })
  builder.addGlobalStore(names, 'people', supplier, strings)
  expect(() => new TopologyTestDriver(builder.build())).toThrow('Node KTABLE-SOURCE-0000000001 fills a global store: it makes no schedules')
})

const feed = { source: 'people', topic: 'people', processor: 'remember', ...strings }
const wrong: readonly (readonly [string, () => unknown, string])[] = [
  [
    'a source and a processor of one name',
    () => new Topology().addGlobalStore(names, { ...feed, processor: 'people' }, remember),
    'sourceName and processorName must be different.',
  ],
  [
    'a topic that is read elsewhere',
    () => new Topology().addSource('in', 'people', strings).addGlobalStore(names, feed, remember),
    'Topic people has already been registered by another source.',
  ],
  [
    'a connection, which it does not need',
    () =>
      new Topology()
        .addGlobalStore(names, feed, remember)
        .addSource('in', 'visits', strings)
        .addProcessor('greet', greet, 'in')
        .connectProcessorAndStateStores('greet', 'names'),
    'Global StateStore names can be used by a Processor without being specified; it should not be explicitly passed.',
  ],
  [
    'a node below it',
    () => new Topology().addGlobalStore(names, feed, remember).addProcessor('greet', greet, 'remember'),
    'Processor remember writes a global store: nothing can stand below it.',
  ],
  [
    'a name that a store has',
    () => new Topology().addStateStore(names).addGlobalStore(names, feed, remember),
    'A different StateStore has already been added with the name names',
  ],
]
it.each(wrong)('refuses %s', (_what, draw, message) => {
  expect(draw).toThrow(`Invalid topology: ${message}`)
})
