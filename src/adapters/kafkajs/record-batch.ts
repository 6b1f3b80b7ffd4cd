import { StreamsError } from '../../errors.ts'
import type { FetchedRecord } from '../../runtime/ports.ts'
import { batchHeaderBytes, type RecordBlock, unpack } from '../../runtime/record-block.ts'
import { type Codec, decompress } from './compression.ts'
import { crc32c } from './crc32c.ts'
import { int64At } from './wire.ts'

/** Record batch v2: [0] offset, [8] length, [12] leader epoch, [16] magic, [17] CRC of what follows, [21] attributes, [23] last offset delta,
 * [27] first and [35] largest timestamp, [43] producer id, [51] epoch, [53] sequence, [57] count, [61] records. */
const transactionalFlag = 16
const controlFlag = 32

export interface Producer {
  readonly producerId: number
  readonly epoch: number
  readonly baseSequence: number
}

/**
 * The block's records as one transactional batch with create times, compressed where that makes them smaller. Uncompressed bytes are the
 * block's own: it is sent once, or the same again.
 */
export const batchOf = (block: RecordBlock, producer: Producer, codec?: Codec): Buffer => {
  const { bytes, length } = block
  const records = codec?.compress(bytes.subarray(batchHeaderBytes, length))
  if (codec === undefined || records === undefined || records.length >= block.size)
    return sealed(bytes.subarray(0, length), block, { producer, flags: transactionalFlag })
  const out = Buffer.allocUnsafe(batchHeaderBytes + records.length)
  out.set(records, batchHeaderBytes)
  return sealed(out, block, { producer, flags: transactionalFlag | codec.number })
}

/** Writes the header in front of the records. */
const sealed = (
  out: Buffer,
  { count, baseTimestamp, maxTimestamp }: RecordBlock,
  { producer, flags }: { readonly producer: Producer; readonly flags: number },
): Buffer => {
  out.fill(0, 0, 12)
  out.writeInt32BE(out.length - 12, 8)
  out.writeInt32BE(-1, 12)
  out.writeInt8(2, 16)
  out.writeInt16BE(flags, 21)
  out.writeInt32BE(count - 1, 23)
  out.writeBigInt64BE(BigInt(baseTimestamp), 27)
  out.writeBigInt64BE(BigInt(maxTimestamp), 35)
  out.writeBigInt64BE(BigInt(producer.producerId), 43)
  out.writeInt16BE(producer.epoch, 51)
  out.writeInt32BE(producer.baseSequence, 53)
  out.writeInt32BE(count, 57)
  out.writeUInt32BE(crc32c(out, 21, out.length), 17)
  return out
}

export interface AbortedTransaction {
  readonly producerId: number
  readonly firstOffset: number
}

export interface DecodedSet {
  readonly records: readonly FetchedRecord[]
  /** Behind the last complete batch; the offset asked for if there was none. */
  readonly nextOffset: number
}

/**
 * The committed records from `offset` on of a fetched record set (KIP-98). A broker lists aborted transactions in the
 * order of their aborts, so they are sorted here by first offset. A batch that was cut off at the end is left out; a
 * wrong CRC is RECORD_INVALID. Keys, values and headers are views of `set`.
 */
export const decodeCommitted = (set: Buffer, offset: number, aborted: readonly AbortedTransaction[]): DecodedSet => {
  const byFirstOffset = aborted.length > 1 ? [...aborted].sort((a, b) => a.firstOffset - b.firstOffset) : aborted
  const aborting = new Set<number>()
  const records: FetchedRecord[] = []
  let nextAborted = 0
  let nextOffset = offset
  for (let at = 0; at + batchHeaderBytes <= set.length; ) {
    const end = at + 12 + set.readInt32BE(at + 8)
    if (end > set.length) break
    const baseOffset = int64At(set, at)
    const lastOffset = baseOffset + set.readInt32BE(at + 23)
    const flags = set.readInt16BE(at + 21)
    assertIntact(set, at, end, baseOffset)
    for (let next = byFirstOffset[nextAborted]; next !== undefined && next.firstOffset <= lastOffset; next = byFirstOffset[++nextAborted]) {
      aborting.add(next.producerId)
    }
    const producerId = int64At(set, at + 43)
    if (flags & controlFlag) {
      if (isAbortMarker(set, at)) aborting.delete(producerId)
    } else if (!(flags & transactionalFlag && aborting.has(producerId))) {
      const body = decompress(flags & 7, set.subarray(at + batchHeaderBytes, end))
      const logAppendTime = flags & 8 ? int64At(set, at + 35) : undefined
      const [count, baseTimestamp] = [set.readInt32BE(at + 57), int64At(set, at + 27)]
      unpack({ body, at: 0, count, baseOffset, baseTimestamp, logAppendTime, offsetMin: offset }, records)
    }
    nextOffset = Math.max(nextOffset, lastOffset + 1)
    at = end
  }
  return { records, nextOffset }
}

const assertIntact = (set: Buffer, at: number, end: number, baseOffset: number): void => {
  const magic = set.readInt8(at + 16)
  if (magic !== 2) throw new StreamsError('RECORD_INVALID', `the batch at offset ${baseOffset} has the old message format ${magic}`)
  if (crc32c(set, at + 21, end) === set.readUInt32BE(at + 17)) return
  throw new StreamsError('RECORD_INVALID', `the batch at offset ${baseOffset} was damaged: its checksum does not fit`)
}

/** A marker is a batch of one record whose key is version and type; type 0 is abort. Its lengths take one byte each. */
const isAbortMarker = (set: Buffer, at: number): boolean => set.readInt16BE(at + batchHeaderBytes + 5 + 2) === 0
