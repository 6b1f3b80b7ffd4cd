import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Header } from '../../src/processor/record.ts'
import type { LogRecord } from '../../src/runtime/ports.ts'
import { packRecords, RecordBlocks, recordsOf, Slot } from '../../src/runtime/record-block.ts'
import { Serdes } from '../../src/serde/serdes.ts'
import type { AnySerde } from '../../src/topology/nodes.ts'

const bytes = fc.option(fc.uint8Array({ maxLength: 200 }), { nil: null })
const record = fc.record({
  key: bytes,
  value: bytes,
  timestamp: fc.integer({ min: 0, max: 2 ** 50 }),
  headers: fc.array(fc.tuple(fc.string({ maxLength: 20, unit: 'binary' }), bytes), { maxLength: 3 }),
})
const hex = (content: Uint8Array | null) => (content === null ? null : Buffer.from(content).toString('hex'))
const plain = ({ key, value, timestamp, headers }: LogRecord) => [
  ...[hex(key), hex(value), timestamp],
  headers.map(([name, content]) => [name, hex(content)]),
]
const any = fc.anything()
const [numbers, texts] = [fc.oneof(fc.integer(), fc.maxSafeInteger(), fc.double()), fc.string({ unit: 'grapheme', maxLength: 100 })]
const windowed = fc.record({ key: texts, window: fc.record({ startMs: fc.maxSafeNat(), endMs: fc.maxSafeNat() }) })

const serdes: readonly (readonly [AnySerde, fc.Arbitrary<unknown>])[] = [
  [Serdes.string, fc.oneof(texts, any)],
  ...[Serdes.short, Serdes.integer, Serdes.long, Serdes.float, Serdes.double].map((it) => [it, numbers] as const),
  [Serdes.bigint, fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n })],
  [Serdes.timeWindowed(Serdes.string, 10), windowed],
  [Serdes.sessionWindowed(Serdes.string), windowed],
  [Serdes.json(), any],
]
/** What it answers, or how it fails. */
const outcome = (run: () => unknown): unknown => {
  try {
    return run()
  } catch (error) {
    return `threw ${(error as Error).message}`
  }
}

describe('packed records', () => {
  test('come back as they were, in their order, whatever fits into a block', () => {
    fc.assert(
      fc.property(fc.array(record, { maxLength: 20 }), fc.integer({ min: 1, max: 2_000 }), (records, bytesMax) => {
        const blocks = packRecords(records, bytesMax)
        const found = recordsOf(blocks, 7)
        expect(found.map(plain)).toEqual(records.map(plain))
        expect(found.map(({ offset }) => offset)).toEqual(records.map((_, i) => 7 + i))
        expect(blocks.filter(({ size, count }) => count > 1 && size > bytesMax)).toEqual([])
      }),
    )
  })

  test('have the bytes that the serde answers, or fail as it does', () => {
    for (const [serde, values] of serdes)
      fc.assert(
        fc.property(values, (value) => {
          const slot = new Slot()
          const written = outcome(() => {
            slot.write(serde, value, 't')
            return hex(slot.bytes.subarray(slot.from, slot.to))
          })
          expect(written).toEqual(outcome(() => hex(serde.serialize(value, 't'))))
        }),
      )
  })

  test('are read as the serde reads their bytes, or fail as it does', () => {
    for (const [serde, values] of serdes)
      fc.assert(
        fc.property(fc.oneof(fc.uint8Array({ maxLength: 60 }), values), (given) => {
          const bytes = given instanceof Uint8Array ? given : outcome(() => serde.serialize(given, 't'))
          if (!(bytes instanceof Uint8Array)) return
          const [found] = recordsOf(packRecords([{ key: bytes, value: bytes, timestamp: 1, headers: [] }]))
          const expected = outcome(() => serde.deserialize(bytes, 't'))
          expect([outcome(() => found?.readKey(serde, 't')), outcome(() => found?.readValue(serde, 't'))]).toEqual([expected, expected])
        }),
      )
  })

  test('that do not fit into what a serde is given are written by the serde', () => {
    const [slot, text] = [new Slot(), 'ü'.repeat(40_000)]
    slot.write(Serdes.string, text, 't')
    expect(Buffer.from(slot.bytes.subarray(slot.from, slot.to)).toString('utf8')).toBe(text)
  })

  test('have the headers of their time, whatever becomes of the list that they came in', () => {
    const headers: Header[] = [['step', Buffer.of(1)]]
    const packed = new RecordBlocks()
    const [key, value] = [new Slot(), new Slot()]
    packed.append(key, value, 0, headers)
    headers[0] = ['step', Buffer.of(2)]
    packed.append(key, value, 0, headers)
    expect(recordsOf(packed.blocks).map(plain)).toEqual([1, 2].map((step) => [null, null, 0, [['step', `0${step}`]]]))
  })

  test('above the size of a block have one of their own', () => {
    const blocks = new RecordBlocks(100)
    const [key, value] = [new Slot(), new Slot()]
    for (const text of ['a', 'b'.repeat(500), 'c']) {
      value.set(Buffer.from(text))
      blocks.append(key, value, 0, [])
    }
    expect(blocks.blocks.map(({ count }) => count)).toEqual([1, 1, 1])
  })
})
