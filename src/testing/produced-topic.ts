import type { LogRecord, PartitionBatch } from '../runtime/ports.ts'

/** A record that was written, in the order of writing. */
export interface ProducedRecord extends LogRecord {
  readonly partition: number
}

/** What was written to one topic and is not read yet: as the task left it until somebody looks, for most of it nobody does. */
export class ProducedTopic {
  readonly #records: ProducedRecord[] = []
  #unseen: Pick<PartitionBatch, 'partition' | 'records'>[] = []
  #isWatched = false

  add(batch: Pick<PartitionBatch, 'partition' | 'records'>): void {
    this.#unseen.push(batch)
    if (this.#isWatched) this.#see()
  }

  get isEmpty(): boolean {
    return this.#records.length === 0 && this.#unseen.length === 0
  }

  /** Oldest first; whoever has read a record takes it out. */
  get records(): ProducedRecord[] {
    if (this.#unseen.length > 0) this.#see()
    return this.#records
  }

  /** The same list; what is written from now on is in it at once. */
  watch(): ProducedRecord[] {
    this.#isWatched = true
    return this.records
  }

  clear(): void {
    this.#unseen = []
    this.#records.length = 0
  }

  #see(): void {
    const unseen = this.#unseen
    this.#unseen = []
    for (const { partition, records } of unseen)
      for (const { key, value, timestamp, headers } of records) this.#records.push({ key, value, timestamp, headers, partition })
  }
}
