import { describe, expect, it, vi } from 'vitest'
import { StreamsBuilder } from '../../src/dsl/streams-builder.ts'
import { createTaskMemory } from '../../src/runtime/task-memory.ts'
import { inRounds, meanwhile, noting, type PortCall } from './faults.ts'
import { counting, record, row, scene, startMs, strings, textOf } from './scene.ts'

const task = { subTopology: 'words', partition: 0 }
const heldBy = (token: string, source: string, expiresAtMs: number) => ({ token, source, expiresAtMs, nowMs: startMs, steal: false })
const ascii = (headers: readonly (readonly [string, Uint8Array | null])[]) => headers.map(([name, value]) => `${name}: ${textOf(value)}`)

describe('a delivery', () => {
  it('processes everything that is readable, also beyond its target, in one transaction, and leaves a checkpoint without a lease', async () => {
    const it = await scene()
    it.feed('words', record('a'), record('b'), record('a'))
    expect(await it.run({ target: 1 })).toEqual({
      ...{ result: 'done', seq: 1, positions: { words: 3 } },
      ...{ transactions: 1, recordsRead: 3, recordsWritten: 2, rowsWritten: 2 },
    })
    expect(await it.totals()).toEqual(['b=1', 'a=2'])
    expect(await it.rows()).toEqual({ a: row(2, 1), b: row(1, 1) })
    expect(await it.item()).toEqual({
      checkpoint: {
        ...{ seq: 1, gen: 0, positions: { words: 3 }, ends: { 'app-words-commits': 1, 'app-counts-changelog': 2 } },
        sizes: { counts: { rows: 2, bytes: 146 } },
      },
      bells: {},
      lease: undefined,
    })
  })

  it('compresses what it writes as the topology says', async () => {
    const builder = new StreamsBuilder({ 'compression.type': 'gzip' })
    builder.stream('words', strings).to('totals')
    const it = await scene({ topology: builder.build() })
    const open = vi.spyOn(it.kafka.txnLog, 'open')
    it.feed('words', record('a'))
    await it.run()
    expect(open.mock.calls.map(([{ compression }]) => compression)).toEqual(['gzip'])
  })

  it('asks in the order of the protocol, and at once what does not depend on each other', async () => {
    const rounds: PortCall[][] = []
    const it = await scene()
    it.feed('words', record('a'))
    await it.run()
    it.feed('words', record('a'))
    await it.run({ around: inRounds(rounds) })
    expect(rounds).toEqual([
      ['acquire', 'open'],
      ['bounds', 'fetch', 'fetch'],
      ...[['query'], ['append'], ['commit'], ['put'], ['release']],
    ])
  })

  it('of a task with several sources takes the lease first: whoever holds it is not fenced by one who loses', async () => {
    const builder = new StreamsBuilder()
    builder.stream(['words', 'more'], strings).groupByKey().count({ store: 'counts' })
    const rounds: PortCall[][] = []
    const it = await scene({ topology: builder.build(), topics: { words: 1, more: 1 } })
    it.feed('words', record('a'))
    await it.run({ around: inRounds(rounds) })
    expect(rounds.slice(0, 2)).toEqual([['acquire'], ['open']])
  })

  it('writes the commit record with positions and times, and stamps changelog and outputs with its transaction', async () => {
    const it = await scene()
    it.feed('words', record('a', 'x', { timestamp: startMs + 5 }), record('a', 'y', { timestamp: startMs + 3 }))
    await it.run()
    expect(await it.commits()).toEqual([
      {
        ...{ gen: 0, seq: 1, paused: false, positions: { words: 2 }, topology: counting().fingerprint },
        shape: { stores: { counts: 'key-value logged' }, sources: ['words'] },
        times: { streamTime: startMs + 5, partitionTimes: { words: startMs + 5 } },
        logEnds: { 'app-counts-changelog': 2 },
      },
    ])
    const [change] = await it.committed('app-counts-changelog')
    expect({ key: textOf(change?.key), timestamp: change?.timestamp, headers: ascii(change?.headers ?? []) }).toEqual({
      ...{ key: 'a', timestamp: startMs + 5 },
      headers: ['__millrace.gen: 0', '__millrace.seq: 1'],
    })
    expect((await it.committed('totals')).map(({ headers }) => ascii(headers))).toEqual([['__millrace.seq: 1']])
  })

  it('commits once per chunk, and writes each row once for all of them', async () => {
    const it = await scene()
    it.feed('words', record('a'))
    it.feed('words', record('b'))
    it.feed('words', record('a'))
    expect(await it.run({ chunkBytesMax: 1 })).toEqual({
      ...{ result: 'done', seq: 3, positions: { words: 3 } },
      ...{ transactions: 3, recordsRead: 3, recordsWritten: 3, rowsWritten: 2 },
    })
    expect(await it.totals()).toEqual(['a=1', 'b=1', 'a=2'])
    expect((await it.commits()).map(({ seq, positions }) => [seq, positions.words])).toEqual([
      [1, 1],
      [2, 2],
      [3, 3],
    ])
    expect(await it.rows()).toEqual({ a: row(2, 3), b: row(1, 2) })
    expect(await it.fold()).toEqual(await it.rows())
  })

  it('that comes again below the position does nothing and writes no transaction', async () => {
    const it = await scene()
    it.feed('words', record('a'), record('b'))
    await it.run()
    const rounds: PortCall[][] = []
    expect(await it.run({ around: inRounds(rounds) })).toEqual({
      ...{ result: 'done', seq: 1, positions: { words: 2 } },
      ...{ transactions: 0, recordsRead: 0, recordsWritten: 0, rowsWritten: 0 },
    })
    expect(rounds).toEqual([['acquire', 'open'], ['bounds', 'fetch', 'fetch'], ['release']])
    expect(await it.commits()).toHaveLength(1)
  })

  it('goes on with the counts and times of the last one, also from a cold start', async () => {
    const it = await scene()
    it.feed('words', record('a', '', { timestamp: startMs + 100 }))
    await it.run()
    it.feed('words', record('a', '', { timestamp: startMs + 50 }))
    await it.run()
    expect(await it.totals()).toEqual(['a=1', 'a=2'])
    expect((await it.commits()).map(({ times }) => times.streamTime)).toEqual([startMs + 100, startMs + 100])
    expect((await it.committed('totals')).map(({ timestamp }) => timestamp)).toEqual([startMs + 100, startMs + 100])
  })

  it('that reaches its deadline hands the rest over with a bell', async () => {
    const it = await scene()
    it.feed('words', record('a'))
    expect(await it.run({ forMs: 1_999 })).toEqual({
      ...{ result: 'handed over', seq: 0, positions: { words: 0 } },
      ...{ transactions: 0, recordsRead: 0, recordsWritten: 0, rowsWritten: 0 },
    })
    expect(await it.item()).toMatchObject({ bells: { words: 1 }, lease: undefined })
    expect(await it.run({ tick: true })).toMatchObject({ result: 'done', positions: { words: 1 } })
  })

  it('stops between two chunks when the next one would not fit, and hands the rest over', async () => {
    const it = await scene()
    for (let i = 0; i < 4; i++) it.feed('words', record('a'))
    const slow = meanwhile('append', async () => (it.clock.nowMs += 5_000))
    expect(await it.run({ chunkBytesMax: 1, forMs: 8_000, around: slow })).toMatchObject({ result: 'handed over', positions: { words: 1 } })
    expect(await it.item()).toEqual({
      checkpoint: {
        ...{ seq: 1, gen: 0, positions: { words: 1 }, ends: { 'app-words-commits': 1, 'app-counts-changelog': 1 } },
        // a chunk more was processed, and not committed
        sizes: { counts: { rows: 1, bytes: 73 } },
      },
      bells: { words: 4 },
      lease: undefined,
    })
    expect(await it.rows()).toEqual({ a: row(1, 1) })
  })
})

