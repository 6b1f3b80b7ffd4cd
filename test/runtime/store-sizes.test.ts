import { expect, it } from 'vitest'
import { StreamsBuilder } from '../../src/dsl/streams-builder.ts'
import { createTaskMemory } from '../../src/runtime/task-memory.ts'
import { Serdes } from '../../src/serde/serdes.ts'
import { tumbling } from '../../src/topology/windows.ts'
import { record, scene, strings } from './scene.ts'

const dayMs = 86_400_000

/** Counts all words, and those with the value `x` once more. */
const counting = () => {
  const builder = new StreamsBuilder()
  const words = builder.stream('words', strings)
  words.groupByKey().count({ store: 'counts' }).toStream().to('totals')
  words
    .filter((_key, value) => value === 'x')
    .groupByKey()
    .count({ store: 'rare' })
  return { topology: builder.build() }
}

/** What the table is asked for rows, by the stores. */
const asked = (it: Awaited<ReturnType<typeof scene>>): string[] => {
  const stores: string[] = []
  const { get, query } = it.table
  it.table.get = (keys, deadlineMs) => {
    stores.push(...keys.map(({ store }) => `get ${store}`))
    return get(keys, deadlineMs)
  }
  it.table.query = (range, deadlineMs) => {
    stores.push(`query ${range.store}`)
    return query(range, deadlineMs)
  }
  return stores
}

it('is in the checkpoint of every task, and of a store that never had a row it is known that there is none', async () => {
  const of = await scene(counting())
  of.feed('words', record('a'), record('b'))
  await of.run()
  expect((await of.item()).checkpoint?.sizes).toEqual({ counts: { rows: 2, bytes: 146 } })
  const stores = asked(of)
  of.feed('words', record('a'), record('c'))
  await of.run()
  expect(stores).toEqual(['query counts'])
  expect((await of.item()).checkpoint?.sizes).toEqual({ counts: { rows: 3, bytes: 219 } })
  of.feed('words', record('a', 'x'))
  await of.run()
  expect((await of.item()).checkpoint?.sizes).toEqual({ counts: { rows: 3, bytes: 219 }, rare: { rows: 1, bytes: 73 } })
  stores.length = 0
  of.feed('words', record('a', 'x'))
  await of.run()
  expect(stores.sort()).toEqual(['query counts', 'query rare'])
  expect(await of.rows('rare')).toEqual(await of.fold('rare'))
})

it('goes on from one delivery to the next in a process that keeps the task', async () => {
  const of = await scene(counting())
  const memory = createTaskMemory()
  for (const key of ['a', 'b', 'a', 'c']) {
    of.feed('words', record(key))
    await of.run({ memory })
  }
  expect((await of.item()).checkpoint?.sizes).toEqual({ counts: { rows: 3, bytes: 219 } })
})

it('of rows that were flushed by another, who wrote no checkpoint, is known from the log: they are read there', async () => {
  const of = await scene(counting())
  of.feed('words', record('a'))
  await of.run()
  of.feed('words', record('a', 'x'))
  const died = new Error('died')
  await expect(
    of.run({
      around: (call, run) => (call === 'release' ? Promise.reject(died) : run()),
    }),
  ).rejects.toBe(died)
  expect((await of.item()).checkpoint?.sizes).toEqual({ counts: { rows: 1, bytes: 73 } })
  of.feed('words', record('a', 'x'))
  of.clock.nowMs += 100_000
  await of.run()
  expect(await of.rows('rare')).toEqual(await of.fold('rare'))
  expect(Object.keys(await of.rows('rare'))).toEqual(['a'])
})

it('stays unknown where a checkpoint was written without it: nothing is taken for empty, and nothing read whole', async () => {
  const of = await scene(counting())
  const { release } = of.table
  of.table.release = (task, { checkpoint, ...request }, deadlineMs) => {
    const { sizes: _sizes, ...without } = checkpoint ?? { seq: 0, gen: 0, ends: {}, positions: {} }
    return release(task, { ...request, checkpoint: without }, deadlineMs)
  }
  of.feed('words', record('a', 'x'))
  await of.run()
  of.table.release = release
  const stores = asked(of)
  for (const more of [1, 2]) {
    of.feed('words', record('a', 'x'))
    await of.run()
    expect([more, stores.sort(), (await of.item()).checkpoint?.sizes]).toEqual([more, ['get counts', 'get rare'], undefined])
    stores.length = 0
  }
  expect(await of.rows('rare')).toEqual(await of.fold('rare'))
})

it('of windows shrinks as they expire', async () => {
  const builder = new StreamsBuilder()
  builder
    .stream('words', strings)
    .groupByKey()
    .windowedBy(tumbling({ sizeMs: 1_000, graceMs: 0 }))
    .count({ store: 'counts' })
    .toStream()
    .to('totals', { keySerde: Serdes.timeWindowed(Serdes.string, 1_000) })
  const of = await scene({ topology: builder.build() })
  const memory = createTaskMemory()
  of.feed('words', ...Array.from({ length: 100 }, (_, at) => record(`${at}`)))
  await of.run({ memory })
  const rowsNow = async () => (await of.item()).checkpoint?.sizes?.counts?.rows
  expect(await rowsNow()).toBe(100)
  of.clock.nowMs += dayMs + 1_000
  of.feed('words', record('a', '', { timestamp: of.clock.nowMs }))
  await of.run({ memory })
  // after as long as a row lives, one in e is left of what there was
  expect(await rowsNow()).toBe(Math.round(101 / Math.E))
})
