import { describe, expect, it } from 'vitest'
import { StreamsBuilder } from '../../src/dsl/streams-builder.ts'
import { StreamsError } from '../../src/errors.ts'
import { readStoreRows } from '../../src/runtime/pages.ts'
import { readSnapshot } from '../../src/runtime/snapshot.ts'
import { createTaskMemory } from '../../src/runtime/task-memory.ts'
import { Serdes } from '../../src/serde/serdes.ts'
import { placeOf } from '../../src/state/page.ts'
import type { DeferredFlush, PackedPages } from '../../src/topology/nodes.ts'
import { Stores } from '../../src/topology/stores.ts'
import type { Topology } from '../../src/topology/topology.ts'
import { tumbling } from '../../src/topology/windows.ts'
import { died, dies, meanwhile, noting, type PortCall } from './faults.ts'
import { bytes, numberOf, record, type Scene, type SceneOptions, scene, startMs, strings, textOf } from './scene.ts'

const tiny = { pageBytes: 64 }

/** Counts words, of which a `0` forgets one. */
const counting = ({ packed = tiny, flush }: { readonly packed?: PackedPages | null; readonly flush?: DeferredFlush } = {}): Topology => {
  const builder = new StreamsBuilder()
  const store = { name: 'counts', valueSerde: Serdes.long, ...(packed ? { packed } : {}), ...(flush ? { flush } : {}) }
  builder
    .stream('words', strings)
    .groupByKey()
    .aggregate(
      () => 0,
      (_key, value, count) => (value === '0' ? null : count + 1),
      { store },
    )
    .toStream()
    .to('totals')
  return builder.build()
}

const keys = (count: number): readonly string[] => Array.from({ length: count }, (_, at) => `key-${at}`)
const records = (some: readonly string[], value = '') => some.map((key) => record(key, value))

const begun = async (options: SceneOptions = {}) => scene({ topology: counting(), ...options })

/** Rows of the table by key. */
const countsOf = async (it: Scene): Promise<Readonly<Record<string, number | null>>> => {
  const found: Record<string, number | null> = {}
  const [store] = it.plan.stores
  if (!store) throw new Error('there is no store')
  for await (const rows of readStoreRows(it.table, { subTopology: it.plan.subTopology, partition: 0, gen: 0, store }, it.clock.nowMs))
    for (const { key, value } of rows) found[`${textOf(key)}`] = longOf(value)
  return found
}
const longOf = (value: Uint8Array | null): number | null => numberOf(value?.subarray(-8) ?? null)

const levelsOf = async (it: Scene): Promise<readonly string[]> => {
  const found: string[] = []
  const range = { subTopology: it.plan.subTopology, partition: 0, gen: 0, store: 'counts#pages' }
  for await (const pages of it.table.query(range, it.clock.nowMs)) {
    for (const { key, seq } of pages) {
      const { level, index } = placeOf(key)
      found.push(`${level}/${index} seq ${seq}`)
    }
  }
  return found
}

