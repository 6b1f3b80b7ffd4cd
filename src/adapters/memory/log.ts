import type { Appended, FetchedPartition, FetchRequest, KafkaPorts, PartitionBatch, TopicPartition } from '../../runtime/ports.ts'
import { createMemoryPartitionReader } from './partition-reader.ts'
import { createMemoryTopicAdmin } from './topic-admin.ts'
import { partitionOf, type Topics } from './topics.ts'
import { Coordinator, createMemoryTxnLog, produce, type WriteMarker } from './transactions.ts'

export interface MemoryKafka extends KafkaPorts {
  /** Appends outside of any transaction, as a plain producer does; visible at once. TOPIC_MISSING where there is no such partition. */
  produce(batches: readonly PartitionBatch[]): readonly Appended[]
  /** DeleteRecords: the partition's log starts at `offset` from now on. */
  truncate(at: TopicPartition & { readonly offset: number }): void
  /** Forgets transactional ids without a transaction under way (`transactional.id.expiration.ms`): their sessions are fenced. */
  forgetIds(): void
  /** What a fetch of one partition answers now, without waiting. */
  read(request: FetchRequest): FetchedPartition
}

export interface MemoryKafkaOptions {
  /** Decides when transactions and deadlines run out. Default: the system clock. */
  readonly now?: () => number
  /**
   * Called for each partition of a transaction whose end is decided; a broker answers EndTxn then, and each partition's marker
   * follows in its own time. Default: it is written at once.
   */
  readonly writeMarker?: WriteMarker
  /** How far a broker that has just become the leader knows that a partition is replicated, at most `highWatermark`. Default: to its end. */
  readonly replicatedTo?: (at: TopicPartition & { readonly highWatermark: number }) => number
}

/**
 * A Kafka cluster in this process, with the offsets that a broker would give: a commit or abort marker takes one in
 * every partition of its transaction, and an open transaction holds the last stable offset. Nothing is copied but the
 * record's own object: bytes given to `append` must not change afterwards. An expired transaction is noticed by the next call
 * of any port.
 *
 * @example
 * const { admin, txnLog, reader } = createMemoryKafka()
 */
export const createMemoryKafka = (options: MemoryKafkaOptions = {}): MemoryKafka => {
  const now = options.now ?? Date.now
  const topics: Topics = new Map()
  const coordinator = new Coordinator(topics, now, options.writeMarker ?? ((_marker, write) => write()))
  return {
    txnLog: createMemoryTxnLog(coordinator),
    reader: createMemoryPartitionReader(topics, coordinator, options.replicatedTo),
    admin: createMemoryTopicAdmin(topics, now),
    produce: (batches) => produce(topics, batches),
    read: (request) => partitionOf(topics, request).read(request),
    truncate: (at) => partitionOf(topics, at).truncate(at.offset),
    forgetIds: () => coordinator.forget(),
  }
}
