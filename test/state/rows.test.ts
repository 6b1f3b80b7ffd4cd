import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { keyId } from '../../src/serde/serde.ts'
import { type Row, type RowReader, Rows } from '../../src/state/rows.ts'

const key = (text: string): Uint8Array => Buffer.from(text, 'latin1')
const row = (name: string, value: string | null, timestamp = 0): Row => ({
  key: key(name),
  value: value === null ? null : key(value),
  timestamp,
})
const shown = (one: Row | null | undefined): string | null =>
  one ? `${Buffer.from(one.key)}=${one.value === null ? null : Buffer.from(one.value)}` : null

/** A table of rows that notes what it is asked. */
const tableOf = (...rows: readonly Row[]) => {
  const stored = new Map(rows.map((one) => [keyId(one.key), one]))
  const asked: string[] = []
  const reader: RowReader = {
    get: async (keys) => {
      asked.push(keys.map((one) => `${Buffer.from(one)}`).join(' '))
      return keys.map((one) => stored.get(keyId(one)))
    },
    range: async (from, to) => {
      asked.push('range')
      const inside = [...stored].filter(([id]) => (from === null || id >= keyId(from)) && (to === null || id <= keyId(to)))
      return inside.sort(([a], [b]) => (a < b ? -1 : 1)).map(([, one]) => one)
    },
  }
  return { stored, asked, reader }
}
const get = (rows: Rows, name: string) => rows.get(keyId(key(name)))

