import { type Header, type Headers, noHeaders } from '../processor/record.ts'
import type { Serde } from '../serde/serde.ts'
import { readId } from '../serde/text.ts'
import type { FetchedRecord, LogRecord, PartitionBatch } from './ports.ts'
import { type Cursor, readVarint, readVarlong, varintLength, varlongLength, writeVarint, writeVarlong } from './varints.ts'

/**
 * Records as they stand in a record batch v2: length, attributes, timestamp and offset as deltas, key, value, headers, with zigzag varints
 * (Kafka's `DefaultRecord`). Outputs are written so at once, and what was fetched is read from there: no object per key or value.
 */

/** The header of a batch, which is left free in front of a block's records. */
export const batchHeaderBytes = 61

/** Key or value bytes, in a buffer that may be used again: from `from` up to `to`; `to` is -1 for null. */
export interface Part {
  bytes: Uint8Array
  from: number
  to: number
}

const setPart = (part: Part, bytes: Uint8Array | null): void => {
  if (bytes !== null) part.bytes = bytes
  part.from = 0
  part.to = bytes === null ? -1 : bytes.length
}

const partOf = (bytes: Uint8Array | null): Part => {
  const part = { bytes: noBytes, from: 0, to: -1 }
  setPart(part, bytes)
  return part
}

const noBytes: Uint8Array = Buffer.of()

const lengthOf = ({ from, to }: Part): number => (to < 0 ? 0 : to - from)

/** Grows record by record; whoever sends it writes the batch's header in front. */
export class RecordBlock {
  bytes: Buffer
  /** Where the records end; they begin at {@link batchHeaderBytes}. */
  length = batchHeaderBytes
  count = 0
  baseTimestamp = 0
  maxTimestamp = 0

  constructor(capacity: number) {
    this.bytes = Buffer.allocUnsafe(batchHeaderBytes + capacity)
  }

  /** Bytes of the records. */
  get size(): number {
    return this.length - batchHeaderBytes
  }

  /** The end of the record, its headers, comes as {@link headerPartOf} makes it. */
  append(key: Part, value: Part, timestamp: number, tail: Part): void {
    if (this.count === 0) {
      this.baseTimestamp = timestamp
      this.maxTimestamp = timestamp
    } else if (timestamp > this.maxTimestamp) this.maxTimestamp = timestamp
    const timestampDelta = timestamp - this.baseTimestamp
    const length = 1 + varlongLength(timestampDelta) + varintLength(this.count) + partLength(key) + partLength(value) + tail.to
    this.#room(length + 5)
    const out = this.bytes
    let at = writeVarint(out, this.length, length)
    out[at++] = 0
    at = writeVarlong(out, at, timestampDelta)
    at = writeVarint(out, at, this.count)
    at = writePart(out, at, key)
    at = writePart(out, at, value)
    this.length = copyPart(out, at, tail)
    this.count++
  }

  #room(bytes: number): void {
    if (this.length + bytes <= this.bytes.length) return
    const grown = Buffer.allocUnsafe(Math.max(2 * this.bytes.length, this.length + bytes))
    this.bytes.copy(grown, 0, 0, this.length)
    this.bytes = grown
  }
}

/** What the records of a block come to at most, so that with its header it fits into a broker's default `message.max.bytes` (1,048,588). */
export const blockBytesMax = 1_000_000

/** Bytes that a record takes at most, whatever its deltas are. */
const recordBytesMax = (key: Part, value: Part, tail: Part): number => 30 + lengthOf(key) + lengthOf(value) + tail.to

const [keyPart, valuePart] = [partOf(null), partOf(null)]

/** Records of one partition in blocks of at most `bytesMax`; a record above it has a block of its own. */
export class RecordBlocks {
  readonly blocks: RecordBlock[] = []
  readonly #bytesMax: number
  #last: RecordBlock | undefined

  constructor(bytesMax = blockBytesMax) {
    this.#bytesMax = bytesMax
  }

