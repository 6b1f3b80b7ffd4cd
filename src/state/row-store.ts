import { type Awaitable, andThen, forEachInOrder } from '../awaitable.ts'
import { messageOf, StreamsError } from '../errors.ts'
import type { Change } from '../processor/change.ts'
import type { ContextHolder, RecordContext } from '../processor/context.ts'
import { type Headers, noHeaders, type Record } from '../processor/record.ts'
import type { CacheableStore, Entries, ValueAndTimestamp } from '../processor/store.ts'
import { bytesOfId, keyId, type Serde } from '../serde/serde.ts'
import type { Row, Rows } from './rows.ts'
import { SortedIds } from './sorted-ids.ts'

/** A row that was written and is not flushed yet, between those that were written before and after it. */
interface Cached<K, V> {
  readonly id: string
  readonly key: K
  value: Held<V> | null
  context: RecordContext | undefined
  /** Another node has seen a row of this key that is not yet forwarded. */
  seen: boolean
  /** It is in the rows by now. A map of them would have to be hashed and shrunk for each that leaves it. */
  isFlushed: boolean
  before: Cached<K, V> | undefined
  after: Cached<K, V> | undefined
}

export interface RowStoreOptions<K, V> {
  readonly name: string
  /** Given to the serdes as their topic, as Kafka Streams does. */
  readonly changelog: string
  readonly keySerde: Serde<K>
  readonly valueSerde: Serde<V>
  readonly caching: boolean
  readonly rows: Rows
  readonly holder: ContextHolder
  /** Rows have the headers of the record that writes or deletes. */
  readonly logsHeaders?: boolean
  /** Values have headers of their own; a deletion has those of the record that deletes. */
  readonly holdsHeaders?: boolean
}

/** A row as the user's objects; headers only where the store holds them. */
export interface Held<V> extends ValueAndTimestamp<V> {
  readonly headers?: Headers
}

/** A part of a store by the {@link keyId} of its keys: bounds are inclusive, null is open. */
export interface KeyBounds {
  readonly from: string | null
  readonly to: string | null
}

/**
 * The rows of a store as the user's objects: value and event time by key, with a write-back cache over them where caching is
 * on (Kafka's `CachingKeyValueStore`, S-15). In memory a cached row is the user's object; it becomes bytes once per commit.
 * What processors see of it are the stores of this room.
 */
export class RowStore<K, V> implements CacheableStore<K, V> {
  readonly name: string
  readonly caching: boolean
  readonly rows: Rows
  readonly #options: RowStoreOptions<K, V>
  #dirty = new Map<string, Cached<K, V>>()
  /** Of what is cached, in the order of the last writes. */
  #first: Cached<K, V> | undefined
  #last: Cached<K, V> | undefined
  /** What a flush that is under way takes through, flushed or not. */
  #flushing: Map<string, Cached<K, V>> | undefined
  /** Of what is cached, from the first read of a range on until the flush. */
  #dirtyOrder: SortedIds | undefined
  #forward: ((record: Record<K, Change<V>>) => Awaitable<void>) | undefined
  #oldValues = false

  constructor(options: RowStoreOptions<K, V>) {
    this.#options = options
    this.name = options.name
    this.caching = options.caching
    this.rows = options.rows
  }

  onFlush(forward: (record: Record<K, Change<V>>) => Awaitable<void>, oldValues = false): void {
    this.#forward = forward
    this.#oldValues = oldValues
  }

