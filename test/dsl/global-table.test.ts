import { describe, expect, it } from 'vitest'
import { StreamsBuilder } from '../../src/dsl/streams-builder.ts'
import { Serdes } from '../../src/serde/serdes.ts'
import { readOnly } from '../../src/state/read-only.ts'
import { TopologyTestDriver } from '../../src/testing/topology-test-driver.ts'
import { json, modes, outOf, strings, type TopicInput } from './run.ts'

const inputs: readonly TopicInput[] = [
  ['orders', 'o1', 'tea', 10],
  ['products', 'tea', 'Tea', 50],
  ['orders', 'o2', 'tea', 20],
  ['orders', 'o3', null, 30],
  ['orders', null, 'tea', 40],
  ['products', 'tea', null, 5],
  ['products', null, 'Milk', 6],
  ['orders', 'o4', 'tea', 50],
  ['orders', 'o5', '', 60],
]
const productOf = (_order: string, product: string): string | null => product || null
const show = (product: string, title: string | null, order: string) => `${order}: ${product} is ${title}`

describe.each(modes)('a stream joined with a global table (new task: %s)', (mode) => {
  it('gets the row that the table has for the computed key, whatever its time', async () => {
    const drawn = (builder: StreamsBuilder) =>
      builder.stream('orders', strings).join(builder.globalTable('products', strings), productOf, show).to('out', json())
    expect(await outOf(mode, drawn, inputs)).toEqual({
      lines: ['"o2"="o2: tea is Tea" @20', 'null="null: tea is Tea" @40'],
      // a null value, a null key of the table, a null mapped key
      dropped: 3,
    })
  })

  it('from the left gets null where there is no row or no key', async () => {
    const drawn = (builder: StreamsBuilder) =>
      builder.stream('orders', strings).leftJoin(builder.globalTable('products', strings), productOf, show).to('out', json())
    const { lines, dropped } = await outOf(mode, drawn, inputs)
    expect(lines.slice(0, 1)).toEqual(['"o1"="o1: tea is null" @10'])
    expect(lines.slice(-2)).toEqual(['"o4"="o4: tea is null" @50', '"o5"="o5:  is null" @60'])
    expect(dropped).toBe(2)
  })

  it('reads what the application itself wrote to the topic of the table', async () => {
    const drawn = (builder: StreamsBuilder) => {
      const orders = builder.stream('orders', strings)
      orders.to('seen', strings)
      orders.leftJoin(builder.globalTable('seen', strings), (order) => order, show).to('out', json())
    }
    const { lines } = await outOf(mode, drawn, [
      ['orders', 'o1', 'tea', 10],
      ['orders', 'o1', 'milk', 20],
    ])
    expect(lines).toEqual(['"o1"="o1: tea is null" @10', '"o1"="o1: milk is tea" @20'])
  })
})

it('is a sub-topology of its own, which shares no store and no task number', () => {
  const builder = new StreamsBuilder()
  const products = builder.globalTable('products', { ...strings, name: 'products-table', store: 'products-by-id' })
  builder.stream('orders', strings).join(products, productOf, show, { name: 'titled' }).to('out', strings)
  const topology = builder.build()
  expect(products.queryableStoreName).toBe('products-by-id')
  expect(topology.describe()).toBe(`Topologies:
   Sub-topology: 0 for global store (will not generate tasks)
    Source: products-table-source (topics: [products])
      --> products-table
    Processor: products-table (stores: [products-by-id])
      --> none
      <-- products-table-source
  Sub-topology: 1
    Source: KSTREAM-SOURCE-0000000002 (topics: [orders])
      --> titled
    Processor: titled (stores: [])
      --> KSTREAM-SINK-0000000004
      <-- KSTREAM-SOURCE-0000000002
    Sink: KSTREAM-SINK-0000000004 (topic: out)
      <-- titled

`)
  expect(topology.internalTopics('app').map((topic) => topic.name)).toEqual(['app-products-commits', 'app-orders-commits'])
})

it('can be queried under a generated name too', () => {
  expect(new StreamsBuilder().globalTable('products', strings).queryableStoreName).toBe('products-STATE-STORE-0000000000')
})

it.each<readonly [string, (builder: StreamsBuilder) => void, string]>([
  [
    'options of a store without a name',
    (it) => void it.globalTable('g', { ...strings, store: { caching: false } }),
    'has options, but no name',
  ],
  [
    'a topic twice',
    (it) => {
      it.globalTable('g', strings)
      it.table('g', strings)
    },
    'Invalid topology: Topic g has already been registered by another source.',
  ],
  [
    'a store twice',
    (it) => {
      it.globalTable('g', { ...strings, store: 'x' })
      it.table('in', { ...strings, store: 'x' })
    },
    'Invalid topology: A different GlobalStateStore has already been added with the name x',
  ],
])('refuses %s', (_what, draw, message) => {
  const builder = new StreamsBuilder()
  expect(() => {
    draw(builder)
    builder.build()
  }).toThrow(message)
})

it('may be read through the driver, and only its topic writes it', async () => {
  const builder = new StreamsBuilder()
  builder.globalTable('counts', { keySerde: Serdes.string, valueSerde: Serdes.long, store: 'counts' })
  await using driver = new TopologyTestDriver(builder.build())
  await driver.createInputTopic('counts', { keySerde: Serdes.string, valueSerde: Serdes.long }).pipeInput('a', 1, { timestamp: 7 })
  const counts = driver.getTimestampedKeyValueStore<string, number>('counts')
  const store = readOnly('counts', { now: () => counts, later: async () => counts })
  expect(await store.get('a')).toEqual({ value: 1, timestamp: 7 })
  expect(() => store.put('a', null)).toThrow('Global store "counts" is read only: only its own topic changes it')
})

it('skips what cannot be read, in the driver as in Java whatever the handler says', async () => {
  const builder = new StreamsBuilder({ 'deserialization.exception.handler': 'LogAndFail' })
  builder.globalTable('counts', { keySerde: Serdes.string, valueSerde: Serdes.long, store: 'counts' })
  await using driver = new TopologyTestDriver(builder.build())
  await driver.createInputTopic('counts', strings).pipeInput('a', 'short')
  expect([await driver.getTimestampedKeyValueStore('counts').all(), driver.dropped]).toEqual([[], 1])
})
