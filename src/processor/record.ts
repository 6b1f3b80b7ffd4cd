/** Header name and value, in the order of the record; names may repeat. */
export type Header = readonly [name: string, value: Uint8Array | null]
export type Headers = readonly Header[]

/** Shared, so that a record without headers allocates nothing. */
export const noHeaders: Headers = Object.freeze([])

/**
 * What flows between processors (Kafka's `processor.api.Record`, P-02): key, value, event time and headers. Frozen by
 * type, not at run time; `{ ...record, value }` makes a changed copy.
 */
export interface Record<K, V> {
  readonly key: K
  readonly value: V
  /** Unix milliseconds, never negative. */
  readonly timestamp: number
  readonly headers: Headers
}

/** Where the record came from; absent while punctuating. */
export interface RecordMetadata {
  readonly topic: string
  readonly partition: number
  readonly offset: number
}
