import { describe, expect, it } from 'vitest'
import { StreamsBuilder } from '../../src/dsl/streams-builder.ts'
import { Serdes } from '../../src/serde/serdes.ts'
import { TopologyTestDriver } from '../../src/testing/topology-test-driver.ts'
import { type Input, json, modes, out, run, strings } from './run.ts'

const abc: readonly Input[] = [
  ['a', 'apple', 1],
  ['b', 'bee', 2],
  [null, 'none', 3],
  ['c', null, 4],
]

describe.each(modes)('a stream (new task: %s)', (mode) => {
  it('filter keeps what the predicate takes, filterNot the rest; nulls reach it', async () => {
    const seen: unknown[] = []
    const long = (key: string, value: string) => {
      seen.push([key, value])
      return value?.length > 3
    }
    expect(await out(mode, (stream) => stream.filter(long).to('out', json()), abc)).toEqual(['"a"="apple" @1', 'null="none" @3'])
    expect(await out(mode, (stream) => stream.filterNot(long).to('out', json()), abc)).toEqual(['"b"="bee" @2', '"c"=null @4'])
    expect(seen.slice(0, 4)).toEqual(abc.map(([key, value]) => [key, value]))
  })

  it('mapValues gets the value first, and may return null', async () => {
    const lines = await out(
      mode,
      (stream) => stream.mapValues((value, key) => (value === 'bee' ? null : `${key}:${value}`)).to('out', json()),
      abc,
    )
    expect(lines).toEqual(['"a"="a:apple" @1', '"b"=null @2', 'null="null:none" @3', '"c"="c:null" @4'])
  })

  it('map gives a new pair, whose parts may be null', async () => {
    const lines = await out(mode, (stream) => stream.map((key, value) => [value, key === 'b' ? null : key]).to('out', json()), abc)
    expect(lines).toEqual(['"apple"="a" @1', '"bee"=null @2', '"none"=null @3', 'null="c" @4'])
  })

  it('flatMap and flatMapValues give any number of records, in order, at the time of the input', async () => {
    const letters = (value: string) => new Set((value ?? '').slice(0, 2))
    expect(await out(mode, (stream) => stream.flatMapValues(letters).to('out', json()), abc)).toEqual([
      ...['"a"="a" @1', '"a"="p" @1', '"b"="b" @2', '"b"="e" @2', 'null="n" @3', 'null="o" @3'],
    ])
    const twice = (key: string, value: string): readonly (readonly [string, string])[] =>
      key === 'a'
        ? [
            [value, key],
            [key, value],
          ]
        : []
    expect(await out(mode, (stream) => stream.flatMap(twice).to('out', json()), abc)).toEqual(['"apple"="a" @1', '"a"="apple" @1'])
  })

  it('selectKey changes the key only', async () => {
    expect(
      await out(mode, (stream) => stream.selectKey((_key, value) => value?.length ?? null).to('out', json()), abc.slice(0, 2)),
    ).toEqual([...['5="apple" @1', '3="bee" @2']])
  })

  it('peek sees each record on its way, foreach ends the stream', async () => {
    const seen: string[] = []
    const lines = await out(
      mode,
      (stream) => {
        stream.peek((key, value) => seen.push(`peek ${key} ${value}`)).to('out', json())
        stream.foreach((key, value) => seen.push(`foreach ${key} ${value}`))
      },
      abc.slice(0, 2),
    )
    expect([lines, seen]).toEqual([
      ['"a"="apple" @1', '"b"="bee" @2'],
      ['peek a apple', 'foreach a apple', 'peek b bee', 'foreach b bee'],
    ])
  })

  it('keeps the headers of the input on every record', async () => {
    const builder = new StreamsBuilder()
    builder
      .stream('in', strings)
      .mapValues((value) => value.length)
      .to('out', json())
    await using driver = new TopologyTestDriver(builder.build(), { cutAfter: mode })
    const headers = [
      ['trace', Buffer.from('1')],
      ['trace', null],
    ] as const
    await driver.createInputTopic('in', strings).pipeInput('a', 'xyz', { headers })
    expect(driver.createOutputTopic('out', json()).readRecords()).toEqual([{ key: 'a', value: 3, timestamp: 0, headers, partition: 0 }])
  })

  it('goes to the topic that a function chooses per record', async () => {
    const { lines } = await run(mode, (stream) => stream.to((key, _value, { offset }) => `${key}-${offset}`, json()), abc.slice(0, 2))
    expect(lines).toEqual(['a-0: "a"="apple" @1', 'b-1: "b"="bee" @2'])
  })

  it.each([
    [
      'map',
      (stream: Parameters<Parameters<typeof run>[1]>[0]) => stream.map(() => null as never),
      'The mapper of map returned null: it must return [key, value]',
    ],
    [
      'flatMap',
      (stream: Parameters<Parameters<typeof run>[1]>[0]) => stream.flatMap(() => 5 as never),
      'The mapper of flatMap returned 5: it must return a list',
    ],
    [
      'flatMapValues',
      (stream: Parameters<Parameters<typeof run>[1]>[0]) => stream.flatMapValues(() => null as never),
      'The mapper of flatMapValues returned null: it must return a list',
    ],
  ])('%s refuses what is no answer, with the node and the record', async (verb, draw, message) => {
    await expect(out(mode, (stream) => draw(stream).to('out', json()), [['a', 'x']])).rejects.toMatchObject({
      code: 'PROCESSING_FAILED',
      message: `Node KSTREAM-${verb.toUpperCase()}-0000000001 failed at in/0@0: ${message}`,
    })
  })
})

describe('a sink', () => {
  const partitioned = async (partitioner: () => readonly number[] | undefined) => {
    const { lines, dropped } = await run(
      'never',
      (stream) => stream.to('out', { keySerde: Serdes.json(), valueSerde: Serdes.json(), partitioner }),
      [['a', 'x']],
    )
    return { lines: lines.length, dropped }
  }

  it('writes once per partition that its partitioner chooses; an empty list drops the record, none takes the default', async () => {
    expect(await partitioned(() => [0])).toEqual({ lines: 1, dropped: 0 })
    expect(await partitioned(() => [])).toEqual({ lines: 0, dropped: 1 })
    expect(await partitioned(() => undefined)).toEqual({ lines: 1, dropped: 0 })
  })

  it('refuses a partition that the topic does not have, and a value that its serde cannot write', async () => {
    await expect(partitioned(() => [1])).rejects.toMatchObject({
      code: 'PROCESSING_FAILED',
      message: 'Node KSTREAM-SINK-0000000001 failed at in/0@0: The partitioner chose partition 1 of topic out, which has 1',
    })
    const long = { ...strings, valueSerde: Serdes.long }
    await expect(run('never', (stream) => stream.mapValues(() => 0.5).to('out', long), [['a', 'x']])).rejects.toMatchObject({
      code: 'SERDE_FAILED',
      message:
        'Node KSTREAM-SINK-0000000002 failed at in/0@0: Cannot write the value for topic out with the long serde: The long serde got number 0.5',
    })
  })
})
