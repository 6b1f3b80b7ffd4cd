import { describe, expect, it } from 'vitest'
import { StreamsBuilder } from '../../src/dsl/streams-builder.ts'
import { Serdes } from '../../src/serde/serdes.ts'
import { TopologyTestDriver } from '../../src/testing/topology-test-driver.ts'
import { type Suppressed, untilTimeLimit, untilWindowCloses } from '../../src/topology/suppressed.ts'
import { session, tumbling } from '../../src/topology/windows.ts'
import { json, modes, out, outOf, strings } from './run.ts'

const table = () => new StreamsBuilder().table('in', strings)

describe.each(modes)('a suppressed table (new task: %s)', (mode) => {
  it('sends the last change of each row, by the time of the first one', async () => {
    const lines = await out(mode, (stream) => stream.toTable().suppress(untilTimeLimit(10)).toStream().to('out', json()), [
      ...[['b', 'b1', 0] as const, ['a', 'a1', 0] as const, ['b', 'b2', 9] as const],
      ...[['c', 'c1', 10] as const, ['a', 'a2', 12] as const, ['c', null, 30] as const],
    ])
    expect(lines).toEqual(['"a"="a1" @0', '"b"="b2" @9', '"c"=null @30', '"a"="a2" @12'])
  })

  it('sends its oldest rows early where the buffer is full', async () => {
    const suppressed = untilTimeLimit(1_000, { maxRecords: 1 })
    const lines = await out(mode, (stream) => stream.toTable().suppress(suppressed).toStream().to('out', json()), [
      ...[['a', 'a1', 5] as const, ['b', 'b1', 7] as const, ['c', 'c1', 6] as const],
    ])
    expect(lines).toEqual(['"a"="a1" @5', '"c"="c1" @6'])
  })

  it('of sessions sends each once, when it is past gap and grace, and none that merged into another', async () => {
    const lines = await out(
      mode,
      (stream) =>
        stream
          .groupByKey()
          .windowedBy(session({ inactivityGapMs: 5, graceMs: 7 }))
          .count({ store: 'sessions' })
          .suppress(untilWindowCloses({ name: 'final' }))
          .toStream()
          .map(({ key, window }, count) => [key, { ...window, count }])
          .to('out', json()),
      [...[['a', 'x', 0] as const, ['b', 'x', 11] as const, ['b', 'x', 14] as const, ['a', 'x', 30] as const]],
    )
    expect(lines).toEqual(['"a"={"startMs":0,"endMs":0,"count":1} @0', '"b"={"startMs":11,"endMs":14,"count":2} @14'])
  })

  it('joined with another is, of rows that wait, what it was before', async () => {
    const { lines } = await outOf(
      mode,
      (builder) =>
        builder
          .table('other', strings)
          .join(builder.table('in', strings).suppress(untilTimeLimit(20)), (other, own) => other + own)
          .toStream()
          .to('out', json()),
      [
        ...[['in', 'a', '1', 0] as const, ['other', 'a', 'A', 5] as const, ['in', 'a', '2', 30] as const],
        ...[['in', 'a', '3', 40] as const, ['other', 'a', 'B', 8] as const, ['in', 'b', '1', 100] as const],
      ],
    )
    expect(lines).toEqual(['"a"="A2" @30', '"a"="B2" @8', '"a"="B3" @40'])
  })
})

it('a full buffer that may not send early stops the task, with what it holds', async () => {
  const builder = new StreamsBuilder()
  const full = untilTimeLimit(100, { maxBytes: 46, whenFull: 'shutDown', name: 'held' })
  builder.table('in', strings).suppress(full).toStream().to('out', strings)
  await using driver = new TopologyTestDriver(builder.build())
  const input = driver.createInputTopic('in', strings)
  await input.pipeInput('a', '1')
  const more = input.pipeInput('b', '2')
  await expect(more).rejects.toMatchObject({
    code: 'PROCESSING_FAILED',
    message: expect.stringContaining('held buffer exceeded its max capacity of Infinity records and 46 bytes: it holds 2 records and'),
  })
})

it('waits for windows only below windows, and says which way up has none', () => {
  const builder = new StreamsBuilder()
  const plain = builder.table('in', strings).filter(() => true)
  expect(() => plain.suppress(untilWindowCloses() as Suppressed<unknown>)).toThrow(
    'Invalid topology: Window close time is only defined for windowed computations. Got [root->KTABLE-SOURCE-0000000002->KTABLE-FILTER-0000000003].',
  )
})

it('takes the largest grace of the windows above', async () => {
  const lines = await outOf(
    'never',
    (builder) => {
      const counts = (topic: string, graceMs: number) =>
        builder
          .stream(topic, strings)
          .groupByKey()
          .windowedBy(tumbling({ sizeMs: 10, graceMs }))
          .count()
      counts('in', 5)
        .join(counts('other', 40), (one, other) => one + other, { store: { valueSerde: Serdes.long } })
        .suppress(untilWindowCloses())
        .toStream()
        .map(({ key, window }, count) => [key, `${count} until ${window.endMs}`])
        .to('out', json())
    },
    [
      ...[['in', 'a', '', 0] as const, ['other', 'a', '', 1] as const],
      ...[['in', 'a', '', 49] as const, ['other', 'a', '', 49] as const, ['in', 'a', '', 50] as const, ['other', 'a', '', 50] as const],
    ],
  )
  expect(lines).toEqual({ lines: ['"a"="2 until 10" @1'], dropped: 0 })
})

it('needs serdes when it is drawn, not at its first record', () => {
  const mapped = table().mapValues((value) => value.length)
  expect(() => mapped.suppress(untilTimeLimit(1))).toThrow('There is no serde for the value of the buffer of KTABLE-SUPPRESS-0000000004')
})

it.each([
  ['a negative time limit', () => untilTimeLimit(-1), 'The time limit of a suppression must not be negative, got -1.'],
  ['a negative limit', () => untilWindowCloses({ maxRecords: -1 }), 'maxRecords of a suppression must not be negative, got -1.'],
  ['a name of other characters', () => untilWindowCloses({ name: 'a b' }), 'Name "a b" is illegal'],
])('refuses %s', (_what, make, message) => {
  expect(make).toThrow(message)
})

it('has a buffer that cannot be read', async () => {
  const builder = new StreamsBuilder()
  builder
    .table('in', strings)
    .suppress(untilTimeLimit(1, { name: 'held' }))
    .toStream()
    .to('out', strings)
  await using driver = new TopologyTestDriver(builder.build())
  expect(() => driver.getKeyValueStore('held-store')).toThrow('Store "held-store" is the buffer of a suppression, which cannot be read')
})
