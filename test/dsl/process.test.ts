import { describe, expect, it } from 'vitest'
import { StreamsBuilder } from '../../src/dsl/streams-builder.ts'
import { type FixedKeyProcessor, type Processor, type ProcessorContext, withStores } from '../../src/processor/processor.ts'
import type { Record } from '../../src/processor/record.ts'
import { Serdes } from '../../src/serde/serdes.ts'
import { TopologyTestDriver } from '../../src/testing/topology-test-driver.ts'
import { Stores } from '../../src/topology/stores.ts'
import { Topology } from '../../src/topology/topology.ts'

const strings = { keySerde: Serdes.string, valueSerde: Serdes.string }
type Context = ProcessorContext<string, string>

/** A processor of one function, with its context. */
const processor =
  (process: (context: Context, record: Record<string, string>) => unknown, init?: (context: Context) => void) =>
  (): Processor<string, string, string, string> => {
    let context: Context
    return {
      init: (given) => {
        context = given
        init?.(given)
      },
      process: async (record) => void (await process(context, record)),
    }
  }

const messageOf = async (build: () => Topology, feed = true): Promise<string> => {
  try {
    await using driver = new TopologyTestDriver(build())
    if (feed) await driver.createInputTopic('in', strings).pipeInput('k', 'v', { timestamp: 5 })
    return 'no error'
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

const stream = (supplier: () => Processor<string, string, string, string>) => () => {
  const builder = new StreamsBuilder()
  builder.stream('in', strings).process(supplier, { name: 'mine' }).to('out', strings)
  return builder.build()
}

describe('a processor that does what it may not', () => {
  it.each([
    [
      'forwards to a child that is not there',
      stream(processor((context, record) => context.forward(record, 'nobody'))),
      'Node mine failed at in/0@0: Node mine forwards to "nobody", which is not one of its children: KSTREAM-SINK-0000000001',
    ],
    [
      'asks for a store that is not connected',
      stream(
        processor(
          () => undefined,
          (context) => void context.getStateStore('counts'),
        ),
      ),
      'Node mine failed to start: Node mine asks for store "counts" but is connected to no store',
    ],
    [
      'forwards a negative timestamp',
      stream(processor((context, record) => context.forward({ ...record, timestamp: -1 }))),
      'Node mine failed at in/0@0: Node mine forwards a record with the timestamp -1: it may not be negative',
    ],
    [
      'schedules no interval',
      stream(
        processor(
          () => undefined,
          (context) => void context.schedule({ intervalMs: 0, type: 'STREAM_TIME' }, () => undefined),
        ),
      ),
      'Node mine failed to start: Node mine schedules a punctuation with an interval of 0 ms: the minimum is 1 millisecond',
    ],
    [
      'schedules a start before 1970',
      stream(
        processor(
          () => undefined,
          (context) => void context.schedule({ intervalMs: 1, type: 'STREAM_TIME', startMs: -1 }, () => undefined),
        ),
      ),
      'Node mine failed to start: Node mine schedules a punctuation with a start at -1: it cannot be before 1970',
    ],
    [
      'makes a schedule after init',
      stream(processor((context) => context.schedule({ intervalMs: 1, type: 'STREAM_TIME' }, () => undefined))),
      'Node mine failed at in/0@0: Node mine makes a schedule after init: it would be gone when the invocation ends',
    ],
    [
      'throws',
      stream(
        processor(() => {
          throw new Error('no such luck')
        }),
      ),
      'Node mine failed at in/0@0: no such luck',
    ],
    [
      'throws while it punctuates',
      stream(
        processor(
          () => undefined,
          (context) =>
            void context.schedule({ intervalMs: 1, type: 'STREAM_TIME' }, () => {
              throw new Error('no such luck')
            }),
        ),
      ),
      'Node mine failed: no such luck',
    ],
  ])('%s', async (_what, build, message) => {
    expect(await messageOf(build)).toBe(message)
  })

  it('changes the key in processValues', async () => {
    const builder = new StreamsBuilder()
    builder
      .stream('in', strings)
      .processValues((): FixedKeyProcessor<string, string, string> => {
        let forward: (record: Record<string, string>) => unknown
        return {
          init: (context) => {
            forward = (record) => context.forward(record)
          },
          process: (record) => void forward({ ...record, key: 'other' }),
        }
      })
      .to('out', strings)
    const node = 'KSTREAM-PROCESSVALUES-0000000001'
    expect(await messageOf(() => builder.build())).toBe(
      `Node ${node} failed at in/0@0: Node ${node} forwards with another key than the one it got`,
    )
  })

  it('forwards from transformValues', async () => {
    const builder = new StreamsBuilder()
    builder
      .table('in', strings)
      .transformValues(() => {
        let context: unknown
        return {
          init: (given) => {
            context = given
          },
          transform: (key, value) => void (context as Context).forward({ key, value: String(value), timestamp: 0, headers: [] }),
        }
      })
      .toStream()
      .foreach(() => undefined)
    const node = 'KTABLE-TRANSFORMVALUES-0000000003'
    expect(await messageOf(() => builder.build())).toBe(
      `Node ${node} failed at in/0@0: Node ${node} forwards from transformValues, which cannot: it answers with the value`,
    )
  })
})

describe('a topology that cannot be', () => {
  const plain = () => new Topology().addSource('source', 'in', strings)
  const nothing = processor(() => undefined)
  const store = (name: string) => Stores.keyValueStore(name, { keySerde: Serdes.string, valueSerde: Serdes.string })

  it.each([
    [
      'a supplier that gives one processor to all',
      () =>
        plain().addProcessor(
          'p',
          (
            (one) => () =>
              one
          )(nothing()),
          'source',
        ),
      'The supplier of p gives the same processor twice: each task needs its own',
    ],
    ['an unknown parent', () => plain().addProcessor('p', nothing, 'nope'), 'Invalid topology: Parent node nope is unknown.'],
    ['no parent', () => plain().addProcessor('p', nothing, []), 'Invalid topology: predecessorNames cannot be empty'],
    [
      'a sink as parent',
      () =>
        plain()
          .addSink('k', 'out', { ...strings, parents: 'source' })
          .addProcessor('p', nothing, 'k'),
      'Invalid topology: Sink k cannot be used a parent.',
    ],
    [
      'two stores of one name',
      () => plain().addStateStore(store('s')).addStateStore(store('s')),
      'Invalid topology: A different StateStore has already been added with the name s',
    ],
    ['a store for nobody', () => plain().addStateStore(store('s'), 'p'), 'Invalid topology: Processor p is not added yet.'],
    [
      'a store for a source',
      () => plain().addStateStore(store('s'), 'source'),
      'Invalid topology: cannot connect a state store s to a source node or a sink node.',
    ],
    [
      'a store that is not there',
      () => plain().addProcessor('p', nothing, 'source').connectProcessorAndStateStores('p', 's'),
      'Invalid topology: StateStore s is not added yet.',
    ],
    [
      'two nodes of one name',
      () => plain().addProcessor('p', nothing, 'source').addProcessor('p', nothing, 'source'),
      'Invalid topology: Processor p is already added.',
    ],
    ['a source without serdes', () => new Topology().addSource('source', 'in'), 'There is no serde for the key of source source'],
    [
      'a window larger than its retention',
      () => plain().addStateStore(Stores.windowStore('w', { ...strings, windowSizeMs: 10, retentionMs: 5 })),
      'Window store w: the retention time must be no smaller than its window size: 5 < 10 ms',
    ],
    [
      'an LRU store without room',
      () => plain().addStateStore(Stores.lruMap('l', { ...strings, maxEntries: 0 })),
      'LRU store l: maxEntries is at least 1, not 0',
    ],
  ])('refuses %s', async (_what, build, message) => {
    expect(await messageOf(build, false)).toBe(message)
  })
})

describe('stores', () => {
  it('come with a supplier, and processors that bring the same one share it', async () => {
    const seen = Stores.keyValueStore('seen', { keySerde: Serdes.string, valueSerde: Serdes.string })
    const remembering = processor(async (context, record) => {
      const store = context.getStateStore(seen)
      await context.forward({ ...record, value: `${await store.get(record.key)}>${record.value}` })
      store.put(record.key, record.value)
    })
    const topology = new Topology()
      .addSource('source', 'in', strings)
      .addProcessor('one', withStores(remembering, [seen]), 'source')
      .addProcessor('two', withStores(remembering, [seen]), 'source')
      .addSink('sink', 'out', { ...strings, parents: ['one', 'two'] })
    for (const cutAfter of ['never', 'record'] as const) {
      await using driver = new TopologyTestDriver(topology, { cutAfter })
      const input = driver.createInputTopic('in', strings)
      await input.pipeInput('k', 'a')
      await input.pipeInput('k', 'b')
      const values = driver.createOutputTopic('out', strings).readRecords()
      expect(values.map((it) => it.value)).toEqual(['null>a', 'a>a', 'a>b', 'b>b'])
    }
  })

  it('that are cached leave nothing behind at a cut, also where the flush of a later store writes to an earlier one', async () => {
    const last = Stores.keyValueStore('last', { keySerde: Serdes.string, valueSerde: Serdes.string, caching: true })
    const keeping = processor((context, record) => {
      context.getStateStore(last).put(record.key, record.value)
      return context.forward(record)
    })
    for (const cutAfter of ['never', 'record'] as const) {
      const builder = new StreamsBuilder()
      builder.addStateStore(last)
      const kept = builder.stream('in', strings).process(keeping, { stores: ['last'] })
      const counts = kept
        .groupByKey({ ...strings, name: 'again' })
        .count({ store: 'counts' })
        .toStream()
      counts.mapValues((count) => `counted ${count}`).process(keeping, { stores: ['last'] })
      await using driver = new TopologyTestDriver(builder.build(), { cutAfter })
      await driver.createInputTopic('in', strings).pipeInput('k', 'a')
      await driver.createInputTopic('in', strings).pipeInput('other', 'b')
      expect(await driver.getKeyValueStore('last').all()).toEqual([
        ['k', 'counted 1'],
        ['other', 'counted 1'],
      ])
    }
  })

  it('are asked for by their kind', async () => {
    const builder = new StreamsBuilder()
    builder.stream('in', strings).groupByKey().count({ store: 'counts' })
    await using driver = new TopologyTestDriver(builder.build())
    expect(() => driver.getKeyValueStore('counts')).toThrow(
      'Store "counts" is a key-value store of timestamped, not a key-value store of values',
    )
    expect(() => driver.getKeyValueStore('nope')).toThrow('The topology has no store "nope"; it has counts')
  })
})
