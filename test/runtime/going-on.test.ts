import { expect, it } from 'vitest'
import { StreamsError } from '../../src/errors.ts'
import { createTaskMemory } from '../../src/runtime/task-memory.ts'
import type { Around, PortCall } from './faults.ts'
import { record, scene, startMs, textOf } from './scene.ts'

/** A warm task; `onPut` happens when its rows are on their way, and they arrive once something else was asked for and answered, or nothing is. */
const warm = async (onPut: (nth: number) => unknown) => {
  const calls: PortCall[] = []
  const of = await scene()
  const memory = createTaskMemory()
  let isWarm = false
  let puts = 0
  let asked = Promise.withResolvers<void>()
  const around: Around = async (call, run) => {
    if (!isWarm) return run()
    calls.push(call)
    if (call !== 'put') {
      const answer = await run()
      asked.resolve()
      return answer
    }
    puts++
    asked = Promise.withResolvers()
    onPut(puts)
    await Promise.race([asked.promise, new Promise(setImmediate)])
    return run()
  }
  of.feed('words', record('a'))
  await of.run({ memory, around })
  isWarm = true
  of.feed('words', record('a'))
  /** However often it looked for input in a row. */
  const asks = (): readonly PortCall[] => calls.filter((call, at) => call !== calls[at - 1])
  return { ...of, asks, memory, deliver: (tick = false) => of.run({ memory, around, goOnMs: 100, tick, target: 2 }) }
}

it('a delivery goes on with what comes while its rows are written, and writes one checkpoint', async () => {
  const of = await warm((nth) => nth < 3 && of.feed('words', record('b')))
  expect(await of.deliver()).toMatchObject({ result: 'done', seq: 4, positions: { words: 4 }, transactions: 3, rowsWritten: 3 })
  const transaction = ['append', 'commit']
  const meanwhile = ['put', 'fetch', ...transaction, 'fetch']
  expect(of.asks()).toEqual(['fetch', ...transaction, ...meanwhile, ...meanwhile, 'put', 'fetch', 'checkpoint'])
  expect(await of.totals()).toEqual(['a=1', 'a=2', 'b=1', 'b=2'])
  expect(await of.item()).toMatchObject({ checkpoint: { seq: 4, positions: { words: 4 } } })
  expect(await of.rows()).toEqual(await of.fold())
})

it('one write is under way at a time: what is committed meanwhile is written together', async () => {
  const of = await warm(() => undefined)
  const { put } = of.table
  const written: string[][] = []
  let arrived: (() => void) | undefined
  of.table.put = async (rows, deadlineMs) => {
    written.push(rows.map(({ key, seq }) => `${textOf(key)}@${seq}`))
    // it takes until three more transactions are committed
    if (written.length === 1) await new Promise<void>((resolve) => (arrived = resolve))
    return put(rows, deadlineMs)
  }
  for (const key of ['b', 'c', 'b']) of.whileWaiting(() => of.feed('words', record(key)))
  of.whileWaiting(() => arrived?.())
  expect(await of.run({ memory: of.memory, goOnMs: 100 })).toMatchObject({ result: 'done', transactions: 4, rowsWritten: 3 })
  expect(written).toEqual([['a@2'], ['b@5', 'c@4']])
  expect(await of.item()).toMatchObject({ checkpoint: { seq: 5 } })
  expect(await of.rows()).toEqual(await of.fold())
})

it('it ends when its time is over, however much comes', async () => {
  const of = await warm(() => {
    of.clock.nowMs += 40
    of.feed('words', record('b'))
  })
  expect(await of.deliver()).toMatchObject({ result: 'done', transactions: 3, positions: { words: 4 } })
  expect(await of.item()).toMatchObject({ checkpoint: { seq: 4 } })
})

it('it looks for input only until its rows are written', async () => {
  const of = await warm(() => undefined)
  await of.deliver()
  expect(of.asks()).toEqual(['fetch', 'append', 'commit', 'put', 'fetch', 'checkpoint'])
})

it('a tick does not go on', async () => {
  const of = await warm(() => of.feed('words', record('b')))
  expect(await of.deliver(true)).toMatchObject({ transactions: 1 })
})

it('input that cannot be read meanwhile is left to the next event', async () => {
  const of = await warm(() => undefined)
  let fetches = 0
  const around: Around = (call, run) => {
    if (call === 'fetch' && ++fetches === 2) return Promise.reject(new StreamsError('BROKER_UNREACHABLE', 'nobody answers'))
    return run()
  }
  expect(await of.run({ memory: of.memory, around, goOnMs: 100 })).toMatchObject({ result: 'done', seq: 2 })
  expect(await of.item()).toMatchObject({ checkpoint: { seq: 2 } })
})

it('rows that could not be written are no failure of the delivery that went on: who comes next has them from the log', async () => {
  const of = await warm((nth) => {
    if (nth > 1) return
    of.feed('words', record('b'))
    of.table.put = () => Promise.reject(new StreamsError('TABLE_UNREACHABLE', 'nobody answers'))
  })
  const { put } = of.table
  expect(await of.deliver()).toMatchObject({ result: 'done', seq: 3, positions: { words: 3 } })
  expect(of.entries.flatMap(({ message, code }) => (code ? [[message, code]] : []))).toEqual([
    ['committed but not flushed', 'TABLE_UNREACHABLE'],
  ])
  expect(await of.item()).toMatchObject({ checkpoint: { seq: 1 } })
  of.table.put = put
  of.feed('words', record('a'))
  expect(await of.run()).toMatchObject({ result: 'done', seq: 4, positions: { words: 4 } })
  expect(await of.rows()).toEqual(await of.fold())
})

it('an error of processing waits for the rows that are on their way', async () => {
  const of = await warm(() => of.feed('words', { key: null, value: new Uint8Array(0), timestamp: startMs, headers: [] }))
  await of.deliver()
  expect(await of.rows()).toEqual(await of.fold())
})
