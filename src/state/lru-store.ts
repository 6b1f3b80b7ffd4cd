import { type Awaitable, andThen } from '../awaitable.ts'
import { keyId } from '../serde/serde.ts'
import { type Held, RowStore, type RowStoreOptions } from './row-store.ts'

export interface LruStoreOptions<K, V> extends RowStoreOptions<K, V> {
  readonly maxEntries: number
  /** Outlives the store: when each key was used last, as a number that grows with every use. */
  readonly remembered: Map<string, number>
}

/**
 * Rows of which only the most recently used stay (Kafka's `MemoryLRUCache`): beyond `maxEntries` the one goes that was read or
 * written longest ago, with a deletion in the changelog. The order of use is kept with the task, so that a cut changes nothing.
 */
export class LruStore<K, V> extends RowStore<K, V> {
  readonly #options: LruStoreOptions<K, V>
  readonly #prefix: string
  /** Keys by their bytes, least recently used first. */
  readonly #used: Map<string, K>
  #last = 0

  constructor(options: LruStoreOptions<K, V>) {
    super(options)
    this.#options = options
    this.#prefix = `${options.name}/used/`
    const kept = [...options.remembered].filter(([name]) => name.startsWith(this.#prefix)).sort(([, a], [, b]) => a - b)
    this.#last = kept.at(-1)?.[1] ?? 0
    this.#used = new Map(kept.map(([name]) => this.#keyNamed(name)))
  }

  override get(key: K): Awaitable<Held<V> | null> {
    return andThen(super.get(key), (held) => {
      if (held !== null) this.#use(key)
      return held
    })
  }

  override put(key: K, value: Held<V> | null): void {
    this.putAll([[key, value]])
  }

  /** What has to go goes first, so that the changelog tells of it first, as Kafka's does. */
  override putAll(entries: readonly (readonly [K, Held<V> | null])[]): void {
    for (const [key, value] of entries) {
      const id = this.idOf(key)
      if (value === null) this.#forget(id)
      else {
        if (!this.#used.has(id)) this.#makeRoom()
        this.#use(key)
      }
    }
    for (const [key, value] of entries) if (value === null || this.#used.has(this.idOf(key))) super.put(key, value)
  }

  #makeRoom(): void {
    const [eldest] = this.#used
    if (!eldest || this.#used.size < this.#options.maxEntries) return
    this.#forget(eldest[0])
    super.put(eldest[1], null)
  }

  #use(key: K): void {
    const id = this.idOf(key)
    this.#used.delete(id)
    this.#used.set(id, key)
    this.#options.remembered.set(this.#prefix + Buffer.from(id, 'latin1').toString('base64'), ++this.#last)
  }

  #forget(id: string): void {
    this.#used.delete(id)
    this.#options.remembered.delete(this.#prefix + Buffer.from(id, 'latin1').toString('base64'))
  }

  #keyNamed(name: string): readonly [id: string, key: K] {
    const bytes = Buffer.from(name.slice(this.#prefix.length), 'base64')
    return [keyId(bytes), this.#options.keySerde.deserialize(bytes, this.#options.changelog) as K]
  }
}
