import { describe, expect, it } from 'vitest'
import { StreamsBuilder } from '../../src/dsl/streams-builder.ts'
import { StreamsError } from '../../src/errors.ts'
import { createTaskMemory } from '../../src/runtime/task-memory.ts'
import { fails, meanwhile, noting, type PortCall } from './faults.ts'
import { record, row, scene, startMs, strings, textOf } from './scene.ts'

const hourMs = 3_600_000

/** A delivery has been processed in this process; what the next one asks for is noted. */
const warm = async (options: Parameters<typeof scene>[0] = {}) => {
  const calls: PortCall[] = []
  const it = await scene(options)
  const memory = createTaskMemory()
  const run = (how: Parameters<typeof it.run>[0] = {}) => it.run({ memory, around: noting(calls), ...how })
  it.feed('words', record('a'))
  await run()
  calls.length = 0
  return { ...it, calls, memory, run }
}

const ofTwoTopics = () => {
  const builder = new StreamsBuilder()
  builder.stream(['words', 'more'], strings).groupByKey().count({ store: 'counts' }).toStream().to('totals')
  return { topology: builder.build(), topics: { words: 1, more: 1, totals: 1 } }
}

describe('over a warm session', () => {
  it('a delivery asks for its input, the transaction, the rows and the checkpoint: no lease, no fence, no log', async () => {
    const it = await warm()
    it.feed('words', record('a'))
    expect(await it.run()).toMatchObject({ result: 'done', seq: 2, transactions: 1 })
    expect(it.calls).toEqual(['fetch', 'append', 'commit', 'put', 'checkpoint'])
    expect(await it.totals()).toEqual(['a=1', 'a=2'])
    expect(await it.item()).toMatchObject({ checkpoint: { seq: 2, positions: { words: 2 } }, lease: undefined })
  })

  it('a delivery that comes again asks for nothing', async () => {
    const it = await warm()
    expect(await it.run({ target: 1 })).toEqual({
      ...{ result: 'done', seq: 1, positions: { words: 1 } },
      ...{ transactions: 0, recordsRead: 0, recordsWritten: 0, rowsWritten: 0 },
    })
    expect(it.calls).toEqual([])
  })

  it('a task with several sources takes the lease, as another source may hold it', async () => {
    const it = await warm(ofTwoTopics())
    it.feed('more', record('a'))
    expect(await it.run({ topic: 'more' })).toMatchObject({ result: 'done', seq: 2 })
    expect(it.calls).toEqual(['acquire', 'fetch', 'append', 'commit', 'put', 'release'])
  })

  it('a tick takes the lease', async () => {
    const it = await warm()
    it.feed('words', record('b'))
    expect(await it.run({ tick: true })).toMatchObject({ result: 'done', seq: 2 })
    expect(it.calls).toEqual(['acquire', 'fetch', 'append', 'commit', 'put', 'release'])
  })

  it('a delivery whose records are not readable yet takes the lease, to leave a bell', async () => {
    const it = await warm()
    const producer = await it.kafka.txnLog.open({ transactionalId: 'p', transactionTimeoutMs: 60_000, deadlineMs: startMs })
    await producer.append([{ topic: 'words', partition: 0, records: [record('b')] }], startMs)
    expect(await it.run({ target: 2 })).toMatchObject({ result: 'handed over', seq: 1 })
    expect(await it.item()).toMatchObject({ bells: { words: 2 }, lease: undefined })
    expect(it.calls.filter((call) => call !== 'fetch')).toEqual(['acquire', 'release'])
  })

  it('goes on from delivery to delivery, and with the same rows', async () => {
    const it = await warm()
    for (const key of ['b', 'a', 'b']) {
      it.feed('words', record(key))
      await it.run()
    }
    expect(it.calls.filter((call) => call === 'open' || call === 'acquire')).toEqual([])
    expect(await it.totals()).toEqual(['a=1', 'b=1', 'a=2', 'b=2'])
    expect(await it.rows()).toEqual(await it.fold())
  })
})