describe('a packed store', () => {
  it('is written in pages, which cost less than its rows, and the table has all of them', async () => {
    const it = await begun({ topology: counting({ packed: {} }) })
    it.feed('words', ...records(keys(300)))
    expect(await it.run()).toMatchObject({ result: 'done', rowsWritten: 8 })
    expect(await countsOf(it)).toEqual(Object.fromEntries(keys(300).map((key) => [key, 1])))
    expect((await it.item()).checkpoint).toMatchObject({
      ends: { 'app-counts-changelog#pages': 300 },
      sizes: { 'counts#pages': { rows: 300 } },
    })
  })

  it('is read whole by a process that does not know it, and then no more', async () => {
    const it = await begun()
    it.feed('words', ...records(keys(20)))
    await it.run()
    const calls: PortCall[] = []
    const memory = createTaskMemory()
    for (let time = 0; time < 2; time++) {
      it.feed('words', ...records(['key-3']))
      await it.run({ memory, around: noting(calls) })
    }
    expect(calls.filter((call) => call === 'query' || call === 'get')).toEqual(['query'])
    expect((await it.totals()).slice(-2)).toEqual(['key-3=2', 'key-3=3'])
  })

  it('grows over several levels, and leaves one page for each row', async () => {
    const it = await begun()
    const memory = createTaskMemory()
    for (let count = 1; count <= 60; count++) {
      it.feed('words', ...records([`key-${count}`], count % 7 === 0 ? '0' : ''))
      await it.run(count % 5 === 0 ? {} : { memory })
    }
    const levels = new Set((await levelsOf(it)).map((page) => page.split('/')[0]))
    expect([...levels]).toEqual(['4'])
    const live = Array.from({ length: 60 }, (_, at) => at + 1).filter((count) => count % 7 !== 0)
    expect(await countsOf(it)).toEqual(Object.fromEntries(live.map((count) => [`key-${count}`, 1])))
  })

  it('takes all that waits in one flush where it is flushed later', async () => {
    const it = await begun({ topology: counting({ packed: {}, flush: { intervalMs: 600_000 } }) })
    const memory = createTaskMemory()
    for (const key of [...keys(40), ...keys(40)]) {
      it.feed('words', ...records([key]))
      expect(await it.run({ memory })).toMatchObject({ rowsWritten: 0 })
    }
    expect(await it.run({ tick: true, memory })).toMatchObject({ result: 'done', rowsWritten: 1 })
    expect(await countsOf(it)).toEqual(Object.fromEntries(keys(40).map((key) => [key, 2])))
  })

  it('refuses a row that is too large for a page, before it is committed', async () => {
    const builder = new StreamsBuilder()
    builder.table('words', { ...strings, store: { name: 'latest', packed: tiny } })
    const it = await scene({ topology: builder.build() })
    it.feed('words', record('a', 'x'.repeat(40_000)))
    await expect(it.run()).rejects.toMatchObject({
      code: 'STATE_TOO_LARGE',
      message: expect.stringContaining('packed stores are for small rows'),
    })
    expect(await it.commits()).toEqual([])
  })

  it('lets go of windows that have expired', async () => {
    const builder = new StreamsBuilder()
    builder
      .stream('words', strings)
      .groupByKey()
      .windowedBy(tumbling({ sizeMs: 10, graceMs: 0 }))
      .count({ store: { name: 'counts', packed: tiny } })
      .toStream()
      .to('totals')
    const it = await scene({ topology: builder.build() })
    const memory = createTaskMemory()
    for (let time = 0; time < 5; time++) {
      it.feed('words', record('a', '', { timestamp: startMs + 10 * time }), record('b', '', { timestamp: startMs + 10 * time }))
      await it.run({ memory })
    }
    expect(memory.kept?.unflushed.packed.get('counts')?.size?.rows).toBe(2)
    expect(memory.kept?.task.store('counts')?.rows.range(null, null)).toHaveLength(2)
  })
})

describe('a process that dies', () => {
  const leaves = async (nth: number, when: 'before' | 'after') => {
    const it = await begun()
    it.feed('words', ...records(keys(4)))
    await it.run()
    it.feed('words', ...records(keys(16)))
    await expect(it.run({ around: dies(when, 'put', nth) })).rejects.toThrow(died)
    const left = await levelsOf(it)
    it.clock.nowMs += 100_000
    it.feed('words', ...records(['key-9', 'key-9'], ''))
    await it.run()
    expect(await countsOf(it)).toEqual(Object.fromEntries(keys(16).map((key, at) => [key, at < 4 ? 2 : at === 9 ? 3 : 1])))
    return { left, is: await levelsOf(it) }
  }

  it('between the new pages and the tombstones leaves both, and the next process takes the old ones away', async () => {
    const { left, is } = await leaves(2, 'after')
    expect(new Set(left.map((page) => page.split('/')[0]))).toEqual(new Set(['0', '2']))
    expect(is.map((page) => page.split(' ')[0])).toEqual(['2/0', '2/1', '2/2', '2/3'])
  })

  it('between two of the new pages leaves the rest to the next one', async () => {
    const { left, is } = await leaves(1, 'after')
    expect(left).toHaveLength(3)
    expect(is.map((page) => page.split(' ')[0])).toEqual(['2/0', '2/1', '2/2', '2/3'])
  })

  it('before any of them leaves what there was', async () => {
    const { left } = await leaves(1, 'before')
    expect(left).toEqual(['0/0 seq 1'])
  })
})

describe('a process that keeps a task', () => {
  it('puts in its pages what it has not flushed, although another one has said that it is in the table', async () => {
    const it = await begun({ topology: counting({ packed: {}, flush: { intervalMs: 600_000 } }) })
    const memory = createTaskMemory()
    it.feed('words', ...records(['a', 'b']))
    await it.run({ memory })
    await it.run({ tick: true })
    // its session is too old to go on with, its rows are not
    it.clock.nowMs += 13 * 3_600_000
    it.feed('words', ...records(['c']))
    await it.run({ memory })
    await it.run({ memory, tick: true })
    expect(await countsOf(it)).toEqual({ a: 1, b: 1, c: 1 })
  })
})

