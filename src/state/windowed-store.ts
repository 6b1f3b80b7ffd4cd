import type { ValueAndTimestamp } from '../processor/store.ts'
import type { Serde } from '../serde/serde.ts'
import type { Window, Windowed } from '../serde/windowed.ts'
import { TimestampedStore, type TimestampedStoreOptions } from './timestamped-store.ts'

export interface WindowedStoreOptions<K, V> extends TimestampedStoreOptions<Windowed<K>, V> {
  readonly innerSerde: Serde<K>
  /** Infinity: nothing is forgotten. */
  readonly retentionMs: number
  /** By which time of a window it ages. */
  readonly timeOf: (window: Window) => number
  /** Outlives the store: the latest window that was written, by {@link timeOf}. */
  readonly remembered: Map<string, number>
}

/**
 * A store of rows by key and window (Kafka's window and session stores): the key serde says in which order. What is
 * `retentionMs` or more older than the latest window is forgotten by {@link windowsOf} (S-11).
 */
export class WindowedStore<K, V> extends TimestampedStore<Windowed<K>, V> {
  readonly #options: WindowedStoreOptions<K, V>
  readonly #latestName: string
  #latest: number

  constructor(options: WindowedStoreOptions<K, V>) {
    super(options)
    this.#options = options
    this.#latestName = `${options.name}/latest-window`
    this.#latest = options.remembered.get(this.#latestName) ?? -1
  }

  override put(key: Windowed<K>, value: ValueAndTimestamp<V> | null): void {
    const time = this.#options.timeOf(key.window)
    if (time > this.#latest) {
      this.#latest = time
      this.#options.remembered.set(this.#latestName, time)
    }
    super.put(key, value)
  }

  /** The rows of one key from one window to another, both inclusive, in the order of the store. */
  async windowsOf(key: K, from: Window, to: Window): Promise<readonly (readonly [Windowed<K>, ValueAndTimestamp<V>])[]> {
    const { innerSerde, changelog, timeOf, retentionMs } = this.#options
    const found = await this.range({ key, window: from }, { key, window: to })
    // between two windows of a key there may be windows of a longer key that begins like it
    const bytes = innerSerde.serialize(key, changelog)
    const isOwn = (other: K): boolean => Buffer.compare(innerSerde.serialize(other, changelog), bytes) === 0
    return found.filter(([it]) => timeOf(it.window) > this.#latest - retentionMs && isOwn(it.key))
  }
}
