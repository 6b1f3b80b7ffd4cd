import { describe, expect, it } from 'vitest'
import { newestRows, PackedStore, type Page, type PagesToWrite } from '../../src/runtime/packed-store.ts'
import { keyId } from '../../src/serde/serde.ts'
import { windowStoreKey } from '../../src/serde/windowed.ts'
import { decodePage, groupOf, hashOf, indexAt, type PackedRow } from '../../src/state/page.ts'
import type { Row } from '../../src/state/rows.ts'
import { bytes, textOf } from './scene.ts'

const at = (seq: number, latestMs = -1) => ({ seq, latestMs })
const row = (key: string, value: string | null = 'v'): Row => ({
  key: bytes(key),
  value: value === null ? null : bytes(value),
  timestamp: 1,
})
const packedRow = (key: string, value: string): PackedRow => ({ key: bytes(key), id: keyId(bytes(key)), value: bytes(value), timestamp: 1 })
const keys = (count: number): readonly string[] => Array.from({ length: count }, (_, at) => `key-${String(at).padStart(3, '0')}`)
const keyValue = (pageBytes = 64) => new PackedStore({ kind: 'key-value', packed: { pageBytes } })

const shown = ({ pages, obsolete }: PagesToWrite) => ({
  pages: pages.map(({ level, index }) => `${level}/${index}`).sort(),
  obsolete: obsolete.map(({ level, index }) => `${level}/${index}`).sort(),
})
const placeOf = (key: string, level: number): string => `${level}/${indexAt(hashOf(keyId(bytes(key))), level)}`
const contents = ({ pages }: PagesToWrite): Readonly<Record<string, string | null>> =>
  Object.fromEntries(pages.flatMap(({ value }) => decodePage(value ?? bytes(''), 'it').map((it) => [textOf(it.key), textOf(it.value)])))
const rowsIn = (store: PackedStore): readonly (string | null)[] => [...store.rows()].map((it) => textOf(it.key)).sort()

describe('a packed store', () => {
  it('writes the page of a row that has changed, with all rows of the page', () => {
    const store = keyValue(65_536)
    expect(shown(store.write([row('a', '1'), row('b', '2')], at(1)))).toEqual({ pages: ['0/0'], obsolete: [] })
    expect(contents(store.write([row('a', '3')], at(2)))).toEqual({ a: '3', b: '2' })
    expect(shown(store.write([], at(3)))).toEqual({ pages: [], obsolete: [] })
  })

  it('writes a page without rows where the last one was deleted, and where nobody knew of one', () => {
    const store = keyValue()
    store.write([row('a')], at(1))
    const written = store.write([row('a', null)], at(2))
    expect([shown(written), contents(written)]).toEqual([{ pages: ['0/0'], obsolete: [] }, {}])
    expect(shown(keyValue().write([row('a', null)], at(1)))).toEqual({ pages: ['0/0'], obsolete: [] })
  })

  it('splits its pages when they are twice as large as they should be: all of the new level, then none of the old', () => {
    const store = keyValue()
    store.write([row('key-000')], at(1))
    const written = store.write(
      keys(16).map((key) => row(key)),
      at(2),
    )
    expect(shown(written)).toEqual({ pages: ['2/0', '2/1', '2/2', '2/3'], obsolete: ['0/0'] })
    expect(contents(written)).toEqual(Object.fromEntries(keys(16).map((key) => [key, 'v'])))
    expect(shown(store.write([row('key-001', 'w')], at(3)))).toEqual({ pages: [placeOf('key-001', 2)], obsolete: [] })
  })

  it('of which the table has nothing writes only the pages that have something', () => {
    const { pages, obsolete } = keyValue().write([...keys(8).map((key) => row(key, 'v'.repeat(8))), row('gone', null)], at(1))
    const level = pages[0]?.level ?? 0
    expect(level).toBeGreaterThan(0)
    const places = new Set([...keys(8), 'gone'].map((key) => placeOf(key, level)))
    expect(shown({ pages, obsolete }).pages).toEqual(expect.arrayContaining([...places]))
    expect(contents({ pages, obsolete })).toEqual(Object.fromEntries(keys(8).map((key) => [key, 'v'.repeat(8)])))
    expect(obsolete).toEqual([])
  })

  it('keeps a page that has the seq of the flush until a later one may put a tombstone in its place', () => {
    const store = keyValue()
    store.load([{ group: '', level: 0, index: 0, seq: 5, rows: keys(16).map((key) => packedRow(key, 'v')) }], {
      inLog: false,
      latestMs: -1,
    })
    expect(shown(store.write([row('key-001', 'w')], at(5)))).toEqual({ pages: ['2/0', '2/1', '2/2', '2/3'], obsolete: [] })
    expect(shown(store.write([], at(5)))).toEqual({ pages: [], obsolete: [] })
    expect(shown(store.write([], at(6)))).toEqual({ pages: ['2/0', '2/1', '2/2', '2/3'], obsolete: ['0/0'] })
  })

  it('is split further where hashes lie badly, as an item has its limit', () => {
    const store = keyValue(65_536)
    const large = 'x'.repeat(30_000)
    const same = keys(900).filter((key) => indexAt(hashOf(keyId(bytes(key))), 3) === 0)
    const { pages } = store.write(
      same.slice(0, 40).map((key) => row(key, large)),
      at(1),
    )
    expect(Math.max(...pages.map(({ value }) => value?.length ?? 0))).toBeLessThan(300_000)
  })

  it('knows how much it has', () => {
    const store = keyValue()
    expect(store.size).toBeUndefined()
    store.write([row('a', '12'), row('b', '1')], at(1))
    expect(store.size).toEqual({ rows: 2, bytes: 17 })
    store.write([row('a', null)], at(2))
    expect(store.size).toEqual({ rows: 1, bytes: 8 })
  })
})

