import { describe, expect, it } from 'vitest'
import { StreamsBuilder } from '../../src/dsl/streams-builder.ts'
import { Serdes } from '../../src/serde/serdes.ts'
import { TopologyTestDriver } from '../../src/testing/topology-test-driver.ts'
import { type Input, json, modes, out, run, strings } from './run.ts'

const inputs: readonly Input[] = [
  ['a', 'x', 10],
  ['b', 'y', 20],
  ['a', 'z', 5],
  [null, 'lost', 30],
  ['a', null, 40],
  ['b', 'x', 50],
]

describe.each(modes)('a grouped stream (new task: %s)', (mode) => {
  it('counts per key, at the latest time of the key; null keys and values are dropped', async () => {
    const { lines, dropped } = await run(
      mode,
      (stream) => stream.groupByKey().count({ store: 'counts' }).toStream().to('out', json()),
      inputs,
    )
    expect({ lines, dropped }).toEqual({ lines: ['out: "a"=1 @10', 'out: "b"=1 @20', 'out: "a"=2 @10', 'out: "b"=2 @50'], dropped: 2 })
  })

  it('reduces pairwise, the first value as it is; null deletes, and the next record starts anew', async () => {
    const lines = await out(
      mode,
      (stream) =>
        stream
          .groupByKey()
          .reduce((before, value) => (value === 'drop' ? (null as never) : before + value), { store: 'texts' })
          .toStream()
          .to('out', json()),
      [
        ['a', '1', 1],
        ['a', '2', 2],
        ['a', 'drop', 3],
        ['a', '3', 4],
      ],
    )
    expect(lines).toEqual(['"a"="1" @1', '"a"="12" @2', '"a"=null @3', '"a"="3" @4'])
  })

  it('aggregates into another type', async () => {
    const lines = await out(
      mode,
      (stream) =>
        stream
          .groupByKey()
          .aggregate(
            () => [] as readonly string[],
            (key, value, list) => [...list, `${key}${value}`],
            {
              store: { name: 'lists', valueSerde: Serdes.json<readonly string[]>() },
            },
          )
          .toStream()
          .to('out', json()),
      inputs.slice(0, 3),
    )
    expect(lines).toEqual(['"a"=["ax"] @10', '"b"=["by"] @20', '"a"=["ax","az"] @10'])
  })

  it('groups by a new key through a repartition topic, which drops null keys in silence', async () => {
    const { lines, dropped } = await run(
      mode,
      (stream) =>
        stream
          .groupBy((_key, value) => (value === 'lost' ? (null as never) : value), strings)
          .count({ store: 'counts' })
          .toStream()
          .to('out', json()),
      inputs.filter(([, value]) => value !== null),
    )
    expect({ lines, dropped }).toEqual({ lines: ['out: "x"=1 @10', 'out: "y"=1 @20', 'out: "z"=1 @5', 'out: "x"=2 @50'], dropped: 0 })
  })

  it('forwards every change where caching is off, the last one per key and commit where it is on', async () => {
    const counted = (caching: boolean) =>
      out(
        mode,
        (stream) =>
          stream
            .flatMapValues((value) => value.split(''))
            .groupByKey()
            .count({ store: { name: 'counts', caching } })
            .toStream()
            .to('out', json()),
        [
          ['a', 'xyz', 1],
          ['a', 'x', 2],
        ],
      )
    expect(await counted(true)).toEqual(['"a"=3 @1', '"a"=4 @2'])
    expect(await counted(false)).toEqual(['"a"=1 @1', '"a"=2 @1', '"a"=3 @1', '"a"=4 @2'])
  })

  it('writes the changelog as Kafka Streams does: plain values, at the time of the row, null for a deletion', async () => {
    const builder = new StreamsBuilder()
    builder
      .stream('in', strings)
      .groupByKey()
      .reduce((before, value) => (value === 'drop' ? (null as never) : before + value), { store: 'texts' })
    await using driver = new TopologyTestDriver(builder.build(), { cutAfter: mode })
    const topic = driver.createInputTopic('in', strings)
    for (const [value, timestamp] of [
      ['1', 9],
      ['2', 3],
      ['drop', 4],
    ] as const)
      await topic.pipeInput('a', value, { timestamp })
    const changes = driver.createOutputTopic('test-texts-changelog', strings).readRecords()
    expect(changes.map(({ key, value, timestamp }) => [key, value, timestamp])).toEqual([
      ['a', '1', 9],
      ['a', '12', 9],
      ['a', null, 4],
    ])
  })

  it('toStream takes a mapper for a new key', async () => {
    const lines = await out(
      mode,
      (stream) =>
        stream
          .groupByKey()
          .count({ store: 'counts' })
          .toStream((key, count) => `${key}${count}`)
          .to('out', json()),
      inputs.slice(0, 3),
    )
    expect(lines).toEqual(['"a1"=1 @10', '"b1"=1 @20', '"a2"=2 @10'])
  })

  it('feeds a second aggregation of the same task, in the commit of the first', async () => {
    const lines = await out(
      mode,
      (stream) =>
        stream
          .groupByKey()
          .count({ store: 'one' })
          .toStream()
          .groupByKey()
          .reduce((before, value) => (before ?? 0) + (value ?? 0), { store: 'two' })
          .toStream()
          .to('out', json()),
      [
        ['a', 'x'],
        ['a', 'x'],
        ['a', 'x'],
      ],
    )
    expect(lines).toEqual(['"a"=1 @0', '"a"=3 @0', '"a"=6 @0'])
  })
})

