import { expect, it } from 'vitest'
import { runInvocation } from '../../src/runtime/invocation.ts'
import type { PartitionReader } from '../../src/runtime/ports.ts'
import { createTaskMemory } from '../../src/runtime/task-memory.ts'
import { died, dies } from './faults.ts'
import { record, row, scene } from './scene.ts'

/** A leader that stood still: once, it tells of this topic what it knew up to an offset. */
const staleOnce = (reader: PartitionReader, topic: string, end: number): PartitionReader => {
  let left = 2
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
  const ports = { ...it.ports, reader: staleOnce(it.ports.reader, 'app-words-commits', before?.highWatermark ?? 0) }
  const request = { ports, plan: it.plan, partition: 0, deadlineMs: it.clock.nowMs + 60_000, memory: createTaskMemory() }
  expect(await runInvocation({ ...request, trigger: { kind: 'delivery', topic: 'words', target: 3 } })).toMatchObject({
    ...{ result: 'done', seq: 3, transactions: 1, recordsRead: 1 },
  })
  expect((await it.commits()).map(({ seq }) => seq)).toEqual([1, 2, 3])
  expect(await it.totals()).toEqual(['a=1', 'a=2', 'a=3'])
  expect(await it.rows()).toEqual({ a: row(3, 3) })
  expect(it.entries).toContainEqual(expect.objectContaining({ message: 'starting over', code: 'FENCED' }))
})
