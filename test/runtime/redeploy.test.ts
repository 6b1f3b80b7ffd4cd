import { describe, expect, it } from 'vitest'
import { StreamsBuilder } from '../../src/dsl/streams-builder.ts'
import { runInvocation } from '../../src/runtime/invocation.ts'
import type { Trigger } from '../../src/runtime/invocation-request.ts'
import { planOf } from '../../src/runtime/plan.ts'
import { runReset } from '../../src/runtime/reset.ts'
import { readSnapshot } from '../../src/runtime/snapshot.ts'
import { createTaskMemory } from '../../src/runtime/task-memory.ts'
import { Serdes } from '../../src/serde/serdes.ts'
import type { Topology } from '../../src/topology/topology.ts'
import { tumbling } from '../../src/topology/windows.ts'
import { aroundPorts, died, dies } from './faults.ts'
import { applicationId, numberOf, record, scene, strings, textOf } from './scene.ts'

interface Version {
  /** Stores that count `words`. */
  readonly stores?: readonly string[]
  /** Other topics that are counted too. */
  readonly more?: readonly string[]
  readonly windowMs?: number
  readonly shout?: boolean
  readonly logging?: boolean
}

/** A version of the code: all of them read `words` and write `totals`. */
const version = ({ stores = ['counts'], more = [], windowMs, shout = false, logging = true }: Version): Topology => {
  const builder = new StreamsBuilder()
  const words = builder.stream(['words', ...more], strings)
  const grouped = (shout ? words.mapValues((value) => value.toUpperCase()) : words).groupByKey()
  for (const name of stores) {
    const store = logging ? { name } : { name, logging: false as const }
    if (windowMs === undefined) grouped.count({ store }).toStream().to('totals')
    else
      grouped
        .windowedBy(tumbling({ sizeMs: 1_000, graceMs: windowMs }))
        .count({ store })
        .toStream((it) => it.key)
        .to('totals', { keySerde: Serdes.string, valueSerde: Serdes.long })
  }
  return builder.build()
}

/** One task of several deployments, which may all be alive. */
const deployments = async () => {
  const it = await scene({ topology: version({}), topics: { words: 1, more: 1, totals: 1 } })
  const deploy = async (of: Version) => {
    const topology = version(of)
    const [sub] = topology.subTopologies
    if (!sub) throw new Error('the topology is empty')
    const existing = new Set((await it.kafka.admin.list('', it.clock.nowMs)).map(({ topic }) => topic))
    const missing = topology.internalTopics(applicationId).filter(({ name }) => !existing.has(name))
    await it.kafka.admin.create(
      missing.map(({ name: topic }) => ({ topic, partitions: 1, config: {} })),
      it.clock.nowMs,
    )
    const plan = planOf(topology, applicationId, sub)
    const memory = createTaskMemory()
    /** Gives it the next words, and answers what it wrote to the output. */
    return async (words: readonly string[], topic = 'words'): Promise<readonly string[]> => {
      const before = (await it.committed('totals')).length
      if (words.length > 0) it.feed(topic, ...words.map((word) => record(word, 'x', { timestamp: it.clock.nowMs })))
      const trigger: Trigger = { kind: 'delivery', topic, target: await it.end(topic) }
      await runInvocation({ ports: it.ports, plan, partition: 0, trigger, deadlineMs: it.clock.nowMs + 60_000, memory })
      return (await it.committed('totals')).slice(before).map(({ key, value }) => `${textOf(key)}=${numberOf(value)}`)
    }
  }
  return { ...it, deploy, changes: () => it.entries.filter(({ message }) => message === 'the topology has changed') }
}

const change = (some: object) => ({
  ...{ level: 'warn', message: 'the topology has changed', subTopology: 'words', partition: 0 },
  ...{ addedStores: [], removedStores: [], addedSources: [], removedSources: [], ...some },
})
const minute = 60_000

