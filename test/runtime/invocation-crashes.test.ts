import { describe, expect, it } from 'vitest'
import { StreamsBuilder } from '../../src/dsl/streams-builder.ts'
import { StreamsError } from '../../src/errors.ts'
import { createTaskMemory } from '../../src/runtime/task-memory.ts'
import { died, dies, fails, meanwhile, type PortCall } from './faults.ts'
import { record, row, type Scene, scene, startMs, strings } from './scene.ts'

const task = { subTopology: 'words', partition: 0 }
const words = (...keys: readonly string[]) => keys.map((key) => record(key))
const unreachable = () => new StreamsError('TABLE_UNREACHABLE', 'the table is away')
const unknown = () => new StreamsError('OUTCOME_UNKNOWN', 'EndTxn was not answered')

const audit = async (it: Scene) => {
  const { checkpoint, lease } = await it.item()
  const [totals, rows, fold] = [await it.totals(), await it.rows(), await it.fold()]
  return { totals, rows, tableIsFold: JSON.stringify(rows) === JSON.stringify(fold), checkpoint, lease }
}

/** Two deliveries without any fault. */
const faultFree = async () => {
  const it = await scene()
  it.feed('words', ...words('a', 'b', 'a'))
  await it.run()
  it.feed('words', ...words('b', 'c'))
  await it.run()
  return audit(it)
}

/** The second of two deliveries dies, and comes again in a new process. */
const afterDeath = async (when: 'before' | 'after', call: PortCall) => {
  const it = await scene()
  it.feed('words', ...words('a', 'b', 'a'))
  await it.run()
  it.feed('words', ...words('b', 'c'))
  await expect(it.run({ around: dies(when, call) })).rejects.toThrow(died)
  const seen = await audit(it)
  await it.run()
  return { seen, after: await audit(it) }
}

