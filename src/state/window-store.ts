import { type Awaitable, andThen } from '../awaitable.ts'
import type { ContextHolder } from '../processor/context.ts'
import type { Entries, StoreWithCache, WindowStore } from '../processor/store.ts'
import type { StoredWindow, Window, Windowed } from '../serde/windowed.ts'
import type { Contents } from './contents.ts'
import type { Held } from './row-store.ts'
import type { WindowedRowStore } from './windowed-row-store.ts'

export interface WindowStoreOptions<K, V, S> {
  readonly rows: WindowedRowStore<K, V>
  readonly contents: Contents<V, S>
  readonly holder: ContextHolder
  readonly windowSizeMs: number
  readonly retainDuplicates: boolean
  /** Outlives the store: the sequence of the last duplicate. */
  readonly remembered: Map<string, number>
  readonly dropped: (why: string) => void
}

/** Kafka's `WindowStore` over the rows of a task (P-08); `S` is what it holds. Reads of many keys go by time, then by key. */
export class WindowRows<K, V, S> implements WindowStore<K, S>, StoreWithCache<WindowedRowStore<K, V>> {
  readonly name: string
  readonly cacheable: WindowedRowStore<K, V>
  readonly #options: WindowStoreOptions<K, V, S>
  readonly #sequenceName: string
  #sequence: number

  constructor(options: WindowStoreOptions<K, V, S>) {
    this.name = options.rows.name
    this.cacheable = options.rows
    this.#options = options
    this.#sequenceName = `${this.name}/sequence`
    this.#sequence = options.remembered.get(this.#sequenceName) ?? 0
  }

  put(key: K, value: S | null, windowStartMs: number): void {
    const { contents, holder, retainDuplicates, dropped } = this.#options
    const window = this.#window(windowStartMs)
    if (retainDuplicates) {
      // as in Kafka's changelogs every put has its own record, those that are null or too late to be found too
      const at = { key, window, sequence: this.#next() }
      this.cacheable.put(at, value === null ? null : contents.held(value, holder))
      return
    }
    if (!this.cacheable.caching) this.cacheable.observe(window)
    if (this.cacheable.isForgotten(window)) {
      dropped('window is older than the retention time')
      return
    }
    this.cacheable.put({ key, window }, value === null ? null : contents.held(value, holder))
  }

  fetch(key: K, startMs: number): Awaitable<S | null>
  fetch(key: K, fromMs: number, toMs: number): Awaitable<Entries<number, S>>
  fetch(key: K, fromMs: number, toMs?: number): Awaitable<S | null> | Awaitable<Entries<number, S>> {
    if (toMs !== undefined) return this.#between(key, fromMs, toMs)
    const window = this.#window(fromMs)
    // with duplicates no window has one value: Kafka's stores in memory find none, those on a disk only what was put last of all
    const { retainDuplicates } = this.#options
    if (this.cacheable.isForgotten(window) || (retainDuplicates && !this.cacheable.hasSegments)) return null
    const at = retainDuplicates ? { key, window, sequence: this.#sequence } : { key, window }
    return andThen(this.cacheable.get(at), (held) => (held === null ? null : this.#options.contents.seen(held)))
  }

  async backwardFetch(key: K, fromMs: number, toMs: number): Promise<Entries<number, S>> {
    return (await this.#between(key, fromMs, toMs)).toReversed()
  }

  async fetchRange(keyFrom: K | null, keyTo: K | null, fromMs: number, toMs: number): Promise<Entries<Windowed<K>, S>> {
    const fits = ({ startMs }: Window): boolean => startMs >= fromMs && startMs <= toMs
    const found = await this.cacheable.windowsBetween({ keyFrom, keyTo, fits })
    return found.map((row) => this.#seen(row))
  }

  async backwardFetchRange(keyFrom: K | null, keyTo: K | null, fromMs: number, toMs: number): Promise<Entries<Windowed<K>, S>> {
    return (await this.fetchRange(keyFrom, keyTo, fromMs, toMs)).toReversed()
  }

  fetchAll(fromMs: number, toMs: number): Promise<Entries<Windowed<K>, S>> {
    return this.fetchRange(null, null, fromMs, toMs)
  }

  backwardFetchAll(fromMs: number, toMs: number): Promise<Entries<Windowed<K>, S>> {
    return this.backwardFetchRange(null, null, fromMs, toMs)
  }

  all(): Promise<Entries<Windowed<K>, S>> {
    return this.fetchAll(0, Number.POSITIVE_INFINITY)
  }

  backwardAll(): Promise<Entries<Windowed<K>, S>> {
    return this.backwardFetchAll(0, Number.POSITIVE_INFINITY)
  }

  #between(key: K, fromMs: number, toMs: number): Awaitable<Entries<number, S>> {
    if (toMs < 0 || toMs < fromMs) return []
    const last = Math.min(toMs, Number.MAX_SAFE_INTEGER)
    return andThen(this.cacheable.windowsOf(key, this.#window(Math.max(0, fromMs)), this.#window(last)), (found) =>
      found.map(([{ window }, held]) => [window.startMs, this.#options.contents.seen(held)] as const),
    )
  }

  #seen([{ key, window }, held]: readonly [StoredWindow<K>, Held<V>]): readonly [Windowed<K>, S] {
    return [{ key, window }, this.#options.contents.seen(held)]
  }

  #window(startMs: number): Window {
    return { startMs, endMs: startMs + this.#options.windowSizeMs }
  }

  #next(): number {
    this.#sequence = (this.#sequence + 1) & 0x7fffffff
    this.#options.remembered.set(this.#sequenceName, this.#sequence)
    return this.#sequence
  }
}
