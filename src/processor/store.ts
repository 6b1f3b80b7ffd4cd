import type { Awaitable } from '../awaitable.ts'
import type { Window, Windowed } from '../serde/windowed.ts'
import type { Change } from './change.ts'
import type { Headers, Record } from './record.ts'

export interface StateStore {
  readonly name: string
}

/** Declares a store (Kafka's `StoreBuilder`): made by `Stores`, added to a topology, asked for in a processor. */
export interface StoreBuilder<S extends StateStore> {
  readonly name: string
  /** Only a type: what processors get. */
  readonly builds?: S
}

/** A value with the event time of its last update (Kafka's `ValueAndTimestamp`). */
export interface ValueAndTimestamp<V> {
  readonly value: V
  readonly timestamp: number
}

/** A value with event time and headers of its last update (Kafka's `ValueTimestampHeaders`, KIP-1271). */
export interface ValueTimestampHeaders<V> extends ValueAndTimestamp<V> {
  readonly headers: Headers
}

/** Key and value, in the order of the store: unsigned byte order of the serialized keys. */
export type Entries<K, V> = readonly (readonly [K, V])[]

/** How a prefix becomes bytes: a serde of keys or of parts of keys. */
export interface PrefixSerializer<P> {
  serialize(prefix: P, topic: string): Uint8Array
}

/**
 * Kafka's `ReadOnlyKeyValueStore` (P-08). Bounds are inclusive, null is open. A range is read whole: ask for narrow ones where
 * the store is large.
 */
export interface ReadOnlyKeyValueStore<K, V> extends StateStore {
  /** null where there is none. */
  get(key: K): Awaitable<V | null>
  range(from: K | null, to: K | null): Awaitable<Entries<K, V>>
  reverseRange(from: K | null, to: K | null): Awaitable<Entries<K, V>>
  all(): Awaitable<Entries<K, V>>
  reverseAll(): Awaitable<Entries<K, V>>
  /** The entries whose key bytes begin with those of `prefix`. */
  prefixScan<P>(prefix: P, serializer: PrefixSerializer<P>): Awaitable<Entries<K, V>>
  /** Counts by reading all entries. */
  approximateNumEntries(): Awaitable<number>
}

/** Kafka's `KeyValueStore`. Writes are buffered until the commit, hence synchronous; null deletes. */
export interface KeyValueStore<K, V> extends ReadOnlyKeyValueStore<K, V> {
  put(key: K, value: V | null): void
  /** Answers what is there; writes only where that is nothing. */
  putIfAbsent(key: K, value: V | null): Awaitable<V | null>
  putAll(entries: readonly (readonly [K, V | null])[]): void
  /** Answers what was there. */
  delete(key: K): Awaitable<V | null>
}

export type TimestampedKeyValueStore<K, V> = KeyValueStore<K, ValueAndTimestamp<V>>
export type TimestampedKeyValueStoreWithHeaders<K, V> = KeyValueStore<K, ValueTimestampHeaders<V>>

/**
 * Kafka's `ReadOnlyWindowStore` (P-08): values by key and start of a window. Times are starts, Unix milliseconds, inclusive.
 * What is older than the retention time, seen from the latest window that was put, is not found.
 */
export interface ReadOnlyWindowStore<K, V> extends StateStore {
  /** The value of the window that begins at `startMs`. */
  fetch(key: K, startMs: number): Awaitable<V | null>
  /** Start and value of each window of the key that begins between two times, earliest first. */
  fetch(key: K, fromMs: number, toMs: number): Awaitable<Entries<number, V>>
  /** The same, latest first. */
  backwardFetch(key: K, fromMs: number, toMs: number): Awaitable<Entries<number, V>>
  /** Of all keys from one to another; a bound that is null is open. */
  fetchRange(keyFrom: K | null, keyTo: K | null, fromMs: number, toMs: number): Awaitable<Entries<Windowed<K>, V>>
  backwardFetchRange(keyFrom: K | null, keyTo: K | null, fromMs: number, toMs: number): Awaitable<Entries<Windowed<K>, V>>
  fetchAll(fromMs: number, toMs: number): Awaitable<Entries<Windowed<K>, V>>
  backwardFetchAll(fromMs: number, toMs: number): Awaitable<Entries<Windowed<K>, V>>
  all(): Awaitable<Entries<Windowed<K>, V>>
  backwardAll(): Awaitable<Entries<Windowed<K>, V>>
}