describe('a process that dies', () => {
  const cases: readonly (readonly ['before' | 'after', PortCall])[] = [
    ['before', 'acquire'],
    ['after', 'acquire'],
    ['after', 'open'],
    ['after', 'bounds'],
    ['after', 'fetch'],
    ['before', 'append'],
    ['after', 'append'],
    ['before', 'commit'],
    ['after', 'commit'],
    ['before', 'put'],
    ['after', 'put'],
    ['before', 'release'],
    ['after', 'release'],
  ]
  it.each(cases)('%s %s is made good by the next delivery: all is as if nothing had happened', async (when, call) => {
    const { after } = await afterDeath(when, call)
    const clean = await faultFree()
    const commitEnd = after.checkpoint?.ends['app-words-commits'] ?? 0
    expect(commitEnd).toBeGreaterThanOrEqual(3)
    expect({ ...after, checkpoint: undefined }).toEqual({ ...clean, checkpoint: undefined })
    expect(after.checkpoint).toMatchObject({ seq: 2, gen: 0, positions: { words: 5 } })
  })

  it('between produce and EndTxn leaves nothing visible, and the records are processed again', async () => {
    const { seen, after } = await afterDeath('before', 'commit')
    expect(seen).toMatchObject({ totals: ['b=1', 'a=2'], rows: { a: row(2, 1), b: row(1, 1) }, tableIsFold: true, checkpoint: { seq: 1 } })
    expect(after.totals).toEqual(['b=1', 'a=2', 'b=2', 'c=1'])
  })

  it('after EndTxn but before the flush leaves the table behind the log; the tail of the log completes it', async () => {
    const { seen, after } = await afterDeath('after', 'commit')
    expect(seen).toMatchObject({ totals: ['b=1', 'a=2', 'b=2', 'c=1'], rows: { a: row(2, 1), b: row(1, 1) }, tableIsFold: false })
    expect(after).toMatchObject({ totals: ['b=1', 'a=2', 'b=2', 'c=1'], rows: { a: row(2, 1), b: row(2, 2), c: row(1, 2) } })
    expect(after).toMatchObject({ tableIsFold: true, checkpoint: { seq: 2 }, lease: undefined })
  })

  it('before its first checkpoint is followed by one that reads the whole log', async () => {
    const it = await scene()
    it.feed('words', ...words('a', 'b'))
    await expect(it.run({ around: dies('before', 'put') })).rejects.toThrow(died)
    it.feed('words', ...words('a'))
    expect(await it.run()).toMatchObject({ result: 'done', seq: 2, transactions: 1, rowsWritten: 2 })
    expect(await it.totals()).toEqual(['a=1', 'b=1', 'a=2'])
    expect(await it.rows()).toEqual({ a: row(2, 2), b: row(1, 1) })
  })

  it('is followed by one that computes over the tail: counts go on from what was committed, not from the table', async () => {
    const it = await scene()
    it.feed('words', ...words('a'))
    await it.run()
    it.feed('words', ...words('a'))
    await expect(it.run({ around: dies('before', 'put') })).rejects.toThrow(died)
    it.feed('words', ...words('a'))
    await it.run()
    expect(await it.totals()).toEqual(['a=1', 'a=2', 'a=3'])
    expect(await it.rows()).toEqual({ a: row(3, 3) })
  })

  it('in the middle of several chunks loses none of those that it had committed', async () => {
    const it = await scene()
    for (const key of ['a', 'b', 'a', 'c']) it.feed('words', record(key))
    await expect(it.run({ chunkBytesMax: 1, around: dies('before', 'append', 3) })).rejects.toThrow(died)
    expect(await it.rows()).toEqual({})
    expect(await it.run({ chunkBytesMax: 1 })).toMatchObject({ result: 'done', seq: 4, transactions: 2, rowsWritten: 3 })
    expect(await it.totals()).toEqual(['a=1', 'b=1', 'a=2', 'c=1'])
    expect(await it.rows()).toEqual({ a: row(2, 3), b: row(1, 2), c: row(1, 4) })
  })

  it('and comes back as a zombie after another has committed drops its work: no record counts twice', async () => {
    const it = await scene()
    const memory = createTaskMemory()
    it.feed('words', ...words('a', 'b'))
    expect(await it.run({ memory, around: meanwhile('commit', () => it.run()) })).toMatchObject({ result: 'done', seq: 1, transactions: 0 })
    it.feed('words', ...words('a'))
    await it.run({ memory })
    expect(await it.totals()).toEqual(['a=1', 'b=1', 'a=2'])
  })

  it('and comes back as a zombie after its own commit changes nothing: its rows are older, its release is refused', async () => {
    const it = await scene()
    it.feed('words', ...words('a', 'b'))
    const another = async () => {
      it.feed('words', ...words('a'))
      await it.run()
    }
    expect(await it.run({ target: 2, around: meanwhile('put', another) })).toMatchObject({ result: 'done', seq: 1 })
    expect(await it.rows()).toEqual({ a: row(2, 2), b: row(1, 1) })
    expect(await it.item()).toMatchObject({ checkpoint: { seq: 2, positions: { words: 3 } }, lease: undefined })
  })
})

