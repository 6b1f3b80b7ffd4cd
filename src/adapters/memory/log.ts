import type { Appended, KafkaPorts, PartitionBatch, TopicPartition } from '../../runtime/ports.ts'
import { createMemoryPartitionReader } from './partition-reader.ts'
import { createMemoryTopicAdmin } from './topic-admin.ts'
import { partitionOf, type Topics } from './topics.ts'
import { Coordinator, createMemoryTxnLog, produce } from './transactions.ts'

export interface MemoryKafka extends KafkaPorts {
  /** Appends outside of any transaction, as a plain producer does; visible at once. TOPIC_MISSING where there is no such partition. */
  produce(batches: readonly PartitionBatch[]): readonly Appended[]
  /** DeleteRecords: the partition's log starts at `offset` from now on. */
  truncate(at: TopicPartition & { readonly offset: number }): void
}

/**
 * A Kafka cluster in this process, with the offsets that a broker would give: a commit or abort marker takes one in
 * every partition of its transaction, and an open transaction holds the last stable offset. Nothing is copied but the
 * record's own object: bytes given to `append` must not change afterwards. `now` (default: the system clock) decides
 * when transactions and deadlines run out; an expired transaction is noticed by the next call of any port.
 *
 * @example
 * const { admin, txnLog, reader } = createMemoryKafka()
 */
export const createMemoryKafka = (options: { readonly now?: () => number } = {}): MemoryKafka => {
  const now = options.now ?? Date.now
  const topics: Topics = new Map()
  const coordinator = new Coordinator(topics, now)
  return {
    txnLog: createMemoryTxnLog(coordinator),
    reader: createMemoryPartitionReader(topics, coordinator),
    admin: createMemoryTopicAdmin(topics, now),
    produce: (batches) => produce(topics, batches),
    truncate: (at) => partitionOf(topics, at).truncate(at.offset),
  }
}