describe('code with the same stores and sources', () => {
  it('goes on where other code was, and takes turns with it', async () => {
    const it = await deployments()
    const [old, next] = [await it.deploy({}), await it.deploy({ shout: true })]
    const seen: (readonly string[])[] = []
    for (const run of [old, next, old, next, next, old]) seen.push(await run(['a']))
    expect(seen).toEqual([['a=1'], ['a=2'], ['a=3'], ['a=4'], ['a=5'], ['a=6']])
    expect(it.changes()).toEqual([])
  })
})

describe('code with one store more', () => {
  it('fills it from now on, and says so once', async () => {
    const it = await deployments()
    const [old, next] = [await it.deploy({}), await it.deploy({ stores: ['counts', 'others'] })]
    await old(['a', 'a'])
    expect([await next(['a']), await next(['a'])]).toEqual([
      ['a=3', 'a=1'],
      ['a=4', 'a=2'],
    ])
    expect(it.changes()).toEqual([change({ addedStores: ['others'] })])
  })

  it('stops older code that is still alive, which leaves everything as it is', async () => {
    const it = await deployments()
    const [old, next] = [await it.deploy({}), await it.deploy({ stores: ['counts', 'others'] })]
    await old(['a'])
    await next(['a'])
    it.clock.nowMs += 19 * minute
    for (let turn = 0; turn < 3; turn++) {
      await expect(old(['a'])).rejects.toMatchObject({
        code: 'TOPOLOGY_MISMATCH',
        message: 'Newer code is at work on sub-topology words; this is an older deployment without store "others", which the newer has',
        remedy: 'Deploy the newer code, or leave only this one running: it goes on from 2023-11-14T22:33:20.000Z.',
      })
      expect(await it.item()).toMatchObject({ lease: undefined })
    }
    expect(await next([])).toEqual(['a=5', 'a=4'])
    expect(it.changes()).toEqual([change({ addedStores: ['others'] })])
  })

  it('is rolled back: older code goes on once the newer one has not committed for twenty minutes', async () => {
    const it = await deployments()
    const [old, next] = [await it.deploy({}), await it.deploy({ stores: ['counts', 'others'] })]
    await old(['a'])
    await next(['a'])
    it.clock.nowMs += 20 * minute
    expect(await old(['a'])).toEqual(['a=3'])
    expect(it.changes()).toEqual([change({ addedStores: ['others'] }), change({ removedStores: ['others'] })])
    await expect(next(['a'])).rejects.toMatchObject({
      message: 'Newer code is at work on sub-topology words; this is an older deployment with stores or topics that the newer has not',
    })
  })
})

describe('code with one store less', () => {
  it('leaves its rows and its changelog, from which it is filled when it comes back', async () => {
    const it = await deployments()
    const [both, one] = [await it.deploy({ stores: ['counts', 'others'] }), await it.deploy({})]
    await both(['a'])
    // what was committed last is only in the log
    it.feed('words', record('b', 'x', { timestamp: it.clock.nowMs }))
    await expect(runInvocationOf(it, { stores: ['counts', 'others'] })).rejects.toThrow(died)
    it.clock.nowMs += 2 * minute
    expect(await one(['a'])).toEqual(['a=2'])
    expect(it.changes()).toEqual([change({ removedStores: ['others'] })])
    expect((await it.committed('app-others-changelog')).length).toBe(2)
    it.clock.nowMs += 20 * minute
    const again = await it.deploy({ stores: ['counts', 'others'] })
    expect(await again(['b', 'a'])).toEqual(['b=2', 'a=3', 'b=2', 'a=2'])
  })
})

const planFor = (of: Version) => {
  const [sub] = version(of).subTopologies
  if (!sub) throw new Error('the topology is empty')
  return planOf(version(of), applicationId, sub)
}

/** An invocation that dies before it writes to the table. */
const runInvocationOf = async (it: Awaited<ReturnType<typeof deployments>>, of: Version) =>
  runInvocation({
    ...{ ports: aroundPorts(it.ports, dies('before', 'put')), plan: planFor(of), partition: 0 },
    ...{ trigger: { kind: 'tick' }, deadlineMs: it.clock.nowMs + 60_000, memory: createTaskMemory() },
  })

