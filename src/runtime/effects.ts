import type { Row } from '../state/rows.ts'
import type { LogRecord, PartitionBatch } from './ports.ts'

/** What a task wants to happen, all of it or nothing: what one transaction commits. */
export interface Effects {
  /** One batch per topic and partition; records in the order in which they were sent. */
  readonly outputs: readonly PartitionBatch[]
  /** The last row per key that was written, in the order of the last writes. */
  readonly changes: readonly StoreChange[]
  readonly times: TaskTimes
}

export interface StoreChange {
  readonly store: string
  readonly rows: readonly Row[]
  /** What the changelog is told, where that is not the rows. */
  readonly log?: readonly Row[]
}

/** What a task remembers of time between two invocations: it travels in the commit record. */
export interface TaskTimes {
  /** -1 before the first record. */
  readonly streamTime: number
  /** By source topic. */
  readonly partitionTimes: Readonly<Record<string, number>>
  /** What operators and stores keep for the next task, by name; absent: nothing. */
  readonly remembered?: Readonly<Record<string, number>>
}

export const initialTimes: TaskTimes = Object.freeze({ streamTime: -1, partitionTimes: Object.freeze({}) })

/** Collects the outputs of one transaction by topic and partition. */
export class Outputs {
  #topics = new Map<string, LogRecord[][]>()
  #count = 0

  get count(): number {
    return this.#count
  }

  add(topic: string, partition: number, record: LogRecord): void {
    let partitions = this.#topics.get(topic)
    if (!partitions) {
      partitions = []
      this.#topics.set(topic, partitions)
    }
    const batch = partitions[partition]
    if (batch) batch.push(record)
    else partitions[partition] = [record]
    this.#count++
  }

  take(): readonly PartitionBatch[] {
    const batches: PartitionBatch[] = []
    for (const [topic, partitions] of this.#topics) {
      // indexes of partitions that got nothing are holes, which forEach skips
      partitions.forEach((records, partition) => {
        batches.push({ topic, partition, records })
      })
    }
    this.#topics = new Map()
    this.#count = 0
    return batches
  }
}