describe('a task that another invocation holds', () => {
  it('is rung by a delivery, which then succeeds; the holder goes on up to the bell before it releases', async () => {
    const it = await scene()
    it.feed('words', record('a'))
    const results: string[] = []
    const ringer = async () => {
      it.feed('words', record('a'), record('b'))
      results.push((await it.run()).result)
    }
    expect(await it.run({ tick: true, around: meanwhile('release', ringer) })).toMatchObject({
      ...{ result: 'done', seq: 2, positions: { words: 3 }, transactions: 2 },
    })
    expect(results).toEqual(['rung'])
    expect(await it.item()).toMatchObject({ bells: { words: 3 }, lease: undefined, checkpoint: { seq: 2 } })
    expect(await it.totals()).toEqual(['a=1', 'a=2', 'b=1'])
  })

  it('answers a tick with `held`, without a bell', async () => {
    const it = await scene()
    it.feed('words', record('a'))
    await it.table.acquire(task, heldBy('other', 'src:words', startMs + 1_000), 0)
    expect(await it.run({ tick: true })).toMatchObject({ result: 'held', seq: 0, positions: {} })
    expect(await it.item()).toMatchObject({ bells: {}, lease: { token: 'other' } })
    expect(await it.commits()).toEqual([])
  })

  it('is taken over once the lease has expired, also by a tick', async () => {
    const it = await scene()
    it.feed('words', record('a'))
    await it.table.acquire(task, heldBy('dead', 'src:other', startMs + 1_000), 0)
    it.clock.nowMs += 1_001
    expect(await it.run({ tick: true })).toMatchObject({ result: 'done', positions: { words: 1 } })
    expect(await it.item()).toMatchObject({ lease: undefined, checkpoint: { seq: 1 } })
  })

  it('is stolen from a holder of the same source, but never by a tick', async () => {
    const it = await scene()
    it.feed('words', record('a'))
    await it.table.acquire(task, heldBy('dead', 'tick', startMs + 1_000), 0)
    expect(await it.run({ tick: true })).toMatchObject({ result: 'held' })
    await it.table.release(task, { token: 'dead', checkpoint: undefined, sources: [] }, 0)
    await it.table.acquire(task, heldBy('dead', 'src:words', startMs + 1_000), 0)
    expect(await it.run()).toMatchObject({ result: 'done', positions: { words: 1 } })
  })

  it('is left to whoever took it in the middle: the loser drops its work and rings', async () => {
    const it = await scene()
    it.feed('words', record('a'), record('a'))
    const winner: string[] = []
    const takeOver = async () => {
      winner.push((await it.run()).result)
      await it.table.acquire(task, heldBy('later', 'tick', startMs + 70_000), 0)
    }
    expect(await it.run({ around: meanwhile('append', takeOver) })).toMatchObject({ result: 'rung' })
    expect(winner).toEqual(['done'])
    expect(await it.totals()).toEqual(['a=2'])
    expect(await it.item()).toMatchObject({ bells: { words: 2 }, lease: { token: 'later' } })
  })
})