describe('a builder', () => {
  it('gives a table the name under which it can be queried only if the user named its store', () => {
    const grouped = new StreamsBuilder().stream('in', strings).groupByKey()
    const options = [{}, { store: 'named' }, { store: { name: 'full' } }, { store: {} }, { name: 'node' }]
    expect(options.map((option) => grouped.count(option).queryableStoreName)).toEqual([null, 'named', 'full', null, null])
  })

  it('reads a topic once, however often it is asked for it; other settings for it are refused', () => {
    const builder = new StreamsBuilder()
    for (let i = 0; i < 2; i++) builder.stream('in', strings).foreach(() => {})
    expect(builder.build().subTopologies.map(({ sources }) => sources.length)).toEqual([1])
    builder.stream('in', { ...strings, offsetReset: 'latest' })
    expect(() => builder.build()).toThrow("Invalid topology: Can't configure different offset reset policies on the same input topic(s)")
    const overlapping = new StreamsBuilder()
    overlapping.stream('in', strings)
    overlapping.stream(['in', 'more'], strings)
    expect(() => overlapping.build()).toThrow('Invalid topology: Two source nodes are subscribed to overlapping but not equal input topics')
  })

  it('uses its default serdes where an operator has none', async () => {
    const builder = new StreamsBuilder({ 'default.key.serde': Serdes.string, 'default.value.serde': Serdes.string })
    builder
      .stream('in')
      .map((key, value) => [value, key])
      .groupByKey()
      .reduce((before) => before, { store: 'first' })
      .toStream()
      .to('out')
    await using driver = new TopologyTestDriver(builder.build())
    await driver.createInputTopic('in', strings).pipeInput('a', 'b')
    expect([...driver.createOutputTopic('out', strings).readMap()]).toEqual([['b', 'a']])
  })

  it.each([
    [
      'a sink',
      (builder: StreamsBuilder) =>
        builder
          .stream('in', strings)
          .mapValues((value) => value.length)
          .to('out'),
      'the value of topic out',
    ],
    [
      'a repartition',
      (builder: StreamsBuilder) =>
        builder
          .stream('in', strings)
          .selectKey(() => 1)
          .groupByKey()
          .count({ store: { name: 's', keySerde: Serdes.long } }),
      'the key of the repartition topic of store s',
    ],
    [
      'a store',
      (builder: StreamsBuilder) =>
        builder
          .stream('in', strings)
          .groupByKey()
          .aggregate(
            () => 0,
            () => 0,
            { store: 's' },
          ),
      'the value of store s',
    ],
  ])('says at once where %s has no serde', (_what, draw, what) => {
    expect(() => draw(new StreamsBuilder())).toThrow(
      expect.objectContaining({
        code: 'CONFIG_INVALID',
        message: `There is no serde for ${what}`,
        remedy: 'Give the operator a keySerde and a valueSerde, or the builder default.key.serde and default.value.serde.',
      }),
    )
  })

  it('refuses generated names of what outlives a deployment where it is told to (KIP-1111)', () => {
    const builder = new StreamsBuilder({ 'ensure.explicit.internal.resource.naming': true })
    builder
      .stream('in', strings)
      .groupBy((_key, value) => value, strings)
      .count()
    expect(() => builder.build()).toThrow(
      expect.objectContaining({
        code: 'TOPOLOGY_INVALID',
        message: [
          'Invalid topology: Following changelog topic(s) has not been named: KSTREAM-AGGREGATE-STATE-STORE-0000000002-changelog',
          'Following state store(s) has not been named: KSTREAM-AGGREGATE-STATE-STORE-0000000002',
          'Following repartition topic(s) has not been named: KSTREAM-AGGREGATE-STATE-STORE-0000000002-repartition\n',
        ].join('\n'),
      }),
    )
  })
})
