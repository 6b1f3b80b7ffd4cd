import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { Serde } from '../../src/serde/serde.ts'
import { Serdes } from '../../src/serde/serdes.ts'

const nullable = <T>(one: fc.Arbitrary<T>): fc.Arbitrary<readonly (T | null)[]> => fc.array(fc.option(one), { maxLength: 12 })
const text = fc.string({ unit: 'binary' })
const long = fc.maxSafeInteger()

/** Checks that what is written reads back, from a view into a larger buffer too. */
const roundTrip = <T>(of: Serde<T>, values: fc.Arbitrary<T>): void =>
  fc.assert(
    fc.property(values, (value) => {
      const bytes = of.serialize(value, 'topic')
      const view = Buffer.concat([Buffer.from([1, 2, 3]), bytes, Buffer.from([4])]).subarray(3, 3 + bytes.length)
      expect(of.deserialize(new Uint8Array(view.buffer, view.byteOffset, view.length), 'topic')).toEqual(value)
    }),
    { seed: 5, numRuns: 300 },
  )

it.each<readonly [string, () => void]>([
  ['string', () => roundTrip(Serdes.string, text)],
  ['string of ASCII', () => roundTrip(Serdes.string, fc.string({ unit: 'grapheme-ascii', maxLength: 40 }))],
  ['boolean', () => roundTrip(Serdes.boolean, fc.boolean())],
  ['short', () => roundTrip(Serdes.short, fc.integer({ min: -32_768, max: 32_767 }))],
  ['integer', () => roundTrip(Serdes.integer, fc.integer())],
  ['long', () => roundTrip(Serdes.long, long)],
  ['bigint', () => roundTrip(Serdes.bigint, fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }))],
  ['float', () => roundTrip(Serdes.float, fc.float())],
  ['double', () => roundTrip(Serdes.double, fc.double())],
  ['uuid', () => roundTrip(Serdes.uuid, fc.uuid())],
  [
    'json',
    () =>
      roundTrip(
        Serdes.json(),
        fc.jsonValue({ noUnicodeString: false }).map((value) => JSON.parse(JSON.stringify(value))),
      ),
  ],
  ['list of long', () => roundTrip(Serdes.list(Serdes.long), nullable(long))],
  ['list of string', () => roundTrip(Serdes.list(Serdes.string), nullable(text.filter((it) => it !== '')))],
  ['list of lists', () => roundTrip(Serdes.list(Serdes.list(Serdes.double)), nullable(nullable(fc.double())))],
])('%s reads back what it wrote', (_name, check) => {
  check()
})

it('a long has the bytes of the same bigint', () => {
  fc.assert(
    fc.property(long, (value) => {
      expect(Serdes.long.serialize(value, '')).toEqual(Serdes.bigint.serialize(BigInt(value), ''))
    }),
    { seed: 6, numRuns: 500 },
  )
})

it('keys of longs sort as unsigned bytes in the order of the numbers, where none is negative', () => {
  fc.assert(
    fc.property(fc.nat(), fc.nat(), (one, other) => {
      const order = Buffer.compare(Buffer.from(Serdes.long.serialize(one, '')), Buffer.from(Serdes.long.serialize(other, '')))
      expect(order).toBe(Math.sign(one - other))
    }),
    { seed: 8, numRuns: 300 },
  )
})
