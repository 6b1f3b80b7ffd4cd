import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { type Serde, serde } from '../../src/serde/serde.ts'
import { Serdes } from '../../src/serde/serdes.ts'

const hex = <T>(of: Serde<T>, value: T): string => Buffer.from(of.serialize(value, 'topic')).toString('hex')
const from = (text: string): Uint8Array => Buffer.from(text, 'hex')
const failed = (message: string) => expect.objectContaining({ code: 'SERDE_FAILED', message })

describe('the bytes of a serde are those of Kafka (F-02)', () => {
  it.each([
    ['a short', Serdes.short, -2, 'fffe'],
    ['an integer', Serdes.integer, 42, '0000002a'],
    ['a negative integer', Serdes.integer, -2_147_483_648, '80000000'],
    ['a long', Serdes.long, 258, '0000000000000102'],
    ['a negative long', Serdes.long, -1, 'ffffffffffffffff'],
    ['the largest exact long', Serdes.long, Number.MAX_SAFE_INTEGER, '001fffffffffffff'],
    ['the smallest exact long', Serdes.long, Number.MIN_SAFE_INTEGER, 'ffe0000000000001'],
    ['a float', Serdes.float, 1.5, '3fc00000'],
    ['a double', Serdes.double, -0.1, 'bfb999999999999a'],
  ])('%s', (_what, of, value, bytes) => {
    expect(hex(of, value)).toBe(bytes)
    expect(of.deserialize(from(bytes), 'topic')).toBe(value)
  })

  it('a bigint is a long of any size', () => {
    for (const [value, bytes] of [
      [2n ** 63n - 1n, '7fffffffffffffff'],
      [-(2n ** 63n), '8000000000000000'],
    ] as const) {
      expect([hex(Serdes.bigint, value), Serdes.bigint.deserialize(from(bytes), 'topic')]).toEqual([bytes, value])
    }
  })

  it('a string is UTF-8, a UUID its 36 characters in lower case, a boolean one byte', () => {
    expect(hex(Serdes.string, 'añ日')).toBe('61c3b1e697a5')
    const uuid = '123E4567-E89B-12D3-A456-426614174000'
    expect(Buffer.from(Serdes.uuid.serialize(uuid, '')).toString()).toBe('123e4567-e89b-12d3-a456-426614174000')
    expect([hex(Serdes.boolean, true), hex(Serdes.boolean, false)]).toEqual(['01', '00'])
    expect(['01', '00'].map((bytes) => Serdes.boolean.deserialize(from(bytes), ''))).toEqual([true, false])
  })

  it('json is compact, in the order of insertion', () => {
    expect(Buffer.from(Serdes.json<unknown>().serialize({ b: 1, a: ['ü', null] }, '')).toString()).toBe('{"b":1,"a":["ü",null]}')
  })

  it('a list of entries of one size has the places of its nulls, then its length, then the entries', () => {
    const longs = Serdes.list(Serdes.integer)
    const bytes = '00' + '00000001' + '00000001' + '00000003' + '00000007' + '00000009'
    expect(hex(longs, [7, null, 9])).toBe(bytes)
    expect(longs.deserialize(from(bytes), '')).toEqual([7, null, 9])
    expect(hex(longs, [])).toBe('000000000000000000')
  })

  it('a list of entries of any size has a length, or -1, before each entry', () => {
    const texts = Serdes.list(Serdes.string)
    const bytes = '01' + '00000003' + '00000000' + 'ffffffff' + '00000001' + '61'
    expect(hex(texts, ['', null, 'a'])).toBe(bytes)
    expect(texts.deserialize(from(bytes), '')).toEqual(['', null, 'a'])
  })

  it('a list whose last entry is empty is written but cannot be read, here as there', () => {
    const texts = Serdes.list(Serdes.string)
    expect(hex(texts, ['a', ''])).toBe('01000000020000000161' + '00000000')
    expect(() => texts.deserialize(texts.serialize(['a', ''], ''), '')).toThrow(failed('A list ends in the middle, after 14 bytes'))
  })

  it('bytes are the bytes themselves, also as a view into a larger buffer', () => {
    const bytes = new Uint8Array([1, 2, 3])
    expect([Serdes.bytes.serialize(bytes, ''), Serdes.bytes.deserialize(bytes, '')]).toEqual([bytes, bytes])
    const view = Buffer.from('xx000000000000000ayy'.slice(2, 18), 'hex')
    expect(Serdes.long.deserialize(new Uint8Array(Buffer.concat([from('ff'), view, from('ff')])).subarray(1, 9), '')).toBe(10)
  })
})

