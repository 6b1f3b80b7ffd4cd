import type { Awaitable } from '../awaitable.ts'
import type { Window, Windowed } from '../serde/windowed.ts'
import type { Change } from './change.ts'
import type { Record } from './record.ts'

export interface StateStore {
  readonly name: string
}

/** A value with the event time of its last update (Kafka's `ValueAndTimestamp`). */
export interface ValueAndTimestamp<V> {
  readonly value: V
  readonly timestamp: number
}

export interface ReadOnlyKeyValueStore<K, V> extends StateStore {
  /** null where there is none. */
  get(key: K): Awaitable<V | null>
  /** Inclusive bounds, a missing one is open; unsigned byte order of the serialized keys, as in Kafka. */
  range(from: K | null, to: K | null): Awaitable<readonly (readonly [K, V])[]>
  all(): Awaitable<readonly (readonly [K, V])[]>
}

/** Writes are buffered until the commit, hence synchronous; null deletes. */
export interface KeyValueStore<K, V> extends ReadOnlyKeyValueStore<K, V> {
  put(key: K, value: V | null): void
}

export type TimestampedKeyValueStore<K, V> = KeyValueStore<K, ValueAndTimestamp<V>>

/** A store behind a write-back cache forwards one change per key at the commit, in the order of the last writes (S-15). */
export interface CacheableStore<K, V> extends TimestampedKeyValueStore<K, V> {
  readonly caching: boolean
  /** `oldValues`: the change tells the row before as well, for which the flush reads it (S-16). */
  onFlush(forward: (record: Record<K, Change<V>>) => Awaitable<void>, oldValues?: boolean): void
}

/** A store whose rows have a key and a window; `range` and `all` go by the bytes of both. */
export interface CacheableWindowedStore<K, V> extends CacheableStore<Windowed<K>, V> {
  /** The rows of one key from one window to another, both inclusive, in the order of the store. */
  windowsOf(key: K, from: Window, to: Window): Awaitable<readonly (readonly [Windowed<K>, ValueAndTimestamp<V>])[]>
}
