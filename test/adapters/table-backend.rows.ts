import { describe, expect, it } from 'vitest'
import type { StateKey, StateRow, TableBackend, TaskId } from '../../src/state/backend.ts'
import { type Fixture, soon } from './table-backend.fixture.ts'

/** State rows: last writer wins by seq, limits, order of queries. */
export function stateRowFacts(use: Fixture): void {
  describe('a row', () => rowFacts(use))
  describe('a row too large', () => sizeFacts(use))
  describe('a query', () => queryFacts(use))
  describe('a key space that is wiped', () => wipeFacts(use))
}

const bytes = (...values: number[]) => Uint8Array.from(values)

const row = (task: TaskId, key: Uint8Array, seq: number, value: Uint8Array | null, change: Partial<StateRow> = {}): StateRow => ({
  ...task,
  gen: 0,
  store: 'totals',
  key,
  value,
  timestamp: 1_700_000_000_000 + seq,
  seq,
  ...(value === null && { expiresAtSeconds: 4_000_000_000 }),
  ...change,
})

function rowFacts({ table, freshTask }: Fixture): void {
  it('comes back as it was written', async () => {
    const task = freshTask()
    const rows = [
      row(task, bytes(1), 1, bytes(9, 8)),
      row(task, bytes(2), 1, bytes()),
      row(task, bytes(), 1, bytes(7)),
      row(task, bytes(3), 1, null),
      row(task, bytes(4), 1, bytes(4), { expiresAtSeconds: 4_100_000_000 }),
      row(task, bytes(5), 1, bytes(5), {
        headers: [
          ['a', bytes(1)],
          ['a', null],
          ['', bytes()],
        ],
      }),
      row(task, bytes(1), 1, bytes(1), { store: 'others' }),
      row(task, bytes(1), 1, bytes(2), { gen: 1 }),
      row({ ...task, partition: 4 }, bytes(1), 1, bytes(3)),
    ]
    await table().put(rows, soon())
    expect(await table().get(rows, soon())).toEqual(rows)
  })
  it('is found in request order, and undefined where there is none', async () => {
    const task = freshTask()
    const a = row(task, bytes(1), 1, bytes(1))
    const b = row(task, bytes(2), 1, bytes(2))
    await table().put([a, b], soon())
    expect(await table().get([b, row(task, bytes(3), 0, null), a, b], soon())).toEqual([b, undefined, a, b])
    expect(await table().get([], soon())).toEqual([])
  })
  it('is won by the highest seq, whatever the order, and a refused one is no error', async () => {
    const task = freshTask()
    const key = bytes(0, 255)
    const seen: unknown[] = []
    for (const written of [
      row(task, key, 2, bytes(2)),
      row(task, key, 1, bytes(1)),
      row(task, key, 2, bytes(22)),
      row(task, key, 3, bytes(3)),
    ]) {
      await table().put([written], soon())
      seen.push(...(await table().get([written], soon())))
    }
    expect(seen).toEqual([
      row(task, key, 2, bytes(2)),
      row(task, key, 2, bytes(2)),
      row(task, key, 2, bytes(2)),
      row(task, key, 3, bytes(3)),
    ])
  })
  it('stays deleted for a late write, and comes back with a newer one', async () => {
    const task = freshTask()
    const key = bytes(1)
    const seen: unknown[] = []
    for (const written of [
      row(task, key, 1, bytes(1)),
      row(task, key, 3, null),
      row(task, key, 2, bytes(2)),
      row(task, key, 4, bytes(4)),
    ]) {
      await table().put([written], soon())
      seen.push(...(await table().get([written], soon())))
    }
    expect(seen).toEqual([row(task, key, 1, bytes(1)), row(task, key, 3, null), row(task, key, 3, null), row(task, key, 4, bytes(4))])
  })
  it('loses headers and expiry with the write that has none', async () => {
    const task = freshTask()
    await table().put([row(task, bytes(1), 1, bytes(1), { headers: [['a', bytes(1)]], expiresAtSeconds: 4_000_000_000 })], soon())
    const plain = row(task, bytes(1), 2, bytes(2))
    await table().put([plain], soon())
    expect(await table().get([plain], soon())).toEqual([plain])
  })
  it('keeps the newest of several writes in one call', async () => {
    const task = freshTask()
    await table().put(
      [1, 3, 2].map((seq) => row(task, bytes(1), seq, bytes(seq))),
      soon(),
    )
    expect(await table().get([row(task, bytes(1), 0, null)], soon())).toEqual([row(task, bytes(1), 3, bytes(3))])
  })
  it('is written and read in hundreds, old and new ones mixed', async () => {
    const task = freshTask()
    const many = (seq: number, from: number, to: number) =>
      Array.from({ length: to - from }, (_, i) => row(task, bytes((from + i) >> 8, from + i), seq, bytes(seq)))
    await table().put(many(5, 0, 160), soon())
    await table().put(many(7, 40, 80), soon())
    await table().put(many(6, 0, 330), soon())
    const expected = [...many(6, 0, 40), ...many(7, 40, 80), ...many(6, 80, 330)]
    expect(await table().get(many(0, 0, 331), soon())).toEqual([...expected, undefined])
  }, 60_000)
}

