import { describe, expect, it } from 'vitest'
import type { KStream } from '../../src/dsl/k-stream.ts'
import type { KTable } from '../../src/dsl/k-table.ts'
import { StreamsBuilder } from '../../src/dsl/streams-builder.ts'
import { Serdes } from '../../src/serde/serdes.ts'
import { TopologyTestDriver } from '../../src/testing/topology-test-driver.ts'
import { untilTimeLimit } from '../../src/topology/suppressed.ts'
import { tumbling } from '../../src/topology/windows.ts'
import { json, modes, outOf, strings, type TopicInput } from './run.ts'

const prices = { ...strings, store: { name: 'prices', versioned: { historyRetentionMs: 100 } } }

const inputs: readonly TopicInput[] = [
  ['prices', 'tea', '3', 10],
  ['prices', 'tea', '5', 50],
  ['orders', 'tea', 'ann', 20],
  ['prices', 'tea', '4', 30],
  ['orders', 'tea', 'bob', 40],
  ['prices', 'tea', '9', 200],
  ['prices', 'tea', '1', 90],
  ['orders', 'tea', 'cid', 60],
  ['orders', 'tea', 'dan', 150],
]

type Draw = (
  orders: KStream<string, string>,
  table: KTable<string, string>,
) => { to(topic: 'out', produced: ReturnType<typeof json<string, never>>): void }
const pays = (who: string, price: string | null) => `${who} pays ${price}`

describe.each(modes)('a versioned table (new task: %s)', (mode) => {
  const out = (draw: Draw, records = inputs) =>
    outOf(mode, (builder) => draw(builder.stream('orders', strings), builder.table('prices', prices)).to('out', json()), records)

  it('joined with a stream gives the row that held at the time of the record, within its history', async () => {
    expect(await out((orders, table) => orders.leftJoin(table, pays))).toEqual({
      lines: [
        ...['"tea"="ann pays 3" @20', '"tea"="bob pays 4" @40', '"tea"="cid pays null" @60'],
        // 90 was beyond the history when it came
        '"tea"="dan pays 5" @150',
      ],
      dropped: 1,
    })
  })

  it('joined with a stream that waits takes in updates that come late', async () => {
    const joined = await out(
      (orders, table) => orders.join(table, pays, { name: 'paid', graceMs: 30 }),
      [
        ...inputs.slice(0, 4),
        ['orders', 'tea', 'bob', 40],
        ['prices', 'tea', '2', 15],
        ['orders', 'tea', 'cid', 55],
        ['orders', 'tea', 'late', 5],
        ['orders', 'tea', 'dan', 70],
      ],
    )
    expect(joined.lines).toEqual(['"tea"="ann pays 2" @20', '"tea"="bob pays 4" @40'])
  })

  it('keeps what is not its latest version out of tables below', async () => {
    const grouped = await out((_orders, table) =>
      table
        .groupBy((item, price) => [price, item], strings)
        .count({ store: 'items' })
        .toStream()
        .mapValues((items) => `${items}`),
    )
    expect(grouped.lines).toEqual(['"3"="1" @10', '"3"="0" @50', '"5"="1" @50', '"5"="0" @200', '"9"="1" @200'])
  })

  it('joined with a stream that waits drops the record whose join fails, and no other', async () => {
    const builder = new StreamsBuilder({ 'processing.exception.handler': 'LogAndContinue' })
    const failing = (who: string, price: string | null): string => {
      if (who === 'bob') throw new Error('bob does not pay')
      return pays(who, price)
    }
    builder.stream('orders', strings).leftJoin(builder.table('prices', prices), failing, { name: 'paid', graceMs: 10 }).to('out', json())
    await using driver = new TopologyTestDriver(builder.build(), { cutAfter: mode })
    const orders = driver.createInputTopic('orders', strings)
    for (const [time, who] of ['ann', 'bob', 'cid', 'dan'].entries()) await orders.pipeInput('tea', who, { timestamp: time })
    await orders.pipeInput('tea', 'eve', { timestamp: 50 })
    await orders.pipeInput('tea', 'fay', { timestamp: 51 })
    const sent = driver.createOutputTopic('out', json<string, string>()).readRecords()
    expect(sent.map(({ value }) => value)).toEqual(['ann pays null', 'cid pays null', 'dan pays null'])
  })

  it('throws for a null key that would have to wait', async () => {
    const joined = out((orders, table) => orders.leftJoin(table, pays, { name: 'paid', graceMs: 30 }), [['orders', null, 'ann', 20]])
    await expect(joined).rejects.toThrow('Join paid has a grace period: a record with a null key cannot wait for it')
  })
})

describe('a versioned table', () => {
  const table = (store = prices.store) => new StreamsBuilder().table('prices', { ...strings, store })

  it('is not suppressed, nor is what inherits its versions', () => {
    const suppressed = untilTimeLimit(10, { name: 'held' })
    expect(() => table().suppress(suppressed)).toThrow('Invalid topology: suppress() is only supported for non-versioned KTables')
    expect(() => table().filter(Boolean).suppress(suppressed)).toThrow('(note that version semantics might be inherited from upstream)')
    expect(() => table().filter(Boolean, { store: 'some' }).suppress(suppressed)).not.toThrow()
  })

  it('has a named store, with a history', () => {
    const { name: _none, ...nameless } = prices.store
    expect(() => table(nameless as typeof prices.store)).toThrow('A versioned store needs a name')
    expect(() => table({ name: 'prices', versioned: { historyRetentionMs: -1 } })).toThrow(
      'historyRetentionMs is milliseconds, 0 or more, not -1',
    )
  })

  it('is not windowed', () => {
    const counted = new StreamsBuilder()
      .stream('orders', strings)
      .groupByKey()
      .windowedBy(tumbling({ sizeMs: 10, graceMs: 0 }))
    expect(() => counted.count({ store: { name: 'counts', valueSerde: Serdes.long, versioned: { historyRetentionMs: 10 } } })).toThrow(
      'Windowed tables cannot be versioned.',
    )
  })

  it('must know as much of the past as a join waits', () => {
    const join = (other: (builder: StreamsBuilder) => KTable<string, string>, graceMs: number) => () => {
      const builder = new StreamsBuilder()
      return builder.stream('orders', strings).join(other(builder), pays, { graceMs })
    }
    expect(join((builder) => builder.table('prices', prices), 101)).toThrow('History retention must be at least grace period.')
    expect(join((builder) => builder.table('prices', strings), 1)).toThrow(
      'KTable must be versioned to use a grace period in a stream table join.',
    )
  })

  it('keeps its changelog from being merged until a day after its history', () => {
    const builder = new StreamsBuilder()
    builder.table('prices', prices)
    const changelog = builder
      .build()
      .internalTopics('app')
      .find(({ kind }) => kind === 'changelog')
    expect(changelog?.config).toMatchObject({ 'cleanup.policy': 'compact', 'min.compaction.lag.ms': '86400100' })
  })
})