/** Kafka's `WindowStore`. With `retainDuplicates` a put adds an entry and null does nothing; without, null deletes. */
export interface WindowStore<K, V> extends ReadOnlyWindowStore<K, V> {
  /** Dropped and counted where the window is older than the retention time. */
  put(key: K, value: V | null, windowStartMs: number): void
}

export type TimestampedWindowStore<K, V> = WindowStore<K, ValueAndTimestamp<V>>
export type TimestampedWindowStoreWithHeaders<K, V> = WindowStore<K, ValueTimestampHeaders<V>>

/** Kafka's `ReadOnlySessionStore` (P-08): values by key and session; both ends of a session belong to it. */
export interface ReadOnlySessionStore<K, V> extends StateStore {
  fetchSession(key: K, startMs: number, endMs: number): Awaitable<V | null>
  /** Sessions of the key that end at or after one time and start at or before another, earliest end first. */
  findSessions(key: K, earliestEndMs: number, latestStartMs: number): Awaitable<Entries<Windowed<K>, V>>
  backwardFindSessions(key: K, earliestEndMs: number, latestStartMs: number): Awaitable<Entries<Windowed<K>, V>>
  /** Of all keys from one to another; a bound that is null is open. */
  findSessionsRange(
    keyFrom: K | null,
    keyTo: K | null,
    bounds: { readonly earliestEndMs: number; readonly latestStartMs: number },
  ): Awaitable<Entries<Windowed<K>, V>>
  backwardFindSessionsRange(
    keyFrom: K | null,
    keyTo: K | null,
    bounds: { readonly earliestEndMs: number; readonly latestStartMs: number },
  ): Awaitable<Entries<Windowed<K>, V>>
  fetch(key: K): Awaitable<Entries<Windowed<K>, V>>
  backwardFetch(key: K): Awaitable<Entries<Windowed<K>, V>>
  fetchRange(keyFrom: K | null, keyTo: K | null): Awaitable<Entries<Windowed<K>, V>>
  backwardFetchRange(keyFrom: K | null, keyTo: K | null): Awaitable<Entries<Windowed<K>, V>>
}

/** Kafka's `SessionStore`. */
export interface SessionStore<K, V> extends ReadOnlySessionStore<K, V> {
  /** null removes. Dropped and counted where the session ended before the retention time. */
  put(session: Windowed<K>, value: V | null): void
  remove(session: Windowed<K>): void
}

export type SessionStoreWithHeaders<K, V> = SessionStore<K, { readonly value: V; readonly headers: Headers }>

/** A value with the time from which it held, and, where another version followed, the time until which it did (Kafka's `VersionedRecord`). */
export interface VersionedRecord<V> extends ValueAndTimestamp<V> {
  readonly validTo?: number
}

/** Answers of {@link VersionedKeyValueStore.put}, with Kafka's numbers: no later version is there. */
export const validForever = -1
/** The time is before the history: nothing was put. */
export const notPut = -(2 ** 63)

/**
 * Kafka's `VersionedKeyValueStore` (KIP-889, P-08): of each key all versions of the last `historyMs`, seen from the latest time
 * that was put, and the latest version however old it is. Times are Unix milliseconds. Puts are in effect at once, also before
 * their answer is there.
 */
