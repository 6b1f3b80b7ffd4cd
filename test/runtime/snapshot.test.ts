import { describe, expect, it } from 'vitest'
import { StreamsBuilder } from '../../src/dsl/streams-builder.ts'
import { readSnapshot, type Snapshot } from '../../src/runtime/snapshot.ts'
import { aroundPorts, died, dies, meanwhile, type PortCall } from './faults.ts'
import { bytes, numberOf, record, type Scene, scene, startMs, strings } from './scene.ts'

/** Counts every key twice, in two stores that each transaction changes together. */
const twice = () => {
  const builder = new StreamsBuilder()
  const grouped = builder.stream('words', strings).groupByKey()
  grouped.count({ store: 'counts' })
  grouped.count({ store: 'again' })
  return builder.build()
}

const asked = ['counts', 'again'].flatMap((store) => ['a', 'b'].map((key) => ({ store, key: bytes(key) })))

const snapshotOf = (it: Scene, options: { readonly atLeast?: number; readonly ports?: Scene['ports'] } = {}) => {
  const { ports = it.ports, ...rest } = options
  return readSnapshot({ ports, plan: it.plan, partition: 0, keys: asked, deadlineMs: it.clock.nowMs + 60_000, ...rest })
}

const countsIn = ({ seq, rows }: Snapshot) => ({ seq, counts: rows.map((row) => (row ? numberOf(row.value) : null)) })

/** Two records per transaction, `a` and `b`; all that was committed so far is in the table. */
const begun = async (transactions: number): Promise<Scene> => {
  const it = await scene({ topology: twice(), topics: { words: 1 } })
  for (let i = 0; i < transactions; i++) await deliver(it)
  return it
}

const deliver = async (it: Scene, around?: Parameters<Scene['run']>[0]): Promise<void> => {
  it.feed('words', record('a'), record('b'))
  await it.run(around ?? {})
}

describe('a snapshot', () => {
  it('of a task at rest comes from the table, with two requests', async () => {
    const it = await begun(3)
    const calls: PortCall[] = []
    const ports = aroundPorts(it.ports, (call, run) => {
      calls.push(call)
      return run()
    })
    expect(countsIn(await snapshotOf(it, { ports }))).toEqual({ seq: 3, counts: [3, 3, 3, 3] })
    expect(calls).toEqual(['get'])
  })

  it('of a task that never ran is empty, at transaction 0', async () => {
    expect(await snapshotOf(await begun(0))).toEqual({ seq: 0, gen: 0, rows: [undefined, undefined, undefined, undefined] })
  })

  it('has a row of each key that lives, and none of one that was deleted', async () => {
    const builder = new StreamsBuilder()
    builder
      .stream('words', strings)
      .groupByKey()
      .aggregate(
        () => '',
        (_key, value, all) => (value === '0' ? null : `${all}${value}`),
        { store: { name: 'counts', ...strings } },
      )
    const it = await scene({ topology: builder.build(), topics: { words: 1 } })
    it.feed('words', record('a', '1'), record('b', '1'))
    await it.run()
    it.feed('words', record('a', '0'))
    await it.run()
    const { seq, rows } = await readSnapshot({
      ...{ ports: it.ports, plan: it.plan, partition: 0, deadlineMs: startMs + 60_000 },
      keys: ['a', 'b'].map((key) => ({ store: 'counts', key: bytes(key) })),
    })
    expect([seq, ...rows.map((row) => row && Buffer.from(row.value ?? []).toString())]).toEqual([2, undefined, '1'])
  })

  it('takes what was committed but not flushed from the log', async () => {
    const it = await begun(2)
    await expect(deliver(it, { around: dies('after', 'put') })).rejects.toThrow(died)
    expect(countsIn(await snapshotOf(it))).toEqual({ seq: 3, counts: [3, 3, 3, 3] })
  })

  it('of a transaction that its reader has seen waits for the log, not for the checkpoint', async () => {
    const it = await begun(1)
    await expect(deliver(it, { around: dies('before', 'put') })).rejects.toThrow(died)
    expect(countsIn(await snapshotOf(it))).toEqual({ seq: 1, counts: [1, 1, 1, 1] })
    expect(countsIn(await snapshotOf(it, { atLeast: 2 }))).toEqual({ seq: 2, counts: [2, 2, 2, 2] })
  })

  it('of a transaction that is not committed in time is DEADLINE_EXCEEDED, and says so', async () => {
    const it = await begun(1)
    await expect(snapshotOf(it, { atLeast: 9 })).rejects.toMatchObject({
      code: 'DEADLINE_EXCEEDED',
      remedy: 'Ask again: transaction 9 may not be committed yet, or another one is under way.',
    })
  })
})

describe('a snapshot that is read while the task goes on', () => {
  const disturbances = {
    'a whole delivery': (it: Scene) => deliver(it),
    'a delivery that dies after its commit': (it: Scene) => deliver(it, { around: dies('after', 'commit') }).catch(() => undefined),
    'a delivery that dies in the middle of its flush': (it: Scene) => deliver(it, { around: dies('after', 'put') }).catch(() => undefined),
    'a delivery that dies before its commit': (it: Scene) => deliver(it, { around: dies('before', 'commit') }).catch(() => undefined),
    'two deliveries, the second of which dies before its checkpoint': async (it: Scene) => {
      await deliver(it)
      await deliver(it, { around: dies('before', 'release') }).catch(() => undefined)
    },
  }
  const calls: readonly PortCall[] = ['get', 'bounds', 'fetch']
  const cases = Object.keys(disturbances).flatMap((what) =>
    calls.flatMap((call) => [1, 2, 3, 4].flatMap((nth) => [true, false].map((after) => ({ what, call, nth, after })))),
  )

  it.each(cases)('is of one transaction: $what at $call $nth (after: $after)', async ({ what, call, nth, after }) => {
    for (const flushed of [true, false]) {
      const it = await begun(2)
      if (!flushed) await deliver(it, { around: dies('after', 'put') }).catch(() => undefined)
      const happens = () => disturbances[what as keyof typeof disturbances](it)
      const ports = aroundPorts(it.ports, meanwhile(call, happens, { nth, after }))
      const found = await snapshotOf(it, { ports }).then(countsIn, (error: { readonly code: string }) => error.code)
      if (found === 'DEADLINE_EXCEEDED') {
        expect(what).toBe('a delivery that dies before its commit')
        continue
      }
      const { seq } = found as ReturnType<typeof countsIn>
      expect(found).toEqual({ seq, counts: [seq, seq, seq, seq] })
      expect(seq).toBeGreaterThanOrEqual(2)
    }
  })
})
