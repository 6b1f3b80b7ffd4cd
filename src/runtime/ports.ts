import type { Headers } from '../processor/record.ts'
import type { CompressionType } from '../topology/config.ts'
import type { RecordBlock } from './record-block.ts'

/**
 * The ports that a Kafka client fills. Offsets are numbers (an adapter refuses one beyond 2^53 - 1), times are Unix
 * milliseconds, deadlines are absolute Unix milliseconds: past its deadline a call rejects with DEADLINE_EXCEEDED (or
 * BROKER_UNREACHABLE where nobody ever answered) and sends nothing more.
 */
export interface TopicPartition {
  readonly topic: string
  readonly partition: number
}

/** A record as it is written: bytes only, serialized by the caller. */
export interface LogRecord {
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly timestamp: number
  readonly headers: Headers
}

/** A record as it was read. */
export interface FetchedRecord extends LogRecord {
  readonly offset: number
}

export interface PartitionBatch extends TopicPartition {
  readonly records: readonly LogRecord[]
  /** The same records, packed, where they are: then `records` are objects that somebody else has asked for. */
  readonly blocks?: readonly RecordBlock[]
}

/** How many records a batch has, without making objects of them. */
export const recordCount = (batch: PartitionBatch): number =>
  batch.blocks ? batch.blocks.reduce((sum, { count }) => sum + count, 0) : batch.records.length

/** Where a batch of {@link TxnSession.append} begins: the offset of its first record, and the one after its last. */
export interface Appended extends TopicPartition {
  readonly baseOffset: number
  readonly nextOffset: number
}

/** Opens transactions. One adapter instance serves a process and shares its sockets. */
export interface TxnLog {
  /**
   * InitProducerId: fences every older session of this transactional id and resolves once the markers of its last
   * transaction are readable (Kafka's rule E1). Retries what may be retried until the deadline.
   */
  open(options: TxnOpenOptions): Promise<TxnSession>
  /** Frees the sockets. Sessions are dead afterwards. */
  close(): Promise<void>
}

export interface TxnOpenOptions {
  readonly transactionalId: string
  /** The broker aborts an open transaction after this time. */
  readonly transactionTimeoutMs: number
  /** Of the batches that the session writes, where they leave the process. Default `none`; CONFIG_INVALID for one that this Node does not have. */
  readonly compression?: CompressionType
  readonly deadlineMs: number
}

/**
 * A fenced producer: any number of transactions one after the other, dead after its first rejection.
 * A rejection is a StreamsError: FENCED (somebody else committed or fenced), TRANSACTION_ABORTED (nothing became
 * visible), OUTCOME_UNKNOWN (only from commit), RECORD_INVALID (a record above the broker's limit), TOPIC_MISSING,
 * BROKER_REFUSED, BROKER_UNREACHABLE or DEADLINE_EXCEEDED.
 */
export interface TxnSession {
  /** Adds the partitions, then produces to all leaders in parallel; resolves when every batch is acknowledged. Answers in request order. */
  append(batches: readonly PartitionBatch[], deadlineMs: number): Promise<readonly Appended[]>
  /** EndTxn(commit). A session that appended nothing since the last commit refuses with an invariant. */
  commit(deadlineMs: number): Promise<void>
  /** EndTxn(abort). Without an open transaction it does nothing. */
  abort(deadlineMs: number): Promise<void>
  /** True after the first rejection or after close. */
  readonly dead: boolean
  /**
   * True while a later invocation may go on with it: it is not dead, nothing is open, and no late request of its past transactions can end the
   * next one. Brokers without KIP-890 cannot promise the last: there it is false after the first transaction.
   */
  readonly reusable: boolean
  /** Synchronous; the session may not be used afterwards. */
  close(): void
}

export interface FetchRequest extends TopicPartition {
  readonly offset: number
  /** At most this many bytes, but always at least one batch where there is one. */
  readonly bytesMax: number
}