  /** Four arguments: it is called for every record, and an object for two of them would be one more each time. */
  append(key: Part, value: Part, timestamp: number, headers: Headers): void {
    const tail = headerPartOf(headers)
    const most = recordBytesMax(key, value, tail)
    let block = this.#last
    if (block === undefined || (block.count > 0 && block.size + most > this.#bytesMax)) {
      block = new RecordBlock(block === undefined ? Math.max(128, most) : block.size)
      this.blocks.push(block)
      this.#last = block
    }
    block.append(key, value, timestamp, tail)
  }

  /** The same of bytes. */
  appendBytes(key: Uint8Array | null, value: Uint8Array | null, timestamp: number, headers: Headers): void {
    setPart(keyPart, key)
    setPart(valuePart, value)
    this.append(keyPart, valuePart, timestamp, headers)
  }
}

/** What one transaction sends to a partition, packed; as objects for whoever wants these. */
export class PackedBatch implements PartitionBatch {
  readonly topic: string
  readonly partition: number
  readonly packed = new RecordBlocks()
  #records: readonly LogRecord[] | undefined

  constructor(topic: string, partition: number) {
    this.topic = topic
    this.partition = partition
  }

  get blocks(): readonly RecordBlock[] {
    return this.packed.blocks
  }

  get records(): readonly LogRecord[] {
    this.#records ??= recordsOf(this.blocks)
    return this.#records
  }
}

/** A record, or a row of a store. */
type PackableRecord = Omit<LogRecord, 'headers'> & Partial<Pick<LogRecord, 'headers'>>

/** Records that are there as objects. */
export const packRecords = (records: readonly PackableRecord[], bytesMax?: number): readonly RecordBlock[] => {
  const packed = new RecordBlocks(bytesMax)
  for (const { key, value, timestamp, headers = noHeaders } of records) packed.appendBytes(key, value, timestamp, headers)
  return packed.blocks
}

/** A batch's records as they are packed, or packed now, in blocks of at most `bytesMax`. */
export const blocksOf = (batch: PartitionBatch, bytesMax: number): readonly RecordBlock[] => {
  const { blocks } = batch
  return blocks?.every(({ size, count }) => size <= bytesMax || count === 1) ? blocks : packRecords(batch.records, bytesMax)
}

const scratchBytes = 64 * 1024

/** Bytes of one key or value after the other: a serde writes them into a buffer of its own, or answers bytes. */
export class Slot implements Part {
  readonly #scratch = Buffer.allocUnsafeSlow(scratchBytes)
  bytes: Uint8Array = this.#scratch
  from = 0
  to = -1

  /** Throws what the serde throws. */
  write<T>(serde: Serde<T>, value: T, topic: string): void {
    const end = serde.serializeInto ? serde.serializeInto(value, this.#scratch, 0) : -1
    if (end < 0) {
      setPart(this, serde.serialize(value, topic))
      return
    }
    this.bytes = this.#scratch
    this.from = 0
    this.to = end
  }

  set(bytes: Uint8Array | null): void {
    setPart(this, bytes)
  }

  get isNull(): boolean {
    return this.to < 0
  }
}

/** A record in the bytes of its batch; key and value are views that are made when they are asked for. */
export class PackedRecord implements FetchedRecord {
  readonly offset: number
  readonly timestamp: number
  readonly headers: Headers
  readonly #body: Buffer
  readonly #keyAt: number
  readonly #keyEnd: number
  readonly #valueAt: number
  readonly #valueEnd: number

  /** The cursor stands in front of the key's length, and afterwards behind the headers. */
  constructor(cursor: Cursor, offset: number, timestamp: number) {
    this.offset = offset
    this.timestamp = timestamp
    this.#body = cursor.body
    const keyLength = readVarint(cursor)
    this.#keyAt = cursor.at
    this.#keyEnd = keyLength < 0 ? -1 : cursor.at + keyLength
    if (keyLength > 0) cursor.at += keyLength
    const valueLength = readVarint(cursor)
    this.#valueAt = cursor.at
    this.#valueEnd = valueLength < 0 ? -1 : cursor.at + valueLength
    if (valueLength > 0) cursor.at += valueLength
    this.headers = readHeaders(cursor)
  }

