import fc from 'fast-check'
import { expect, it } from 'vitest'
import { bytesOfId, keyId } from '../../src/serde/serde.ts'
import { Serdes } from '../../src/serde/serdes.ts'
import { windowStoreKeys } from '../../src/serde/windowed.ts'

const text = fc.oneof(fc.string({ maxLength: 40 }), fc.string({ unit: 'binary', maxLength: 40 }))
/** Few of them, so that they come again. */
const bytes = fc.oneof(
  fc.uint8Array({ maxLength: 40 }),
  fc.array(fc.constantFrom(0x61, 0x62, 0x7f, 0x00), { maxLength: 4 }).map((list) => Uint8Array.from(list)),
)
const windowKeys = windowStoreKeys(Serdes.string, 10)

it('a text is read as UTF-8, whatever was read before it', () => {
  fc.assert(
    fc.property(fc.array(bytes), (all) => {
      expect(all.map((one) => Serdes.string.deserialize(one, ''))).toEqual(all.map((one) => Buffer.from(one).toString('utf8')))
    }),
  )
})

it('the id of a text is that of its bytes, and tells them', () => {
  fc.assert(
    fc.property(text, (key) => {
      const written = Serdes.string.serialize(key, '')
      const id = Serdes.string.idOf?.(key, '') ?? ''
      expect(id).toBe(keyId(written))
      expect(Buffer.from(bytesOfId(id))).toEqual(Buffer.from(written))
    }),
  )
})

it('the id of a window is that of its bytes', () => {
  const start = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER - 10 })
  fc.assert(
    fc.property(text, start, fc.constantFrom(undefined, 0, 1, 7), (key, startMs, sequence) => {
      const stored = { key, window: { startMs, endMs: startMs + 10 }, ...(sequence === undefined ? {} : { sequence }) }
      expect(windowKeys.idOf?.(stored, '')).toBe(keyId(windowKeys.serialize(stored, '')))
    }),
  )
})
