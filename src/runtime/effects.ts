import type { Headers } from '../processor/record.ts'
import type { Row } from '../state/rows.ts'
import { murmur2, partitionOfHash } from './partitioner.ts'
import type { LogRecord, PartitionBatch } from './ports.ts'
import { PackedBatch, Slot } from './record-block.ts'

/** What a task wants to happen, all of it or nothing: what one transaction commits. */
export interface Effects {
  /** Number of the transaction that its outputs are stamped with; absent where they are not. */
  readonly seq?: number
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

/** Adds to the headers of a record that goes to this topic; undefined: nothing. */
export type Stamp = (topic: string) => ((headers: Headers) => Headers) | undefined

interface TopicOutputs {
  readonly topic: string
  readonly stamp: ((headers: Headers) => Headers) | undefined
  /** By partition; of those that got nothing there are holes. */
  readonly batches: (PackedBatch | undefined)[]
}

const noBatches: readonly PartitionBatch[] = Object.freeze([])

/** Collects the outputs of one transaction by topic and partition. */
export class Outputs {
  /** Of the record that {@link add} takes next. */
  readonly key = new Slot()
  readonly value = new Slot()
  #stamp: Stamp
  #topics = new Map<string, TopicOutputs>()
  #last: TopicOutputs | undefined

  constructor(stamp: Stamp) {
    this.#stamp = stamp
  }

  /** The partition for the key as it stands, as Kafka's default partitioner chooses it; its last bytes may have no say. */
  partitionOf(partitions: number, windowBytes = 0): number {
    const { bytes, from, to } = this.key
    return partitions === 1 ? 0 : partitionOfHash(murmur2(bytes, from, to - windowBytes), partitions)
  }

  /** Takes key and value as they stand. */
  add(topic: string, partition: number, { timestamp, headers }: Pick<LogRecord, 'timestamp' | 'headers'>): void {
    const of = this.#last?.topic === topic ? this.#last : this.#begin(topic)
    let batch = of.batches[partition]
    if (batch === undefined) {
      batch = new PackedBatch(topic, partition)
      of.batches[partition] = batch
    }
    batch.packed.append(this.key, this.value, timestamp, of.stamp ? of.stamp(headers) : headers)
  }

  /** What was added; what comes next is of the next transaction, with a stamp of its own. */
  take(next: Stamp): readonly PartitionBatch[] {
    this.#stamp = next
    if (this.#topics.size === 0) return noBatches
    const taken: PartitionBatch[] = []
    for (const { batches } of this.#topics.values()) for (const batch of batches) if (batch) taken.push(batch)
    this.#topics = new Map()
    this.#last = undefined
    return taken
  }

  #begin(topic: string): TopicOutputs {
    const outputs = this.#topics.get(topic) ?? { topic, stamp: this.#stamp(topic), batches: [] }
    this.#topics.set(topic, outputs)
    this.#last = outputs
    return outputs
  }
}
