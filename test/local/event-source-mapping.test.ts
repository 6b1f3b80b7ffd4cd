import { setImmediate } from 'node:timers'
import * as fc from 'fast-check'
import { afterEach, describe, expect, it } from 'vitest'
import {
  deliveries,
  groupId,
  ok,
  record,
  records,
  run,
  scene,
  soon,
  stopMappings,
  text,
  throttled,
  thrown,
  topic,
} from './mapping-scene.ts'

afterEach(stopMappings)

describe('an event', () => {
  it('holds records of several partitions exactly as the service sends them', async () => {
    const headers = [
      ['trace', Uint8Array.of(1, 255)],
      ['trace', null],
    ] as const
    const { events, map } = await scene(
      [[record('a', { key: text('k'), headers }), { key: null, value: null, timestamp: 8, headers: [] }], [], [record('')]],
      { bootstrapServers: ['b-1:9092', 'b-2:9092'] },
    )
    await run(map())
    const common = { topic, timestampType: 'CREATE_TIME', headers: [] }
    expect(events).toEqual([
      {
        eventSource: 'SelfManagedKafka',
        bootstrapServers: 'b-1:9092,b-2:9092',
        records: {
          'orders-0': [
            {
              ...common,
              partition: 0,
              offset: 0,
              timestamp: 7,
              key: 'aw==',
              value: 'YQ==',
              headers: [{ trace: [1, 255] }, { trace: null }],
            },
            { ...common, partition: 0, offset: 1, timestamp: 8 },
          ],
          'orders-2': [{ ...common, partition: 2, offset: 0, timestamp: 7, value: '' }],
        },
      },
    ])
    expect(Object.keys(events[0]?.records['orders-0']?.[1] ?? {})).toEqual([
      'topic',
      'partition',
      'offset',
      'timestamp',
      'timestampType',
      'headers',
    ])
  })

  it('is one of Amazon MSK where the mapping has an ARN', async () => {
    const eventSourceArn = 'arn:aws:kafka:us-east-1:123456789012:cluster/demo'
    const { events, map } = await scene([records(1)], { eventSourceArn })
    await run(map())
    expect(events.map(({ records, ...source }) => source)).toEqual([
      { eventSource: 'aws:kafka', eventSourceArn, bootstrapServers: 'localhost:9092' },
    ])
  })

  it('holds the last offset of each partition alone where doorbells are enough, and stands for the whole batch', async () => {
    const withKey = record('a', { key: text('k'), headers: [['h', null]] })
    const { events, map, committed } = await scene([[withKey, ...records(4)], records(2)], {
      doorbells: true,
      batchSize: 3,
      concurrencyMax: 1,
    })
    await run(map())
    const bell = (partition: number, offset: number) => ({
      [`orders-${partition}`]: [{ topic, partition, offset, timestamp: 7, timestampType: 'CREATE_TIME', headers: [] }],
    })
    expect(events.map((event) => event.records)).toEqual([bell(0, 2), { ...bell(0, 4), ...bell(1, 0) }, bell(1, 1)])
    expect(await committed()).toEqual([5, 2])
  })

  it('ends at the batch size, oldest partition first', async () => {
    const { events, map } = await scene([records(5, 'a'), records(2, 'b')], { batchSize: 3, concurrencyMax: 1 })
    await run(map())
    expect(deliveries(events)).toEqual(['0: a0 a1 a2', '0: a3 a4, 1: b0', '1: b1'])
  })

  it('takes evenly from all partitions where it is told to', async () => {
    const { events, map } = await scene([records(4, 'a'), records(2, 'b')], { batchSize: 4, concurrencyMax: 1, mix: 'spread' })
    await run(map())
    expect(deliveries(events)).toEqual(['0: a0 a1, 1: b0 b1', '0: a2 a3'])
  })

  it('waits for its window until the batch is full', async () => {
    const { events, map, produce } = await scene([records(2)], { batchSize: 3, windowMs: 3_600_000 })
    const mapping = map()
    await mapping.start()
    await expect.poll(() => mapping.positions()[0]?.highWatermark).toBe(2)
    produce(0, [record('last')])
    await mapping.idle()
    expect(deliveries(events)).toEqual(['0: r0 r1 last'])
  })

  it('stays below 6 MB of JSON', async () => {
    const large = Array.from({ length: 24 }, () => record('x'.repeat(900_000)))
    const { events, map } = await scene([large], {})
    await run(map())
    const sizes = events.map((event) => JSON.stringify(event).length)
    const counts = events.map((event) => event.records['orders-0']?.length ?? 0)
    expect([counts[0], Math.max(...counts), counts.reduce((sum, count) => sum + count)]).toEqual([5, 5, 24])
    expect(Math.max(...sizes)).toBeLessThanOrEqual(6 * 2 ** 20)
  })

  it('never exceeds the limit, whatever keys, values and headers are', async () => {
    const bytes = fc.option(fc.uint8Array({ maxLength: 60 }), { nil: null })
    const header = fc.tuple(fc.string({ unit: 'binary', maxLength: 12 }), bytes)
    const content = fc.array(
      fc.record({ key: bytes, value: bytes, timestamp: fc.maxSafeNat(), headers: fc.array(header, { maxLength: 3 }) }),
      { minLength: 1 },
    )
    await fc.assert(
      fc.asyncProperty(content, async (list) => {
        const { events, map } = await scene([list], { payloadBytesMax: 3_000 })
        await run(map())
        const sizes = events.map((event) => Buffer.byteLength(JSON.stringify(event)))
        expect(sizes.filter((size) => size > 3_000)).toEqual([])
        expect(events.flatMap((event) => event.records['orders-0'] ?? []).map(({ offset }) => offset)).toEqual(list.map((_, i) => i))
      }),
      { numRuns: 50 },
    )
  })
})

