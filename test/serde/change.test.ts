import { expect, it } from 'vitest'
import { changeSerde } from '../../src/serde/change.ts'
import { Serdes } from '../../src/serde/serdes.ts'

const changes = changeSerde(Serdes.string)
const hex = (oldValue: string | null, newValue: string | null) =>
  Buffer.from(changes.serialize({ oldValue, newValue }, 't')).toString('hex')

it('writes one side with a flag, both with the length of the new one', () => {
  expect([hex('a', null), hex(null, 'a'), hex('a', 'b'), hex('', 'x'.repeat(64)).slice(0, 4)]).toEqual(['6100', '6101', '02626102', '8001'])
})

it('reads what it wrote, and whether it was the latest where that is said', () => {
  for (const change of [
    { oldValue: 'a', newValue: null },
    { oldValue: null, newValue: 'a' },
    { oldValue: 'a', newValue: 'b'.repeat(200) },
  ]) {
    expect(changes.deserialize(changes.serialize(change, 't'), 't')).toEqual(change)
  }
  expect(changes.deserialize(Buffer.from('0261620005', 'hex'), 't')).toEqual({ newValue: 'a', oldValue: 'b', isLatest: false })
})

it('refuses bytes that are no change, and a change of nothing', () => {
  expect(() => changes.deserialize(Buffer.from('6106', 'hex'), 't')).toThrow("A table's change ends in a byte from 0 to 5, not in 6")
  expect(() => changes.deserialize(Buffer.from('ffffffffffff02', 'hex'), 't')).toThrow('longer than 5 bytes')
  expect(() => hex(null, null)).toThrow('a change between nothing and nothing')
})
