import fc from 'fast-check'
import { expect, it } from 'vitest'
import { StreamsBuilder } from '../../src/dsl/streams-builder.ts'
import type { Topology } from '../../src/topology/topology.ts'
import { cluster, failing, type Turn } from './cluster.ts'
import { record, startMs, strings, textOf } from './scene.ts'

interface Plot {
  readonly records: readonly {
    readonly topic: 'prices' | 'orders'
    readonly key: string
    readonly time: number
    readonly deletes: boolean
  }[]
  readonly turns: readonly Turn[]
}

const plot: fc.Arbitrary<Plot> = fc.record({
  records: fc.array(
    fc.record({
      topic: fc.constantFrom('prices', 'orders'),
      key: fc.constantFrom('tea', 'oil'),
      time: fc.nat(200),
      deletes: fc.integer({ min: 0, max: 5 }).map((it) => it === 0),
    }),
    { minLength: 5, maxLength: 30 },
  ),
  turns: fc.array(fc.record({ fault: fc.constantFrom('lost request', 'lost answer', 'death'), call: fc.nat(25) }), {
    minLength: 3,
    maxLength: 12,
  }),
})

/** Orders wait for late prices, and have what was the price at their time. */
const topologies = ['none', 'reuse.ktable.source.topics'].map((optimization) => {
  const builder = new StreamsBuilder({ 'topology.optimization': optimization })
  const prices = builder.table('prices', { ...strings, store: { name: 'prices', versioned: { historyRetentionMs: 60 } } })
  builder
    .stream('orders', strings)
    .leftJoin(prices, (order, price) => `${order} at ${price}`, { ...strings, name: 'priced', graceMs: 30 })
    .to('out', strings)
  return [optimization, builder.build()] as const
})

/** What comes out if all records are there from the start, one per transaction, and the turns fail as they say. */
const play = async (topology: Topology, { records, turns }: Plot) => {
  const it = await cluster(topology, { prices: 1, orders: 1, out: 1 }, 1)
  for (const [at, { topic, key, time, deletes }] of records.entries()) {
    const value = deletes ? null : `${topic}-${at}`
    it.kafka.produce([{ topic, partition: 0, records: [record(key, value, { timestamp: startMs + time })] }])
  }
  let failures = 0
  for (const turn of turns) {
    const [task] = it.tasks
    if (task && !(await it.deliver(task, failing(turn)))) failures++
  }
  await it.settle()
  const sent = (await it.committed('out')).map(({ key, value, timestamp }) => `${textOf(key)}=${textOf(value)} @${timestamp - startMs}`)
  return { sent, failures }
}

it.each(topologies)(
  'joins with versioned tables, and waits for them, as if nothing had failed (optimization %s)',
  { timeout: 60_000 },
  async (_optimization, topology) => {
    let [failures, sent] = [0, 0]
    await fc.assert(
      fc.asyncProperty(plot, async (story) => {
        const [played, smooth] = [await play(topology, story), await play(topology, { ...story, turns: [] })]
        expect(played.sent).toEqual(smooth.sent)
        failures += played.failures
        sent += smooth.sent.length
      }),
      { seed: 923, numRuns: 100 },
    )
    expect(failures).toBeGreaterThan(100)
    expect(sent).toBeGreaterThan(100)
  },
)