describe('a position', () => {
  it('begins at the start of the log, at its end with LATEST, and at the commit where there is one', async () => {
    const { events, map, produce, committed, kafka } = await scene([records(2, 'old')])
    const latest = map({ startingPosition: 'LATEST' })
    await run(latest)
    produce(0, records(1, 'new'))
    await latest.idle()
    await latest.stop()
    expect([deliveries(events), await committed()]).toEqual([['0: new0'], [3]])
    events.length = 0
    await run(map({ groupId: 'another' }))
    expect(deliveries(events)).toEqual(['0: old0 old1 new0'])
    events.length = 0
    await kafka.admin.commitGroupOffsets(groupId, [{ topic, partition: 0, offset: 1 }], soon())
    await run(map({ startingPosition: 'LATEST' }))
    expect(deliveries(events)).toEqual(['0: old1 new0'])
  })

  it('is committed after success only', async () => {
    let commits: readonly number[] = []
    const { map, committed } = await scene([records(2), records(1)], {
      invoke: async () => {
        commits = await committed()
        return ok
      },
    })
    await run(map())
    expect([commits, await committed()]).toEqual([[], [2, 1]])
  })

  it('does not keep the next batch waiting for its commit, but the end of the mapping', async () => {
    const answer = Promise.withResolvers<void>()
    const { events, map, kafka, committed } = await scene([records(2)], { batchSize: 1 })
    const slow = {
      ...kafka.admin,
      commitGroupOffsets: (...args: Parameters<typeof kafka.admin.commitGroupOffsets>) =>
        answer.promise.then(() => kafka.admin.commitGroupOffsets(...args)),
    }
    const mapping = map({ admin: slow })
    await mapping.start()
    await expect.poll(() => deliveries(events)).toEqual(['0: r0', '0: r1'])
    const stopped = mapping.stop()
    expect(await committed()).toEqual([])
    answer.resolve()
    await stopped
    expect(await committed()).toEqual([2])
  })

  it('passes markers and aborted records, and stops at an open transaction', async () => {
    const { events, map, kafka } = await scene([[]])
    const session = async (name: string) => {
      const txn = await kafka.txnLog.open({ transactionalId: name, transactionTimeoutMs: 60_000, deadlineMs: soon() })
      await txn.append([{ topic, partition: 0, records: records(2, name) }], soon())
      return txn
    }
    await (await session('committed')).commit(soon())
    await (await session('aborted')).abort(soon())
    const mapping = map()
    await run(mapping)
    const hanging = await session('open')
    await mapping.idle()
    expect(deliveries(events)).toEqual(['0: committed0 committed1'])
    expect(mapping.positions()).toEqual([{ partition: 0, position: 6, lastStableOffset: 6, highWatermark: 6 }])
    await hanging.commit(soon())
    await mapping.idle()
    expect(deliveries(events)).toEqual(['0: committed0 committed1', '0: open0 open1'])
    expect(mapping.positions()).toEqual([{ partition: 0, position: 9, lastStableOffset: 9, highWatermark: 9 }])
  })

  it('that has left the log is reset to its start, and reported', async () => {
    const { events, reports, map, kafka } = await scene([records(5)])
    await kafka.admin.commitGroupOffsets(groupId, [{ topic, partition: 0, offset: 1 }], soon())
    kafka.truncate({ topic, partition: 0, offset: 3 })
    await run(map())
    expect(deliveries(events)).toEqual(['0: r3 r4'])
    expect(reports.filter(({ kind }) => kind === 'reset')).toEqual([
      { kind: 'reset', records: 0, partitions: [0], detail: 'offset 1 is not in the log' },
    ])
  })
})