describe('switching', () => {
  /** Another deployment goes on over the same cluster and table. */
  const deployed = async (it: Scene, topology: Topology, ...some: readonly ReturnType<typeof record>[]) => {
    const { planOf } = await import('../../src/runtime/plan.ts')
    const { runInvocation } = await import('../../src/runtime/invocation.ts')
    const [sub] = topology.subTopologies
    if (!sub) throw new Error('the topology is empty')
    it.clock.nowMs += 30 * 60_000
    it.feed('words', ...some)
    await runInvocation({
      ...{ ports: it.ports, plan: planOf(topology, 'app', sub), partition: 0, memory: createTaskMemory() },
      ...{ trigger: { kind: 'delivery', topic: 'words', target: await it.end('words') }, deadlineMs: it.clock.nowMs + 60_000 },
    })
  }

  it('to pages and back goes on with all rows, and with none that was deleted meanwhile', async () => {
    const [plain, packed] = [counting({ packed: null }), counting()]
    const it = await begun({ topology: plain })
    it.feed('words', ...records(['a', 'b', 'c']))
    await it.run()
    await deployed(it, packed, ...records(['a', 'd']), ...records(['b'], '0'))
    await deployed(it, plain, ...records(['a', 'b', 'd']))
    await deployed(it, packed, ...records(['a', 'b', 'c', 'd']))
    expect(await it.totals()).toEqual([...['a=1', 'b=1', 'c=1', 'a=2', 'd=1', 'b=null', 'a=3', 'b=1', 'd=2', 'a=4', 'b=2', 'c=2', 'd=3']])
  })

  it('back from pages does not find rows of before that the log has forgotten: deleted meanwhile, long ago', async () => {
    const [plain, packed] = [counting({ packed: null }), counting()]
    const it = await begun({ topology: plain })
    it.feed('words', ...records(['a']))
    await it.run()
    const at = { subTopology: it.plan.subTopology, partition: 0, gen: 0, store: 'counts' }
    const [left] = await it.table.get([{ ...at, key: bytes('a') }], it.clock.nowMs)
    if (!left) throw new Error('there is no row')
    await it.table.put([{ ...at, key: bytes('z'), value: left.value, timestamp: startMs, seq: 1 }], it.clock.nowMs)
    await deployed(it, packed, ...records(['a']))
    await deployed(it, plain, ...records(['a', 'z']))
    expect(await it.totals()).toEqual(['a=1', 'a=2', 'a=3', 'z=1'])
    await deployed(it, plain, ...records(['z']))
    expect((await it.totals()).at(-1)).toBe('z=2')
  })

  it('is said in the log, and does not let a store become another', async () => {
    const it = await begun({ topology: counting({ packed: null }) })
    it.feed('words', ...records(['a']))
    await it.run()
    await deployed(it, counting(), ...records(['a']))
    expect(it.entries.find(({ message }) => message === 'the topology has changed')).toMatchObject({
      addedStores: ['counts#pages'],
      removedStores: ['counts'],
    })
    const builder = new StreamsBuilder()
    builder
      .stream('words', strings)
      .groupByKey()
      .windowedBy(tumbling({ sizeMs: 10, graceMs: 0 }))
      .count({ store: 'counts' })
    await expect(deployed(it, builder.build(), ...records(['a']))).rejects.toMatchObject({ code: 'TOPOLOGY_MISMATCH' })
  })
})

