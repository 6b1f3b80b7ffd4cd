import { type Awaitable, andThen } from '../awaitable.ts'
import type { ContextHolder } from '../processor/context.ts'
import type { Entries, SessionStore, StoreWithCache } from '../processor/store.ts'
import type { StoredWindow, Window, Windowed } from '../serde/windowed.ts'
import type { Contents } from './contents.ts'
import type { Held } from './row-store.ts'
import type { WindowedRowStore } from './windowed-row-store.ts'

export interface SessionStoreOptions<K, V, S> {
  readonly rows: WindowedRowStore<K, V>
  readonly contents: Contents<V, S>
  readonly holder: ContextHolder
  readonly dropped: (why: string) => void
}

/** Sessions that may matter: those that end at or after one time and start at or before another. */
interface SessionBounds {
  readonly earliestEndMs: number
  readonly latestStartMs: number
}

const latest = Number.MAX_SAFE_INTEGER

/** Kafka's `SessionStore` over the rows of a task (P-08); `S` is what it holds. Reads of many keys go by end, then by key. */
export class SessionRows<K, V, S> implements SessionStore<K, S>, StoreWithCache<WindowedRowStore<K, V>> {
  readonly name: string
  readonly cacheable: WindowedRowStore<K, V>
  readonly #options: SessionStoreOptions<K, V, S>

  constructor(options: SessionStoreOptions<K, V, S>) {
    this.name = options.rows.name
    this.cacheable = options.rows
    this.#options = options
  }

  put(session: Windowed<K>, value: S | null): void {
    const { contents, holder, dropped } = this.#options
    if (!this.cacheable.caching) this.cacheable.observe(session.window)
    if (this.cacheable.isForgotten(session.window)) {
      dropped('session is older than the retention time')
      return
    }
    this.cacheable.put(session, value === null ? null : contents.held(value, holder))
  }

  /** In Kafka's persistent stores a session that is removed may be the latest all the same, in those in memory it is not. */
  remove(session: Windowed<K>): void {
    if (this.cacheable.hasSegments && !this.cacheable.caching) this.cacheable.observe(session.window)
    this.cacheable.remove(session)
  }

  fetchSession(key: K, startMs: number, endMs: number): Awaitable<S | null> {
    const window = { startMs, endMs }
    if (this.cacheable.isForgotten(window)) return null
    return andThen(this.cacheable.get({ key, window }), (held) => (held === null ? null : this.#options.contents.seen(held)))
  }

  async findSessions(key: K, earliestEndMs: number, latestStartMs: number): Promise<Entries<Windowed<K>, S>> {
    const from = { startMs: 0, endMs: Math.max(0, earliestEndMs) }
    const found = await this.cacheable.windowsOf(key, from, { startMs: latest, endMs: latest })
    return found.filter(([{ window }]) => window.startMs <= latestStartMs).map((row) => this.#seen(row))
  }

  async backwardFindSessions(key: K, earliestEndMs: number, latestStartMs: number): Promise<Entries<Windowed<K>, S>> {
    return (await this.findSessions(key, earliestEndMs, latestStartMs)).toReversed()
  }

  async findSessionsRange(keyFrom: K | null, keyTo: K | null, bounds: SessionBounds): Promise<Entries<Windowed<K>, S>> {
    const fits = ({ startMs, endMs }: Window): boolean => endMs >= bounds.earliestEndMs && startMs <= bounds.latestStartMs
    const found = await this.cacheable.windowsBetween({ keyFrom, keyTo, fits })
    return found.map((row) => this.#seen(row))
  }

  async backwardFindSessionsRange(keyFrom: K | null, keyTo: K | null, bounds: SessionBounds): Promise<Entries<Windowed<K>, S>> {
    return (await this.findSessionsRange(keyFrom, keyTo, bounds)).toReversed()
  }

  fetch(key: K): Promise<Entries<Windowed<K>, S>> {
    return this.findSessions(key, 0, latest)
  }

  backwardFetch(key: K): Promise<Entries<Windowed<K>, S>> {
    return this.backwardFindSessions(key, 0, latest)
  }

  fetchRange(keyFrom: K | null, keyTo: K | null): Promise<Entries<Windowed<K>, S>> {
    return this.findSessionsRange(keyFrom, keyTo, { earliestEndMs: 0, latestStartMs: latest })
  }

  backwardFetchRange(keyFrom: K | null, keyTo: K | null): Promise<Entries<Windowed<K>, S>> {
    return this.backwardFindSessionsRange(keyFrom, keyTo, { earliestEndMs: 0, latestStartMs: latest })
  }

  #seen([{ key, window }, held]: readonly [StoredWindow<K>, Held<V>]): readonly [Windowed<K>, S] {
    return [{ key, window }, this.#options.contents.seen(held)]
  }
}
