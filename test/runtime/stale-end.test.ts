import { expect, it } from 'vitest'
import { runInvocation } from '../../src/runtime/invocation.ts'
import type { PartitionReader } from '../../src/runtime/ports.ts'
import { readSnapshot } from '../../src/runtime/snapshot.ts'
import { createTaskMemory } from '../../src/runtime/task-memory.ts'
import { died, dies } from './faults.ts'
import { bytes, numberOf, record, row, scene } from './scene.ts'

/** A leader that stood still: for some answers it tells of this topic what it knew up to an offset. */
const stale = (reader: PartitionReader, topic: string, end: number, answers = 2): PartitionReader => {
  let left = answers
  const isStale = (at: { readonly topic: string }): boolean => at.topic === topic && left > 0
  return {
    close: () => reader.close(),
    bounds: async (partitions, deadlineMs) => {
      const answers = await reader.bounds(partitions, deadlineMs)
      return answers.map((answer) => (isStale(answer) && left-- > 0 ? { ...answer, highWatermark: end } : answer))
    },
    fetch: async (requests, options) => {
      const answers = await reader.fetch(requests, options)
      return answers.map((answer) => {
        if (!isStale(answer)) return answer
        left--
        const records = answer.records.filter(({ offset }) => offset < end)
        return { ...answer, records, nextOffset: end, highWatermark: end, lastStableOffset: end }
      })
    },
  }
}

it('a broker that leads no more and does not know it hides a commit: the next one notices where it is written, and starts over', async () => {
  const it = await scene()
  it.feed('words', record('a'))
  await it.run()
  const [before] = await it.kafka.reader.bounds([{ topic: 'app-words-commits', partition: 0 }], it.clock.nowMs)
  it.feed('words', record('a'))
  await expect(it.run({ around: dies('before', 'put') })).rejects.toThrow(died)
  it.feed('words', record('a'))
  const ports = { ...it.ports, reader: stale(it.ports.reader, 'app-words-commits', before?.highWatermark ?? 0) }
  const request = { ports, plan: it.plan, partition: 0, deadlineMs: it.clock.nowMs + 60_000, memory: createTaskMemory() }
  expect(await runInvocation({ ...request, trigger: { kind: 'delivery', topic: 'words', target: 3 } })).toMatchObject({
    ...{ result: 'done', seq: 3, transactions: 1, recordsRead: 1 },
  })
  expect((await it.commits()).map(({ seq }) => seq)).toEqual([1, 2, 3])
  expect(await it.totals()).toEqual(['a=1', 'a=2', 'a=3'])
  expect(await it.rows()).toEqual({ a: row(3, 3) })
  expect(it.entries).toContainEqual(expect.objectContaining({ message: 'starting over', code: 'FENCED' }))
})

/** Two commits; who wrote the second died before anything of it came to the table. */
const diedBeforeTheFlush = async () => {
  const it = await scene()
  it.feed('words', record('a'))
  await it.run()
  const end = await it.end(changelog)
  it.feed('words', record('a'))
  await expect(it.run({ around: dies('before', 'put') })).rejects.toThrow(died)
  it.feed('words', record('a'))
  return { it, end }
}
const changelog = 'app-counts-changelog'

it('a changelog that is said to end before the last commit is asked for its end until the broker knows that it leads no more', async () => {
  const { it, end } = await diedBeforeTheFlush()
  const ports = { ...it.ports, reader: stale(it.ports.reader, changelog, end, 7) }
  const request = { ports, plan: it.plan, partition: 0, deadlineMs: it.clock.nowMs + 60_000, memory: createTaskMemory() }
  expect(await runInvocation({ ...request, trigger: { kind: 'delivery', topic: 'words', target: 3 } })).toMatchObject({
    ...{ result: 'done', seq: 3, transactions: 1, recordsRead: 1 },
  })
  expect(await it.totals()).toEqual(['a=1', 'a=2', 'a=3'])
  expect(await it.rows()).toEqual({ a: row(3, 3) })
  expect(await it.fold()).toEqual(await it.rows())
})