describe('delivery', () => {
  it('keeps one batch per partition in flight, and no more invocations than allowed', async () => {
    const partitions = new Map<number, number>()
    const highest = { perPartition: 0, atAll: 0 }
    let running = 0
    const { events, map } = await scene(
      Array.from({ length: 6 }, (_, i) => records(40, `${i}-`)),
      {
        batchSize: 7,
        concurrencyMax: 4,
        async invoke(event) {
          const here = Object.values(event.records).map((list) => list[0]?.partition ?? -1)
          highest.atAll = Math.max(highest.atAll, ++running)
          for (const partition of here) {
            const now = (partitions.get(partition) ?? 0) + 1
            partitions.set(partition, now)
            highest.perPartition = Math.max(highest.perPartition, now)
          }
          await new Promise(setImmediate)
          for (const partition of here) partitions.set(partition, (partitions.get(partition) ?? 0) - 1)
          running--
          return ok
        },
      },
    )
    await run(map())
    expect(highest).toEqual({ perPartition: 1, atAll: 4 })
    const delivered = events.flatMap((event) => Object.values(event.records).flat())
    const offsets = (partition: number) => delivered.filter((one) => one.partition === partition).map(({ offset }) => offset)
    expect([0, 1, 2, 3, 4, 5].map(offsets)).toEqual(Array.from({ length: 6 }, () => Array.from({ length: 40 }, (_, i) => i)))
  })

  it('reaches every record in order, whatever fails', async () => {
    const contents = fc.array(fc.nat({ max: 12 }), { minLength: 1, maxLength: 4 })
    const replies = fc.infiniteStream(fc.constantFrom(ok, ok, thrown, throttled))
    await fc.assert(
      fc.asyncProperty(contents, replies, fc.integer({ min: 1, max: 9 }), async (counts, stream, batchSize) => {
        const handled: string[] = []
        const { map } = await scene(
          counts.map((count, i) => records(count, `${i}-`)),
          {
            batchSize,
            async invoke(event) {
              const reply = stream.next().value
              if (!reply.error) handled.push(...Object.values(event.records).flatMap((list) => list.map(({ value }) => atob(value ?? ''))))
              return reply
            },
          },
        )
        const mapping = map()
        await run(mapping)
        await mapping.stop()
        const of = (partition: number) => handled.filter((value) => value.startsWith(`${partition}-`))
        expect(counts.map((_, i) => of(i))).toEqual(counts.map((count, i) => Array.from({ length: count }, (_, n) => `${i}-${n}`)))
      }),
      { numRuns: 60 },
    )
  })
})
