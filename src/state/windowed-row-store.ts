import { type Awaitable, andThen } from '../awaitable.ts'
import type { Entries } from '../processor/store.ts'
import { keyId, type Serde } from '../serde/serde.ts'
import type { StoredWindow, Window } from '../serde/windowed.ts'
import { type Held, type KeyBounds, RowStore, type RowStoreOptions } from './row-store.ts'

export interface WindowedRowStoreOptions<K, V> extends RowStoreOptions<StoredWindow<K>, V> {
  readonly innerSerde: Serde<K>
  /** Infinity: nothing is forgotten. */
  readonly retentionMs: number
  /** By which time of a window it ages. */
  readonly timeOf: (window: Window) => number
  /** Reads of many keys go by spans of time of this length. */
  readonly segmentIntervalMs: number
  /** Outlives the store: the latest window that was written, by {@link timeOf}. */
  readonly remembered: Map<string, number>
}

/** What a read of many windows asks for; null is open. */
export interface WindowBounds<K> {
  readonly keyFrom: K | null
  readonly keyTo: K | null
  readonly fits: (window: Window) => boolean
}

/** Under which name a task remembers the latest window of a store, by the time that it ages by. */
export const latestWindowName = (store: string): string => `${store}/latest-window`

/** More bytes than a store writes behind a key: they follow every row of the key. */
const behindKey = '\xff'.repeat(17)

/**
 * Rows by key and window (Kafka's window and session stores): the key serde says in which order. What is `retentionMs` or more
 * older than the latest window is forgotten (S-11).
 */
export class WindowedRowStore<K, V> extends RowStore<StoredWindow<K>, V> {
  readonly #options: WindowedRowStoreOptions<K, V>
  readonly #latestName: string
  /** Of the windows that were written. */
  #latest: number
  /** Of all windows, those that are only cached too. */
  #newest: number
  #removing = false
  #lastKey: StoredWindow<K> | undefined
  #lastId = ''

  constructor(options: WindowedRowStoreOptions<K, V>) {
    super(options)
    this.#options = options
    this.#latestName = latestWindowName(options.name)
    this.#latest = options.remembered.get(this.#latestName) ?? -1
    this.#newest = this.#latest
  }

  /**
   * A window is forgotten as soon as later ones leave it behind by the retention time. One in a cached store is found as long as
   * the table has it, as Kafka's caches do.
   */
  isForgotten(window: Window): boolean {
    return !this.caching && this.#isOver(window)
  }

  /** At the flush of a cache such a row counts as deleted. */
  protected override isGone({ window }: StoredWindow<K>): boolean {
    return this.#isOver(window)
  }