export interface FetchedPartition extends TopicPartition {
  /** Committed records in offset order, from `offset` on: no control records, no aborted ones. */
  readonly records: readonly FetchedRecord[]
  /** Where the next fetch goes on: behind everything that was looked at, control and aborted batches too. */
  readonly nextOffset: number
  readonly highWatermark: number
  readonly lastStableOffset: number
  readonly logStartOffset: number
}

export interface Bounds extends TopicPartition {
  readonly logStartOffset: number
  readonly highWatermark: number
}

/** Reads partitions without a consumer group, read_committed. A topic or partition that does not exist is TOPIC_MISSING. */
export interface PartitionReader {
  /** ListOffsets (earliest, and latest with isolation read_uncommitted): one answer per partition, in request order. */
  bounds(partitions: readonly TopicPartition[], deadlineMs: number): Promise<readonly Bounds[]>
  /**
   * One round of Fetch (read_committed), answers in request order. Waits up to `waitMs` for the first byte. An offset
   * outside of the log is LOG_TRUNCATED. A broker may lag after a leader change: an answer can be shorter than `bounds`.
   */
  fetch(
    requests: readonly FetchRequest[],
    options: { readonly waitMs: number; readonly deadlineMs: number },
  ): Promise<readonly FetchedPartition[]>
  close(): Promise<void>
}

export interface TopicSpec {
  readonly topic: string
  readonly partitions: number
  /** Kafka topic configuration, e.g. `{ 'cleanup.policy': 'compact' }`. */
  readonly config: Readonly<Record<string, string>>
  /** Default: the broker's default.replication.factor. */
  readonly replicationFactor?: number
}

export interface TopicDescription {
  readonly topic: string
  readonly partitions: number
}

export interface TopicSettings {
  readonly topic: string
  /** Value by name, as Kafka writes it: the topic's own, or the default of the brokers. One that they do not know is absent. */
  readonly settings: Readonly<Record<string, string>>
}

export interface PartitionOffset extends TopicPartition {
  readonly offset: number
}

export interface GroupOffset extends PartitionOffset {
  /** The next offset to read. */
  readonly offset: number
}

/** What deployment, the local engine and lag tools need of a cluster. */
export interface TopicAdmin {
  /** Descriptions of those topics that exist, in request order. */
  describe(topics: readonly string[], deadlineMs: number): Promise<readonly TopicDescription[]>
  /** What is in force of these settings (DescribeConfigs), for those topics that exist, in request order. */
  settings(topics: readonly string[], names: readonly string[], deadlineMs: number): Promise<readonly TopicSettings[]>
  /** Creates what is missing and waits until it has leaders; an existing topic with another partition count is TOPIC_MISMATCH. */
  create(topics: readonly TopicSpec[], deadlineMs: number): Promise<void>
  /** Deletes those that exist. */
  delete(topics: readonly string[], deadlineMs: number): Promise<void>
  /** Every topic whose name begins so, in order of their names. */
  list(prefix: string, deadlineMs: number): Promise<readonly TopicDescription[]>
  /** Deletes the records below these offsets, which become the logs' starts. A topic that is only compacted refuses: BROKER_REFUSED. */
  deleteRecords(below: readonly PartitionOffset[], deadlineMs: number): Promise<void>
  /** The first offset of each partition whose record, or marker, is not older than this time; where there is none, the end. In request order. */
  offsetsAt(partitions: readonly TopicPartition[], timestampMs: number, deadlineMs: number): Promise<readonly PartitionOffset[]>
  /** Committed offsets of a consumer group, for the partitions that have one. */
  groupOffsets(groupId: string, partitions: readonly TopicPartition[], deadlineMs: number): Promise<readonly GroupOffset[]>
  /** Plain offset commit without membership (generation -1), for event sources and lag tools. */
  commitGroupOffsets(groupId: string, offsets: readonly GroupOffset[], deadlineMs: number): Promise<void>
  close(): Promise<void>
}

/** Everything of one Kafka cluster, as an adapter offers it. */
export interface KafkaPorts {
  readonly txnLog: TxnLog
  readonly reader: PartitionReader
  readonly admin: TopicAdmin
}