describe('a lost answer', () => {
  it('to EndTxn is looked up in the log: what was committed is not done again', async () => {
    const it = await scene()
    it.feed('words', ...words('a', 'b'))
    expect(await it.run({ around: fails('commit', unknown, { times: 1, after: true }) })).toMatchObject({ result: 'done', seq: 1 })
    expect(await audit(it)).toMatchObject({ totals: ['a=1', 'b=1'], tableIsFold: true, rows: { a: row(1, 1), b: row(1, 1) } })
  })

  it('to EndTxn that was not committed is followed by the same transaction again', async () => {
    const it = await scene()
    it.feed('words', ...words('a', 'b'))
    expect(await it.run({ around: fails('commit', unknown, { times: 1 }) })).toMatchObject({ result: 'done', seq: 1, transactions: 1 })
    expect(await audit(it)).toMatchObject({ totals: ['a=1', 'b=1'], tableIsFold: true })
  })

  it('of a lease that another took meanwhile does not lose the checkpoint (R17)', async () => {
    const it = await scene()
    it.feed('words', ...words('a'))
    const take = () =>
      it.table.acquire(task, { token: 'tick', source: 'tick', nowMs: startMs + 80_000, expiresAtMs: startMs + 90_000, steal: false }, 0)
    expect(await it.run({ around: meanwhile('release', take) })).toMatchObject({ result: 'done', seq: 1 })
    expect(await it.item()).toMatchObject({ checkpoint: { seq: 1, positions: { words: 1 } }, lease: { token: 'tick' } })
  })

  it('of the table after the commit does not fail a delivery whose target is reached; the next one overlays the tail', async () => {
    const it = await scene()
    const memory = createTaskMemory()
    it.feed('words', ...words('a'))
    expect(await it.run({ memory, around: fails('put', unreachable) })).toMatchObject({ result: 'done', seq: 1, positions: { words: 1 } })
    expect(await it.rows()).toEqual({})
    expect(await it.item()).toMatchObject({ checkpoint: undefined, lease: { token: 'token-1' } })
    it.feed('words', ...words('a'))
    await it.run({ memory })
    expect(await it.totals()).toEqual(['a=1', 'a=2'])
    expect(await it.rows()).toEqual({ a: row(2, 2) })
  })

  it('to RELEASE does not fail a delivery whose target is reached', async () => {
    const it = await scene()
    it.feed('words', ...words('a'))
    expect(await it.run({ around: fails('release', unreachable, { after: true }) })).toMatchObject({ result: 'done', seq: 1 })
    expect(await it.item()).toMatchObject({ checkpoint: { seq: 1 }, lease: undefined })
  })

  it('to ACQUIRE fails the delivery; the next one of the same source takes the lease over', async () => {
    const it = await scene()
    it.feed('words', ...words('a'))
    await expect(it.run({ around: fails('acquire', unreachable, { after: true }) })).rejects.toMatchObject({ code: 'TABLE_UNREACHABLE' })
    expect(await it.run()).toMatchObject({ result: 'done', seq: 1 })
  })
})

describe('a delivery that loses its lease while it hands over', () => {
  const late = { forMs: 1_999, target: 2 } as const
  const stolen = async (it: Scene) => {
    it.clock.nowMs = startMs
    await it.table.acquire(
      task,
      { token: 'tick', source: 'tick', nowMs: startMs + 60_000, expiresAtMs: startMs + 120_000, steal: false },
      0,
    )
  }

  it('rings at the new holder: success is never returned for a target that nobody knows', async () => {
    const it = await scene()
    it.feed('words', ...words('a', 'b'))
    expect(await it.run({ ...late, around: meanwhile('release', () => stolen(it)) })).toMatchObject({ result: 'rung' })
    expect(await it.item()).toMatchObject({ bells: { words: 2 }, lease: { token: 'tick' } })
  })

  it('that has come and gone leaves its bell all the same', async () => {
    const it = await scene()
    const producer = await it.kafka.txnLog.open({ transactionalId: 'p', transactionTimeoutMs: 60_000, deadlineMs: startMs })
    await producer.append([{ topic: 'words', partition: 0, records: words('a', 'b') }], startMs)
    const comeAndGo = async () => {
      await stolen(it)
      await it.table.release(
        task,
        { token: 'tick', checkpoint: { seq: 0, gen: 0, ends: {}, positions: { words: 0 } }, sources: ['words'] },
        0,
      )
    }
    expect(await it.run({ target: 2, around: meanwhile('release', comeAndGo) })).toMatchObject({ result: 'handed over' })
    expect(await it.item()).toMatchObject({ bells: { words: 2 }, lease: undefined })
  })
})

