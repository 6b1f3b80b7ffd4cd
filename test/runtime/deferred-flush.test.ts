import { describe, expect, it } from 'vitest'
import { StreamsBuilder } from '../../src/dsl/streams-builder.ts'
import { StreamsError } from '../../src/errors.ts'
import { createTaskMemory } from '../../src/runtime/task-memory.ts'
import type { DeferredFlush } from '../../src/topology/nodes.ts'
import { Stores } from '../../src/topology/stores.ts'
import { fails, meanwhile, noting, type PortCall } from './faults.ts'
import { record, row, scene, strings } from './scene.ts'

const codeOf = (run: () => unknown): string | undefined => {
  try {
    run()
  } catch (error) {
    return error instanceof StreamsError ? `${error.code}: ${error.message}` : String(error)
  }
}

const task = { subTopology: 'words', partition: 0 }

/** Counts in a store that is flushed later; with `eager` in one more that is not. */
const counting = (
  flush: DeferredFlush,
  { topics = ['words'], eager = false }: { readonly topics?: readonly [string, ...string[]]; readonly eager?: boolean } = {},
) => {
  const builder = new StreamsBuilder()
  const words = builder.stream(topics, strings).groupByKey()
  words
    .count({ store: { name: 'counts', flush } })
    .toStream()
    .to('totals')
  if (eager) words.count({ store: { name: 'others' } })
  return { topology: builder.build(), topics: { words: 1, more: 1, totals: 1 } }
}

const tenSeconds = { intervalMs: 10_000 }

/** A process that runs deliveries of one record each, a second apart. */
const running = async (options: Parameters<typeof scene>[0]) => {
  const it = await scene(options)
  const memory = createTaskMemory()
  const calls: PortCall[] = []
  const run = (how: Parameters<typeof it.run>[0] = {}) => it.run({ memory, around: noting(calls), ...how })
  const deliver = async (key = 'a', how: Parameters<typeof it.run>[0] = {}) => {
    it.clock.nowMs += 1_000
    it.feed(how.topic ?? 'words', record(key))
    calls.length = 0
    return run(how)
  }
  return { ...it, memory, calls, run, deliver }
}

describe('a store that is flushed later', () => {
  it('costs a warm delivery its input and the three round trips of the transaction', async () => {
    const it = await running(counting(tenSeconds))
    await it.deliver()
    expect(await it.deliver()).toMatchObject({ result: 'done', seq: 2, rowsWritten: 0 })
    expect(it.calls).toEqual(['fetch', 'append', 'commit'])
    expect(await it.totals()).toEqual(['a=1', 'a=2'])
    expect(await it.rows()).toEqual({})
  })

  it('gives a lease back with what is committed and not flushed, and leaves the checkpoint', async () => {
    const it = await running(counting(tenSeconds, { topics: ['words', 'more'] }))
    await it.deliver()
    await it.deliver('a', { topic: 'more' })
    expect(it.calls).toEqual(['acquire', 'fetch', 'append', 'commit', 'release'])
    expect(await it.item()).toEqual({ checkpoint: undefined, bells: {}, lease: undefined, deferredSeq: 2 })
  })

  it('is written once its oldest transaction is old enough: each key once, with its last transaction', async () => {
    const it = await running(counting(tenSeconds))
    for (let second = 1; second <= 10; second++) await it.deliver(second % 2 === 0 ? 'a' : 'b')
    expect(await it.rows()).toEqual({})
    expect(await it.deliver()).toMatchObject({ seq: 11, rowsWritten: 2 })
    // the wrapper halves a put of several rows
    expect(it.calls).toEqual(['fetch', 'append', 'commit', 'put', 'put', 'checkpoint'])
    expect(await it.rows()).toEqual({ a: row(6, 11), b: row(5, 9) })
    expect(await it.item()).toMatchObject({ checkpoint: { seq: 11, positions: { words: 11 } } })
    await it.deliver()
    expect(it.calls).toEqual(['fetch', 'append', 'commit'])
  })

  it('is written once so many records are in the log', async () => {
    const it = await running(counting({ intervalMs: 600_000, recordsMax: 3 }))
    const written: number[] = []
    for (let second = 1; second <= 7; second++) written.push((await it.deliver()).rowsWritten)
    expect(written).toEqual([0, 0, 1, 0, 0, 1, 0])
  })

  it('is written once the log has so many bytes, commit records counted', async () => {
    const it = await running(counting({ intervalMs: 600_000, bytesMax: 2_000 }))
    const written: number[] = []
    for (let second = 1; second <= 12; second++) written.push((await it.deliver()).rowsWritten)
    const [first = 0, second = 0] = written.flatMap((rows, at) => (rows > 0 ? [at + 1] : []))
    expect(first).toBeGreaterThan(2)
    expect(second).toBe(2 * first)
  })

  it('is written by a tick, whatever may wait (R34)', async () => {
    const it = await running(counting(tenSeconds))
    await it.deliver()
    expect(await it.run({ tick: true })).toMatchObject({ result: 'done', rowsWritten: 1 })
    expect(await it.rows()).toEqual(await it.fold())
    expect(await it.item()).toMatchObject({ checkpoint: { seq: 1 }, lease: undefined })
  })

  it('is not written before another store of the task is, which does not wait', async () => {
    const it = await running(counting(tenSeconds, { eager: true }))
    await it.deliver()
    expect(await it.deliver()).toMatchObject({ rowsWritten: 1 })
    expect(it.calls).toEqual(['fetch', 'append', 'commit', 'put'])
    expect(await it.rows()).toEqual({})
    expect(await it.rows('others')).toEqual({ a: row(2, 2) })
    expect((await it.item()).checkpoint).toBeUndefined()
  })

  it('keeps rows in memory that are in no table, however little memory there is (R21)', async () => {
    const it = await running(counting(tenSeconds))
    for (const key of ['a', 'b', 'a', 'b', 'a']) await it.deliver(key, { storeBytesMax: 0 })
    expect(await it.totals()).toEqual(['a=1', 'b=1', 'a=2', 'b=2', 'a=3'])
    await it.run({ tick: true, storeBytesMax: 0 })
    await it.deliver('b', { storeBytesMax: 0 })
    expect((await it.totals()).at(-1)).toBe('b=3')
  })
})

