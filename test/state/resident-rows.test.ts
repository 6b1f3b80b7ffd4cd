import { describe, expect, it } from 'vitest'
import { keyId } from '../../src/serde/serde.ts'
import { type StoreSize, tableBytes } from '../../src/state/backend.ts'
import { type Row, type RowReader, Rows } from '../../src/state/rows.ts'

const unit = 4096
const key = (name: string): Uint8Array => Buffer.from(name, 'latin1')
const row = (name: string, value: string | null = 'v'): Row => ({
  key: key(name),
  value: value === null ? null : key(value),
  timestamp: 0,
})
const names = Array.from({ length: 100 }, (_, at) => `key-${String(at).padStart(2, '0')}`)
/** A row and what it takes in the table. */
const rowBytes = tableBytes(key('key-00'), key('v'))

/** A table of a hundred rows that counts read units, of what is not there one as well. */
const counting = (bytesLimit = Number.POSITIVE_INFINITY) => {
  const rows = new Map(names.map((name) => [keyId(key(name)), row(name)]))
  const paid: string[] = []
  const unitsOf = (found: readonly Row[]): number => Math.max(1, Math.ceil((found.length * rowBytes) / unit))
  const reader: RowReader = {
    get: async (keys) => {
      paid.push(`${keys.length} for rows`)
      return keys.map((one) => rows.get(keyId(one)))
    },
    range: async (from, to) => {
      const found = [...rows.values()].filter((one) => (!from || keyId(one.key) >= keyId(from)) && (!to || keyId(one.key) <= keyId(to)))
      paid.push(`${unitsOf(found)} for a range`)
      return found
    },
    all: async (bytesMax) => {
      paid.push(`${unitsOf([...rows.values()])} for all`)
      return rows.size * rowBytes > Math.min(bytesMax, bytesLimit) ? undefined : [...rows.values()]
    },
  }
  return { reader, paid }
}
/** Two units for all of it. */
const size: StoreSize = { rows: 100, bytes: 100 * rowBytes }
const residentBytesMax = 3 * unit
const textOf = async (rows: Rows, name: string): Promise<string | null> => {
  const found = await rows.get(keyId(key(name)))
  return found?.value ? `${Buffer.from(found.value)}` : null
}

describe('a store that a process does not know', () => {
  it('is read row by row until that has cost as much as all of it, then whole, and never again', async () => {
    const { reader, paid } = counting()
    const rows = new Rows({ reader, size, residentBytesMax })
    expect(await textOf(rows, 'key-00')).toBe('v')
    expect(paid).toEqual(['1 for rows'])
    expect(await textOf(rows, 'key-01')).toBe('v')
    expect(paid).toEqual(['1 for rows', '2 for all'])
    await rows.prefetch([...names, 'nobody'])
    await rows.prefetchRanges([[key('key-10'), key('key-20')]])
    expect([rows.get('nobody'), await rows.range(key('key-98'), null), paid.length]).toEqual([null, [row('key-98'), row('key-99')], 2])
  })

  it('is read whole at once where a batch asks for more than that', async () => {
    const { reader, paid } = counting()
    const rows = new Rows({ reader, size, residentBytesMax })
    await rows.prefetch(names.slice(0, 30))
    expect(await textOf(rows, 'key-77')).toBe('v')
    expect(paid).toEqual(['2 for all'])
  })

  it('is read once, however many ask at the same time', async () => {
    const { reader, paid } = counting()
    const rows = new Rows({ reader, size, residentBytesMax })
    await Promise.all([rows.prefetch(names), rows.prefetch(['nobody', 'key-01']), rows.range(null, null)])
    expect(paid).toEqual(['2 for all'])
  })

  it('is read by ranges until they have cost as much', async () => {
    const { reader, paid } = counting()
    const rows = new Rows({ reader, size, residentBytesMax })
    await rows.prefetchRanges([[key('key-00'), key('key-05')]])
    await rows.range(key('key-10'), key('key-11'))
    expect(await rows.range(key('key-98'), key('nobody'))).toEqual([row('key-98'), row('key-99')])
    expect(paid).toEqual(['1 for a range', '2 for all'])
  })

  it.each([
    ['is too large', { size, residentBytesMax: size.bytes - 1 }],
    ['is of unknown size', { residentBytesMax }],
    ['must not be resident', { size: { rows: 1, bytes: 1 }, residentBytesMax: 0 }],
  ])('is never read whole where it %s', async (_why, options) => {
    const { reader, paid } = counting()
    const rows = new Rows({ reader, ...options })
    for (const name of names) await textOf(rows, name)
    await rows.range(null, null)
    expect(paid).toEqual([...names.map(() => '1 for rows'), '2 for a range'])
  })

  it('that turns out to be larger than it was said to be is read row by row, and said to be larger', async () => {
    const { reader, paid } = counting(unit)
    const rows = new Rows({ reader, size: { rows: 1, bytes: 70 }, residentBytesMax })
    expect([await textOf(rows, 'key-00'), await textOf(rows, 'key-01')]).toEqual(['v', 'v'])
    expect(paid).toEqual(['2 for all', '1 for rows', '1 for rows'])
    expect(rows.size?.bytes).toBe(2 * residentBytesMax)
  })

  it('keeps what was written meanwhile, deletes too', async () => {
    const { reader } = counting()
    const rows = new Rows({ reader, size, residentBytesMax })
    rows.overlay([row('key-02', 'tail')])
    rows.put(keyId(key('key-00')), row('key-00', 'new'))
    rows.put(keyId(key('key-01')), row('key-01', null))
    await rows.prefetch(names)
    expect(await Promise.all(['key-00', 'key-01', 'key-02', 'key-03'].map((name) => textOf(rows, name)))).toEqual([
      'new',
      null,
      'tail',
      'v',
    ])
    expect(rows.size).toEqual({ rows: 99, bytes: 99 * rowBytes + 2 + 3 })
  })

  it('is not read whole again once memory had to let go of some of it', async () => {
    const { reader, paid } = counting()
    const rows = new Rows({ reader, size, residentBytesMax, bytesMax: 300 })
    await rows.prefetch(names)
    rows.evict()
    await rows.prefetch(names)
    expect(paid).toEqual(['2 for all', '98 for rows'])
  })
})

describe('the size of a store', () => {
  it('follows what is written: new rows, other values, deletes', async () => {
    const { reader } = counting()
    const rows = new Rows({ reader, size })
    await rows.prefetch(['key-00', 'key-01', 'new'])
    rows.put(keyId(key('key-00')), row('key-00', 'longer'))
    rows.put(keyId(key('key-01')), row('key-01', null))
    rows.put(keyId(key('new')), row('new'))
    expect(rows.size).toEqual({ rows: 100, bytes: 98 * rowBytes + rowBytes + 5 + tableBytes(key('new'), key('v')) })
  })

  it('is none where it never had a row, and never below zero', () => {
    const rows = new Rows()
    expect(rows.size).toBeUndefined()
    rows.overlay([row('a')])
    rows.put('a', row('a', null))
    expect(rows.size).toEqual({ rows: 0, bytes: 0 })
  })
})
