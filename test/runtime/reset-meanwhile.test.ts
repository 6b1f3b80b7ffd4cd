import { describe, expect, it } from 'vitest'
import { StreamsBuilder } from '../../src/dsl/streams-builder.ts'
import { runReset, skipLost } from '../../src/runtime/reset.ts'
import { readSnapshot } from '../../src/runtime/snapshot.ts'
import { createTaskMemory } from '../../src/runtime/task-memory.ts'
import { countsOf, resetScene } from './reset-scene.ts'
import { strings } from './scene.ts'

const lines = ['a b', 'b c', 'a a']

describe('a reset of an application that goes on working', { timeout: 60_000 }, () => {
  it.each(['before', 'after'] as const)('loses and repeats nothing where events come right %s any of its calls', async (when) => {
    for (let at = 0, more = true; more; at += 1) {
      const it = await resetScene(lines, { partitions: 1 })
      await it.settle()
      let seen = 0
      more = false
      const deliveries = async () => {
        it.feed(['c d'])
        for (const task of it.tasks) expect(await it.deliver(task)).toBe(true)
      }
      const disturbed = it.request({}, async (_call, run) => {
        const now = seen++ === at
        if (now) more = true
        if (now && when === 'before') await deliveries()
        const answer = await run()
        if (now && when === 'after') await deliveries()
        return answer
      })
      await runReset(disturbed)
      await it.settle()
      const all = more ? [...lines, 'c d'] : lines
      const where = `${when} call ${at}`
      expect({ where, rows: await it.rows(1), old: await it.rows(0) }).toEqual({ where, rows: countsOf(all), old: {} })
    }
  })

  it.each([
    ['that has just begun', () => createTaskMemory(), ['open', 'bounds', 'fetch', 'append', 'commit', 'put', 'release']],
    ['with a warm session', undefined, ['fetch', 'put', 'checkpoint']],
  ] as const)('ends the work of an invocation %s: what it commits too late is not there', async (_what, memory, calls) => {
    const it = await resetScene(lines, { partitions: 1 })
    await it.settle()
    const [, count] = it.tasks
    if (!count) throw new Error('there are two tasks')
    let resets = 0
    for (const [at, call] of calls.entries()) {
      it.feed(['c d'])
      for (const task of it.tasks.slice(0, 1)) await it.deliver(task)
      let done = false
      await it.deliver({ ...count, memory: memory?.() ?? count.memory }, async (now, run) => {
        if (now === call && !done) {
          done = true
          resets += 1
          // rows that a zombie wrote after the last wipe are wiped first
          while ((await runReset(it.request())).state !== 'new');
        }
        return run()
      })
      await it.settle()
      const all = [...lines, ...Array.from({ length: at + 1 }, () => 'c d')]
      expect({ call, rows: await it.rows(resets), fold: await it.fold(resets) }).toEqual({ call, rows: countsOf(all), fold: countsOf(all) })
    }
    expect(resets).toBe(calls.length)
  })
})

describe('a reset that is finished by another run, which was not dead yet,', () => {
  it('rewinds nothing that has been resumed, and worked on, since it looked', async () => {
    const it = await resetScene(lines, { partitions: 1 })
    await it.settle()
    let commits = 0
    const dying = it.request({}, (call, run) => {
      if (call === 'session.commit' && ++commits === 5) throw new Error('died')
      return run()
    })
    await expect(runReset(dying)).rejects.toThrow('died')
    let overtaken = false
    const late = it.request({}, async (call, run) => {
      if (call === 'table.acquire' && !overtaken) {
        overtaken = true
        expect(await runReset(it.request())).toMatchObject({ state: 'unfinished' })
        await it.settle()
      }
      return run()
    })
    expect(await runReset(late)).toMatchObject({ state: 'unfinished' })
    expect(overtaken).toBe(true)
    await it.settle()
    expect({ rows: await it.rows(1), fold: await it.fold(1), old: await it.rows(0) }).toEqual({
      ...{ rows: countsOf(lines), fold: countsOf(lines), old: {} },
    })
    expect(await it.commits('lines')).toEqual([
      ...['gen 0 seq 1 lines@3', 'gen 1 seq 2 paused lines@3', 'gen 1 seq 3 paused lines@0'],
      // of the run that finished it
      ...['gen 1 seq 4 paused lines@0', 'gen 1 seq 5 lines@0', 'gen 1 seq 6 lines@3'],
    ])
  })
})

