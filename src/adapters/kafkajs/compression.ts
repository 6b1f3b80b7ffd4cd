import zlib from 'node:zlib'
import { StreamsError } from '../../errors.ts'
import { invariant } from '../../invariant.ts'
import type { TxnOpenOptions } from '../../runtime/ports.ts'

/** Compresses the records of a batch, and its number in the attributes. */
export interface Codec {
  readonly number: number
  compress(bytes: Buffer): Buffer
}

/** With the levels that Kafka's producer has by default; undefined for `none`. CONFIG_INVALID where this Node does not have it. */
export const codecOf = (type: TxnOpenOptions['compression'] = 'none'): Codec | undefined => {
  switch (type) {
    case 'none':
      return undefined
    case 'gzip':
      return { number: 1, compress: (bytes) => zlib.gzipSync(bytes) }
    case 'zstd':
      if (zlib.zstdCompressSync === undefined) {
        throw new StreamsError('CONFIG_INVALID', `compression.type is zstd, which Node ${process.versions.node} cannot write`, {
          remedy: 'Run on Node 22.15 or later, or choose gzip or none.',
        })
      }
      return { number: 4, compress: (bytes) => zlib.zstdCompressSync(bytes) }
    default:
      return type satisfies never
  }
}

/** Decompresses the records of a batch by the codec number in its attributes. */
export const decompress = (codec: number, bytes: Buffer): Buffer => {
  switch (codec) {
    case 0:
      return bytes
    case 1:
      return zlib.gunzipSync(bytes)
    case 2:
      return unsnappy(bytes)
    case 3:
      return unlz4(bytes)
    case 4:
      if (zlib.zstdDecompressSync === undefined) {
        throw new StreamsError('RECORD_INVALID', `a batch is compressed with zstd, which Node ${process.versions.node} cannot read`, {
          remedy: 'Run on Node 22.15 or later, or produce the topic with another codec.',
        })
      }
      return zlib.zstdDecompressSync(bytes)
    default:
      throw new StreamsError('RECORD_INVALID', `a batch is compressed with the unknown codec ${codec}`)
  }
}

const xerialMagic = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0])

/** Java frames snappy in chunks (16 bytes of header, then length and block); other clients send one plain block. */
const unsnappy = (bytes: Buffer): Buffer => {
  if (!bytes.subarray(0, 8).equals(xerialMagic)) return snappyBlock(bytes)
  const blocks: Buffer[] = []
  for (let at = 16; at < bytes.length; ) {
    const length = bytes.readInt32BE(at)
    blocks.push(snappyBlock(bytes.subarray(at + 4, at + 4 + length)))
    at += 4 + length
  }
  return Buffer.concat(blocks)
}

const snappyBlock = (bytes: Buffer): Buffer => {
  let at = 0
  let size = 0
  for (let shift = 0, more = true; more; shift += 7) {
    const next = bytes.readUInt8(at++)
    size |= (next & 127) << shift
    more = next > 127
  }
  const out = Buffer.allocUnsafe(size)
  let end = 0
  while (at < bytes.length) {
    const tag = bytes.readUInt8(at++)
    const kind = tag & 3
    if (kind === 0) {
      let length = (tag >> 2) + 1
      if (length > 60) {
        const width = length - 60
        length = bytes.readUIntLE(at, width) + 1
        at += width
      }
      bytes.copy(out, end, at, at + length)
      at += length
      end += length
    } else {
      const length = kind === 1 ? ((tag >> 2) & 7) + 4 : (tag >> 2) + 1
      const width = kind === 3 ? 4 : kind
      const distance = kind === 1 ? ((tag >> 5) << 8) | bytes.readUInt8(at) : bytes.readUIntLE(at, width)
      at += width
      end = repeat(out, end, distance, length)
    }
  }
  return out.subarray(0, end)
}

/** LZ4 frame format: descriptor, then blocks with their length; block and content checksums are skipped, the batch has its own. */
const unlz4 = (bytes: Buffer): Buffer => {
  invariant(bytes.readUInt32LE(0) === 0x184d2204, 'an lz4 batch begins with the magic number of its frame')
  const flags = bytes.readUInt8(4)
  const blockBytesMax = 1 << (8 + 2 * ((bytes.readUInt8(5) >> 4) & 7))
  let at = 7 + (flags & 8 ? 8 : 0) + (flags & 1 ? 4 : 0)
  let out = Buffer.allocUnsafe(Math.max(blockBytesMax, bytes.length * 4))
  let end = 0
  for (;;) {
    const header = bytes.readUInt32LE(at)
    const length = header & 0x7fffffff
    at += 4
    if (length === 0) return out.subarray(0, end)
    if (end + blockBytesMax > out.length) out = Buffer.concat([out.subarray(0, end)], Math.max(out.length * 2, end + blockBytesMax))
    const block = bytes.subarray(at, at + length)
    end = header >>> 31 === 1 ? end + block.copy(out, end) : lz4Block(block, out, end)
    at += length + (flags & 16 ? 4 : 0)
  }
}

const lz4Block = (block: Buffer, out: Buffer, from: number): number => {
  let at = 0
  let end = from
  const extended = (first: number): number => {
    let length = first
    if (first === 15) for (let next = 255; next === 255; length += next) next = block.readUInt8(at++)
    return length
  }
  for (;;) {
    const token = block.readUInt8(at++)
    const literals = extended(token >> 4)
    end += block.copy(out, end, at, at + literals)
    at += literals
    if (at >= block.length) return end
    const distance = block.readUInt16LE(at)
    at += 2
    end = repeat(out, end, distance, extended(token & 15) + 4)
  }
}

/** Copies from what was already written; source and target may overlap, then the bytes repeat. */
const repeat = (out: Buffer, end: number, distance: number, length: number): number => {
  if (distance >= length) out.copyWithin(end, end - distance, end - distance + length)
  else for (let i = 0; i < length; i++) out[end + i] = out[end + i - distance] as number
  return end + length
}