describe('rows', () => {
  it('are there at once once they were read, also those that do not exist', async () => {
    const { asked, reader } = tableOf(row('a', '1'))
    const rows = new Rows({ reader })
    expect(get(rows, 'a')).toBeInstanceOf(Promise)
    await get(rows, 'b')
    expect([get(rows, 'a'), get(rows, 'b')]).toEqual([row('a', '1'), null])
    expect(asked).toEqual(['a', 'b'])
  })

  it('are prefetched in one request, without those that are known', async () => {
    const { asked, reader } = tableOf(row('a', '1'), row('b', '2'))
    const rows = new Rows({ reader })
    rows.put('a', row('a', 'own'))
    await rows.prefetch(['a', 'b', 'c', 'b'])
    await rows.prefetch(['b', 'c'])
    expect(['a', 'b', 'c'].map((name) => shown(get(rows, name) as Row | null))).toEqual(['a=own', 'b=2', null])
    expect(asked).toEqual(['b c'])
  })

  it('of a complete store are never asked for', async () => {
    const { asked, reader } = tableOf(row('a', '1'))
    for (const rows of [new Rows(), new Rows({ reader, complete: true })]) {
      await rows.prefetch(['a'])
      expect([get(rows, 'a'), await rows.range(null, null)]).toEqual([null, []])
    }
    expect(asked).toEqual([])
  })

  it('of a range are read once, but for what was evicted; what is in memory is newer', async () => {
    const { asked, reader } = tableOf(row('a', '1'), row('b', '2'), row('c', '3'), row('e', '5'))
    const rows = new Rows({ reader, bytesMax: 0 })
    rows.put('b', row('b', 'own'))
    rows.put('c', row('c', null))
    const range = async (from: string, to: string) => (await rows.range(key(from), key(to))).map(shown)
    await rows.prefetchRanges([
      [key('a'), key('c')],
      [key('b'), key('d')],
    ])
    expect(asked).toEqual(['range'])
    expect(rows.range(key('a'), key('d'))).not.toBeInstanceOf(Promise)
    expect(await range('a', 'd')).toEqual(['a=1', 'b=own'])
    expect([get(rows, 'bc'), get(rows, 'c')]).toEqual([null, null])
    rows.put('bb', row('bb', 'new'))
    expect(await range('b', 'e')).toEqual(['b=own', 'bb=new', 'e=5'])
    expect(await range('c', 'b')).toEqual([])
    expect(asked.length).toBe(2)
    rows.evict()
    expect(await range('a', 'a')).toEqual(['a=1'])
    expect(asked.length).toBe(3)
  })

  it('that were overlaid win over the table, and are not written again', async () => {
    const { reader } = tableOf(row('a', '1'), row('b', '2'))
    const rows = new Rows({ reader })
    rows.overlay([row('a', 'tail'), row('b', null)])
    expect([shown(get(rows, 'a') as Row), get(rows, 'b')]).toEqual(['a=tail', null])
    expect((await rows.range(null, null)).map(shown)).toEqual(['a=tail'])
    expect(rows.takeWritten()).toEqual([])
  })

  it('that were written are taken once, the last per key, in the order of the last writes', () => {
    const rows = new Rows()
    for (const [name, value] of [
      ['a', '1'],
      ['b', '2'],
      ['a', null],
      ['c', '3'],
    ] as const)
      rows.put(name, row(name, value))
    expect(rows.takeWritten().map(shown)).toEqual(['b=2', 'a=null', 'c=3'])
    expect(rows.takeWritten()).toEqual([])
    expect(shown(get(rows, 'c') as Row)).toBe('c=3')
  })

  it('come in unsigned byte order of their keys, bounds inclusive', async () => {
    const { reader } = tableOf(row('\x00', '0'), row('b', '1'), row('\xff', '2'))
    const rows = new Rows({ reader })
    rows.put(keyId(key('\x80')), row('\x80', 'own'))
    rows.put('b', row('b', null))
    const names = async (from: string | null, to: string | null) =>
      (await rows.range(from === null ? null : key(from), to === null ? null : key(to))).map((one) => Buffer.from(one.key).toString('hex'))
    expect(await names(null, null)).toEqual(['00', '80', 'ff'])
    expect(await names('\x00', '\x80')).toEqual(['00', '80'])
    expect(await names('\x01', '\x7f')).toEqual([])
    expect(await names('\xff', '\x00')).toEqual([])
  })

  it('above the memory limit are let go of, oldest first, and read again from the table', async () => {
    const { asked, reader, stored } = tableOf()
    const rows = new Rows({ reader, complete: true, bytesMax: 300 })
    for (const name of ['a', 'b', 'c']) {
      rows.put(name, row(name, '1'))
      stored.set(name, row(name, '1'))
    }
    rows.evict()
    expect(['b', 'c'].map((name) => shown(get(rows, name) as Row))).toEqual(['b=1', 'c=1'])
    expect(shown(await get(rows, 'a'))).toBe('a=1')
    expect(asked).toEqual(['a'])
  })

  it('without a table stay, however many they are', () => {
    const rows = new Rows({ bytesMax: 1 })
    rows.put('a', row('a', '1'))
    rows.evict()
    expect(shown(get(rows, 'a') as Row)).toBe('a=1')
  })

  it('behave as one map, whatever is read, written, flushed and evicted in which order', async () => {
    const name = fc.constantFrom('a', 'b', 'c', 'd', 'e')
    const step = fc.oneof(
      fc.record({ kind: fc.constant('put' as const), name, value: fc.option(fc.constantFrom('1', '2', '3')) }),
      fc.record({ kind: fc.constantFrom('get' as const, 'prefetch' as const), name }),
      fc.record({ kind: fc.constant('range' as const), name, to: name }),
      fc.record({ kind: fc.constantFrom('flush' as const, 'evict' as const, 'evict but for what waits' as const) }),
    )
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 40 }),
        fc.constantFrom(1, 260, 1e9),
        fc.constantFrom(0, 130, 1_000),
        async (steps, bytesMax, residentBytesMax) => {
          const { reader, stored } = tableOf(row('a', '1'), row('c', '2'))
          const model = new Map<string, string>([
            ['a', '1'],
            ['c', '2'],
          ])
          const all = () => reader.range(null, null)
          const rows = new Rows({ reader: { ...reader, all }, bytesMax, size: { rows: 2, bytes: 132 }, residentBytesMax })
          const waiting = new Map<string, Row>()
          const wait = () => {
            for (const one of rows.takeWritten()) waiting.set(keyId(one.key), one)
          }
          const flush = () => {
            wait()
            for (const [id, one] of waiting) one.value === null ? stored.delete(id) : stored.set(id, one)
            waiting.clear()
          }
          for (const it of steps) {
            if (it.kind === 'put') {
              rows.put(it.name, row(it.name, it.value))
              if (it.value === null) model.delete(it.name)
              else model.set(it.name, it.value)
            } else if (it.kind === 'get') {
              expect(shown(await get(rows, it.name))).toBe(model.has(it.name) ? `${it.name}=${model.get(it.name)}` : null)
            } else if (it.kind === 'prefetch') await rows.prefetch([it.name, 'a'])
            else if (it.kind === 'range') {
              const expected = [...model].filter(([one]) => one >= it.name && one <= it.to).sort()
              expect((await rows.range(key(it.name), key(it.to))).map(shown)).toEqual(expected.map(([one, value]) => `${one}=${value}`))
            } else if (it.kind === 'evict but for what waits') {
              wait()
              rows.evict(waiting)
            } else {
              flush()
              if (it.kind === 'evict') rows.evict()
            }
          }
          flush()
          expect([...stored.values()].map(shown).sort()).toEqual([...model].map(([one, value]) => `${one}=${value}`).sort())
        },
      ),
      { seed: 11, numRuns: 500 },
    )
  })
})
