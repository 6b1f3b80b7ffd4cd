/**
 * What a Kafka event source mapping of AWS Lambda hands to a function (Amazon MSK: `aws:kafka`; any other cluster:
 * `SelfManagedKafka`). Records of several partitions of one topic may come in one event, in offset order per partition.
 */
export interface KafkaEvent {
  readonly eventSource: 'aws:kafka' | 'SelfManagedKafka'
  /** Amazon MSK only. */
  readonly eventSourceArn?: string
  /** Comma-separated. */
  readonly bootstrapServers: string
  /** By `<topic>-<partition>`; topic names may contain hyphens, so the key is not to be split. */
  readonly records: Readonly<Record<string, readonly KafkaEventRecord[]>>
}

export interface KafkaEventRecord {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  /** Unix milliseconds. */
  readonly timestamp: number
  readonly timestampType: 'CREATE_TIME' | 'LOG_APPEND_TIME'
  /** Base64. Absent for a null key; null was met in the wild. */
  readonly key?: string | null
  /** Base64. Absent for a tombstone; null was met in the wild. */
  readonly value?: string | null
  /** One object per header, in their order: name to bytes as numbers, which may be signed; null for a null value. */
  readonly headers: readonly Readonly<Record<string, readonly number[] | null>>[]
}

/** Partial batch response (`ReportBatchItemFailures`, provisioned mode); without failures everything succeeded. */
export interface KafkaBatchResponse {
  readonly batchItemFailures: readonly { readonly itemIdentifier: { readonly partition: string; readonly offset: number } }[]
}