describe('code with one source more', () => {
  it('begins with it at its first record', async () => {
    const it = await deployments()
    const [old, next] = [await it.deploy({}), await it.deploy({ more: ['more'] })]
    it.feed('more', record('m', 'x', { timestamp: it.clock.nowMs }))
    await old(['a'])
    expect(await next(['a'])).toEqual(['a=2', 'm=1'])
    expect(it.changes()).toEqual([change({ addedSources: ['more'] })])
    await expect(old(['a'])).rejects.toMatchObject({ code: 'TOPOLOGY_MISMATCH' })
  })

  it('goes on with it where it was when it had been away', async () => {
    const it = await deployments()
    const [both, one] = [await it.deploy({ more: ['more'] }), await it.deploy({})]
    expect(await both(['m'], 'more')).toEqual(['m=1'])
    expect(await one(['a'])).toEqual(['a=1'])
    expect(await one(['a'])).toEqual(['a=2'])
    expect((await it.commits()).at(-1)).toMatchObject({ positions: { words: 2 }, parked: { more: 1 } })
    it.clock.nowMs += 20 * minute
    const again = await it.deploy({ more: ['more'] })
    expect(await again(['m'], 'more')).toEqual(['m=2'])
    expect((await it.commits()).at(-1)).toMatchObject({ positions: { words: 2, more: 2 }, parked: {} })
  })
})

describe('code with one source less', () => {
  it('reads nothing of it, whatever was not read there', async () => {
    const it = await deployments()
    const [both, one] = [await it.deploy({ more: ['more'] }), await it.deploy({})]
    expect(await both(['a'])).toEqual(['a=1'])
    it.feed('more', record('m', 'x', { timestamp: it.clock.nowMs }))
    expect(await one(['a'])).toEqual(['a=2'])
    it.clock.nowMs += 20 * minute
    const again = await it.deploy({ more: ['more'] })
    expect(await again(['m'], 'more')).toEqual(['m=2'])
  })
})

describe('code that checkpoints what other code has committed before it died', () => {
  it.each(['words', 'more'])('leaves rows and positions that it does not have to the other code: %s', async (topic) => {
    const it = await deployments()
    const all = { stores: ['counts', 'others'], more: ['more'] }
    const [both, one] = [await it.deploy(all), await it.deploy({})]
    await both(['a'])
    it.feed(topic, record('b', 'x', { timestamp: it.clock.nowMs }))
    await expect(runInvocationOf(it, all)).rejects.toThrow(died)
    it.clock.nowMs += 2 * minute
    expect(await one([])).toEqual([])
    expect(await it.item()).toMatchObject({ checkpoint: { seq: 2 } })
    const again = await it.deploy(all)
    expect(await again(['b'])).toEqual(['b=2', 'b=2'])
    expect(it.changes()).toEqual([])
  })

  it('is no answer to queries of rows that it does not have', async () => {
    const it = await deployments()
    const all = { stores: ['counts', 'others'] }
    const [both, one] = [await it.deploy(all), await it.deploy({})]
    await both(['a'])
    it.feed('words', record('a', 'x', { timestamp: it.clock.nowMs }))
    await expect(runInvocationOf(it, all)).rejects.toThrow(died)
    it.clock.nowMs += 2 * minute
    expect(await one([])).toEqual([])
    const keys = ['counts', 'others'].map((store) => ({ store, key: Buffer.from('a') }))
    const plan = planFor(all)
    const { seq, rows } = await readSnapshot({ ports: it.ports, plan, partition: 0, keys, deadlineMs: it.clock.nowMs + 60_000 })
    expect({ seq, rows: rows.map((row) => numberOf(row?.value ?? null)) }).toEqual({ seq: 2, rows: [2, 2] })
  })
})

