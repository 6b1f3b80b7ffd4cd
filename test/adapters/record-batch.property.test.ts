import zlib from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { codecOf } from '../../src/adapters/kafkajs/compression.ts'
import { crc32c } from '../../src/adapters/kafkajs/crc32c.ts'
import { type AbortedTransaction, decodeCommitted, type Producer, batchOf as sealed } from '../../src/adapters/kafkajs/record-batch.ts'
import type { FetchedRecord, LogRecord } from '../../src/runtime/ports.ts'
import { packRecords, type RecordBlock } from '../../src/runtime/record-block.ts'
import { bytesOf, record, textOf } from './kafka-harness.ts'

const producer: Producer = { producerId: 7, epoch: 3, baseSequence: 0 }

const encodeBatch = (records: readonly LogRecord[], of: Producer): Buffer => sealed(packRecords(records)[0] as RecordBlock, of)

const bytes = fc.option(fc.uint8Array({ maxLength: 200 }), { nil: null })
const header = fc.tuple(fc.string({ maxLength: 20, unit: 'binary' }), bytes)
const records = fc.array(
  fc.record({
    key: bytes,
    value: bytes,
    timestamp: fc.integer({ min: 0, max: 2 ** 50 }),
    headers: fc.array(header, { maxLength: 3 }),
  }),
  { minLength: 1, maxLength: 20 },
)

const hex = (content: Uint8Array | null) => (content === null ? null : Buffer.from(content).toString('hex'))
const plain = ({ key, value, timestamp, headers }: LogRecord) => ({
  key: hex(key),
  value: hex(value),
  timestamp,
  headers: headers.map(([name, content]) => [name, hex(content)]),
})
const linesOf = (found: readonly FetchedRecord[]) => found.map(({ offset, value }) => `${offset} ${textOf(value)}`)

/** The batch as a broker stores it: at its offset, here also of another producer, as a marker, or compressed. The CRC begins behind the offset. */
const stored = (batch: Buffer, baseOffset: number): Buffer => {
  batch.writeBigInt64BE(BigInt(baseOffset), 0)
  return batch
}
const batchOf = (values: readonly string[], baseOffset: number, producerId = 7): Buffer =>
  stored(
    encodeBatch(
      values.map((value) => record(value)),
      { ...producer, producerId },
    ),
    baseOffset,
  )

const resealed = (batch: Buffer): Buffer => {
  batch.writeInt32BE(batch.length - 12, 8)
  batch.writeUInt32BE(crc32c(batch, 21, batch.length), 17)
  return batch
}
const marker = (baseOffset: number, producerId: number, type: 'abort' | 'commit'): Buffer => {
  const key = Uint8Array.of(0, 0, 0, type === 'abort' ? 0 : 1)
  const batch = encodeBatch([{ ...record(''), key, value: Uint8Array.of(0, 0, 0, 0, 0, 0) }], {
    producerId,
    epoch: 3,
    baseSequence: -1,
  })
  batch.writeInt16BE(16 | 32, 21)
  return stored(resealed(batch), baseOffset)
}
const compressed = (batch: Buffer, codec: number, compress: (content: Buffer) => Buffer): Buffer => {
  const out = Buffer.concat([batch.subarray(0, 61), compress(batch.subarray(61))])
  out.writeInt16BE(16 | codec, 21)
  return resealed(out)
}