describe('a query', () => {
  const asked = (it: Scene, ports: Scene['ports'] = it.ports, ...some: readonly string[]) =>
    readSnapshot({
      ...{ ports, plan: it.plan, partition: 0, deadlineMs: it.clock.nowMs + 60_000 },
      keys: some.map((key) => ({ store: 'counts', key: bytes(key) })),
    })

  it('finds the row of a key in its page, and none that is not there', async () => {
    const it = await begun()
    it.feed('words', ...records(keys(16)), record('key-2', '0'))
    await it.run()
    const { seq, rows } = await asked(it, it.ports, 'key-1', 'key-2', 'key-99')
    expect({ seq, rows: rows.map((row) => row && longOf(row.value)) }).toEqual({ seq: 1, rows: [1, undefined, undefined] })
  })

  it('reads again where pages are split while it reads', async () => {
    const it = await begun()
    it.feed('words', ...records(keys(4)))
    await it.run()
    let reads = 0
    const splitting = {
      ...it.table,
      get: async (...args: Parameters<Scene['table']['get']>) => {
        // each item on its own: between the pages of high levels and those of low ones all rows move
        const [low, high] = [args[0].filter(({ key }) => placeOf(key).level === 0), args[0].filter(({ key }) => placeOf(key).level > 0)]
        const above = await it.table.get(high, args[1])
        if (reads++ === 0) {
          it.feed('words', ...records(keys(16)))
          await it.run()
        }
        return [...(await it.table.get(low, args[1])), ...above]
      },
    }
    const { seq, rows } = await asked(it, { ...it.ports, table: splitting }, 'key-1')
    expect({ seq, rows: rows.map((row) => row && longOf(row.value)), reads }).toEqual({ seq: 2, rows: [2], reads: 2 })
  })

  it("lays the log's tail over the pages", async () => {
    const it = await begun({ topology: counting({ flush: { intervalMs: 600_000 } }) })
    const memory = createTaskMemory()
    it.feed('words', ...records(keys(8)))
    await it.run({ tick: true, memory })
    it.feed('words', ...records(['key-1']), record('key-2', '0'))
    await it.run({ memory })
    const found = await readSnapshot({
      ...{ ports: it.ports, plan: it.plan, partition: 0, deadlineMs: it.clock.nowMs + 60_000, atLeast: 2 },
      keys: ['key-1', 'key-2', 'key-3'].map((key) => ({ store: 'counts', key: bytes(key) })),
    })
    expect(found.rows.map((row) => row && longOf(row.value))).toEqual([2, undefined, 1])
  })
})

describe('another owner', () => {
  it('that flushes while this one does leaves each row as it was committed last', async () => {
    const it = await begun()
    it.feed('words', ...records(keys(4)))
    await it.run()
    it.feed('words', ...records(keys(16)))
    const takesOver = async (): Promise<void> => {
      it.clock.nowMs += 100_000
      it.feed('words', ...records(keys(16)))
      await it.run()
    }
    await it.run({ around: meanwhile('put', takesOver) })
    expect(await countsOf(it)).toEqual(Object.fromEntries(keys(16).map((key, at) => [key, at < 4 ? 3 : 2])))
  })
})

describe('the option', () => {
  const codeOf = (run: () => unknown): string | undefined => {
    try {
      run()
    } catch (error) {
      return error instanceof StreamsError ? `${error.code}: ${error.message}` : String(error)
    }
  }
  const store = { ...strings, packed: {} }

  it('is refused where rows cannot be packed, with why', () => {
    const made = (packed: PackedPages, logging: false | Readonly<Record<string, string>> = {}) =>
      codeOf(() => Stores.keyValueStore('counts', { ...strings, packed, logging }))
    expect(made({ pageBytes: 63 })).toBe('CONFIG_INVALID: Store counts: packed.pageBytes is 64 to 65536, not 63')
    expect(made({ pageBytes: 65_537 })).toContain('not 65537')
    expect(made({}, false)).toBe('CONFIG_INVALID: Store counts: rows cannot be packed without a changelog of their own')
    expect(made({ pageBytes: 65_536 })).toBeUndefined()
    expect(codeOf(() => Stores.windowStore('counts', { ...store, windowSizeMs: 10, retentionMs: 20 }))).toBeUndefined()
    expect(codeOf(() => Stores.sessionStore('visits', { ...store, retentionMs: 20 }))).toBe(
      'CONFIG_INVALID: Store visits: rows of a session store cannot be packed: only those of key-value and window stores',
    )
    expect(codeOf(() => Stores.versionedKeyValueStore('old', { ...store, historyRetentionMs: 20 }))).toContain('a versioned store')
  })

  it('is refused for a global store, and for one whose changelog is a source topic', () => {
    const builder = new StreamsBuilder()
    builder.globalTable('towns', { ...strings, store: { name: 'towns', packed: {} } })
    expect(codeOf(() => builder.build())).toContain('CONFIG_INVALID: Global store towns')
    const other = new StreamsBuilder()
    other.table('towns', { ...strings, store: { name: 'towns', packed: {} } })
    expect(codeOf(() => other.build({ 'topology.optimization': 'all' }))).toContain('CONFIG_INVALID: Store towns')
  })
})
