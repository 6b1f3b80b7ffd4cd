import { describe, expect, it } from 'vitest'
import { Serdes } from '../../src/serde/serdes.ts'
import { windowStoreKeys } from '../../src/serde/windowed.ts'

const hex = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? []).toString('hex')

describe('windowed keys', () => {
  const key = { key: 'k', window: { startMs: 1000, endMs: 2000 } }

  it.each([
    ['with the start on topics', Serdes.timeWindowed(Serdes.string, 1000), '6b00000000000003e8'],
    ['with end and start for sessions', Serdes.sessionWindowed(Serdes.string), '6b00000000000007d000000000000003e8'],
    ['with start and sequence in stores', windowStoreKeys(Serdes.string, 1000), '6b00000000000003e800000000'],
  ])('are written %s and read back', (_what, serde, bytes) => {
    expect(hex(serde.serialize(key, 't'))).toBe(bytes)
    expect(serde.deserialize(Buffer.from(bytes, 'hex'), 't')).toEqual(key)
    expect(() => serde.deserialize(Buffer.from('6b', 'hex'), 't')).toThrow(expect.objectContaining({ code: 'SERDE_FAILED' }))
  })

  it.each([Serdes.timeWindowed(Serdes.string, 10), Serdes.sessionWindowed(Serdes.string)])('go where their inner key goes', (serde) => {
    expect(hex(serde.serialize(key, 't').subarray(0, -(serde.windowBytes ?? 0)))).toBe('6b')
  })

  it('have a window with a length when they come from a topic', () => {
    const empty = Serdes.timeWindowed(Serdes.string, 0)
    expect(() => empty.deserialize(empty.serialize(key, 't'), 't')).toThrow('has no length')
  })
})
