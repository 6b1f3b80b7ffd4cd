import { StreamsError } from '../../errors.ts'
import type { Appended, FetchedPartition, FetchedRecord, FetchRequest } from '../../runtime/ports.ts'
import { type RecordBlock, recordsOf } from '../../runtime/record-block.ts'

/** As on a broker a fetch answers whole batches; many are never read. */
class Batch {
  readonly baseOffset: number
  readonly nextOffset: number
  /** Undefined: its transaction was aborted. */
  #block: RecordBlock | undefined

  constructor(baseOffset: number, block: RecordBlock) {
    this.baseOffset = baseOffset
    this.nextOffset = baseOffset + block.count
    this.#block = block
  }

  get bytes(): number {
    return this.#block?.size ?? 0
  }

  /** Unpacked anew: most are read once, and all of them stay. */
  get records(): readonly FetchedRecord[] {
    return this.#block ? recordsOf([this.#block], this.baseOffset) : noRecords
  }

  empty(): void {
    this.#block = undefined
  }
}

interface AppendOptions {
  readonly transaction?: object
}

const noRecords: readonly FetchedRecord[] = Object.freeze([])

/**
 * One partition: batches in offset order. A transaction's marker takes an offset but no memory, so that offsets have
 * the gaps that they have on a broker.
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
  append(blocks: readonly RecordBlock[], { transaction }: AppendOptions = {}): Appended {
    const baseOffset = this.highWatermark
    const batches = blocks.map((block) => {
      const batch = new Batch(this.highWatermark, block)
      this.highWatermark = batch.nextOffset
      return batch
    })
    for (const batch of batches) this.#batches.push(batch)
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
    if (!committed) for (const batch of open.batches) batch.empty()
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
      const { records } = batch
      if (records.length > 0) slices.push(offset > batch.baseOffset ? records.slice(offset - batch.baseOffset) : records)
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
