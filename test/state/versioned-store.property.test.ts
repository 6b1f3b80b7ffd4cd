import fc from 'fast-check'
import { expect, it } from 'vitest'
import { notPut, validForever } from '../../src/processor/store.ts'
import { keyId } from '../../src/serde/serde.ts'
import { Serdes } from '../../src/serde/serdes.ts'
import { type Row, type RowReader, Rows } from '../../src/state/rows.ts'
import { VersionedRows, versionRowOf } from '../../src/state/versioned-store.ts'

const historyMs = 20
// the bytes of one key lie between the versions of another
const keys = ['a', 'a\0\0\0\0\0\0\0\u0005', 'b']

const step = fc.record({
  key: fc.constantFrom(...keys),
  value: fc.option(fc.constantFrom('x', 'y', ''), { nil: null }),
  time: fc.nat(60),
  deletes: fc.boolean(),
  cut: fc.constantFrom('no', 'no', 'table', 'changelog'),
})

/** A table that holds the rows of a store whose task comes and goes, and the changelog that was written. */
const world = () => {
  const table = new Map<string, Row>()
  const changelog: Row[] = []
  const remembered = new Map<string, number>()
  const reader: RowReader = {
    get: async (wanted) => wanted.map((key) => table.get(keyId(key))),
    range: async (from, to) =>
      [...table.values()].filter(({ key }) => (!from || keyId(key) >= keyId(from)) && (!to || keyId(key) <= keyId(to))),
  }
  let dropped = 0
  const open = () => {
    const rows = new Rows({ reader })
    const store = new VersionedRows<string, string>({
      ...{
        name: 'prices',
        changelog: 'app-prices-changelog',
        keySerde: Serdes.string,
        valueSerde: Serdes.string,
        historyMs,
        rows,
        remembered,
      },
      dropped: () => dropped++,
    })
    const commit = () => {
      changelog.push(...store.takeLog())
      for (const row of rows.takeWritten()) row.value === null ? table.delete(keyId(row.key)) : table.set(keyId(row.key), row)
    }
    return { store, commit }
  }
  const rebuild = () => {
    table.clear()
    for (const record of changelog) {
      const row = versionRowOf(record)
      if (row) table.set(keyId(row.key), row)
    }
  }
  return { open, rebuild, dropped: () => dropped }
}

/** Every version there ever was, by key and time. */
const model = () => {
  const all = new Map<string, Map<number, string | null>>()
  let observed = -1
  const late = (time: number): boolean => time < observed - historyMs
  const timesOf = (key: string): readonly number[] => [...(all.get(key) ?? new Map()).keys()].sort((one, other) => one - other)
  const at = (key: string, time: number | undefined) => {
    const value = time === undefined ? null : (all.get(key)?.get(time) ?? null)
    if (time === undefined || value === null) return null
    const validTo = timesOf(key).find((it) => it > time)
    return validTo === undefined ? { value, timestamp: time } : { value, timestamp: time, validTo }
  }
  const get = (key: string, asOf = Number.POSITIVE_INFINITY) => {
    const latest = timesOf(key).at(-1)
    if (late(asOf)) return latest !== undefined && latest <= asOf ? at(key, latest) : null
    return at(
      key,
      timesOf(key).findLast((it) => it <= asOf),
    )
  }
  const put = (key: string, value: string | null, time: number): number => {
    if (late(time)) return notPut
    observed = Math.max(observed, time)
    all.set(key, (all.get(key) ?? new Map<number, string | null>()).set(time, value))
    return timesOf(key).find((it) => it > time) ?? validForever
  }
  return { get, put, late }
}

it('knows what held at each time of its history, and the latest version for ever, over its table and over its changelog', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 40 }), async (steps) => {
      const [it, expected] = [world(), model()]
      let { store, commit } = it.open()
      let late = 0
      for (const { key, value, time, deletes, cut } of steps) {
        if (expected.late(time)) late++
        if (deletes) {
          const before = expected.late(time) ? null : expected.get(key, time)
          expected.put(key, null, time)
          // what a later deletion ends is told as it was before: until when it held may be the deletion itself
          expect((await store.delete(key, time))?.value).toEqual(before?.value)
        } else expect(await store.put(key, value, time)).toBe(expected.put(key, value, time))
        commit()
        if (cut === 'changelog') it.rebuild()
        if (cut !== 'no') ({ store, commit } = it.open())
      }
      for (const key of keys) {
        expect(await store.get(key)).toEqual(expected.get(key))
        for (let time = 0; time <= 70; time += 5) expect(await store.get(key, time)).toEqual(expected.get(key, time))
      }
      expect(it.dropped()).toBe(late)
    }),
    { seed: 889, numRuns: 300 },
  )
})