describe('a serde refuses', () => {
  it.each([
    ['a short', Serdes.short, 32_768, 'The short serde got number 32768'],
    ['an integer', Serdes.integer, 2 ** 31, 'The integer serde got number 2147483648'],
    ['a fraction', Serdes.integer, 0.5, 'The integer serde got number 0.5'],
    ['a long', Serdes.long, 2 ** 53, 'The long serde got number 9007199254740992'],
    ['a text for a number', Serdes.double, '1', 'The double serde got string 1'],
    ['a bigint', Serdes.bigint, 2n ** 63n, 'The bigint serde got bigint 9223372036854775808'],
    ['a number for a text', Serdes.string, 1, 'The string serde got number: 1'],
    ['a text for a boolean', Serdes.boolean, 'yes', 'The boolean serde got string: yes'],
    ['a text for bytes', Serdes.bytes, 'abc', 'The bytes serde got string: abc'],
    ['a UUID that is none', Serdes.uuid, '123', 'The uuid serde got string: 123'],
    ['anything for void', Serdes.void, 1, 'The void serde got number: 1'],
    ['what JSON cannot say', Serdes.json(), undefined, 'The json serde got undefined: undefined'],
  ] as const)('%s that is too large or of another type', (_what, of, value, message) => {
    expect(() => (of as Serde<unknown>).serialize(value, 'topic')).toThrow(failed(message))
  })

  it.each([
    ['a short', Serdes.short, '00', 'A short takes 2 bytes, got 1'],
    ['a long', Serdes.long, '', 'A long takes 8 bytes, got 0'],
    ['a long beyond 2^53', Serdes.long, '0020000000000000', 'The long 9007199254740992 is beyond what a JavaScript number holds exactly'],
    ['a boolean of two bytes', Serdes.boolean, '0001', 'A boolean takes 1 byte, got 2 bytes'],
    ['a boolean 2', Serdes.boolean, '02', 'A boolean is the byte 0 or 1, not 2'],
    ['void bytes', Serdes.void, '00', 'A void takes null, got 1 bytes'],
    ['JSON that is none', Serdes.json(), '7b', 'Not JSON: {'],
    ['a list of another kind', Serdes.list(Serdes.long), '02', 'A list begins with byte 0 or 1, not 2'],
    ['a list that ends early', Serdes.list(Serdes.string), '010000000100000005', 'A list ends in the middle, after 9 bytes'],
    [
      'a list of fixed entries',
      Serdes.list(Serdes.string),
      '000000000000000001',
      'A list of fixed-size entries was read with a serde of variable size',
    ],
  ] as const)('to read %s', (_what, of, bytes, message) => {
    expect(() => (of as Serde<unknown>).deserialize(from(bytes), 'topic')).toThrow(failed(message))
  })
})

describe('json with a schema', () => {
  const trade = Serdes.json(z.object({ price: z.coerce.number().positive(), side: z.enum(['buy', 'sell']).default('buy') }))

  it('gives what the schema makes of the document', () => {
    expect(trade.deserialize(Buffer.from('{"price":"3","extra":1}'), '')).toEqual({ price: 3, side: 'buy' })
  })

  it('refuses what the schema refuses, with the places', () => {
    expect(() => trade.deserialize(Buffer.from('{"price":-1,"side":"hold"}'), '')).toThrow(
      expect.objectContaining({
        code: 'SERDE_FAILED',
        message: expect.stringMatching(/^JSON that the schema refuses: price: .*; side: .*$/),
      }),
    )
  })

  it('takes no schema that needs to wait', () => {
    const slow = Serdes.json(z.string().refine(async () => true))
    expect(() => slow.deserialize(Buffer.from('"x"'), '')).toThrow(
      expect.objectContaining({
        code: 'CONFIG_INVALID',
        message: 'The schema of a json serde validates asynchronously: it must be synchronous',
      }),
    )
  })
})

it('a serde of one’s own gets the topic, and is called custom unless it has a name', () => {
  const made = serde({
    serialize: (value: string, topic) => Buffer.from(`${topic}:${value}`),
    deserialize: (bytes, topic) => `${topic}<${Buffer.from(bytes)}`,
  })
  expect([made.name, hex(made, 'x'), made.deserialize(from('61'), 't')]).toEqual(['custom', Buffer.from('topic:x').toString('hex'), 't<a'])
  expect(serde({ name: 'mine', serialize: made.serialize, deserialize: () => 'x' }).name).toBe('mine')
})
