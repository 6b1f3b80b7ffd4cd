import { StreamsError } from '../../errors.ts'
import { noHeaders } from '../../processor/record.ts'
import type { Appended, FetchedPartition, FetchedRecord, FetchRequest, LogRecord } from '../../runtime/ports.ts'

/** As on a broker, an append is cut into batches of about this size, and a fetch answers whole batches. */
const batchBytesMax = 1_000_000
const recordOverheadBytes = 16

interface Batch {
  readonly baseOffset: number
  readonly nextOffset: number
  /** Emptied when its transaction aborts. */
  records: readonly FetchedRecord[]
  bytes: number
}

interface AppendOptions {
  readonly transaction?: object
  /** By {@link sizesOf}, where the caller has them. */
  readonly sizes?: Uint32Array
}

const noRecords: readonly FetchedRecord[] = Object.freeze([])

/**
 * One partition: batches in offset order. A transaction's marker takes an offset but no memory, so that offsets have
 * the gaps that they have on a broker. Keys, values and headers are kept as given, not copied.
 */
export class PartitionLog {
  readonly topic: string
  readonly partition: number
  logStartOffset = 0
  highWatermark = 0
  lastStableOffset = 0
  /** First offset and batches of every open transaction, by the transaction's identity; in order of first offset. */
  readonly #open = new Map<object, { readonly firstOffset: number; readonly batches: Batch[] }>()
  #batches: Batch[] = []
  #waiting: (() => void)[] = []

  constructor(topic: string, partition: number) {
    this.topic = topic
    this.partition = partition
  }

  /** Appends at the end; with a transaction the records stay invisible, and hold the last stable offset, until it ends. */
  append(records: readonly LogRecord[], { transaction, sizes = sizesOf(records) }: AppendOptions = {}): Appended {
    const baseOffset = this.highWatermark
    const batches = cut(records, sizes, baseOffset)
    for (const batch of batches) this.#batches.push(batch)
    this.highWatermark = baseOffset + records.length
    if (transaction !== undefined) {
      const open = this.#open.get(transaction)
      if (open === undefined) this.#open.set(transaction, { firstOffset: baseOffset, batches })
      else open.batches.push(...batches)
    }
    this.#advance()
    return { topic: this.topic, partition: this.partition, baseOffset, nextOffset: this.highWatermark }
  }

  /** Writes the transaction's marker; a transaction that never touched this partition leaves it as it is. */
  end(transaction: object, committed: boolean): void {
    const open = this.#open.get(transaction)
    if (open === undefined) return
    this.#open.delete(transaction)
    if (!committed) for (const batch of open.batches) empty(batch)
    this.highWatermark += 1
    this.#advance()
  }

  /** The batches from `offset` up to the last stable offset, as many as fit into `bytesMax`, at least one; nothing that is not replicated. */
  read({ offset, bytesMax }: FetchRequest, replicatedTo = this.highWatermark): FetchedPartition {
    const highWatermark = this.#batchEnd(replicatedTo)
    const lastStableOffset = Math.min(this.lastStableOffset, highWatermark)
    if (offset < this.logStartOffset || offset > this.highWatermark) {
      throw new StreamsError(
        'LOG_TRUNCATED',
        `offset ${offset} of ${this.topic}/${this.partition} is outside of its log, which has ${this.logStartOffset} to ${this.highWatermark}`,
      )
    }
    const slices: (readonly FetchedRecord[])[] = []
    let bytes = 0
    let nextOffset = Math.max(offset, lastStableOffset)
    for (let i = this.#firstEndingAfter(offset); i < this.#batches.length; i++) {
      const batch = this.#batches[i] as Batch
      if (batch.baseOffset >= lastStableOffset) break
      if (bytes > 0 && bytes + batch.bytes > bytesMax) {
        nextOffset = batch.baseOffset
        break
      }
      bytes += batch.bytes
      if (batch.records.length === 0) continue
      slices.push(offset > batch.baseOffset ? batch.records.slice(offset - batch.baseOffset) : batch.records)
    }
    const [first = noRecords] = slices
    const records = slices.length <= 1 ? first : slices.flat()
    const { topic, partition, logStartOffset } = this
    return { topic, partition, records, nextOffset, highWatermark, lastStableOffset, logStartOffset }
  }

  /** ListOffsets by time: of the first record that is not older, or the end. */
  offsetAt(timestampMs: number): number {
    for (const { records } of this.#batches) {
      const found = records.find((record) => record.offset >= this.logStartOffset && record.timestamp >= timestampMs)
      if (found !== undefined) return found.offset
    }
    return this.highWatermark
  }

  /** DeleteRecords: forgets the batches that end at or before `offset`, which becomes the log's start. */
  truncate(offset: number): void {
    this.logStartOffset = Math.max(this.logStartOffset, Math.min(offset, this.highWatermark))
    this.#batches = this.#batches.slice(this.#firstEndingAfter(this.logStartOffset))
  }

  /** Calls back once, as soon as the last stable offset moves or {@link wake} is called. */
  wait(callback: () => void): void {
    this.#waiting.push(callback)
  }

  stopWaiting(callback: () => void): void {
    const at = this.#waiting.indexOf(callback)
    if (at >= 0) this.#waiting.splice(at, 1)
  }

  wake(): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const callback of waiting) callback()
  }

  #advance(): void {
    const [oldest] = this.#open.values()
    const stable = oldest?.firstOffset ?? this.highWatermark
    if (stable === this.lastStableOffset) return
    this.lastStableOffset = stable
    this.wake()
  }

  /** Batches are replicated whole. */
  #batchEnd(offset: number): number {
    const batch = offset < this.highWatermark ? this.#batches[this.#firstEndingAfter(offset)] : undefined
    return batch && batch.baseOffset < offset ? batch.baseOffset : offset
  }

  #firstEndingAfter(offset: number): number {
    let low = 0
    let high = this.#batches.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#batches[middle] as Batch).nextOffset > offset) high = middle
      else low = middle + 1
    }
    return low
  }
}

/** Bytes of a record as the limits count them: about what a broker stores. */
const recordBytes = ({ key, value, headers }: LogRecord): number => {
  let bytes = recordOverheadBytes + (key?.length ?? 0) + (value?.length ?? 0)
  if (headers.length === 0) return bytes
  for (const [name, content] of headers) bytes += name.length + (content?.length ?? 0) + 2
  return bytes
}

/** Bytes of each record. */
export const sizesOf = (records: readonly LogRecord[]): Uint32Array => {
  const sizes = new Uint32Array(records.length)
  for (let i = 0; i < records.length; i++) sizes[i] = recordBytes(records[i] as LogRecord)
  return sizes
}

const cut = (records: readonly LogRecord[], sizes: Uint32Array, baseOffset: number): Batch[] => {
  const batches: Batch[] = []
  let current: FetchedRecord[] = []
  let bytes = 0
  let offset = baseOffset
  const close = () => {
    batches.push({ baseOffset: offset - current.length, nextOffset: offset, records: current, bytes })
    current = []
    bytes = 0
  }
  for (const record of records) {
    const size = sizes[offset - baseOffset] as number
    if (bytes > 0 && bytes + size > batchBytesMax) close()
    bytes += size
    const { key, value, timestamp, headers } = record
    current.push({ offset: offset++, key, value, timestamp, headers: headers.length === 0 ? noHeaders : headers })
  }
  if (current.length > 0) close()
  return batches
}

const empty = (batch: Batch): void => {
  batch.records = noRecords
  batch.bytes = 0
}
