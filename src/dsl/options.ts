export type { Printed } from '../operators/print.ts'

import type { Serde } from '../serde/serde.ts'
import type { DeferredFlush, PackedPages, ResidentStore, StreamPartitioner, TimestampExtractor } from '../topology/nodes.ts'

/** Every operator takes a name (Java's `Named`): 1 to 249 of `[A-Za-z0-9._-]`. */
export interface Named {
  readonly name?: string
}

/** The stores that a user's own processor uses, beside those that its supplier brings. */
export interface ConnectedTo {
  readonly stores?: readonly string[]
}

/** How a topic is read (Java's `Consumed`, D-60). */
export interface Consumed<K, V> extends Named {
  readonly keySerde?: Serde<K>
  readonly valueSerde?: Serde<V>
  readonly timestampExtractor?: TimestampExtractor<NoInfer<K>, NoInfer<V>>
  readonly offsetReset?: 'earliest' | 'latest' | 'none' | { readonly byDurationMs: number }
}

/** How a topic is written (Java's `Produced`, D-61). */
export interface Produced<K, V> extends Named {
  readonly keySerde?: Serde<NonNullable<K>>
  readonly valueSerde?: Serde<NonNullable<V>>
  readonly partitioner?: StreamPartitioner<K, V>
}

/** How a grouping is repartitioned if it must be (Java's `Grouped`, D-62); `name` names the repartition topic. */
export interface Grouped<K, V> extends Named {
  readonly keySerde?: Serde<K>
  readonly valueSerde?: Serde<V>
}

/** How a stream is repartitioned (Java's `Repartitioned`, D-65); `name` names the topic. */
export interface Repartitioned<K, V> extends Named {
  readonly keySerde?: Serde<K>
  readonly valueSerde?: Serde<V>
  /** Default: as many as the widest topic above. */
  readonly partitions?: number
  readonly partitioner?: StreamPartitioner<K, V>
}

/** How a table's rows are kept (Java's `Materialized`, D-67). */
export interface Materialized<K, V> {
  readonly name?: string
  readonly keySerde?: Serde<K>
  readonly valueSerde?: Serde<V>
  /** Default true: one change per key and commit goes downstream. */
  readonly caching?: boolean
  /** Topic configuration for the changelog; false: no changelog, a lost table is lost. Default: a changelog. */
  readonly logging?: false | Readonly<Record<string, string>>
  /**
   * Keeps all versions of a row as far back as `historyRetentionMs`, seen from the latest update (KIP-889): joins of streams then
   * look up what a row was at their records' time, and updates that come late are not taken for the latest. It is never cached.
   */
  readonly versioned?: { readonly historyRetentionMs: number }
  /** Only so many rows: beyond them the least recently used one goes, and its deletion is told to nobody but the changelog. Small: it is part of every commit record. */
  readonly maxEntries?: number
  /**
   * Rows are written to the table later, several invocations' together: as soon as one of these limits is reached. Until then they are in
   * the changelog, and whoever takes the task over reads them there; plain reads of the table are as old. Default: before each invocation ends.
   */
  readonly flush?: DeferredFlush
  /** How large a store may be to be read whole by a process that does not know it, once that is cheaper than row by row. Default 8 MiB. */
  readonly resident?: ResidentStore
  /**
   * Many small rows are one item of the table, in pages of about `pageBytes`: rows that are written together, as with `flush`, cost at most a
   * write unit or two per page. Each process then holds its part of the store in memory whole. Key-value and window stores with a changelog only.
   */
  readonly packed?: PackedPages
  /** Windowed tables only: how long rows are kept, in stream time. Default, and least: as long as they may still change (S-11). */
  readonly retentionMs?: number
}

/** Options of an aggregation: its own name, and its store, by name alone or in full. Whether `store` is there decides the numbering, as in Java. */
export interface Aggregated<K, V> extends Named {
  readonly store?: string | Materialized<K, V>
}

/**
 * How two tables are joined by foreign key (Java's `TableJoined`, D-64). Without a partitioner subscriptions follow the foreign
 * key and answers go back to where they came from: one is needed where a table's topic was not partitioned by key (KIP-775).
 */
export interface TableJoined<K, VR> extends Aggregated<K, VR> {
  /** Of this table, by its key; its value is always null. */
  readonly partitioner?: StreamPartitioner<K, null>
  /** Of the other table, by its key; its value is always null. */
  readonly otherPartitioner?: StreamPartitioner
}

/** How a topic is read as a table; its rows have the topic's serdes. */
export interface ConsumedTable<K, V> extends Consumed<K, V> {
  readonly store?: string | Omit<Materialized<K, V>, 'keySerde' | 'valueSerde'>
}

/** How a stream is joined (Java's `Joined`, D-63): the serdes of its repartition topic and of its buffer, if it needs one, and the name of all. */
export interface Joined<K, V> extends Named {
  readonly keySerde?: Serde<K>
  readonly valueSerde?: Serde<V>
  /** Records wait until later ones are this far beyond their time, so that the table's updates may come late; the table must be versioned (KIP-923). */
  readonly graceMs?: number
}

/**
 * How two streams are joined (Java's `StreamJoined`, D-66). `name` names the processors and, with `-left` and `-right`, the
 * repartition topics; `storeName` begins the names of the stores.
 */
export interface StreamJoined<K, V, VO> extends Named {
  readonly storeName?: string
  readonly keySerde?: Serde<K>
  /** Of the values of this stream, the left one. */
  readonly valueSerde?: Serde<NonNullable<V>>
  readonly otherValueSerde?: Serde<NonNullable<VO>>
  /** The left stream's records are kept in a store of one's own. */
  readonly thisStoreSupplier?: JoinStoreSupplier
  readonly otherStoreSupplier?: JoinStoreSupplier
  /** Topic configuration for the changelogs; false: none, lost records are lost to the join. Default: changelogs. */
  readonly logging?: false | Readonly<Record<string, string>>
}

/** A window store that can keep the records of a joined stream: as long as the windows and their grace last, and every one of a key. */
export interface JoinStoreSupplier {
  readonly name: string
  /** `beforeMs` and `afterMs` together. */
  readonly windowSizeMs: number
  /** The windows' size and grace together. */
  readonly retentionMs: number
  readonly retainDuplicates: boolean
}