function sizeFacts({ table, freshTask }: Fixture): void {
  it('in its key names store, size and limit, and nothing of the call is written', async () => {
    const task = freshTask()
    const good = row(task, bytes(1), 1, bytes(1))
    const failed = table().put([good, row(task, new Uint8Array(1024), 1, bytes(1))], soon())
    await expect(failed).rejects.toMatchObject({
      code: 'STATE_TOO_LARGE',
      message: `store 'totals' of task ${task.subTopology}/3: a key of 1024 bytes; the limit is 1023 bytes`,
    })
    expect(await table().get([good], soon())).toEqual([undefined])
  })
  it('in its value names store, size and limit, and nothing of the call is written', async () => {
    const task = { subTopology: freshTask().subTopology.padEnd(40, '-'), partition: 3 }
    const good = row(task, bytes(1), 1, bytes(1))
    const failed = table().put([good, row(task, bytes(2), 1, new Uint8Array(409_600))], soon())
    await expect(failed).rejects.toMatchObject({
      code: 'STATE_TOO_LARGE',
      message: `store 'totals' of task ${task.subTopology}/3: a row of ${409_600 + 1 + 128 + task.subTopology.length + 6} bytes; the limit is 409600 bytes`,
    })
    expect(await table().get([good], soon())).toEqual([undefined])
  })
  it('is only one above the limits', async () => {
    const task = freshTask()
    const long = row(task, new Uint8Array(1023).fill(255), 1, bytes(1))
    const large = row(task, bytes(1), 1, new Uint8Array(409_000))
    await table().put([long, large], soon())
    expect(await table().get([long, large], soon())).toEqual([long, large])
  })
}

function queryFacts({ table, freshTask }: Fixture): void {
  const read = async (range: Parameters<TableBackend['query']>[0]) => {
    const rows: StateRow[] = []
    for await (const page of table().query(range, soon())) rows.push(...page)
    return rows
  }

  it('answers live rows in unsigned byte order, bounds inclusive, in both directions', async () => {
    const task = freshTask()
    const keys = [
      bytes(),
      bytes(0),
      bytes(0, 0),
      bytes(1),
      bytes(127),
      bytes(127, 255),
      bytes(128),
      bytes(255),
      bytes(255, 0),
      bytes(255, 255),
    ]
    const rows = keys.map((key, i) => row(task, key, 1, bytes(i)))
    await table().put([...rows.slice(5), ...rows.slice(0, 5)], soon())
    await table().put([row(task, bytes(127, 0), 1, null), row(task, bytes(1), 1, bytes(1), { store: 'others' })], soon())
    const range = { ...task, gen: 0, store: 'totals' }
    expect(await read(range)).toEqual(rows)
    expect(await read({ ...range, reverse: true })).toEqual(rows.toReversed())
    expect(await read({ ...range, from: bytes(1), to: bytes(128) })).toEqual(rows.slice(3, 7))
    expect(await read({ ...range, from: bytes(1), to: bytes(128), reverse: true })).toEqual(rows.slice(3, 7).toReversed())
    expect(await read({ ...range, from: bytes(200) })).toEqual(rows.slice(7))
    expect(await read({ ...range, to: bytes(0, 0) })).toEqual(rows.slice(0, 3))
    expect(await read({ ...range, from: bytes(5), to: bytes(4) })).toEqual([])
    expect(await read({ ...range, gen: 1 })).toEqual([])
  })
  it('sees what was written and deleted between two queries', async () => {
    const task = freshTask()
    const range = { ...task, gen: 0, store: 'totals' }
    await table().put([row(task, bytes(5), 1, bytes(5)), row(task, bytes(3), 1, bytes(3))], soon())
    expect((await read(range)).map(({ key }) => key[0])).toEqual([3, 5])
    await table().put([row(task, bytes(4), 2, bytes(4)), row(task, bytes(5), 2, null)], soon())
    expect((await read(range)).map(({ key }) => key[0])).toEqual([3, 4])
  })
  it('answers more than one page can hold', async () => {
    const task = freshTask()
    const rows = Array.from({ length: 12 }, (_, i) => row(task, bytes(i), 1, new Uint8Array(200_000).fill(i)))
    await table().put(rows, soon())
    const pages: number[] = []
    const found: StateRow[] = []
    for await (const page of table().query({ ...task, gen: 0, store: 'totals' }, soon())) {
      pages.push(page.length)
      found.push(...page)
    }
    expect(pages.every((length) => length > 0)).toBe(true)
    expect(found).toEqual(rows)
  })
}

function wipeFacts({ table, freshTask }: Fixture): void {
  const wipeAll = async (space: Omit<StateKey, 'key'>): Promise<number> => {
    let wiped = 0
    for (let more = -1; more !== 0; wiped += more) more = await table().wipe(space, soon())
    return wiped
  }
  it('loses its rows and its tombstones, and nothing else goes', async () => {
    const task = freshTask()
    const old = [row(task, bytes(1), 1, bytes(1)), row(task, bytes(2), 2, null), row(task, bytes(), 3, bytes(3))]
    const kept = [
      row(task, bytes(1), 1, bytes(1), { gen: 1 }),
      row(task, bytes(1), 1, bytes(1), { store: 'others' }),
      row({ ...task, partition: 4 }, bytes(1), 1, bytes(1)),
    ]
    await table().put([...old, ...kept], soon())
    expect(await wipeAll({ ...task, gen: 0, store: 'totals' })).toBe(3)
    expect(await table().get([...old, ...kept], soon())).toEqual([undefined, undefined, undefined, ...kept])
  })
  it('goes page by page, and an empty one at once', async () => {
    const task = freshTask()
    const rows = Array.from({ length: 2_300 }, (_, at) => row(task, bytes(at >> 8, at & 255), 1, bytes(1)))
    await table().put(rows, soon())
    expect(await wipeAll({ ...task, gen: 0, store: 'totals' })).toBe(2_300)
    expect(await wipeAll({ ...task, gen: 0, store: 'totals' })).toBe(0)
    await table().put(rows.slice(0, 1), soon())
    expect(await table().get(rows.slice(0, 1), soon())).toEqual(rows.slice(0, 1))
  })
}
