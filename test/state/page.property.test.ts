import fc from 'fast-check'
import { expect, it } from 'vitest'
import { StreamsError } from '../../src/errors.ts'
import { keyId } from '../../src/serde/serde.ts'
import { windowStoreKey } from '../../src/serde/windowed.ts'
import { decodePage, encodePage, groupOf, hashOf, indexAt, type PackedRow, pageKey, placeOf, startMsOf } from '../../src/state/page.ts'

const bytes = fc.uint8Array({ maxLength: 40 }).map((some) => new Uint8Array(some))
const header = fc.tuple(fc.string({ maxLength: 8 }), fc.option(bytes))
const row: fc.Arbitrary<PackedRow> = fc
  .record({
    key: bytes,
    value: bytes,
    timestamp: fc.integer({ min: -5, max: 2 ** 52 }),
    headers: fc.array(header, { maxLength: 3 }),
  })
  .map(({ headers, ...rest }) => ({ ...rest, id: keyId(rest.key), ...(headers.length > 0 ? { headers } : {}) }))
const rows = fc.uniqueArray(row, { selector: ({ id }) => id, maxLength: 30 })

const shown = (some: readonly PackedRow[]) =>
  some
    .map(({ id, key, value, timestamp, headers = [] }) => ({
      ...{ id, timestamp, key: keyId(key), value: keyId(value) },
      headers: headers.map(([name, held]) => [name, held && keyId(held)]),
    }))
    .sort((one, other) => (one.id < other.id ? -1 : 1))

it('gives back the rows of a page as they were, in the order of their keys', () => {
  fc.assert(
    fc.property(rows, (some) => {
      const decoded = decodePage(encodePage(some), 'it')
      expect(shown(decoded)).toEqual(shown(some))
      expect(decoded.map(({ id }) => id)).toEqual(some.map(({ id }) => id).sort())
    }),
  )
})

it('writes the same rows as the same bytes, in whatever order they come', () => {
  fc.assert(
    fc.property(rows, (some) => {
      expect(keyId(encodePage(some.toReversed()))).toBe(keyId(encodePage(some)))
    }),
  )
})

it('refuses bytes that were cut off, or that have more behind them', () => {
  fc.assert(
    fc.property(rows, fc.nat(), (some, at) => {
      const whole = encodePage(some)
      expect(() => decodePage(whole.subarray(0, at % whole.length), 'page 0/0 of counts')).toThrow(StreamsError)
      expect(() => decodePage(Buffer.concat([whole, Buffer.of(0)]), 'page 0/0 of counts')).toThrow('page 0/0 of counts is no page of rows')
    }),
  )
})

it('gives back the place of a page from its key', () => {
  fc.assert(
    fc.property(fc.constantFrom('', '\0\0\0\0\0\0\u0001\u00ff'), fc.nat(16), fc.nat(65_535), (group, level, index) => {
      expect(placeOf(pageKey({ group, level, index }))).toEqual({ group, level, index })
    }),
  )
})

it("takes a row's group from its window's start", () => {
  fc.assert(
    fc.property(bytes, fc.nat(), fc.nat(2 ** 31 - 1), (key, startMs, sequence) => {
      const id = keyId(windowStoreKey(key, startMs, sequence))
      expect(startMsOf(groupOf(id, true))).toBe(startMs)
      expect(groupOf(id, false)).toBe('')
    }),
  )
})

it('spreads keys that differ in one byte over all pages', () => {
  const found = new Set(Array.from({ length: 1_000 }, (_, at) => indexAt(hashOf(`user-${at}`), 6)))
  expect(found.size).toBe(64)
})

it('keeps a row in the page, or in one of those that it was split into', () => {
  fc.assert(
    fc.property(fc.string(), fc.nat(15), (id, level) => {
      expect(indexAt(hashOf(id), level + 1) % 2 ** level).toBe(indexAt(hashOf(id), level))
    }),
  )
})