describe('what a packed store begins with', () => {
  const newer = (level: number, index: number, seq: number, rows: readonly PackedRow[]): Page => ({ group: '', level, index, seq, rows })
  const [one, other] = ['key-000', 'key-001', 'key-002'].sort(
    (a, b) => indexAt(hashOf(keyId(bytes(a))), 1) - indexAt(hashOf(keyId(bytes(b))), 1),
  ) as [string, string]
  const indexOf = (key: string): number => indexAt(hashOf(keyId(bytes(key))), 1)

  it('is each row as the newest page has it in which it may be, at whatever level', () => {
    const old = newer(0, 0, 5, [packedRow(one, 'old'), packedRow(other, 'old')])
    const ahead = newer(1, indexOf(one), 7, [packedRow(one, 'new')])
    const late = newer(1, indexOf(one), 3, [packedRow(one, 'late')])
    const valuesOf = (pages: readonly Page[]) => Object.fromEntries(newestRows(pages).map(({ key, value }) => [textOf(key), textOf(value)]))
    expect(valuesOf([old, ahead])[one]).toBe('new')
    expect(valuesOf([old, late])).toEqual({ [one]: 'old', [other]: 'old' })
  })

  it('has no row that a newer page has no longer', () => {
    expect(newestRows([newer(0, 0, 5, [packedRow(one, 'old')]), newer(1, indexOf(one), 7, [])])).toEqual([])
  })

  it('is completed where somebody died between the pages of a new level: all of them, then tombstones', () => {
    const store = keyValue(65_536)
    store.load([newer(0, 0, 5, [packedRow(one, 'old'), packedRow(other, 'old')]), newer(1, indexOf(one), 7, [packedRow(one, 'new')])], {
      ...{ inLog: false, latestMs: -1 },
    })
    expect(shown(store.write([], at(8)))).toEqual({ pages: ['1/0', '1/1'], obsolete: ['0/0'] })
    expect(shown(store.write([], at(9)))).toEqual({ pages: [], obsolete: [] })
  })

  it('is nothing of the pages where the log has all rows: all are replaced', () => {
    const store = keyValue(65_536)
    store.load([newer(0, 0, 5, [packedRow(one, 'old')]), newer(1, 0, 5, [packedRow(one, 'old')])], { inLog: true, latestMs: -1 })
    expect(rowsIn(store)).toEqual([])
    const written = store.write([row('key-007')], at(9))
    expect([shown(written), contents(written)]).toEqual([{ pages: ['1/0', '1/1'], obsolete: ['0/0'] }, { 'key-007': 'v' }])
  })
})

describe('a packed store with windows', () => {
  const windowed = () => new PackedStore({ kind: 'window', retentionMs: 100, packed: { pageBytes: 65_536 } })
  const inWindow = (key: string, startMs: number, value: string | null = 'v'): Row => ({
    ...row(key, value),
    key: windowStoreKey(bytes(key), startMs),
  })
  const groupAt = (startMs: number): string => groupOf(keyId(windowStoreKey(bytes('a'), startMs)), true)

  it('has pages of its own for each window', () => {
    const { pages } = windowed().write([inWindow('a', 1_000), inWindow('b', 1_000), inWindow('a', 1_010)], at(1, 1_010))
    expect(pages.map(({ group }) => group)).toEqual([groupAt(1_000), groupAt(1_010)])
  })

  it('forgets a window when a later one leaves it behind by the retention time, and never writes it again', () => {
    const store = windowed()
    store.write([inWindow('a', 1_000), inWindow('a', 1_001)], at(1, 1_001))
    expect(store.takeForgotten()).toEqual([])
    const { pages } = store.write([inWindow('a', 1_100), inWindow('b', 1_000)], at(2, 1_100))
    expect(pages.map(({ group }) => group)).toEqual([groupAt(1_100)])
    expect(store.takeForgotten()).toEqual(['b', 'a'].map((key) => keyId(windowStoreKey(bytes(key), 1_000))))
    expect(store.size?.rows).toBe(2)
  })

  it('does not begin with windows that have expired', () => {
    const store = windowed()
    const pages = [1_000, 1_001].map((startMs) => ({ group: groupAt(startMs), level: 0, index: 0, seq: 1, rows: [] }))
    store.load(pages, { inLog: true, latestMs: 1_100 })
    expect(store.write([], at(2, 1_100)).pages.map(({ group }) => group)).toEqual([groupAt(1_001)])
  })
})
