import { StreamsError } from '../../errors.ts'
import { type Header, type Headers, noHeaders } from '../../processor/record.ts'
import type { FetchedRecord, LogRecord } from '../../runtime/ports.ts'
import { decompress } from './compression.ts'
import { crc32c } from './crc32c.ts'
import { int64At } from './wire.ts'

/** Record batch v2: [0] offset, [8] length, [12] leader epoch, [16] magic, [17] CRC of what follows, [21] attributes, [23] last offset delta,
 * [27] first and [35] largest timestamp, [43] producer id, [51] epoch, [53] sequence, [57] count, [61] records. */
const headerBytes = 61
const transactionalFlag = 16
const controlFlag = 32

export interface Producer {
  readonly producerId: number
  readonly epoch: number
  readonly baseSequence: number
}

/** Bytes that a record takes at most, whatever its deltas are. */
export const recordBytesMax = ({ key, value, headers }: LogRecord): number => {
  let bytes = 31 + (key?.length ?? 0) + (value?.length ?? 0)
  for (const [name, content] of headers) bytes += 10 + 3 * name.length + (content?.length ?? 0)
  return bytes
}

/** Encodes records[from..to) as one uncompressed transactional batch with create times. */
export const encodeBatch = (records: readonly LogRecord[], from: number, to: number, producer: Producer): Buffer => {
  let size = headerBytes
  for (let i = from; i < to; i++) size += recordBytesMax(records[i] as LogRecord)
  const out = Buffer.allocUnsafe(size)
  const baseTimestamp = (records[from] as LogRecord).timestamp
  let maxTimestamp = baseTimestamp
  let at = headerBytes
  for (let i = from; i < to; i++) {
    const record = records[i] as LogRecord
    if (record.timestamp > maxTimestamp) maxTimestamp = record.timestamp
    at = writeRecord(out, at, record, record.timestamp - baseTimestamp, i - from)
  }
  out.fill(0, 0, 12)
  out.writeInt32BE(at - 12, 8)
  out.writeInt32BE(-1, 12)
  out.writeInt8(2, 16)
  out.writeInt16BE(transactionalFlag, 21)
  out.writeInt32BE(to - from - 1, 23)
  out.writeBigInt64BE(BigInt(baseTimestamp), 27)
  out.writeBigInt64BE(BigInt(maxTimestamp), 35)
  out.writeBigInt64BE(BigInt(producer.producerId), 43)
  out.writeInt16BE(producer.epoch, 51)
  out.writeInt32BE(producer.baseSequence, 53)
  out.writeInt32BE(to - from, 57)
  out.writeUInt32BE(crc32c(out, 21, at), 17)
  return out.subarray(0, at)
}

const writeRecord = (out: Buffer, start: number, record: LogRecord, timestampDelta: number, offsetDelta: number): number => {
  const { key, value, headers } = record
  let length =
    1 + varlongLength(timestampDelta) + varintLength(offsetDelta) + bytesLength(key) + bytesLength(value) + varintLength(headers.length)
  for (const [name, content] of headers) {
    const nameLength = Buffer.byteLength(name)
    length += varintLength(nameLength) + nameLength + bytesLength(content)
  }
  let at = writeVarint(out, start, length)
  out[at++] = 0
  at = writeVarlong(out, at, timestampDelta)
  at = writeVarint(out, at, offsetDelta)
  at = writeBytes(out, at, key)
  at = writeBytes(out, at, value)
  at = writeVarint(out, at, headers.length)
  for (const [name, content] of headers) {
    at = writeVarint(out, at, Buffer.byteLength(name))
    at += out.write(name, at)
    at = writeBytes(out, at, content)
  }
  return at
}

const writeBytes = (out: Buffer, start: number, bytes: Uint8Array | null): number => {
  if (bytes === null) return writeVarint(out, start, -1)
  const at = writeVarint(out, start, bytes.length)
  if (bytes.length > 32) out.set(bytes, at)
  else for (let i = 0; i < bytes.length; i++) out[at + i] = bytes[i] as number
  return at + bytes.length
}

const bytesLength = (bytes: Uint8Array | null): number => (bytes === null ? 1 : varintLength(bytes.length) + bytes.length)