describe('another process', () => {
  it("goes on with what the log's tail says, and may let it wait as long as it was going to", async () => {
    const it = await running(counting(tenSeconds))
    await it.deliver()
    await it.deliver('b')
    const other = createTaskMemory()
    expect(await it.deliver('a', { memory: other })).toMatchObject({ seq: 3, rowsWritten: 0 })
    expect(await it.totals()).toEqual(['a=1', 'b=1', 'a=2'])
    it.clock.nowMs += 7_000
    expect(await it.deliver('a', { memory: other })).toMatchObject({ seq: 4, rowsWritten: 2 })
    expect(await it.rows()).toEqual(await it.fold())
  })

  it('that has committed fences the first, which then goes on behind it', async () => {
    const it = await running(counting(tenSeconds))
    await it.deliver()
    await it.deliver('a', { memory: createTaskMemory() })
    expect(await it.deliver()).toMatchObject({ result: 'done', seq: 3 })
    expect(await it.totals()).toEqual(['a=1', 'a=2', 'a=3'])
  })

  it('that has taken the lease finds the checkpoint where it was: nothing is said to be written that is not (R17)', async () => {
    const it = await running(counting(tenSeconds, { topics: ['words', 'more'] }))
    await it.deliver()
    await it.run({ tick: true })
    const steals = () =>
      it.table.acquire(task, { token: 'thief', source: 'src:words', nowMs: it.clock.nowMs, expiresAtMs: it.clock.nowMs, steal: true }, 0)
    expect(await it.deliver('a', { around: meanwhile('release', steals) })).toMatchObject({ result: 'done', seq: 2 })
    expect(await it.item()).toMatchObject({ checkpoint: { seq: 1 }, lease: { token: 'thief' } })
    expect(it.memory.kept).toBeUndefined()
    it.clock.nowMs += 100_000
    expect(await it.deliver('a', { memory: createTaskMemory() })).toMatchObject({ seq: 3 })
    expect(await it.totals()).toEqual(['a=1', 'a=2', 'a=3'])
  })

  it('finds all of it after a flush that failed', async () => {
    const it = await running(counting(tenSeconds))
    await it.deliver()
    it.clock.nowMs += 20_000
    const away = () => new StreamsError('TABLE_UNREACHABLE', 'the table is away')
    expect(await it.deliver('a', { around: fails('put', away) })).toMatchObject({ result: 'done', seq: 2 })
    expect(it.memory.kept).toBeUndefined()
    expect(await it.deliver()).toMatchObject({ seq: 3, rowsWritten: 1 })
    expect(await it.rows()).toEqual({ a: row(3, 3) })
  })
})

describe('the option', () => {
  const made = (flush: DeferredFlush, logging: false | Readonly<Record<string, string>> = {}) =>
    codeOf(() => Stores.keyValueStore('counts', { ...strings, flush, logging }))

  it('is refused where it cannot be kept, with the value', () => {
    expect(made({ intervalMs: 0 })).toBe('CONFIG_INVALID: Store counts: flush.intervalMs is 1 to 600000 ms, not 0')
    expect(made({ intervalMs: 600_001 })).toContain('not 600001')
    expect(made({ intervalMs: 1, recordsMax: 0 })).toBe('CONFIG_INVALID: Store counts: flush.recordsMax is at least 1, not 0')
    expect(made({ intervalMs: 1, bytesMax: 9_000_000 })).toBe('CONFIG_INVALID: Store counts: flush.bytesMax is 1 to 8388608, not 9000000')
    expect(made({ intervalMs: 1 }, false)).toContain('without a changelog')
    expect(made({ intervalMs: 600_000, recordsMax: 1, bytesMax: 8_388_608 })).toBeUndefined()
  })

  it('is refused for a global store', () => {
    const builder = new StreamsBuilder()
    builder.globalTable('towns', { ...strings, store: { name: 'towns', flush: tenSeconds } })
    expect(codeOf(() => builder.build())).toContain('CONFIG_INVALID: Global store towns')
  })
})