export interface VersionedKeyValueStore<K, V> extends StateStore {
  /** Puts the version that holds from `timestamp` on; null: from then on nothing holds. Answers until when it does, {@link validForever} or {@link notPut}. */
  put(key: K, value: V | null, timestamp: number): Awaitable<number>
  /** As `put` of null; answers what held until then at that time. */
  delete(key: K, timestamp: number): Awaitable<VersionedRecord<V> | null>
  /** The latest version, or the one that held at a time. Of times before the history only what holds to this day is known. */
  get(key: K, asOfMs?: number): Awaitable<VersionedRecord<V> | null>
  /** The versions that held at some time between two, both inclusive, earliest first (Kafka's `MultiVersionedKeyQuery`, KIP-968). */
  getVersions(key: K, fromMs?: number, toMs?: number): Awaitable<readonly VersionedRecord<V>[]>
}

/** Where a join keeps the records of its stream until stream time is beyond their grace period (KIP-923). */
export interface JoinBuffer<K, V> extends StateStore {
  open(): Awaitable<OpenJoinBuffer<K, V>>
}

export interface OpenJoinBuffer<K, V> {
  /** False where the grace period of the record is over already: it is not kept. */
  put(record: Record<K, V>): boolean
  /** Sends and forgets the records whose grace period is over, by their times, then by the bytes of their keys, then as they came. */
  sendDue(send: (record: Record<K, V>) => Awaitable<void>): Awaitable<void>
}

/** A store behind a write-back cache forwards one change per key at the commit, in the order of the last writes (S-15). */
export interface CacheableStore<K, V> extends StateStore {
  readonly caching: boolean
  get(key: K): Awaitable<ValueAndTimestamp<V> | null>
  /** As `get`, for other nodes: what they have seen here is forwarded when it goes, even if it came after the last commit. */
  lookUp(key: K): Awaitable<ValueAndTimestamp<V> | null>
  put(key: K, value: ValueAndTimestamp<V> | null): void
  /** Every row, by the bytes of the keys. */
  all(): Awaitable<Entries<K, ValueAndTimestamp<V>>>
  /** `oldValues`: the change tells the row before as well, for which the flush reads it (S-16). */
  onFlush(forward: (record: Record<K, Change<V>>) => Awaitable<void>, oldValues?: boolean): void
}

/** A store whose rows have a key and a window; `all` goes by the bytes of both. */
export interface CacheableWindowedStore<K, V> extends CacheableStore<Windowed<K>, V> {
  /** Tells rows apart, in the order of the store. */
  idOf(key: Windowed<K>): string
  /** As `get`, but for a window that is older than the retention time: null. */
  getLive(key: Windowed<K>): Awaitable<ValueAndTimestamp<V> | null>
  /** The rows of one key from one window to another, both inclusive, in the order of the store. */
  windowsOf(key: K, from: Window, to: Window): Awaitable<Entries<Windowed<K>, ValueAndTimestamp<V>>>
}

/** What the library's own operators see of a store that processors see in Kafka's form. */
export interface StoreWithCache<C> extends StateStore {
  readonly cacheable: C
}

/** What a table's `suppress` holds back, ordered by the time from when a row waits and then by the bytes of its key. */
export interface SuppressionBuffer<K, V> extends StateStore {
  /** Reads the whole buffer, once in the life of a task; at once where it is in memory. */
  open(): Awaitable<OpenSuppressionBuffer<K, V>>
}

export interface OpenSuppressionBuffer<K, V> {
  readonly records: number
  /** As Kafka Streams counts them. */
  readonly bytes: number
  /** The lowest time of a row; Infinity where there is none. */
  readonly firstTimeMs: number
  /** Takes a change in. A row that is there keeps its time. */
  put(timeMs: number, record: Record<K, Change<V>>): void
  /** Takes rows out in order, as long as there is one and `goes` says so, and sends each as the record that brought its last change. */
  evictWhile(goes: () => boolean, send: (record: Record<K, Change<V>>) => Awaitable<void>): Awaitable<void>
  /** Of a row that waits, what it was before; undefined where none waits. */
  prior(key: K): V | null | undefined
}
