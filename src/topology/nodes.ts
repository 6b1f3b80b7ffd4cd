import type { AnyProcessorSupplier } from '../processor/processor.ts'
import type { Headers, RecordMetadata } from '../processor/record.ts'
import type { Serde } from '../serde/serde.ts'
import type { Window } from '../serde/windowed.ts'

// biome-ignore lint/suspicious/noExplicitAny: nodes of different types stand in one graph; the DSL's types guard the edges
export type AnySerde = Serde<any>

/** Event time of a record. `partitionTime` is the highest time seen on its partition, -1 if none. A negative answer drops the record. */
export type TimestampExtractor<K = unknown, V = unknown> = (
  record: { readonly key: K; readonly value: V; readonly timestamp: number; readonly headers: Headers } & RecordMetadata,
  partitionTime: number,
) => number

/** Chooses partitions for an output: undefined = by key (murmur2), an empty list = drop, several = multicast (KIP-837). */
export type StreamPartitioner<K = unknown, V = unknown> = (
  topic: string,
  key: K,
  value: V,
  partitions: number,
) => readonly number[] | undefined

/** Computes the output topic of a record (Kafka's `TopicNameExtractor`). */
export type TopicNameExtractor<K = unknown, V = unknown> = (
  key: K,
  value: V,
  context: RecordMetadata & { readonly timestamp: number },
) => string

// biome-ignore-start lint/suspicious/noExplicitAny: as AnySerde
export type AnyTimestampExtractor = TimestampExtractor<any, any>
export type AnyStreamPartitioner = StreamPartitioner<any, any>
export type AnyTopicNameExtractor = TopicNameExtractor<any, any>
// biome-ignore-end lint/suspicious/noExplicitAny: as AnySerde

/** A topic as the topology knows it: internal ones get the application id as prefix at run time (S-34). */
export interface TopicRef {
  readonly name: string
  readonly internal: boolean
}

/** The topic's name on the cluster. */
export const topicName = (topic: TopicRef, applicationId: string): string =>
  topic.internal ? `${applicationId}-${topic.name}` : topic.name

export interface SourceNode {
  readonly kind: 'source'
  readonly name: string
  readonly topics: readonly TopicRef[]
  /** Topics by regular expression instead; `topics` is then empty. */
  readonly pattern?: RegExp
  readonly keySerde: AnySerde
  readonly valueSerde: AnySerde
  readonly timestampExtractor?: AnyTimestampExtractor
  readonly offsetReset?: 'earliest' | 'latest' | 'none' | { readonly byDurationMs: number }
}

export interface ProcessorNode {
  readonly kind: 'processor'
  readonly name: string
  readonly parents: readonly string[]
  readonly supplier: AnyProcessorSupplier
  readonly stores: readonly string[]
  /** The records it forwards have the key of the record that it got: reads further down can be prefetched. */
  readonly keepsKey: boolean
  /** Stores that it reads with exactly the key of the record that it gets. */
  readonly readsByKey: readonly string[]
  /** Stores of which it reads all keys that begin as that key tells, by its bytes in the serde of `keySerde`. */
  readonly readsPrefixes?: readonly {
    readonly store: string
    readonly keySerde: AnySerde
    readonly prefixOf: (key: Uint8Array) => Uint8Array
  }[]
  /** Windowed stores that it reads with that key and the windows of the record's time. */
  readonly readsWindows?: readonly { readonly store: string; readonly windowsFor: (timestamp: number) => readonly Window[] }[]
  /** Windowed stores of which it reads the rows of that key from a time on, which the record's time tells: a window's start, a session's end. */
  readonly readsFrom?: readonly { readonly store: string; readonly fromMs: (timestamp: number) => number }[]
  /**
   * It brings records of equal keys together: its parents' and those of these nodes, whose stores it reads. The topics of all
   * must have the same number of partitions (co-partitioning, S-38).
   */
  readonly meets?: readonly string[]
  /** It may ask to be called when time has come: its task needs the tick of the clock. False: it must not ask. */
  readonly mayPunctuate?: boolean
}

export interface SinkNode {
  readonly kind: 'sink'
  readonly name: string
  readonly parents: readonly string[]
  readonly topic: TopicRef | AnyTopicNameExtractor
  readonly keySerde: AnySerde
  readonly valueSerde: AnySerde
  readonly partitioner?: AnyStreamPartitioner
}

/** The physical graph: a closed union of frozen plain data. */
export type TopologyNode = SourceNode | ProcessorNode | SinkNode

/**
 * A store whose rows every task of the application may read (Kafka's global store, D-05): one topic, one node that writes the store, and
 * nothing below it. The source and the node are a sub-topology of their own.
 */
