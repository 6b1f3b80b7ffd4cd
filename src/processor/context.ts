import type { Headers, RecordMetadata } from './record.ts'

/** The record that a task is working on, as stores and sinks need it (Kafka's `ProcessorRecordContext`). */
export interface RecordContext extends RecordMetadata {
  readonly timestamp: number
  readonly headers: Headers
  /** The input record as it was read. */
  readonly rawKey: Uint8Array | null
  readonly rawValue: Uint8Array | null
}

/** Holds the current one: set by the task for each record, by a cache for each entry that it flushes. */
export interface ContextHolder {
  current: RecordContext | undefined
}