it('a changelog that stays shorter than the last commit tells was cut: the task stops, and nothing is written', async () => {
  const { it, end } = await diedBeforeTheFlush()
  const ports = { ...it.ports, reader: stale(it.ports.reader, changelog, end, Number.POSITIVE_INFINITY) }
  const request = { ports, plan: it.plan, partition: 0, deadlineMs: it.clock.nowMs + 60_000, memory: createTaskMemory() }
  await expect(runInvocation({ ...request, trigger: { kind: 'delivery', topic: 'words', target: 3 } })).rejects.toMatchObject({
    code: 'LOG_TRUNCATED',
    message: "The log app-counts-changelog/0 ends at 2, before the last commit's 4",
  })
  expect(await it.totals()).toEqual(['a=1', 'a=2'])
})

it('a reader that fenced nobody waits for what is committed, but not readable everywhere', async () => {
  const { it, end } = await diedBeforeTheFlush()
  const ports = { ...it.ports, reader: stale(it.ports.reader, changelog, end, 3) }
  const keys = [{ store: 'counts', key: bytes('a') }]
  const { seq, rows } = await readSnapshot({ ports, plan: it.plan, partition: 0, keys, atLeast: 2, deadlineMs: it.clock.nowMs + 60_000 })
  expect({ seq, counts: rows.map((found) => numberOf(found?.value ?? null)) }).toEqual({ seq: 2, counts: [2] })
})

it('of a changelog that other transactions were begun on, and given up, the end is told behind them', async () => {
  const it = await scene()
  it.feed('words', record('a'))
  await it.run()
  const before = await it.end(changelog)
  it.feed('words', record('b'))
  await expect(it.run({ around: dies('before', 'commit') })).rejects.toThrow(died)
  await it.run()
  const [, last] = await it.commits()
  // change and marker of the one that was given up, and of the one that was not
  expect({ before, told: last?.logEnds, end: await it.end(changelog) }).toEqual({ before: 2, told: { [changelog]: 6 }, end: 6 })
})

it('a changelog whose end is told too low until it is read is read again: nothing of it is lost', async () => {
  const it = await scene()
  it.feed('words', record('a'))
  await expect(it.run({ around: dies('before', 'put') })).rejects.toThrow(died)
  let left = 31
  const reader: PartitionReader = {
    ...it.ports.reader,
    bounds: async (partitions, deadlineMs) => {
      const answers = await it.ports.reader.bounds(partitions, deadlineMs)
      return answers.map((answer) => (answer.topic === 'app-counts-changelog' && left-- > 0 ? { ...answer, highWatermark: 1 } : answer))
    },
  }
  const request = { ports: { ...it.ports, reader }, plan: it.plan, partition: 0, deadlineMs: it.clock.nowMs + 60_000 }
  const trigger = { kind: 'delivery', topic: 'words', target: 1 } as const
  expect(await runInvocation({ ...request, trigger, memory: createTaskMemory() })).toMatchObject({ result: 'done', seq: 1, rowsWritten: 1 })
  expect(left).toBeLessThan(0)
  expect(await it.rows()).toEqual({ a: row(1, 1) })
})

it('a changelog whose first records were aborted is known to reach behind them and what the first commit wrote', async () => {
  const it = await scene()
  it.feed('words', record('a'))
  await expect(it.run({ around: dies('before', 'commit') })).rejects.toThrow(died)
  await expect(it.run({ around: dies('before', 'put') })).rejects.toThrow(died)
  it.feed('words', record('a'))
  const ports = { ...it.ports, reader: stale(it.ports.reader, 'app-counts-changelog', 2) }
  const request = { ports, plan: it.plan, partition: 0, deadlineMs: it.clock.nowMs + 60_000, memory: createTaskMemory() }
  expect(await runInvocation({ ...request, trigger: { kind: 'delivery', topic: 'words', target: 2 } })).toMatchObject({ result: 'done' })
  expect(await it.totals()).toEqual(['a=1', 'a=2'])
})
