import { describe, expect, it } from 'vitest'
import { createMemoryTable } from '../../src/adapters/memory/table.ts'
import { StreamsBuilder } from '../../src/dsl/streams-builder.ts'
import { StreamsError } from '../../src/errors.ts'
import { runInvocation } from '../../src/runtime/invocation.ts'
import { createTaskMemory } from '../../src/runtime/task-memory.ts'
import { Serdes } from '../../src/serde/serdes.ts'
import { died, dies, fails, meanwhile } from './faults.ts'
import { bytes, record, row, type Scene, type SceneOptions, scene, startMs, strings } from './scene.ts'

/** Counts words; the word `boom` cannot be processed. */
const fragile = (state = { armed: true }): SceneOptions => {
  const builder = new StreamsBuilder()
  builder
    .stream('words', strings)
    .peek((key) => {
      if (key === 'boom' && state.armed) throw new Error('no such luck')
    })
    .groupByKey()
    .count({ store: 'counts' })
    .toStream()
    .to('totals')
  return { topology: builder.build() }
}

/** Keeps the last value per key. */
const keeping = (): SceneOptions => {
  const builder = new StreamsBuilder()
  builder
    .stream('words', strings)
    .groupByKey()
    .reduce((_before, value) => value, { store: 'values' })
    .toStream()
    .to('totals')
  return { topology: builder.build() }
}

const untouched = async (it: Scene, store = 'counts') => ({
  totals: (await it.committed('totals')).length,
  changelog: (await it.committed(`app-${store}-changelog`)).length,
  open: (
    await it.kafka.reader.fetch([{ topic: 'totals', partition: 0, offset: 0, bytesMax: 1 }], { waitMs: 0, deadlineMs: it.clock.nowMs })
  ).map(({ highWatermark, lastStableOffset }) => highWatermark - lastStableOffset),
  rows: await it.rows(store),
  item: await it.item(),
})
const nothing = { totals: 0, changelog: 0, open: [0], rows: {}, item: { checkpoint: undefined, bells: {}, lease: undefined } }

describe('a record that cannot be processed', () => {
  it('throws PROCESSING_FAILED with its place, frees the lease, and commits nothing of its chunk', async () => {
    const it = await scene(fragile())
    it.feed('words', record('a'), record('boom'), record('b'))
    await expect(it.run()).rejects.toMatchObject({
      code: 'PROCESSING_FAILED',
      message: 'Node KSTREAM-PEEK-0000000001 failed at words/0@1: no such luck',
    })
    expect(await untouched(it)).toEqual(nothing)
  })

  it('is processed, and everything before and after it, once its cause is gone', async () => {
    const state = { armed: true }
    const memory = createTaskMemory()
    const it = await scene(fragile(state))
    it.feed('words', record('a'), record('boom'), record('b'))
    await expect(it.run({ memory })).rejects.toThrow('no such luck')
    state.armed = false
    expect(await it.run({ memory })).toMatchObject({ result: 'done', seq: 1, recordsRead: 3 })
    expect(await it.totals()).toEqual(['a=1', 'boom=1', 'b=1'])
  })

  it('leaves what earlier chunks of the same invocation have committed', async () => {
    const state = { armed: true }
    const it = await scene(fragile(state))
    it.feed('words', record('a'))
    it.feed('words', record('boom'))
    await expect(it.run({ chunkBytesMax: 1 })).rejects.toMatchObject({ code: 'PROCESSING_FAILED' })
    expect(await it.totals()).toEqual(['a=1'])
    expect(await it.item()).toEqual({ checkpoint: undefined, bells: {}, lease: undefined })
    state.armed = false
    it.feed('words', record('a'))
    await it.run()
    expect(await it.totals()).toEqual(['a=1', 'boom=1', 'a=2'])
    expect(await it.rows()).toEqual(await it.fold())
  })

  it.each([
    ['key', record('x', '').value, bytes('v'), 'Cannot read the key of words/0@0 with the long serde: A long takes 8 bytes, got 0'],
    [
      'value',
      Serdes.long.serialize(1, ''),
      bytes('v'),
      'Cannot read the value of words/0@0 with the long serde: A long takes 8 bytes, got 1',
    ],
  ])('throws SERDE_FAILED where the %s cannot be read', async (_what, key, value, message) => {
    const builder = new StreamsBuilder()
    builder
      .stream('words', { keySerde: Serdes.long, valueSerde: Serdes.long })
      .groupByKey()
      .count({ store: 'counts' })
      .toStream()
      .to('totals')
    const it = await scene({ topology: builder.build() })
    it.feed('words', { key, value, timestamp: startMs, headers: [] })
    await expect(it.run()).rejects.toMatchObject({ code: 'SERDE_FAILED', message })
    expect(await untouched(it)).toEqual(nothing)
  })

  it('throws RECORD_INVALID where no producer set a time', async () => {
    const it = await scene()
    it.feed('words', record('a', '', { timestamp: -1 }))
    await expect(it.run()).rejects.toMatchObject({
      code: 'RECORD_INVALID',
      message: 'The record at words/0@0 has the invalid timestamp -1',
    })
    expect(await untouched(it)).toEqual(nothing)
  })

  it('is no error of a zombie: whoever took over has the say', async () => {
    const state = { armed: true }
    const it = await scene(fragile(state))
    it.feed('words', record('boom'))
    const another = async () => {
      state.armed = false
      await it.run()
      state.armed = true
    }
    expect(await it.run({ around: meanwhile('fetch', another) })).toMatchObject({ result: 'done', seq: 1 })
    expect(await it.totals()).toEqual(['boom=1'])
  })
})

