import type { FetchedRecord, LogRecord } from '../runtime/ports.ts'
import { batchHeaderBytes, copyPart, type RecordBlock, unpack } from '../runtime/record-block.ts'

/** A record that was written, in the order of writing. */
export interface ProducedRecord extends LogRecord {
  readonly partition: number
}

/** Records of one partition as they stand in the bytes of a topic. */
interface Run {
  readonly partition: number
  readonly at: number
  readonly count: number
  readonly baseTimestamp: number
}

/** What was written to one topic and is not read yet: bytes until somebody looks, for at most of it nobody does. */
export class ProducedTopic {
  readonly #records: ProducedRecord[] = []
  #bytes: Buffer<ArrayBufferLike> = Buffer.of()
  #length = 0
  #runs: Run[] = []
  #isWatched = false

  add(partition: number, blocks: readonly RecordBlock[]): void {
    for (const { bytes, length, count, baseTimestamp } of blocks) {
      this.#runs.push({ partition, at: this.#length, count, baseTimestamp })
      this.#room(length - batchHeaderBytes)
      this.#length = copyPart(this.#bytes, this.#length, { bytes, from: batchHeaderBytes, to: length })
    }
    if (this.#isWatched) this.#see()
  }

  get isEmpty(): boolean {
    return this.#records.length === 0 && this.#runs.length === 0
  }

  /** Oldest first; whoever has read a record takes it out. */
  get records(): ProducedRecord[] {
    if (this.#runs.length > 0) this.#see()
    return this.#records
  }

  /** The same list; what is written from now on is in it at once. */
  watch(): ProducedRecord[] {
    this.#isWatched = true
    return this.records
  }

  clear(): void {
    this.#forget()
    this.#records.length = 0
  }

  #see(): void {
    for (const { partition, at, count, baseTimestamp } of this.#runs) {
      const found: FetchedRecord[] = []
      unpack({ body: this.#bytes, at, count, baseOffset: 0, baseTimestamp }, found)
      for (const { key, value, timestamp, headers } of found) this.#records.push({ key, value, timestamp, headers, partition })
    }
    this.#forget()
  }

  /** The bytes are not used again: records that somebody has are views of them. */
  #forget(): void {
    this.#bytes = Buffer.of()
    this.#length = 0
    this.#runs = []
  }

  #room(bytes: number): void {
    if (this.#length + bytes <= this.#bytes.length) return
    const grown = Buffer.allocUnsafe(Math.max(2 * this.#bytes.length, this.#length + bytes))
    this.#bytes.copy(grown, 0, 0, this.#length)
    this.#bytes = grown
  }
}