  get(key: K): Awaitable<Held<V> | null> {
    const id = this.idOf(key)
    const cached = this.#dirty.get(id) ?? this.#flushing?.get(id)
    if (cached !== undefined && !cached.isFlushed) return cached.value
    const row = this.rows.get(id)
    return row instanceof Promise ? row.then((it) => this.#read(it)) : this.#read(row)
  }

  lookUp(key: K): Awaitable<Held<V> | null> {
    const cached = this.#dirty.size === 0 ? undefined : this.#dirty.get(this.idOf(key))
    if (cached && cached.value !== null) cached.seen = true
    return this.get(key)
  }

  put(key: K, value: Held<V> | null): void {
    const id = this.idOf(key)
    const context = this.#options.holder.current
    if (!this.caching) {
      this.beforeWrite(key, value !== null)
      this.#write(id, value, context)
      return
    }
    const cached = this.#dirty.get(id)
    if (cached === undefined) {
      const entry = { id, key, value, context, seen: false, isFlushed: false, before: undefined, after: undefined }
      this.#dirty.set(id, entry)
      this.#dirtyOrder?.add(id)
      this.#append(entry)
      return
    }
    cached.value = value
    cached.context = context
    if (cached === this.#last) return
    this.#unlink(cached)
    this.#append(cached)
  }

  #append(entry: Cached<K, V>): void {
    entry.before = this.#last
    entry.after = undefined
    if (this.#last) this.#last.after = entry
    else this.#first = entry
    this.#last = entry
  }

  #unlink({ before, after }: Cached<K, V>): void {
    if (before) before.after = after
    else this.#first = after
    if (after) after.before = before
    else this.#last = before
  }

  /** In the order of the last writes; they are not cached any more. */
  #takeInOrder(): readonly Cached<K, V>[] {
    const entries: Cached<K, V>[] = []
    for (let entry = this.#first; entry; entry = entry.after) entries.push(entry)
    this.#first = undefined
    this.#last = undefined
    return entries
  }

  putAll(entries: readonly (readonly [K, Held<V> | null])[]): void {
    for (const [key, value] of entries) this.put(key, value)
  }

  /** In unsigned byte order of the keys. */
  rangeOf(bounds: KeyBounds): Awaitable<Entries<K, Held<V>>> {
    return andThen(this.rows.rangeOfIds(bounds.from, bounds.to), (rows) => {
      const cached = this.#cachedIn(bounds)
      if (cached.length === 0) return rows.flatMap((row) => this.#entry(row.key, this.#read(row)))
      const merged = new Map<string, readonly (readonly [K, Held<V>])[]>()
      for (const row of rows) merged.set(keyId(row.key), this.#entry(row.key, this.#read(row)))
      for (const [id, { value }] of cached) merged.set(id, this.#entry(bytesOfId(id), value))
      return [...merged].sort(([a], [b]) => (a < b ? -1 : 1)).flatMap(([, entry]) => entry)
    })
  }

  #cachedIn({ from, to }: KeyBounds): readonly (readonly [id: string, cached: Cached<K, V>])[] {
    const flushing = this.#flushing && [...this.#flushing].filter(([, { isFlushed }]) => !isFlushed)
    if (this.#dirty.size === 0 && !flushing) return []
    const cached = flushing ? new Map([...flushing, ...this.#dirty]) : this.#dirty
    const order = (flushing ? undefined : this.#dirtyOrder) ?? new SortedIds(cached.keys())
    if (!flushing) this.#dirtyOrder = order
    const ids = order.between(from ?? '', to ?? undefined)
    return ids.map((id) => [id, cached.get(id) as Cached<K, V>])
  }

  #entry(bytes: Uint8Array, value: Held<V> | null): readonly (readonly [K, Held<V>])[] {
    return value === null ? [] : [[this.#deserialize('key', this.#options.keySerde, bytes) as K, value]]
  }

  range(from: K | null, to: K | null): Awaitable<Entries<K, Held<V>>> {
    return this.rangeOf({ from: from === null ? null : this.idOf(from), to: to === null ? null : this.idOf(to) })
  }

  all(): Awaitable<Entries<K, Held<V>>> {
    return this.rangeOf({ from: null, to: null })
  }

  /** Writes what is cached and forwards one change per key, in the order of the last writes (`NamedCache.flush`). */
  flush(): Awaitable<void> {
    if (this.#dirty.size === 0) return
    this.#flushing = this.#dirty
    this.#dirty = new Map()
    this.#dirtyOrder = undefined
    const flushed = forEachInOrder(this.#takeInOrder(), (entry) => this.#flushOne(entry))
    return andThen(flushed, () => {
      this.#flushing = undefined
    })
  }

  /** There is something to flush. */
  get isDirty(): boolean {
    return this.#dirty.size > 0
  }

  #flushOne(entry: Cached<K, V>): Awaitable<void> {
    const { id, key, value, context, seen } = entry
    const { holder } = this.#options
    const write = (before: Row | null): Awaitable<void> => {
      const oldValue = this.#oldValues ? (this.#read(before)?.value ?? null) : null
      holder.current = context
      this.beforeWrite(key, value !== null)
      this.#write(id, value, context)
      entry.isFlushed = true
      return this.#forward?.({
        key,
        value: { newValue: value === null ? null : value.value, oldValue },
        timestamp: value?.timestamp ?? context?.timestamp ?? 0,
        headers: context?.headers ?? noHeaders,
      })
    }
    if (this.#forward === undefined || (value !== null && !this.#oldValues)) return write(null)
    // a row that came and went between two commits is neither written nor forwarded, unless somebody has joined it meanwhile
    return andThen(this.rows.get(id), (row) => {
      entry.isFlushed = true
      if (row !== null && this.isGone(key)) return this.#replaceGone(id, { value, context }, write)
      return value === null && row === null && !seen ? undefined : write(row)
    })
  }

  /** Nobody is told that a row is deleted that counts as deleted, but it must go. */
  #replaceGone(
    id: string,
    { value, context }: Pick<Cached<K, V>, 'value' | 'context'>,
    write: (before: null) => Awaitable<void>,
  ): Awaitable<void> {
    if (value !== null) return write(null)
    this.#write(id, null, context)
  }

  /** Told of every row that is written: at once, or at the flush of a cache. */
  protected beforeWrite(_key: K, _lives: boolean): void {}

  /** Whether the row of a key counts as deleted although it is there. */
  protected isGone(_key: K): boolean {
    return false
  }

  #write(id: string, value: Held<V> | null, context: RecordContext | undefined): void {
    this.rows.put(id, value === null ? this.#tombstone(id, context) : this.#row(id, value, context))
  }

  #row(id: string, held: Held<V>, context: RecordContext | undefined): Row {
    const { value, timestamp, headers = this.#loggedHeaders(context) } = held
    const bytes = this.#serialize('value', this.#options.valueSerde, value)
    const row = { key: bytesOfId(id), id, value: bytes, timestamp }
    return headers === undefined ? row : { ...row, headers }
  }

  #loggedHeaders(context: RecordContext | undefined): Headers | undefined {
    return this.#options.logsHeaders && context && context.headers.length > 0 ? context.headers : undefined
  }

  #tombstone(id: string, context: RecordContext | undefined): Row {
    const deleted = { key: bytesOfId(id), id, value: null, timestamp: context?.timestamp ?? 0 }
    const { logsHeaders, holdsHeaders } = this.#options
    return (logsHeaders || holdsHeaders) && context ? { ...deleted, headers: context.headers } : deleted
  }

  #read(row: Row | null): Held<V> | null {
    if (row === null || row.value === null) return null
    const value = this.#deserialize('value', this.#options.valueSerde, row.value)
    if (value === null) return null
    return row.headers === undefined ? { value, timestamp: row.timestamp } : { value, timestamp: row.timestamp, headers: row.headers }
  }

  keyBytes(key: K): Uint8Array {
    return this.#serialize('key', this.#options.keySerde, key)
  }

  /** {@link keyId} of {@link keyBytes}. */
  idOf(key: K): string {
    const { keySerde, changelog } = this.#options
    if (!keySerde.idOf) return keyId(this.keyBytes(key))
    try {
      return keySerde.idOf(key, changelog)
    } catch (cause) {
      throw this.#serdeFailed('write the key', keySerde.name, cause)
    }
  }

  #serialize<T>(what: string, serde: Serde<T>, value: T): Uint8Array {
    try {
      return serde.serialize(value, this.#options.changelog)
    } catch (cause) {
      throw this.#serdeFailed(`write the ${what}`, serde.name, cause)
    }
  }

  #deserialize<T>(what: string, serde: Serde<T>, bytes: Uint8Array): T | null {
    try {
      return serde.deserialize(bytes, this.#options.changelog)
    } catch (cause) {
      throw this.#serdeFailed(`read the ${what}`, serde.name, cause)
    }
  }

  #serdeFailed(doing: string, serde: string, cause: unknown): StreamsError {
    const remedy = { remedy: 'Give the store a serde that fits its keys and values.' }
    return new StreamsError('SERDE_FAILED', `Cannot ${doing} of store ${this.name} with the ${serde} serde: ${messageOf(cause)}`, {
      cause,
      ...remedy,
    })
  }
}