describe('a row that the table cannot take', () => {
  const large = 400 * 1024
  it.each([
    ['key', record('k'.repeat(1_024), 'v'), "store 'values' of task words/0: a key of 1024 bytes; the limit is 1023 bytes"],
    [
      'value',
      record('k', 'v'.repeat(large)),
      `store 'values' of task words/0: a row of ${large + 128 + 5 + 6 + 1} bytes; the limit is ${large} bytes`,
    ],
  ])('for its %s is refused before anything is produced', async (_what, poison, message) => {
    const it = await scene(keeping())
    it.feed('words', record('a', 'small'), poison)
    await expect(it.run()).rejects.toMatchObject({ code: 'STATE_TOO_LARGE', message })
    expect(await untouched(it, 'values')).toEqual(nothing)
    expect((await it.end('totals')) + (await it.end('app-words-commits'))).toBe(0)
  })

  it('is taken at exactly the limit', async () => {
    const it = await scene(keeping())
    it.feed('words', record('k'.repeat(1_023), 'v'), record('l', 'v'.repeat(large - 128 - 5 - 6 - 1)))
    expect(await it.run()).toMatchObject({ result: 'done', rowsWritten: 2 })
  })
})

describe('a log that lost records', () => {
  const processed = async () => {
    const it = await scene()
    it.feed('words', record('a'))
    await it.run()
    it.feed('words', record('a'))
    return it
  }

  it('of the input is LOG_TRUNCATED', async () => {
    const it = await processed()
    it.feed('words', record('a'))
    it.kafka.truncate({ topic: 'words', partition: 0, offset: 2 })
    await expect(it.run()).rejects.toMatchObject({
      code: 'LOG_TRUNCATED',
      message: 'offset 1 of words/0 is outside of its log, which has 2 to 3',
    })
    expect(await it.totals()).toEqual(['a=1'])
  })

  it.each([
    ['cold', false, "The log app-counts-changelog/0 ends at 0, before the checkpoint's 1"],
    ['over a warm session', true, 'The log app-counts-changelog/0 goes on at 0, but had come to 1'],
  ])('of a changelog that was made again is LOG_TRUNCATED, although the table has every row: %s', async (_how, warm, message) => {
    const it = await scene()
    const memory = createTaskMemory()
    it.feed('words', record('a'))
    await it.run({ memory })
    it.feed('words', record('a'))
    await it.kafka.admin.delete(['app-counts-changelog'], it.clock.nowMs)
    await it.kafka.admin.create([{ topic: 'app-counts-changelog', partitions: 1, config: {} }], it.clock.nowMs)
    await expect(it.run(warm ? { memory } : {})).rejects.toMatchObject({
      ...{ code: 'LOG_TRUNCATED', remedy: expect.stringContaining('millrace reset') },
      message,
    })
    expect(await it.totals()).toEqual(['a=1'])
    expect(await it.rows()).toEqual({ a: row(1, 1) })
  })

  it('of the commit topic is LOG_TRUNCATED', async () => {
    const it = await processed()
    it.kafka.truncate({ topic: 'app-words-commits', partition: 0, offset: 2 })
    await expect(it.run()).rejects.toMatchObject({
      code: 'LOG_TRUNCATED',
      message: 'The log app-words-commits/0 begins at 2, but is needed from 1 on',
    })
  })

  it('because its topic was made anew is LOG_TRUNCATED', async () => {
    const it = await processed()
    await it.kafka.admin.delete(['app-words-commits'], startMs)
    await it.kafka.admin.create([{ topic: 'app-words-commits', partitions: 1, config: {} }], startMs)
    await expect(it.run()).rejects.toMatchObject({
      code: 'LOG_TRUNCATED',
      message: "The log app-words-commits/0 ends at 0, before the checkpoint's 1",
    })
  })

  it('of a changelog, behind the checkpoint, is LOG_TRUNCATED: rows would be missing', async () => {
    const it = await processed()
    await expect(it.run({ around: dies('before', 'put') })).rejects.toThrow(died)
    it.kafka.truncate({ topic: 'app-counts-changelog', partition: 0, offset: await it.end('app-counts-changelog') })
    await expect(it.run()).rejects.toMatchObject({
      code: 'LOG_TRUNCATED',
      message: 'The log app-counts-changelog/0 begins at 4, but is needed from 1 on',
    })
  })

  it('of a changelog that is read in whole, as the table has lost its rows, is LOG_TRUNCATED', async () => {
    const it = await processed()
    it.kafka.truncate({ topic: 'app-counts-changelog', partition: 0, offset: await it.end('app-counts-changelog') })
    const request = { ports: { ...it.ports, table: createMemoryTable() }, plan: it.plan, partition: 0, deadlineMs: startMs + 60_000 }
    const trigger = { kind: 'delivery', topic: 'words', target: await it.end('words') } as const
    await expect(runInvocation({ ...request, trigger, memory: createTaskMemory() })).rejects.toMatchObject({
      code: 'LOG_TRUNCATED',
      message: 'The log app-counts-changelog/0 begins at 2, but is needed from 0 on',
    })
  })

  it('of a changelog with retention goes on: what left it had expired', async () => {
    const builder = new StreamsBuilder()
    builder
      .stream('words', strings)
      .groupByKey()
      .count({ store: { name: 'counts', logging: { 'cleanup.policy': 'compact,delete' } } })
      .toStream()
      .to('totals')
    const it = await scene({ topology: builder.build() })
    it.feed('words', record('a'))
    await it.run()
    it.feed('words', record('b'))
    await expect(it.run({ around: dies('before', 'put') })).rejects.toThrow(died)
    it.kafka.truncate({ topic: 'app-counts-changelog', partition: 0, offset: await it.end('app-counts-changelog') })
    it.feed('words', record('a'))
    expect(await it.run()).toMatchObject({ result: 'done', seq: 3 })
    expect(await it.rows()).toEqual({ a: row(2, 3) })
  })

  it('has records of somebody else on its commit topic: LOG_TRUNCATED names the record', async () => {
    const it = await scene()
    it.feed('app-words-commits', record('hello', 'world'))
    it.feed('words', record('a'))
    await expect(it.run()).rejects.toMatchObject({
      code: 'LOG_TRUNCATED',
      message: 'The record at app-words-commits/0@0 is no commit record of this application',
    })
  })
})