describe('the log', () => {
  it('that is paused is not processed: the delivery hands over, and claims nothing about the rows', async () => {
    const it = await scene()
    it.feed('words', ...words('a'))
    await expect(it.run({ around: dies('before', 'put') })).rejects.toThrow(died)
    const [before] = await it.commits()
    const pause = async (paused: boolean, seq: number) => {
      const reset = await it.kafka.txnLog.open({ transactionalId: 'app.words.0', transactionTimeoutMs: 1_000, deadlineMs: startMs })
      const value = Buffer.from(JSON.stringify({ ...before, seq, paused, pos: before?.positions }))
      await reset.append([{ topic: 'app-words-commits', partition: 0, records: [{ ...record('commit'), value }] }], startMs)
      await reset.commit(startMs)
    }
    await pause(true, 2)
    it.feed('words', ...words('a'))
    expect(await it.run()).toMatchObject({ result: 'handed over', seq: 2, positions: { words: 1 }, transactions: 0 })
    expect(await it.item()).toMatchObject({ bells: { words: 2 }, lease: undefined })
    await pause(false, 3)
    expect(await it.run({ tick: true })).toMatchObject({ result: 'done', seq: 4, positions: { words: 2 } })
    expect(await it.totals()).toEqual(['a=1', 'a=2'])
    expect(await it.rows()).toEqual({ a: row(2, 4) })
  })

  it('of a new generation starts with empty stores: rows of the old one are neither read nor changed', async () => {
    const it = await scene()
    it.feed('words', ...words('a', 'a'))
    await it.run()
    const [before] = await it.commits()
    const reset = await it.kafka.txnLog.open({ transactionalId: 'app.words.0', transactionTimeoutMs: 1_000, deadlineMs: startMs })
    const value = Buffer.from(JSON.stringify({ ...before, gen: 1, seq: 2, pos: { words: 1 } }))
    await reset.append([{ topic: 'app-words-commits', partition: 0, records: [{ ...record('commit'), value }] }], startMs)
    await reset.commit(startMs)
    expect(await it.run({ tick: true })).toMatchObject({ result: 'done', seq: 3, positions: { words: 2 } })
    expect(await it.totals()).toEqual(['a=2', 'a=1'])
    expect(await it.rows('counts', 0)).toEqual({ a: row(2, 1) })
    expect(await it.rows('counts', 1)).toEqual({ a: row(1, 3) })
  })

  it('with a transaction of another committer in it means that this one is fenced; it starts over and finds the truth', async () => {
    const it = await scene()
    it.feed('words', ...words('a'))
    await it.run()
    it.feed('words', ...words('a'))
    const warnings = () => it.entries.filter(({ level }) => level === 'warn').map(({ code, reason }) => `${code}: ${reason}`)
    const open = async () => {
      const other = await it.kafka.txnLog.open({ transactionalId: 'app.words.0', transactionTimeoutMs: 1_000, deadlineMs: startMs })
      await other.append([{ topic: 'app-words-commits', partition: 0, records: [record('commit')] }], startMs)
    }
    expect(await it.run({ around: meanwhile('bounds', open) })).toMatchObject({ result: 'done', seq: 2 })
    expect(warnings()).toEqual(['FENCED: Another invocation has committed: a transaction is open on app-words-commits/0'])
    expect(await it.totals()).toEqual(['a=1', 'a=2'])
  })

  it('is read from its start when the checkpoint is older than the deletes that it keeps', async () => {
    const it = await scene()
    it.feed('words', ...words('a', 'b'))
    await it.run()
    it.feed('words', ...words('a'))
    await expect(it.run({ around: dies('before', 'put') })).rejects.toThrow(died)
    it.clock.nowMs += 4 * 24 * 3_600_000
    it.feed('words', ...words('b'))
    expect(await it.run()).toMatchObject({ result: 'done', seq: 3, rowsWritten: 2 })
    expect(await it.rows()).toEqual({ a: row(2, 2), b: row(2, 3) })
  })

  it('that was read from its start does not hide the rows of a store without a changelog', async () => {
    const builder = new StreamsBuilder()
    builder
      .stream('words', strings)
      .groupByKey()
      .count({ store: { name: 'counts', logging: false } })
      .toStream()
      .to('totals')
    const it = await scene({ topology: builder.build() })
    it.feed('words', ...words('a', 'b'))
    await it.run()
    it.feed('words', ...words('b'))
    await expect(it.run({ around: dies('after', 'put') })).rejects.toThrow(died)
    it.clock.nowMs += 4 * 24 * 3_600_000
    it.feed('words', ...words('a'))
    await it.run()
    expect(await it.totals()).toEqual(['a=1', 'b=1', 'b=2', 'a=2'])
    expect(await it.rows()).toEqual({ a: row(2, 3), b: row(2, 2) })
  })
})
