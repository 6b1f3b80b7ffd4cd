import { describe, expect, it } from 'vitest'
import { doorbellOf } from '../../src/lambda/doorbells.ts'
import { planOf } from '../../src/runtime/plan.ts'
import { counting } from '../runtime/scene.ts'
import { eventRecord, mskEvent, selfManagedEvent, tick } from './events.ts'

const topology = counting()
const [sub] = topology.subTopologies
if (!sub) throw new Error('the topology is empty')
const plan = planOf(topology, 'app', sub)
const rung = (event: unknown) => {
  const doorbell = doorbellOf(event, plan)
  return doorbell.kind === 'tick' ? 'tick' : [...doorbell.tasks].map(([partition, trigger]) => ({ partition, ...trigger }))
}
const delivery = (partition: number, target: number) => ({ partition, kind: 'delivery', topic: 'words', target })

describe('an event', () => {
  it.each([
    ['Amazon MSK', mskEvent],
    ['a self-managed cluster', selfManagedEvent],
  ])('of %s asks per partition for everything up to its last record', (_what, event) => {
    const records = [eventRecord('words', 0, 4), eventRecord('words', 0, 9), eventRecord('words', 12, 7)]
    expect(rung(event(...records))).toEqual([delivery(0, 10), delivery(12, 8)])
  })

  it('need not have keys, values or names without hyphens: only topic, partition and offset count', () => {
    const headers = [{ trace: [104, -105] }, { none: null }]
    const odd = {
      eventSource: 'aws:kafka',
      bootstrapServers: '',
      records: { 'a-name-with-7': [eventRecord('words', 3, 0, { key: null, value: null, headers })] },
    }
    expect(rung(odd)).toEqual([delivery(3, 1)])
    expect(rung(mskEvent(eventRecord('words', 1, 0, { key: 'YQ==', value: 'Yg==', headers })))).toEqual([delivery(1, 1)])
  })

  it('with nothing in it asks for nothing', () => {
    expect(rung(mskEvent())).toEqual([])
    expect(rung({ ...mskEvent(), records: { 'words-0': [] } })).toEqual([])
  })

  it('of the schedule is a tick', () => {
    expect([rung(tick), rung({ source: 'millrace.tick', id: 'x' })]).toEqual(['tick', 'tick'])
  })

  it('of somebody who will not wait is a tick for all', () => {
    const ticks = [tick, { ...tick, all: true }, { ...tick, all: 'yes' }].map((event) => doorbellOf(event, plan))
    expect(ticks).toEqual([false, true, false].map((all) => ({ kind: 'tick', all })))
  })

  it.each([
    ['null', null, 'null'],
    ['a text', 'hello', '"hello"'],
    ['undefined', undefined, 'undefined'],
    ['an event of another source', { eventSource: 'aws:sqs', records: {} }, '{"eventSource":"aws:sqs","records":{}}'],
    ['a list of records', { eventSource: 'aws:kafka', records: { a: 1 } }, '{"eventSource":"aws:kafka","records":{"a":1}}'],
    ['a Kafka event without records', { eventSource: 'aws:kafka' }, '{"eventSource":"aws:kafka"}'],
    ['another schedule', { source: 'aws.events' }, '{"source":"aws.events"}'],
  ])('that is %s is EVENT_INVALID', (_what, event, shown) => {
    expect(() => rung(event)).toThrow(
      expect.objectContaining({
        code: 'EVENT_INVALID',
        message: `This function takes events of a Kafka event source mapping and ticks, not ${shown}`,
      }),
    )
  })

  it('whose record has no offset is EVENT_INVALID', () => {
    const record = { topic: 'words', partition: 0 }
    expect(() => rung({ eventSource: 'aws:kafka', records: { 'words-0': [record] } })).toThrow(
      expect.objectContaining({
        code: 'EVENT_INVALID',
        message: 'A record of the event has no topic, partition or offset: {"topic":"words","partition":0}',
      }),
    )
  })

  it('of a topic that the sub-topology does not read is EVENT_INVALID, and says where it belongs', () => {
    expect(() => rung(mskEvent(eventRecord('orders', 0, 0)))).toThrow(
      expect.objectContaining({
        code: 'EVENT_INVALID',
        message: 'The event is for topic "orders", but sub-topology words reads words',
        remedy: 'Point the event source mapping of this topic at the function of the sub-topology that reads it.',
      }),
    )
  })
})
