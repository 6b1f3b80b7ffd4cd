import { describe, expect, it } from 'vitest'
import type { Change } from '../../src/processor/change.ts'
import type { ContextHolder } from '../../src/processor/context.ts'
import type { Record } from '../../src/processor/record.ts'
import { keyId, type Serde } from '../../src/serde/serde.ts'
import { Serdes } from '../../src/serde/serdes.ts'
import { RowStore } from '../../src/state/row-store.ts'
import { type Row, type RowReader, Rows } from '../../src/state/rows.ts'

const stored: readonly Row[] = ['a', 'c'].map((name) => ({ key: Buffer.from(name), value: Serdes.long.serialize(1, ''), timestamp: 10 }))

const make = ({ caching = true, rows = stored, valueSerde = Serdes.long as Serde<number> } = {}) => {
  const asked: string[] = []
  const reader: RowReader = {
    get: async (keys) => {
      asked.push(`get ${keys.map((key) => Buffer.from(key)).join(' ')}`)
      return keys.map((key) => rows.find((row) => keyId(row.key) === keyId(key)))
    },
    range: async (from, to) => {
      asked.push('range')
      return rows.filter(({ key }) => (from === null || keyId(key) >= keyId(from)) && (to === null || keyId(key) <= keyId(to)))
    },
  }
  const holder: ContextHolder = { current: undefined }
  const store = new RowStore<string, number>({
    ...{ name: 'counts', changelog: 'app-counts-changelog', keySerde: Serdes.string, valueSerde, caching, holder },
    rows: new Rows({ reader }),
  })
  const forwarded: string[] = []
  store.onFlush(({ key, value, timestamp, headers }: Record<string, Change<number>>) => {
    forwarded.push(`${key}=${value.newValue}@${timestamp} headers ${headers.length} at offset ${holder.current?.offset}`)
  })
  const at = (offset: number, timestamp: number) => {
    holder.current = { topic: 't', partition: 0, offset, timestamp, rawKey: null, rawValue: null, headers: [['h', null]] }
  }
  const written = () =>
    store.rows
      .takeWritten()
      .map(({ key, value, timestamp }) => `${Buffer.from(key)}=${value && Serdes.long.deserialize(value, '')}@${timestamp}`)
  return { store, asked, forwarded, at, written, holder }
}

describe('a timestamped store', () => {
  it('reads rows with their times, null where there is none', async () => {
    const { store } = make()
    expect([await store.get('a'), await store.get('b')]).toEqual([{ value: 1, timestamp: 10 }, null])
  })

  it('answers at once what it has written, cached or not', () => {
    for (const caching of [true, false]) {
      const { store } = make({ caching })
      store.put('x', { value: 5, timestamp: 7 })
      expect(store.get('x')).toEqual({ value: 5, timestamp: 7 })
    }
  })

  it('with caching writes and forwards one change per key at the flush, in the order of the last writes, in the context of each', () => {
    const { store, forwarded, at, written } = make()
    at(0, 100)
    store.put('x', { value: 1, timestamp: 100 })
    at(1, 101)
    store.put('y', { value: 1, timestamp: 101 })
    at(2, 50)
    store.put('x', { value: 2, timestamp: 100 })
    expect([forwarded, written()]).toEqual([[], []])
    store.flush()
    expect(forwarded).toEqual(['y=1@101 headers 1 at offset 1', 'x=2@100 headers 1 at offset 2'])
    expect(written()).toEqual(['y=1@101', 'x=2@100'])
    store.flush()
    expect(forwarded).toHaveLength(2)
  })

  it('without caching writes at once and forwards nothing: the operator does', () => {
    const { store, forwarded, written } = make({ caching: false })
    store.put('x', { value: 1, timestamp: 100 })
    store.put('x', { value: 2, timestamp: 90 })
    store.flush()
    expect([forwarded, written()]).toEqual([[], ['x=2@90']])
  })

  it('deletes a row with the time of the record that did it', async () => {
    const { store, forwarded, at, written } = make()
    at(3, 77)
    store.put('a', null)
    await store.flush()
    expect([forwarded, written(), store.get('a')]).toEqual([['a=null@77 headers 1 at offset 3'], ['a=null@77'], null])
  })

  it('forwards a row that came and went between two flushes as deleted if another node has seen it', async () => {
    const { store, forwarded, at } = make()
    at(0, 100)
    for (const key of ['x', 'y']) store.put(key, { value: 1, timestamp: 100 })
    expect(await store.lookUp('x')).toEqual({ value: 1, timestamp: 100 })
    for (const key of ['x', 'y']) store.put(key, null)
    await store.flush()
    expect(forwarded).toEqual(['x=null@100 headers 1 at offset 0'])
  })

  it('neither writes nor forwards a row that came and went between two flushes', async () => {
    const { store, forwarded, written } = make()
    store.put('x', { value: 1, timestamp: 1 })
    store.put('x', null)
    await store.flush()
    expect([forwarded, written()]).toEqual([[], []])
  })

  it('ranges over the table, what was written, and the cache, in byte order, with one request', async () => {
    const { store, asked } = make()
    store.put('b', { value: 2, timestamp: 20 })
    store.put('c', null)
    store.put('z', { value: 9, timestamp: 90 })
    expect(await store.all()).toEqual([
      ['a', { value: 1, timestamp: 10 }],
      ['b', { value: 2, timestamp: 20 }],
      ['z', { value: 9, timestamp: 90 }],
    ])
    expect((await store.range('b', 'y')).map(([key]) => key)).toEqual(['b'])
    expect(asked).toEqual(['range', 'range'])
  })

  it('names itself where a serde fails', () => {
    const { store } = make({ caching: false })
    expect(() => store.put('x', { value: 0.5, timestamp: 1 })).toThrow(
      expect.objectContaining({
        code: 'SERDE_FAILED',
        message: 'Cannot write the value of store counts with the long serde: The long serde got number 0.5',
      }),
    )
  })
})

describe('a flush of a cached store', () => {
  it('shows what it has not come to yet, also to those it forwards to, key by key and in ranges', async () => {
    const { store } = make({ rows: [] })
    const seen: unknown[] = []
    store.onFlush(async ({ key }: Record<string, Change<number>>) => {
      seen.push([key, await store.get('z'), (await store.all()).map(([name, { value }]) => `${name}=${value}`)])
    })
    for (const [at, key] of ['b', 'z', 'a'].entries()) store.put(key, { value: at, timestamp: at })
    await store.flush()
    const all = ['a=2', 'b=0', 'z=1']
    expect(seen).toEqual(['b', 'z', 'a'].map((key) => [key, { value: 1, timestamp: 1 }, all]))
    expect(store.isDirty).toBe(false)
  })
})