it('a query whose rows a reset deletes while it reads them is of the new generation', async () => {
  const it = await resetScene(lines, { partitions: 1 })
  await it.settle()
  const [, count] = it.tasks
  if (!count) throw new Error('there are two tasks')
  let resets = 0
  const table = {
    ...it.table,
    get: async (...args: Parameters<typeof it.table.get>) => {
      if (resets++ === 0) {
        await runReset(it.request({ to: { kind: 'latest' } }))
        await it.settle()
      }
      return it.table.get(...args)
    },
  }
  const keys = [{ store: 'counts', key: Buffer.from('a') }]
  const { plan, partition } = count
  const request = { ports: { ...it.ports, table }, plan, partition, keys, deadlineMs: it.clock.nowMs + 60_000 }
  expect(await readSnapshot(request)).toMatchObject({ gen: 1, rows: [undefined] })
})

describe('a reset of what was lost', () => {
  it.each([
    ['commit topic', 'app-words-repartition-commits'],
    ['commit topic of a task without state', 'app-lines-commits'],
    ['changelog', 'app-counts-changelog'],
    ['repartition topic', 'app-words-repartition'],
  ])('makes the %s again where it was deleted, and the application counts all of its input once more', async (_what, topic) => {
    const it = await resetScene(lines, { partitions: 1 })
    await it.settle()
    await it.kafka.admin.delete([topic], it.clock.nowMs)
    expect((await runReset(it.request())).missing).toEqual([topic])
    await it.settle()
    expect({ rows: await it.rows(1), fold: await it.fold(1), old: await it.rows(0) }).toEqual({
      rows: countsOf(lines),
      fold: countsOf(lines),
      old: {},
    })
  })

  it('goes on after the highest number that a changelog has where commits and table are gone', async () => {
    const it = await resetScene(lines, { partitions: 1 })
    await it.settle()
    it.feed(['d'])
    await it.settle()
    const [, count] = it.tasks
    if (!count) throw new Error('there are two tasks')
    const table = it.table.readTask
    it.table.readTask = async () => undefined
    await it.kafka.admin.delete(['app-words-repartition-commits'], it.clock.nowMs)
    await runReset(it.request())
    it.table.readTask = table
    expect(await it.commits('words-repartition')).toEqual([
      'gen 1 seq 3 paused',
      'gen 1 seq 4 paused app-words-repartition@9',
      'gen 1 seq 5 app-words-repartition@9',
    ])
    await it.settle()
    expect(await it.rows(1)).toEqual(countsOf([...lines, 'd']))
  })
})

it('begins anew with more partitions once the internal topics of the old ones are deleted', async () => {
  const it = await resetScene(lines, { partitions: 1 })
  await it.settle()
  const internal = await it.kafka.admin.list('app-', it.clock.nowMs)
  await it.kafka.admin.delete(['lines', ...internal.map(({ topic }) => topic)], it.clock.nowMs)
  await it.kafka.admin.create([{ topic: 'lines', partitions: 3, config: {} }], it.clock.nowMs)
  const plan = await runReset(it.request())
  expect({ missing: plan.missing.length, tasks: plan.tasks.length }).toEqual({ missing: internal.length, tasks: 6 })
  expect((await it.kafka.admin.list('app-', it.clock.nowMs)).map(({ partitions }) => partitions)).toEqual(internal.map(() => 3))
})

