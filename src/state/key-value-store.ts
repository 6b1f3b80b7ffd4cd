import { type Awaitable, andThen } from '../awaitable.ts'
import type { ContextHolder } from '../processor/context.ts'
import type { Entries, KeyValueStore, PrefixSerializer, StoreWithCache } from '../processor/store.ts'
import { keyId } from '../serde/serde.ts'
import type { Contents } from './contents.ts'
import type { KeyBounds, RowStore } from './row-store.ts'
import { successor } from './rows.ts'

export interface KeyValueStoreOptions<K, V, S> {
  readonly rows: RowStore<K, V>
  readonly contents: Contents<V, S>
  readonly holder: ContextHolder
  readonly changelog: string
}

/** Kafka's `KeyValueStore` over the rows of a task (P-08); `S` is what it holds. */
export class KeyValueRows<K, V, S> implements KeyValueStore<K, S>, StoreWithCache<RowStore<K, V>> {
  readonly name: string
  readonly cacheable: RowStore<K, V>
  readonly #contents: Contents<V, S>
  readonly #holder: ContextHolder
  readonly #changelog: string

  constructor({ rows, contents, holder, changelog }: KeyValueStoreOptions<K, V, S>) {
    this.name = rows.name
    this.cacheable = rows
    this.#contents = contents
    this.#holder = holder
    this.#changelog = changelog
  }

  get(key: K): Awaitable<S | null> {
    return andThen(this.cacheable.get(key), (held) => (held === null ? null : this.#contents.seen(held)))
  }

  put(key: K, value: S | null): void {
    this.cacheable.put(key, value === null ? null : this.#contents.held(value, this.#holder))
  }

  putIfAbsent(key: K, value: S | null): Awaitable<S | null> {
    return andThen(this.get(key), (before) => {
      if (before === null) this.put(key, value)
      return before
    })
  }

  putAll(entries: readonly (readonly [K, S | null])[]): void {
    this.cacheable.putAll(entries.map(([key, value]) => [key, value === null ? null : this.#contents.held(value, this.#holder)]))
  }

  delete(key: K): Awaitable<S | null> {
    return andThen(this.get(key), (before) => {
      this.put(key, null)
      return before
    })
  }

  range(from: K | null, to: K | null): Awaitable<Entries<K, S>> {
    return this.#read({ from: from === null ? null : this.cacheable.idOf(from), to: to === null ? null : this.cacheable.idOf(to) })
  }

  async reverseRange(from: K | null, to: K | null): Promise<Entries<K, S>> {
    return (await this.range(from, to)).toReversed()
  }

  all(): Awaitable<Entries<K, S>> {
    return this.#read({ from: null, to: null })
  }

  async reverseAll(): Promise<Entries<K, S>> {
    return (await this.all()).toReversed()
  }

  async prefixScan<P>(prefix: P, serializer: PrefixSerializer<P>): Promise<Entries<K, S>> {
    const from = serializer.serialize(prefix, this.#changelog)
    const to = successor(from)
    const high = to && keyId(to)
    const found = await this.#read({ from: keyId(from), to: high })
    return high === null ? found : found.filter(([key]) => this.cacheable.idOf(key) < high)
  }

  async approximateNumEntries(): Promise<number> {
    return (await this.all()).length
  }

  #read(bounds: KeyBounds): Awaitable<Entries<K, S>> {
    return andThen(this.cacheable.rangeOf(bounds), (found) => found.map(([key, held]) => [key, this.#contents.seen(held)] as const))
  }
}