describe('a record batch', () => {
  test('decodes to the records that were encoded, at consecutive offsets', () => {
    fc.assert(
      fc.property(records, fc.nat(2 ** 40), (written, baseOffset) => {
        const batch = stored(encodeBatch(written, producer), baseOffset)
        const decoded = decodeCommitted(batch, 0, [])
        expect(decoded.records.map(plain)).toEqual(written.map(plain))
        expect(decoded.records.map(({ offset }) => offset)).toEqual(written.map((_, i) => baseOffset + i))
        expect(decoded.nextOffset).toBe(baseOffset + written.length)
      }),
    )
  })

  test('that is compressed decodes to the same records, and is never larger', () => {
    fc.assert(
      fc.property(records, fc.constantFrom('none', 'gzip', 'zstd'), fc.nat(2 ** 40), (written, type, baseOffset) => {
        const plainBatch = encodeBatch(written, producer)
        const batch = stored(sealed(packRecords(written)[0] as RecordBlock, producer, codecOf(type)), baseOffset)
        const decoded = decodeCommitted(batch, 0, [])
        expect(decoded.records.map(plain)).toEqual(written.map(plain))
        expect(decoded.nextOffset).toBe(baseOffset + written.length)
        expect(batch.length).toBeLessThanOrEqual(plainBatch.length)
      }),
    )
  })

  test('says in its header how it is compressed, and is as it would be otherwise', () => {
    const written = Array.from({ length: 50 }, (_, i) => record('again and again', 1000 + i))
    const [block] = packRecords(written)
    const headers = ([undefined, 'none', 'gzip', 'zstd'] as const).map((type) => {
      const batch = Buffer.from(sealed(block as RecordBlock, producer, codecOf(type)))
      return { flags: batch.readInt16BE(21), length: batch.readInt32BE(8) - batch.length, rest: batch.toString('hex', 23, 61) }
    })
    const [{ rest } = expect.fail('none')] = headers
    expect(headers).toEqual([16, 16, 17, 20].map((flags) => ({ flags, length: -12, rest })))
  })

  test('that would not become smaller is written as it is', () => {
    const batch = encodeBatch([record('a')], producer)
    for (const type of ['gzip', 'zstd'] as const) {
      expect(sealed(packRecords([record('a')])[0] as RecordBlock, producer, codecOf(type)).toString('hex')).toBe(batch.toString('hex'))
    }
  })

  test('cannot be compressed with zstd where Node has none, which says what to do', () => {
    const { zstdCompressSync } = zlib
    Object.assign(zlib, { zstdCompressSync: undefined })
    try {
      expect(() => codecOf('zstd')).toThrow(
        expect.objectContaining({ code: 'CONFIG_INVALID', remedy: 'Run on Node 22.15 or later, or choose gzip or none.' }),
      )
    } finally {
      Object.assign(zlib, { zstdCompressSync })
    }
  })

  test('that was damaged anywhere behind its checksum is noticed', () => {
    fc.assert(
      fc.property(records, fc.nat(), fc.integer({ min: 1, max: 255 }), (written, where, flip) => {
        const batch = encodeBatch(written, producer)
        const at = 21 + (where % (batch.length - 21))
        batch[at] = (batch[at] as number) ^ flip
        expect(() => decodeCommitted(batch, 0, [])).toThrow('its checksum does not fit')
      }),
    )
  })

  test('has the largest timestamp of its records, the first one and its producer in its header', () => {
    const written = [1000, 5000, 2000].map((timestamp) => record('x', timestamp))
    const batch = encodeBatch(written.slice(0, 3), { producerId: 9, epoch: 4, baseSequence: 11 })
    expect([
      batch.readBigInt64BE(27),
      batch.readBigInt64BE(35),
      batch.readBigInt64BE(43),
      batch.readInt16BE(51),
      batch.readInt32BE(53),
    ]).toEqual([1000n, 5000n, 9n, 4, 11])
  })

  test('that is cut off at the end of an answer is left out', () => {
    const set = Buffer.concat([batchOf(['a', 'b'], 0), batchOf(['c'], 2)])
    const { records: found, nextOffset } = decodeCommitted(set.subarray(0, set.length - 1), 0, [])
    expect([linesOf(found), nextOffset]).toEqual([['0 a', '1 b'], 2])
  })

  test('is read when it is compressed', () => {
    const batch = batchOf(['a'.repeat(500), 'b'], 5)
    for (const [codec, compress] of [
      [1, zlib.gzipSync],
      [4, zlib.zstdCompressSync],
    ] as const) {
      expect(linesOf(decodeCommitted(compressed(batch, codec, compress), 5, []).records)).toEqual([`5 ${'a'.repeat(500)}`, '6 b'])
    }
    expect(() =>
      decodeCommitted(
        compressed(batch, 6, (content) => content),
        0,
        [],
      ),
    ).toThrow('unknown codec 6')
  })
})

describe('the committed records of a fetched set', () => {
  test('leave out aborted transactions whose list is in the order of their aborts', () => {
    const set = Buffer.concat([
      batchOf(['a1'], 0, 1),
      batchOf(['b1'], 1, 2),
      batchOf(['a2'], 2, 1),
      batchOf(['c1'], 3, 3),
      marker(4, 2, 'abort'),
      batchOf(['b2'], 5, 2),
      marker(6, 1, 'abort'),
      batchOf(['a3'], 7, 1),
      marker(8, 3, 'commit'),
      marker(9, 2, 'commit'),
      marker(10, 1, 'commit'),
    ])
    const aborted: AbortedTransaction[] = [
      { producerId: 2, firstOffset: 1 },
      { producerId: 1, firstOffset: 0 },
    ]
    const { records: found, nextOffset } = decodeCommitted(set, 0, aborted)
    expect([linesOf(found), nextOffset]).toEqual([['3 c1', '5 b2', '7 a3'], 11])
  })

  test('begin at the offset asked for, inside of a batch', () => {
    const { records: found, nextOffset } = decodeCommitted(batchOf(['a', 'b', 'c'], 10), 11, [])
    expect([linesOf(found), nextOffset]).toEqual([['11 b', '12 c'], 13])
  })
})

describe('CRC-32C', () => {
  test('has the check value of its definition', () => {
    const digits = bytesOf('123456789')
    expect(crc32c(digits, 0, digits.length).toString(16)).toBe('e3069283')
  })
})
