import fc from 'fast-check'
import { expect, it } from 'vitest'
import { StreamsBuilder } from '../../src/dsl/streams-builder.ts'
import { partitionOfKey } from '../../src/runtime/partitioner.ts'
import { cluster, failing, type Turn } from './cluster.ts'
import { record, startMs, strings, textOf } from './scene.ts'

const partitions = { users: 3, cities: 2, out: 1 }
type Source = 'users' | 'cities'

interface Plot {
  readonly updates: readonly { readonly topic: Source; readonly key: number; readonly value: number }[]
  /** Which of the tasks runs next, and at which of its calls it fails, if it does. */
  readonly turns: readonly (Turn & { readonly task: number })[]
}

const plot: fc.Arbitrary<Plot> = fc.record({
  updates: fc.array(fc.record({ topic: fc.constantFrom('users', 'users', 'cities'), key: fc.nat(4), value: fc.nat(3) }), {
    minLength: 5,
    maxLength: 25,
  }),
  turns: fc.array(
    fc.record({ task: fc.nat(4), fault: fc.constantFrom('none', 'lost request', 'lost answer', 'death'), call: fc.nat(12) }),
    { minLength: 5, maxLength: 40 },
  ),
})

const city = (number: number): string => `city-${number}`
const textFor = ({ topic, value }: Plot['updates'][number]): string | null => {
  if (value === 0) return null
  return topic === 'users' ? city(value) : `mayor-${value}`
}
const keyOf = ({ topic, key }: Plot['updates'][number]): string => (topic === 'users' ? `user-${key}` : city(key))

const topology = (() => {
  const builder = new StreamsBuilder()
  builder
    .table('users', { ...strings, store: 'users' })
    .leftJoin(
      builder.table('cities', { ...strings, store: 'cities' }),
      (name) => name,
      (name, mayor) => `${mayor} of ${name}`,
      { name: 'join' },
    )
    .toStream()
    .to('out', strings)
  return builder.build()
})()

/** Updates go in between the turns; then every task runs without faults until nothing is left to do. */
const play = async ({ updates, turns }: Plot) => {
  const it = await cluster(topology, partitions)
  const left = [...updates]
  const feed = (update: Plot['updates'][number], time: number): void => {
    const key = keyOf(update)
    const partition = partitionOfKey(Buffer.from(key), partitions[update.topic])
    it.kafka.produce([{ topic: update.topic, partition, records: [record(key, textFor(update), { timestamp: startMs + time })] }])
  }
  let failures = 0
  let time = 0
  for (const turn of turns) {
    for (const update of left.splice(0, Math.ceil(updates.length / turns.length))) feed(update, time++)
    const task = it.tasks[turn.task % it.tasks.length]
    if (task && !(await it.deliver(task, failing(turn)))) failures++
  }
  for (const update of left) feed(update, time++)
  await it.settle()
  const found = new Map((await it.committed('out')).map(({ key, value }) => [textOf(key), textOf(value)]))
  return { failures, found: Object.fromEntries([...found].filter(([, value]) => value !== null).sort()) }
}

const expectedOf = ({ updates }: Plot): Readonly<Record<string, string>> => {
  const rows = (topic: Source) => new Map(updates.filter((it) => it.topic === topic).map((it) => [keyOf(it), textFor(it)]))
  const cities = rows('cities')
  return Object.fromEntries(
    [...rows('users')].flatMap(([user, name]) => (name === null ? [] : [[user, `${cities.get(name) ?? null} of ${name}`]])).sort(),
  )
}

it('joins by foreign key over two sub-topologies and five tasks as if nothing had failed', { timeout: 60_000 }, async () => {
  let failures = 0
  await fc.assert(
    fc.asyncProperty(plot, async (story) => {
      const played = await play(story)
      expect(played.found).toEqual(expectedOf(story))
      failures += played.failures
    }),
    { seed: 213, numRuns: 200 },
  )
  expect(failures).toBeGreaterThan(100)
})