  get key(): Uint8Array | null {
    return viewOf(this.#body, this.#keyAt, this.#keyEnd)
  }

  get value(): Uint8Array | null {
    return viewOf(this.#body, this.#valueAt, this.#valueEnd)
  }

  get hasKey(): boolean {
    return this.#keyEnd >= 0
  }

  /** The {@link keyId} of the key; that of no bytes where there is none. */
  get keyId(): string {
    return readId(this.#body, this.#keyAt, Math.max(this.#keyAt, this.#keyEnd))
  }

  /** The key as its serde reads it; null for null. */
  readKey(serde: Serde<unknown>, topic: string): unknown {
    if (this.#keyEnd < 0) return null
    if (serde.deserializeFrom) return serde.deserializeFrom(this.#body, this.#keyAt, this.#keyEnd)
    return serde.deserialize(this.key as Uint8Array, topic)
  }

  readValue(serde: Serde<unknown>, topic: string): unknown {
    if (this.#valueEnd < 0) return null
    if (serde.deserializeFrom) return serde.deserializeFrom(this.#body, this.#valueAt, this.#valueEnd)
    return serde.deserialize(this.value as Uint8Array, topic)
  }
}

const viewOf = (body: Buffer, from: number, end: number): Buffer | null => (end < 0 ? null : body.subarray(from, end))

/** How the records of a batch are to be read. */
export interface Packed {
  readonly body: Buffer
  /** Where the first record begins. */
  readonly at: number
  readonly count: number
  readonly baseOffset: number
  readonly baseTimestamp: number
  /** The time of all of them, where the broker gave it. */
  readonly logAppendTime?: number | undefined
  /** Records before it are passed over. */
  readonly offsetMin?: number
}

/** Adds the records of a batch to `records`. */
export const unpack = (
  { body, at, count, baseOffset, baseTimestamp, logAppendTime, offsetMin = 0 }: Packed,
  records: FetchedRecord[],
): void => {
  const cursor = { body, at }
  for (let i = 0; i < count; i++) {
    const length = readVarint(cursor)
    const end = cursor.at + length
    cursor.at += 1
    const timestamp = baseTimestamp + readVarlong(cursor)
    const offset = baseOffset + readVarint(cursor)
    if (offset >= offsetMin) records.push(new PackedRecord(cursor, offset, logAppendTime ?? timestamp))
    cursor.at = end
  }
}

/** The records of these blocks, with offsets from `baseOffset` on. */
export const recordsOf = (blocks: readonly RecordBlock[], baseOffset = 0): readonly PackedRecord[] => {
  const records: PackedRecord[] = []
  for (const { bytes, count, baseTimestamp } of blocks)
    unpack({ body: bytes, at: batchHeaderBytes, count, baseOffset: baseOffset + records.length, baseTimestamp }, records)
  return records
}

const noHeaderPart: Part = { bytes: Buffer.of(0), from: 0, to: 1 }
/** The same headers come again and again: the stamp of a transaction, of a changelog. Only of a frozen list it is known that it stays as it is. */
let lastHeaders: Headers = noHeaders
let lastHeaderPart: Part = noHeaderPart

/** Their count and all of them, as they end a record. */
const headerPartOf = (headers: Headers): Part => {
  if (headers.length === 0) return noHeaderPart
  if (headers === lastHeaders) return lastHeaderPart
  const parts = headers.flatMap(([name, content]) => [partOf(Buffer.from(name, 'utf8')), partOf(content)])
  const out = Buffer.allocUnsafe(parts.reduce((sum, part) => sum + 5 + lengthOf(part), 5))
  let at = writeVarint(out, 0, headers.length)
  for (const part of parts) at = writePart(out, at, part)
  const all = { bytes: out, from: 0, to: at }
  if (Object.isFrozen(headers)) {
    lastHeaders = headers
    lastHeaderPart = all
  }
  return all
}

const writePart = (out: Buffer, start: number, part: Part): number =>
  part.to < 0 ? writeVarint(out, start, -1) : copyPart(out, writeVarint(out, start, part.to - part.from), part)

/** A few bytes are copied faster one by one than by a call. */
export const copyPart = (out: Buffer, start: number, { bytes, from, to }: Part): number => {
  if (to - from > 48) {
    out.set(from === 0 && to === bytes.length ? bytes : bytes.subarray(from, to), start)
    return start + to - from
  }
  let at = start
  for (let i = from; i < to; i++) out[at++] = bytes[i] as number
  return at
}

const partLength = (part: Part): number => (part.to < 0 ? 1 : varintLength(part.to - part.from) + part.to - part.from)

const readBytes = (cursor: Cursor): Uint8Array | null => {
  const length = readVarint(cursor)
  if (length < 0) return null
  const { body, at } = cursor
  cursor.at = at + length
  return viewOf(body, at, cursor.at)
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