describe('trouble with Kafka or the table', () => {
  it('that leaves neither position nor bell fails the delivery', async () => {
    const it = await scene()
    it.feed('words', record('a'))
    const away = () => new StreamsError('BROKER_UNREACHABLE', 'nobody answers')
    await expect(it.run({ around: fails('open', away) })).rejects.toMatchObject({ code: 'BROKER_UNREACHABLE' })
    await expect(it.run({ around: fails('append', away) })).rejects.toMatchObject({ code: 'BROKER_UNREACHABLE' })
    expect(await it.run()).toMatchObject({ result: 'done', seq: 1 })
  })

  it('that fails a table read fails the delivery before anything is produced', async () => {
    const it = await scene()
    it.feed('words', record('a'))
    await it.run()
    it.feed('words', record('a'))
    const away = () => new StreamsError('TABLE_UNREACHABLE', 'away')
    for (const [call, storeBytesMax] of [
      ['query', 1_000],
      ['get', 0],
    ] as const)
      await expect(it.run({ around: fails(call, away), storeBytesMax })).rejects.toMatchObject({ code: 'TABLE_UNREACHABLE' })
    expect(await it.end('app-words-commits')).toBe(2)
    expect(await it.run()).toMatchObject({ result: 'done', seq: 2 })
    expect(await it.totals()).toEqual(['a=1', 'a=2'])
  })

  it('that fences again and again ends with the time of the invocation, and fails the delivery', async () => {
    const it = await scene()
    it.feed('words', record('a'))
    const fenced = () => {
      it.clock.nowMs += 10_000
      return new StreamsError('FENCED', 'somebody else')
    }
    await expect(it.run({ around: fails('append', fenced) })).rejects.toMatchObject({ code: 'FENCED' })
    expect(it.clock.nowMs).toBe(startMs + 60_000)
    expect(it.entries.filter(({ message }) => message === 'starting over')).toHaveLength(5)
  })

  it('after the deadline asks for no lease', async () => {
    const it = await scene()
    it.feed('words', record('a'))
    await expect(it.run({ forMs: -1 })).rejects.toMatchObject({
      code: 'DEADLINE_EXCEEDED',
      message: 'No time left to take over task words/0',
    })
    expect(await it.item()).toBeUndefined()
  })
})