describe('a session is not warm any more', () => {
  it('once somebody else has committed: the transaction is refused, and the lease path finds the truth', async () => {
    const it = await warm()
    it.feed('words', record('a'))
    await it.run({ memory: createTaskMemory(), around: noting([]) })
    it.feed('words', record('a'))
    expect(await it.run()).toMatchObject({ result: 'done', seq: 3, transactions: 1 })
    expect(it.calls.slice(0, 4)).toEqual(['fetch', 'append', 'abort', 'acquire'])
    expect(await it.totals()).toEqual(['a=1', 'a=2', 'a=3'])
    expect(await it.rows()).toEqual({ a: row(3, 3) })
  })

  it('once the task item knows of a later commit', async () => {
    const it = await warm(ofTwoTopics())
    it.feed('words', record('a'))
    await it.run({ memory: createTaskMemory(), around: noting([]) })
    it.feed('words', record('a'))
    await it.run()
    expect(it.calls.slice(0, 2).sort()).toEqual(['acquire', 'open'])
    expect(await it.totals()).toEqual(['a=1', 'a=2', 'a=3'])
  })

  it('after twelve hours', async () => {
    const it = await warm()
    it.clock.nowMs += 12 * hourMs
    it.feed('words', record('a'))
    await it.run()
    expect(it.calls.slice(0, 2).sort()).toEqual(['acquire', 'open'])
    expect(await it.totals()).toEqual(['a=1', 'a=2'])
  })

  it('after a transaction whose answer was lost', async () => {
    const it = await warm()
    it.feed('words', record('a'))
    const lost = () => new StreamsError('OUTCOME_UNKNOWN', 'EndTxn was not answered')
    const memory = createTaskMemory()
    await it.run({ memory, around: noting([]) })
    it.feed('words', record('a'))
    expect(await it.run({ memory, around: fails('commit', lost, { times: 1, after: true }) })).toMatchObject({ result: 'done', seq: 3 })
    expect(await it.totals()).toEqual(['a=1', 'a=2', 'a=3'])
  })

  it('after a flush that failed: the next delivery reads the log', async () => {
    const it = await warm()
    const away = () => new StreamsError('TABLE_UNREACHABLE', 'the table is away')
    const memory = createTaskMemory()
    it.feed('words', record('a'))
    expect(await it.run({ memory, around: fails('put', away) })).toMatchObject({ result: 'done', seq: 2 })
    expect(memory.kept).toBeUndefined()
    it.feed('words', record('a'))
    await it.run({ memory })
    expect(await it.rows()).toEqual({ a: row(3, 3) })
  })
})

describe('several chunks', () => {
  it('overlap: the next one is read and processed while the transaction of the one before is under way', async () => {
    const seen: string[] = []
    let twoSeen = (): void => undefined
    const processed = new Promise<void>((resolve) => {
      twoSeen = resolve
    })
    const builder = new StreamsBuilder()
    builder
      .stream('words', strings)
      .peek((key) => {
        if (seen.push(`${key}`) === 2) twoSeen()
      })
      .to('totals', strings)
    const it = await scene({ topology: builder.build() })
    for (const key of ['a', 'b', 'c']) it.feed('words', record(key))
    const around = async <T>(call: PortCall, run: () => Promise<T>): Promise<T> => {
      if (call === 'commit') await processed
      return run()
    }
    expect(await it.run({ chunkBytesMax: 1, around })).toMatchObject({ result: 'done', seq: 3, transactions: 3 })
    expect(seen).toEqual(['a', 'b', 'c'])
    expect((await it.committed('totals')).map(({ key }) => textOf(key))).toEqual(['a', 'b', 'c'])
  })

  it('go with the one before when its transaction fails: what was computed on top of it is computed again', async () => {
    const it = await scene()
    for (const key of ['a', 'a', 'a', 'a']) it.feed('words', record(key))
    const unknown = () => new StreamsError('OUTCOME_UNKNOWN', 'EndTxn was not answered')
    expect(await it.run({ chunkBytesMax: 1, around: fails('commit', unknown, { nth: 2, times: 1 }) })).toMatchObject({
      result: 'done',
      seq: 4,
    })
    expect(await it.totals()).toEqual(['a=1', 'a=2', 'a=3', 'a=4'])
    expect(await it.rows()).toEqual({ a: row(4, 4) })
  })

  it('leave what was committed when a later one cannot be processed', async () => {
    const builder = new StreamsBuilder()
    const picky = (key: string) => {
      if (key === 'x') throw new Error('no x')
      return key
    }
    builder
      .stream('words', strings)
      .selectKey((key) => picky(key as string))
      .to('totals', strings)
    const it = await scene({ topology: builder.build() })
    for (const key of ['a', 'b', 'x']) it.feed('words', record(key))
    await expect(it.run({ chunkBytesMax: 1, around: meanwhile('commit', async () => undefined) })).rejects.toMatchObject({
      code: 'PROCESSING_FAILED',
    })
    expect((await it.commits()).map(({ seq, positions }) => [seq, positions])).toEqual([
      [1, { words: 1 }],
      [2, { words: 2 }],
    ])
    expect(await it.item()).toMatchObject({ lease: undefined })
  })
})