describe('a reset to where the tasks are', () => {
  it('finds the position of a topic that was away for a while', async () => {
    const it = await deployments()
    const both = await it.deploy({ more: ['more'] })
    for (const [topic, of] of [['more', { more: ['more'] }] as const, ['words', {}] as const]) {
      it.feed(topic, record('m', 'x', { timestamp: it.clock.nowMs }))
      await expect(runInvocationOf(it, of)).rejects.toThrow(died)
      it.clock.nowMs += 2 * minute
    }
    const ports = { ...it.kafka, ...it.ports }
    await runReset({ ports, topology: version({ more: ['more'] }), applicationId, to: { kind: 'current' } })
    expect((await it.commits()).at(-1)).toMatchObject({ gen: 1, paused: false, positions: { words: 1, more: 1 } })
    expect(await both(['m'], 'more')).toEqual(['m=1'])
  })
})

it('a reset to where the tasks are goes by the commit where the checkpoint is of code that did not read a topic', async () => {
  const it = await deployments()
  const [both, one] = [await it.deploy({ more: ['more'] }), await it.deploy({})]
  await both(['a'])
  it.feed('more', record('m', 'x', { timestamp: it.clock.nowMs }))
  await expect(runInvocationOf(it, { more: ['more'] })).rejects.toThrow(died)
  it.clock.nowMs += 2 * minute
  await one(['a'])
  expect(await it.item()).toMatchObject({ checkpoint: { seq: 3, positions: { words: 2, more: 0 } } })
  await runReset({ ports: { ...it.kafka, ...it.ports }, topology: version({ more: ['more'] }), applicationId, to: { kind: 'current' } })
  expect((await it.commits()).at(-1)).toMatchObject({ gen: 1, paused: false, positions: { words: 2, more: 1 } })
})

describe('code with another kind of store of the same name', () => {
  it.each([
    ['windows in place of keys', {}, { windowMs: 86_400_000 }, 'was "key-value logged" and is "window 86401000 logged" in this code'],
    [
      'a longer retention',
      { windowMs: 86_400_000 },
      { windowMs: 2 * 86_400_000 },
      'was "window 86401000 logged" and is "window 172801000 logged" in this code',
    ],
    ['no changelog', {}, { logging: false }, 'was "key-value logged" and is "key-value unlogged" in this code'],
  ] as const)('is refused: %s', async (_what, was, is, what) => {
    const it = await deployments()
    const [old, next] = [await it.deploy(was), await it.deploy(is)]
    await old(['a'])
    await expect(next(['a'])).rejects.toMatchObject({
      ...{ code: 'TOPOLOGY_MISMATCH', message: `Store "counts" of sub-topology words ${what}` },
      remedy: 'Give the store another name, deploy what it was before, or empty it: millrace reset (docs/operations.md).',
    })
    expect(await old([])).toEqual(['a=2'])
  })

  it('is taken with a shorter retention, and under another name', async () => {
    const it = await deployments()
    const [old, shorter, renamed] = [
      await it.deploy({ windowMs: 2 * 86_400_000 }),
      await it.deploy({ windowMs: 86_400_000 }),
      await it.deploy({ stores: ['keys'] }),
    ]
    expect([await old(['a']), await shorter(['a']), await renamed(['a'])]).toEqual([['a=1'], ['a=2'], ['a=1']])
  })
})

it('what was committed before shapes were is taken as it is', async () => {
  const it = await deployments()
  const [old] = [await it.deploy({})]
  await old(['a'])
  const [last] = await it.commits()
  const { shape: _, ...before } = last ?? expect.fail('nothing was committed')
  const session = await it.kafka.txnLog.open({ transactionalId: 'app.words.0', transactionTimeoutMs: 1_000, deadlineMs: it.clock.nowMs })
  const value = Buffer.from(JSON.stringify({ ...before, seq: 2, pos: before.positions }))
  await session.append([{ topic: 'app-words-commits', partition: 0, records: [{ ...record('commit'), value }] }], it.clock.nowMs)
  await session.commit(it.clock.nowMs)
  const next = await it.deploy({ stores: ['counts', 'others'] })
  expect(await next(['a'])).toEqual(['a=2', 'a=1'])
  expect(it.changes()).toEqual([])
})