describe('a reset to the latest records', () => {
  it('counts only what comes afterwards', async () => {
    const it = await resetScene(lines)
    await it.settle()
    await runReset(it.request({ to: { kind: 'latest' } }))
    await it.settle()
    it.feed(['a d'])
    await it.settle()
    expect(await it.rows(1)).toEqual(countsOf(['a d']))
  })

  it('keeps a table whose topic is its changelog', async () => {
    const builder = new StreamsBuilder({ 'topology.optimization': 'all' })
    builder
      .table('lines', { ...strings, store: 'latest' })
      .toStream()
      .to('totals')
    const it = await resetScene([], { partitions: 1, topology: builder.build() })
    const record = (key: string, value: string) => ({
      key: Buffer.from(key),
      value: Buffer.from(value),
      timestamp: it.clock.nowMs,
      headers: [],
    })
    it.kafka.produce([{ topic: 'lines', partition: 0, records: [record('a', '1'), record('b', '2')] }])
    await it.settle()
    await runReset(it.request({ to: { kind: 'latest' } }))
    await it.settle()
    it.kafka.produce([{ topic: 'lines', partition: 0, records: [record('a', '3')] }])
    await it.settle()
    const rows: string[] = []
    for await (const page of it.table.query({ subTopology: 'lines', partition: 0, gen: 1, store: 'latest' }, it.clock.nowMs))
      rows.push(...page.map(({ key, value }) => `${Buffer.from(key)}=${Buffer.from(value ?? [])}`))
    expect(rows).toEqual(['a=3', 'b=2'])
  })
})

describe('a reset to where the tasks are', () => {
  it('empties the stores, and reads nothing again and leaves nothing out', async () => {
    const it = await resetScene(lines, { partitions: 1 })
    await it.settle()
    it.feed(['x y'])
    const [split] = it.tasks
    if (split) await it.deliver(split)
    it.feed(['z'])
    await runReset(it.request({ to: { kind: 'current' } }))
    await it.settle()
    expect(await it.rows(1)).toEqual(countsOf(['x y z']))
  })
})

describe('positions whose records are gone', () => {
  const cut = async (offset: number) => {
    const it = await resetScene(['a', 'b', 'c', 'd', 'e', 'f'], { partitions: 2 })
    await it.settle()
    it.feed(['g', 'h', 'i', 'j', 'k', 'l'])
    await it.kafka.admin.deleteRecords([{ topic: 'lines', partition: 1, offset }], it.clock.nowMs)
    return it
  }

  it('are moved to the first record that is there, with all stores as they are', async () => {
    const it = await cut(5)
    const [, second] = it.tasks
    if (!second) throw new Error('there are two partitions')
    expect(await it.deliver({ ...second, memory: createTaskMemory() })).toBe(false)
    const plan = await skipLost(it.request())
    expect(plan.tasks.map(({ partition, positions, after }) => ({ partition, positions, after }))).toEqual([
      { partition: 1, positions: { lines: 3 }, after: { lines: 5 } },
    ])
    expect((await skipLost(it.request())).tasks).toEqual([])
    await it.settle()
    expect(await it.rows(0)).toEqual(countsOf(['a', 'b', 'c', 'd', 'e', 'f', 'g', 'i', 'k', 'l']))
  })

  it('that stand behind the end of a topic that was made again are moved to its beginning', async () => {
    const it = await resetScene(['a', 'b', 'c'], { partitions: 1 })
    await it.settle()
    await it.kafka.admin.delete(['lines'], it.clock.nowMs)
    await it.kafka.admin.create([{ topic: 'lines', partitions: 1, config: {} }], it.clock.nowMs)
    it.feed(['a', 'd'])
    const [split] = it.tasks
    if (!split) throw new Error('there is a task')
    expect(await it.deliver({ ...split, memory: createTaskMemory() })).toBe(false)
    await skipLost(it.request())
    await it.settle()
    expect(await it.rows(0)).toEqual({ a: 2, b: 1, c: 1, d: 1 })
  })

  it('are left alone where there are none', async () => {
    const it = await cut(3)
    expect((await skipLost(it.request())).tasks).toEqual([])
    expect(await it.commits('lines', 1)).toEqual(['gen 0 seq 1 lines@3'])
  })
})