describe('what a process keeps of a task', () => {
  it('is used again when the log ends where it was kept, so that no row is read', async () => {
    const it = await scene()
    const memory = createTaskMemory()
    it.feed('words', record('a'))
    await it.run({ memory })
    it.feed('words', record('a'))
    const calls: PortCall[] = []
    await it.run({ memory, around: noting(calls) })
    expect(calls.filter((call) => call === 'get')).toEqual([])
    expect(await it.totals()).toEqual(['a=1', 'a=2'])
  })

  it('is dropped when somebody else has committed in the meantime', async () => {
    const it = await scene()
    const memory = createTaskMemory()
    it.feed('words', record('a'))
    await it.run({ memory })
    it.feed('words', record('a'), record('a'))
    await it.run()
    it.feed('words', record('a'))
    await it.run({ memory })
    expect(await it.totals()).toEqual(['a=1', 'a=3', 'a=4'])
    expect(await it.rows()).toEqual({ a: row(4, 3) })
  })

  it('reads rows within the deadline of the invocation that asks, not of the one that made it', async () => {
    const it = await scene()
    it.feed('words', record('a'), record('b'))
    await it.run()
    const memory = createTaskMemory()
    it.feed('words', record('a'))
    await it.run({ memory, storeBytesMax: 100 })
    it.clock.nowMs += 3_600_000
    it.feed('words', record('b'))
    const deadlines: number[] = []
    const { get } = it.table
    it.table.get = (keys, deadlineMs) => {
      deadlines.push(deadlineMs)
      return get(keys, deadlineMs)
    }
    await it.run({ memory, storeBytesMax: 100 })
    expect(deadlines).toEqual([it.clock.nowMs + 60_000])
    expect(await it.totals()).toEqual(['a=1', 'b=1', 'a=2', 'b=2'])
  })
})

