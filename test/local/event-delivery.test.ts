import { setImmediate } from 'node:timers'
import { afterEach, describe, expect, it } from 'vitest'
import type { KafkaEvent } from '../../src/lambda/kafka-event.ts'
import type { InvokeReply } from '../../src/local/invoke-reply.ts'
import { deliveries, ok, record, records, run, scene, stopMappings, throttled, thrown } from './mapping-scene.ts'

afterEach(stopMappings)

describe('a failing batch', () => {
  it('comes again, whole, until it succeeds, while other partitions go on', async () => {
    let failures = 4
    const { events, map, committed } = await scene([records(2, 'a'), records(1, 'b')], {
      batchSize: 2,
      invoke: async (event) => (event.records['orders-0'] && failures-- > 0 ? thrown : ok),
    })
    await run(map())
    const seen = deliveries(events)
    expect(seen.filter((delivery) => delivery === '0: a0 a1')).toHaveLength(5)
    expect(seen.filter((delivery) => delivery === '1: b0')).toHaveLength(1)
    expect(await committed()).toEqual([2, 1])
  })

  it('is reported with its error, and a rejected call counts as one', async () => {
    let calls = 0
    const { reports, map } = await scene([records(1)], {
      invoke: async () => {
        if (++calls === 2) throw new Error('boom')
        return calls === 1 ? thrown : ok
      },
    })
    await run(map())
    const about = { records: 1, partitions: [0] }
    expect(reports.map(({ durationMs, ...report }) => report)).toEqual([
      { kind: 'invoke', ...about },
      { kind: 'failure', ...about, detail: '{"errorType":"Error"}' },
      { kind: 'invoke', ...about },
      { kind: 'failure', ...about, detail: 'boom' },
      { kind: 'invoke', ...about },
      { kind: 'success', ...about },
    ])
  })

  it('is left uncommitted by a stop', async () => {
    const { map, committed, events } = await scene([records(1)], { invoke: async () => thrown, retryDelayMs: () => 3_600_000 })
    const mapping = map()
    await mapping.start()
    await expect.poll(() => events.length).toBe(1)
    await mapping.stop()
    await mapping.idle()
    expect([events.length, await committed()]).toEqual([1, []])
  })

  it('that is throttled makes no attempt', async () => {
    const replies = [throttled, throttled, { ...throttled, status: 500 }]
    const dropped: string[] = []
    const { events, map } = await scene([records(1)], {
      provisioned: { retriesMax: 0, onFailure: async (_, condition) => void dropped.push(condition) },
      invoke: async () => replies.shift() ?? ok,
    })
    await run(map())
    expect([events.length, dropped]).toEqual([4, []])
  })
})

describe('the provisioned mode', () => {
  const poison = (bad: string) => async (event: KafkaEvent) =>
    Object.values(event.records).some((list) => list.some(({ value }) => atob(value ?? '') === bad)) ? thrown : ok

  it('sends a batch to its destination after the last attempt, and goes on', async () => {
    const dropped: [string[], string][] = []
    const { events, map, committed } = await scene([[record('bad'), record('good')]], {
      batchSize: 1,
      provisioned: { retriesMax: 2, onFailure: async (event, condition) => void dropped.push([deliveries([event]), condition]) },
      invoke: poison('bad'),
    })
    await run(map())
    expect(deliveries(events)).toEqual(['0: bad', '0: bad', '0: bad', '0: good'])
    expect(dropped).toEqual([[['0: bad'], 'RetryAttemptsExhausted']])
    expect(await committed()).toEqual([2])
  })

  it('tries ten times again where only a destination is set', async () => {
    const { events, map } = await scene([records(1, 'bad')], { provisioned: { onFailure: async () => {} }, invoke: async () => thrown })
    await run(map())
    expect(events).toHaveLength(11)
  })

  it('gives up records above their age', async () => {
    const dropped: string[] = []
    const { events, map } = await scene([[record('old', { timestamp: 0 })]], {
      provisioned: { recordAgeMsMax: 60_000, onFailure: async (_, condition) => void dropped.push(condition) },
      invoke: async () => thrown,
    })
    await run(map())
    expect([events.length, dropped]).toEqual([1, ['MaximumRecordAgeExceeded']])
  })

  it('halves a failing batch down to the bad record', async () => {
    const { events, map } = await scene([records(2, 'a'), records(2, 'b')], {
      provisioned: { bisect: true, retriesMax: 0 },
      invoke: poison('b0'),
    })
    await run(map())
    expect(deliveries(events)).toEqual(['0: a0 a1, 1: b0 b1'])
    const again = await scene([records(2, 'a'), records(2, 'b')], { provisioned: { bisect: true, retriesMax: 1 }, invoke: poison('b0') })
    await run(again.map())
    expect(deliveries(again.events)).toEqual(['0: a0 a1, 1: b0 b1', '0: a0 a1', '1: b0 b1', '1: b0', '1: b0', '1: b1'])
  })

  it('repeats only what a partial batch response lists, and everything where it lists something else', async () => {
    const failures = (...items: [string, number][]): InvokeReply => ({
      status: 200,
      payload: JSON.stringify({ batchItemFailures: items.map(([partition, offset]) => ({ itemIdentifier: { partition, offset } })) }),
    })
    const replies = [
      failures(['orders-0', 1], ['orders-1', 0]),
      failures(['orders-0', 9]),
      failures(['orders-0', 1]),
      { status: 200, payload: '{' },
      failures(),
    ]
    const { events, map } = await scene([records(2, 'a'), records(1, 'b')], {
      provisioned: { partialBatchResponse: true },
      invoke: async () => replies.shift() ?? ok,
    })
    await run(map())
    expect(deliveries(events)).toEqual(['0: a0 a1, 1: b0', '0: a1, 1: b0', '0: a1, 1: b0', '0: a1', '0: a1'])
  })

  it('is not needed for the loss of a single record above 6 MB', async () => {
    const { events, reports, map, committed } = await scene([[record('x'.repeat(5_000_000)), record('small')]])
    await run(map())
    expect(deliveries(events)).toEqual(['0: small'])
    expect(reports[0]).toEqual({ kind: 'dropped', records: 1, partitions: [0], detail: 'MaximumPayloadSizeExceeded' })
    expect(await committed()).toEqual([2])
  })
})

describe('a fault', () => {
  const once = () => {
    let left = 1
    return () => left-- > 0
  }

  it('delivers a batch twice, one after the other', async () => {
    const { events, map } = await scene([records(2)], { batchSize: 1, faults: { duplicate: once() } })
    await run(map())
    expect(deliveries(events)).toEqual(['0: r0', '0: r0', '0: r1'])
  })

  it('delivers a batch twice at the same time', async () => {
    let now = 0
    let most = 0
    const { events, map } = await scene([records(2)], {
      batchSize: 1,
      faults: { overlap: once() },
      invoke: async () => {
        most = Math.max(most, ++now)
        await new Promise(setImmediate)
        now--
        return ok
      },
    })
    await run(map())
    expect([deliveries(events), most]).toEqual([['0: r0', '0: r0', '0: r1'], 2])
  })

  it('loses a commit, and the batch comes again after a restart', async () => {
    const { events, map, committed } = await scene([records(2)], { faults: { loseCommit: () => true } })
    const first = map()
    await run(first)
    await first.stop()
    expect(await committed()).toEqual([])
    await run(map())
    expect(deliveries(events)).toEqual(['0: r0 r1', '0: r0 r1'])
  })
})