export interface GlobalStore {
  readonly store: StoreSpec
  readonly source: SourceNode
  readonly processor: ProcessorNode
}

/** A state store as declared. Keys are of the inner serde; windowed ones get their window in the store. */
export type StoreSpec = KeyValueStoreSpec | WindowStoreSpec | SessionStoreSpec | SuppressionBufferSpec | VersionedStoreSpec | JoinBufferSpec

/**
 * What a processor sees of a row: the value alone (the row then has the time of the record that wrote it), value and time,
 * or value, time and headers.
 */
export type Holds = 'values' | 'timestamped' | 'headers'

/** The records of a stream that wait for their join. */
export interface JoinBufferSpec extends StoreFacts {
  readonly kind: 'join-buffer'
  readonly graceMs: number
}

/** All versions of each key as far back as the history goes. */
export interface VersionedStoreSpec extends StoreFacts {
  readonly kind: 'versioned'
  readonly holds: 'versions'
  readonly historyMs: number
}

export interface KeyValueStoreSpec extends StoreFacts {
  readonly kind: 'key-value'
  readonly holds: Holds
  /** Only so many entries: beyond them the least recently used one goes. */
  readonly maxEntries?: number
}

export interface WindowStoreSpec extends StoreFacts {
  readonly kind: 'window'
  readonly holds: Holds
  /** Infinity: a window without an end. */
  readonly windowSizeMs: number
  readonly retentionMs: number
  /** Every put is an entry of its own. */
  readonly retainDuplicates: boolean
  /** As in {@link SessionStoreSpec}. */
  readonly segmentIntervalMs?: number
}

export interface SessionStoreSpec extends StoreFacts {
  readonly kind: 'session'
  readonly holds: 'values' | 'headers'
  readonly retentionMs: number
  /** Reads of many keys go by spans of time of this length, then by key: the order of Kafka's persistent stores. Default 1. */
  readonly segmentIntervalMs?: number
}

/** What a table's `suppress` holds back: rows in the form of Kafka's changelog of such a buffer (F-09). It is no table of its own. */
export interface SuppressionBufferSpec extends StoreFacts {
  readonly kind: 'suppression-buffer'
}

/** When the rows of a store that waits are written to the table: as soon as one of these is reached, and at every tick. */
export interface DeferredFlush {
  /** Since the oldest transaction that is not in the table; 1 to 600,000. */
  readonly intervalMs: number
  /** Changelog records of the task since then. Default: no limit. */
  readonly recordsMax?: number
  /** Of the task's log since then, which whoever takes the task over has to read; at most 8 MiB. Default 1 MiB. */
  readonly bytesMax?: number
}

/** How a process that does not know a store reads it. */
export interface ResidentStore {
  /** Up to this size the store is read whole once that is cheaper than row by row; 0: never. Default 8 MiB. */
  readonly bytesMax: number
}

/**
 * Rows are kept in the table in pages, some dozens of rows in one item: what is written together costs at most as many write units as
 * there are pages. In return each process holds the rows of its task's partition of the store in memory, all of them, and reads all of
 * them when it begins; a row that somebody else asks for by its key is looked for in up to 17 items. For small rows (up to 32 KB) of a
 * store that changes a lot, together with `flush`. It may be switched on and off: the task then reads the store's changelog once.
 */
export interface PackedPages {
  /** Of the rows in one item, roughly: a page that has grown to twice as much is split. 64 to 65,536; default 1,024, a write unit. */
  readonly pageBytes?: number
}

interface StoreFacts {
  readonly name: string
  readonly keySerde: AnySerde
  readonly valueSerde: AnySerde
  /** Write-back cache: downstream sees the last value per key and commit (S-15). */
  readonly caching: boolean
  /** Topic configuration of the changelog on top of the library's; false: no changelog. */
  readonly logging: Readonly<Record<string, string>> | false
  /** Changelog records have the headers of the records that wrote the rows, as in some of Kafka's own stores. Those of stores that hold headers do anyway. */
  readonly logsHeaders?: boolean
  /** A source topic whose records are the rows: it is read where a changelog would be, and `logging` is false (S-39). */
  readonly sourceTopic?: string
  /** Rows wait in memory, and in the changelog, before they are written to the table. Absent: they are written before an invocation ends. */
  readonly flush?: DeferredFlush
  readonly resident?: ResidentStore
  /** Many rows are one item of the table; of key-value and window stores with a changelog of their own. */
  readonly packed?: PackedPages
  /** Rows may go when stream time is this far beyond their window's start, or their session's end; absent: they stay. Infinity stays as well. */
  readonly retentionMs?: number
  /** The user chose the name; a generated one does not survive a changed topology. */
  readonly named: boolean
}