describe('input', () => {
  it('begins at the earliest record, or with offsetReset latest at the end', async () => {
    const builder = new StreamsBuilder()
    builder.stream('words', { ...strings, offsetReset: 'latest' }).to('totals')
    const it = await scene({ topology: builder.build() })
    it.feed('words', record('early', '1'))
    expect(await it.run()).toMatchObject({ result: 'done', seq: 0, positions: { words: 1 } })
    it.feed('words', record('late', '2'))
    expect(await it.run()).toMatchObject({ result: 'done', seq: 1, positions: { words: 2 } })
    expect((await it.committed('totals')).map(({ key }) => textOf(key))).toEqual(['late'])
  })

  it('with an offsetReset that names no position is refused', async () => {
    const builder = new StreamsBuilder()
    builder.stream('words', { ...strings, offsetReset: 'none' }).to('totals')
    const it = await scene({ topology: builder.build() })
    it.feed('words', record('a', '1'))
    await expect(it.run()).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: 'Topic words has no committed position and offsetReset "none" does not give one',
    })
  })

  it('of several topics goes through one task in the order of its timestamps', async () => {
    const builder = new StreamsBuilder()
    builder.stream(['left', 'right'], strings).to('both')
    const it = await scene({ topology: builder.build(), topics: { left: 1, right: 1, both: 1 } })
    const at = (value: string, ms: number) => record('k', value, { timestamp: startMs + ms })
    it.feed('left', at('l0', 0), at('l2', 20), at('l5', 50))
    it.feed('right', at('r1', 10), at('r3', 30))
    expect(await it.run({ topic: 'right' })).toMatchObject({ result: 'done', seq: 1, positions: { left: 3, right: 2 } })
    expect((await it.committed('both')).map(({ value }) => textOf(value))).toEqual(['l0', 'r1', 'l2', 'r3', 'l5'])
    expect((await it.commits()).map(({ times }) => times.partitionTimes)).toEqual([{ left: startMs + 50, right: startMs + 30 }])
  })

  it('of a topic that has no such partition is left out: tasks are as many as the widest topic has partitions', async () => {
    const builder = new StreamsBuilder()
    builder.stream(['wide', 'narrow'], strings).to('both')
    const it = await scene({ topology: builder.build(), topics: { wide: 2, narrow: 1, both: 1 }, partition: 1 })
    it.kafka.produce([{ topic: 'wide', partition: 1, records: [record('a', 'x')] }])
    expect(await it.run({ topic: 'wide', target: 1 })).toMatchObject({ result: 'done', seq: 1, positions: { wide: 1 } })
    expect((await it.committed('both')).map(({ value }) => textOf(value))).toEqual(['x'])
  })

  it('that the event source delivered before it was committed is waited for', async () => {
    const it = await scene()
    const producer = await it.kafka.txnLog.open({ transactionalId: 'p', transactionTimeoutMs: 60_000, deadlineMs: startMs })
    await producer.append([{ topic: 'words', partition: 0, records: [record('a')] }], startMs)
    it.whileWaiting(() => producer.commit(startMs))
    expect(await it.run({ target: 1 })).toMatchObject({ result: 'done', seq: 1, positions: { words: 2 } })
    expect(await it.totals()).toEqual(['a=1'])
  })

  it('that another invocation has taken meanwhile, and that was deleted since, is not missed by the one that waited for it', async () => {
    const it = await scene()
    const producer = await it.kafka.txnLog.open({ transactionalId: 'p', transactionTimeoutMs: 60_000, deadlineMs: startMs })
    await producer.append([{ topic: 'words', partition: 0, records: [record('a')] }], startMs)
    it.whileWaiting(async () => {
      await producer.commit(startMs)
      await it.run({ target: 1 })
      it.kafka.truncate({ topic: 'words', partition: 0, offset: 2 })
    })
    expect(await it.run({ target: 1 })).toMatchObject({ result: 'done', seq: 1, transactions: 0 })
    expect(await it.totals()).toEqual(['a=1'])
  })

  it('that stays uncommitted for two seconds is handed over with a bell', async () => {
    const it = await scene()
    const producer = await it.kafka.txnLog.open({ transactionalId: 'p', transactionTimeoutMs: 60_000, deadlineMs: startMs })
    await producer.append([{ topic: 'words', partition: 0, records: [record('a')] }], startMs)
    expect(await it.run({ target: 1 })).toMatchObject({ result: 'handed over', seq: 0, positions: { words: 0 } })
    expect(it.clock.nowMs).toBe(startMs + 2_000)
    expect(await it.item()).toMatchObject({ bells: { words: 1 }, lease: undefined })
    await producer.commit(it.clock.nowMs)
    expect(await it.run({ tick: true })).toMatchObject({ result: 'done', seq: 1, positions: { words: 2 } })
  })

  it('that was aborted counts as passed: the delivery is done without a transaction', async () => {
    const it = await scene()
    const producer = await it.kafka.txnLog.open({ transactionalId: 'p', transactionTimeoutMs: 60_000, deadlineMs: startMs })
    await producer.append([{ topic: 'words', partition: 0, records: [record('a')] }], startMs)
    await producer.abort(startMs)
    expect(await it.run({ target: 1 })).toMatchObject({ result: 'done', seq: 0, positions: { words: 2 } })
    expect(await it.commits()).toEqual([])
  })
})
