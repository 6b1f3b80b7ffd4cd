import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { FetchedRecord } from '../../src/runtime/ports.ts'
import { type Prepare, RecordQueues, StampedRecord } from '../../src/runtime/record-queues.ts'
import { bytes, textOf } from './scene.ts'

const plain =
  (topic: string): Prepare =>
  (raw) =>
    new StampedRecord(raw, { topic, partition: 0, children: [] }, raw.timestamp, null, textOf(raw.value))
const records = (...times: readonly number[]): readonly FetchedRecord[] =>
  times.map((timestamp, offset) => ({ offset, timestamp, key: null, value: bytes(`${timestamp}`), headers: [] }))
const drain = (queues: RecordQueues): readonly string[] => {
  const taken: string[] = []
  for (let next = queues.poll(); next; next = queues.poll()) taken.push(`${next.topic}${next.value}`)
  return taken
}

describe('record queues', () => {
  it('take the head with the lowest time first, and never overtake within a topic', () => {
    const queues = new RecordQueues(plain)
    queues.add('a', records(1, 9, 3))
    queues.add('b', records(2, 4))
    expect(drain(queues)).toEqual(['a1', 'b2', 'b4', 'a9', 'a3'])
  })

  it('take topics with equal times in the order of java.util.PriorityQueue', () => {
    const queues = new RecordQueues(plain)
    queues.add('a', records(5, 5))
    queues.add('b', records(5, 5))
    queues.add('c', records(5))
    expect(drain(queues)).toEqual(['a5', 'c5', 'a5', 'b5', 'b5'])
  })

  it('go on with what is added while they are read', () => {
    const queues = new RecordQueues(plain)
    queues.add('a', records(5, 7))
    expect(queues.poll()?.value).toBe('5')
    queues.add('a', records(6))
    queues.add('b', records(1))
    expect(drain(queues)).toEqual(['b1', 'a7', 'a6'])
    expect(queues.poll()).toBeUndefined()
    queues.add('a', records(8))
    expect(drain(queues)).toEqual(['a8'])
  })

  it('skip what is dropped, and tell the time of the partition to whoever prepares the next record', () => {
    const seen: (readonly [number, number])[] = []
    const queues = new RecordQueues((topic) => (raw, partitionTime) => {
      seen.push([raw.timestamp, partitionTime])
      return raw.timestamp < 0 ? undefined : plain(topic)(raw, partitionTime)
    })
    queues.restore({ a: 3 })
    queues.add('a', records(-1, 2, 8, -1, 4))
    queues.add('b', records(-1))
    expect(drain(queues)).toEqual(['a2', 'a8', 'a4'])
    expect(seen).toEqual([
      [-1, 3],
      [2, 3],
      [-1, -1],
      [8, 3],
      [-1, 8],
      [4, 8],
    ])
    expect(queues.partitionTimes).toEqual({ a: 8 })
  })

  it('merge topics that are in order as sorting would, where all times differ', () => {
    const times = fc.uniqueArray(fc.nat(500), { maxLength: 60 })
    const topicOf = fc.array(fc.nat(4), { minLength: 60, maxLength: 60 })
    fc.assert(
      fc.property(times, topicOf, (all, topics) => {
        const queues = new RecordQueues(plain)
        const sorted = [...all].sort((a, b) => a - b)
        const lists = new Map<string, number[]>()
        sorted.forEach((time, at) => {
          const topic = `t${topics[at]}:`
          lists.set(topic, [...(lists.get(topic) ?? []), time])
        })
        for (const [topic, list] of lists) queues.add(topic, records(...list))
        expect(drain(queues).map((it) => Number(it.split(':')[1]))).toEqual(sorted)
      }),
      { seed: 7, numRuns: 300 },
    )
  })
})