const zigzag = (value: number): number => ((value << 1) ^ (value >> 31)) >>> 0

const varintLength = (value: number): number => {
  const rest = zigzag(value)
  return rest < 0x80 ? 1 : rest < 0x4000 ? 2 : rest < 0x200000 ? 3 : rest < 0x10000000 ? 4 : 5
}

const writeVarint = (out: Buffer, start: number, value: number): number => {
  let at = start
  let rest = zigzag(value)
  for (; rest > 127; rest >>>= 7) out[at++] = (rest & 127) | 128
  out[at++] = rest
  return at
}

const isInt32 = (value: number): boolean => value === (value | 0)

const varlongLength = (value: number): number => {
  if (isInt32(value)) return varintLength(value)
  let length = 1
  for (let rest = BigInt.asUintN(64, (BigInt(value) << 1n) ^ (BigInt(value) >> 63n)); rest > 127n; rest >>= 7n) length++
  return length
}

const writeVarlong = (out: Buffer, start: number, value: number): number => {
  if (isInt32(value)) return writeVarint(out, start, value)
  let at = start
  let rest = BigInt.asUintN(64, (BigInt(value) << 1n) ^ (BigInt(value) >> 63n))
  for (; rest > 127n; rest >>= 7n) out[at++] = Number(rest & 127n) | 128
  out[at++] = Number(rest)
  return at
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
  for (let at = 0; at + headerBytes <= set.length; ) {
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
      const body = decompress(flags & 7, set.subarray(at + headerBytes, end))
      const logAppendTime = flags & 8 ? int64At(set, at + 35) : null
      decodeRecords(body, set.readInt32BE(at + 57), baseOffset, int64At(set, at + 27), logAppendTime, offset, records)
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
const isAbortMarker = (set: Buffer, at: number): boolean => set.readInt16BE(at + headerBytes + 5 + 2) === 0

const decodeRecords = (
  body: Buffer,
  count: number,
  baseOffset: number,
  baseTimestamp: number,
  logAppendTime: number | null,
  offsetMin: number,
  records: FetchedRecord[],
): void => {
  const cursor = { body, at: 0 }
  for (let i = 0; i < count; i++) {
    const length = readVarint(cursor)
    const end = cursor.at + length
    cursor.at += 1
    const timestamp = baseTimestamp + readVarlong(cursor)
    const offset = baseOffset + readVarint(cursor)
    if (offset >= offsetMin) {
      const key = readBytes(cursor)
      const value = readBytes(cursor)
      records.push({ offset, key, value, timestamp: logAppendTime ?? timestamp, headers: readHeaders(cursor) })
    }
    cursor.at = end
  }
}

interface Cursor {
  readonly body: Buffer
  at: number
}

const readVarint = (cursor: Cursor): number => {
  const { body } = cursor
  let byte = body[cursor.at++] as number
  if (byte < 128) return (byte >>> 1) ^ -(byte & 1)
  let value = byte & 127
  for (let shift = 7; byte > 127; shift += 7) {
    byte = body[cursor.at++] as number
    value |= (byte & 127) << shift
  }
  return (value >>> 1) ^ -(value & 1)
}

const readVarlong = (cursor: Cursor): number => {
  const { body } = cursor
  let value = 0
  let scale = 1
  for (let byte = 128; byte > 127; scale *= 128) {
    byte = body[cursor.at++] as number
    value += (byte & 127) * scale
  }
  return value % 2 === 0 ? value / 2 : -(value + 1) / 2
}

const readBytes = (cursor: Cursor): Uint8Array | null => {
  const length = readVarint(cursor)
  if (length < 0) return null
  const { body, at } = cursor
  cursor.at = at + length
  return new Uint8Array(body.buffer, body.byteOffset + at, length)
}

const readHeaders = (cursor: Cursor): Headers => {
  const count = readVarint(cursor)
  if (count <= 0) return noHeaders
  const headers: Header[] = []
  for (let i = 0; i < count; i++) {
    const length = readVarint(cursor)
    const name = cursor.body.toString('utf8', cursor.at, cursor.at + length)
    cursor.at += length
    headers.push([name, readBytes(cursor)])
  }
  return headers
}
