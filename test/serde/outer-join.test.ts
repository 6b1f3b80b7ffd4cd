import { expect, it } from 'vitest'
import { outerJoinKey, outerJoinValues } from '../../src/serde/outer-join.ts'
import { Serdes } from '../../src/serde/serdes.ts'

const keys = outerJoinKey(Serdes.string)
const values = outerJoinValues(Serdes.string, Serdes.integer)

it('a waiting record has a key of time, side and key, in this order; right comes before left', () => {
  const places = [
    { timestamp: 2 },
    { timestamp: 1, of: { side: 'left', key: 'a' } },
    { timestamp: 1, of: { side: 'right', key: 'b' } },
  ] as const
  const bytes = places.map((place) => Buffer.from(keys.serialize(place, 't')))
  expect(bytes.map((it) => it.toString('hex'))).toEqual(['0000000000000002', '00000000000000010161', '00000000000000010062'])
  expect(bytes.toSorted(Buffer.compare)).toEqual([bytes[2], bytes[1], bytes[0]])
  expect(bytes.slice(1).map((it) => keys.deserialize(it, 't'))).toEqual(places.slice(1))
})

it('waiting records of one key and time are a list of both sides’ values', () => {
  const waiting = [
    { side: 'left', value: '' },
    { side: 'right', value: 7 },
  ] as const
  const bytes = values.serialize(waiting, 't')
  expect(Buffer.from(bytes).toString('hex')).toBe('0100000002000000010100000005' + '0000000007')
  expect(values.deserialize(bytes, 't')).toEqual(waiting)
})

it('bytes that are no waiting record are refused', () => {
  expect(() => keys.deserialize(Buffer.alloc(8), 't')).toThrow('The outer join key string serde got 8 bytes, too few for a side')
  expect(() => values.deserialize(Buffer.from('01000000010000000107', 'hex'), 't')).toThrow('The side of a join is a byte 0 or 1, not 7')
})