  #isOver(window: Window): boolean {
    const { timeOf, retentionMs } = this.#options
    return timeOf(window) <= this.#latest - retentionMs
  }

  /** A window that is looked up is written right after: its id is made once. */
  override idOf(key: StoredWindow<K>): string {
    if (key !== this.#lastKey) {
      this.#lastId = super.idOf(key)
      this.#lastKey = key
    }
    return this.#lastId
  }

  override put(key: StoredWindow<K>, value: Held<V> | null): void {
    this.#newest = Math.max(this.#newest, this.#options.timeOf(key.window))
    super.put(key, value)
  }

  /** It behaves as Kafka's persistent stores do. */
  get hasSegments(): boolean {
    return this.#options.segmentIntervalMs > 1
  }

  /** Deletes a row without taking its time in. */
  remove(key: StoredWindow<K>): void {
    this.#removing = true
    this.put(key, null)
    this.#removing = false
  }

  protected override beforeWrite({ window, sequence }: StoredWindow<K>, lives: boolean): void {
    // where duplicates are kept a deletion only says that there is no row
    if (lives || (sequence === undefined && !this.#removing)) this.observe(window)
  }

  /** Takes a window's time in, also where it is not written. */
  observe(window: Window): void {
    const time = this.#options.timeOf(window)
    if (time <= this.#latest) return
    this.#latest = time
    this.#options.remembered.set(this.#latestName, time)
  }

  /** The rows of one key from one window to another, both inclusive, in the order of the store. */
  windowsOf(key: K, from: Window, to: Window): Awaitable<Entries<StoredWindow<K>, Held<V>>> {
    const { timeOf } = this.#options
    return andThen(this.rangeOf(this.boundsOf(key, from, to)), (found) => {
      // between two windows of a key there may be windows of a longer key that begins like it
      const isWanted = (window: Window): boolean => timeOf(window) <= timeOf(to) && !this.isForgotten(window)
      return this.#inOrder(found.filter(([it]) => isWanted(it.window) && this.#isSame(it.key, key)))
    })
  }

  /** Where {@link windowsOf} looks: up to the key's last row if there are none behind the window, as what was read once is not read again. */
  boundsOf(key: K, from: Window, to: Window): KeyBounds {
    const window = this.#options.timeOf(to) < this.#newest ? to : { startMs: Number.MAX_SAFE_INTEGER, endMs: Number.MAX_SAFE_INTEGER }
    return { from: this.idOf({ key, window: from }), to: this.idOf({ key, window, sequence: 0x7fffffff }) }
  }

  /** The rows of many keys, by spans of time, in each in unsigned byte order of key and window. */
  async windowsBetween({ keyFrom, keyTo, fits }: WindowBounds<K>): Promise<Entries<StoredWindow<K>, Held<V>>> {
    const [low, high] = [keyFrom, keyTo].map((key) => (key === null ? null : this.innerBytes(key))) as [
      Uint8Array | null,
      Uint8Array | null,
    ]
    const found = await this.rangeOf({ from: low && keyId(low), to: high && keyId(high) + behindKey })
    const { timeOf, segmentIntervalMs } = this.#options
    const segmentOf = ([{ window }]: readonly [StoredWindow<K>, unknown]): number => Math.floor(timeOf(window) / segmentIntervalMs)
    const fitting = found.filter(([{ key, window }]) => {
      if (!fits(window) || this.isForgotten(window)) return false
      const bytes = this.innerBytes(key)
      return (low === null || Buffer.compare(bytes, low) >= 0) && (high === null || Buffer.compare(bytes, high) <= 0)
    })
    return this.#inOrder(fitting.sort((one, other) => segmentOf(one) - segmentOf(other)))
  }

  /** In Kafka's stores in memory the sessions of a key that end together begin with the one that started last (`InMemorySessionStore`). */
  #inOrder(rows: Entries<StoredWindow<K>, Held<V>>): Entries<StoredWindow<K>, Held<V>> {
    if (this.hasSegments || this.caching) return rows
    const ordered: (readonly [StoredWindow<K>, Held<V>])[] = []
    // rows of a key that end together stand together, by their start
    for (let [from, next] = [0, 1]; from < rows.length; [from, next] = [next, next + 1]) {
      while (next < rows.length && this.#endTogether(rows[from]?.[0], rows[next]?.[0])) next++
      ordered.push(...rows.slice(from, next).reverse())
    }
    return ordered
  }

  #endTogether(one: StoredWindow<K> | undefined, other: StoredWindow<K> | undefined): boolean {
    if (!one || !other || one.window.endMs !== other.window.endMs || one.window.startMs === other.window.startMs) return false
    return this.#isSame(one.key, other.key)
  }

  #isSame(one: K, other: K): boolean {
    return Object.is(one, other) || Buffer.compare(this.innerBytes(one), this.innerBytes(other)) === 0
  }

  getLive(key: StoredWindow<K>): Awaitable<Held<V> | null> {
    return this.isForgotten(key.window) ? null : this.get(key)
  }

  innerBytes(key: K): Uint8Array {
    return this.#options.innerSerde.serialize(key, this.#options.changelog)
  }
}
