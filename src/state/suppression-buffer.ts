import { type Awaitable, andThen } from '../awaitable.ts'
import { messageOf, StreamsError } from '../errors.ts'
import { invariant } from '../invariant.ts'
import type { Change } from '../processor/change.ts'
import type { ContextHolder } from '../processor/context.ts'
import type { Record } from '../processor/record.ts'
import type { OpenSuppressionBuffer, SuppressionBuffer } from '../processor/store.ts'
import { keyId, type Serde } from '../serde/serde.ts'
import { type BufferedRow, bufferedBytes, bufferedRowHeaders, readBufferedRow, writeBufferedRow } from './buffered-row.ts'
import type { Rows } from './rows.ts'

export interface SuppressionBufferOptions<K, V> {
  readonly name: string
  /** Given to the serdes as their topic, as Kafka Streams does. */
  readonly changelog: string
  readonly keySerde: Serde<K>
  readonly valueSerde: Serde<V>
  readonly rows: Rows
  readonly holder: ContextHolder
}

/**
 * Kafka's `InMemoryTimeOrderedKeyValueChangeBuffer`: all of it is in memory while a task runs, and what has changed is written to its rows
 * at the commit. A task that begins reads them all, once.
 */
export class SuppressedRows<K, V> implements SuppressionBuffer<K, V> {
  readonly name: string
  readonly #options: SuppressionBufferOptions<K, V>
  #open: LoadedBuffer<K, V> | undefined

  constructor(options: SuppressionBufferOptions<K, V>) {
    this.#options = options
    this.name = options.name
  }

  open(): Awaitable<OpenSuppressionBuffer<K, V>> {
    return this.#open ?? this.#load()
  }

  /** Writes what has changed to the rows: once per key and commit, as Kafka's buffer logs when it is flushed. */
  settle(): void {
    this.#open?.settle()
  }

  async #load(): Promise<OpenSuppressionBuffer<K, V>> {
    const found = await this.#options.rows.range(null, null)
    // a second caller may have waited for the same rows
    this.#open ??= new LoadedBuffer(
      this.#options,
      found.map(({ key, value }) => ({ id: keyId(key), key, row: readBufferedRow(value ?? new Uint8Array()) })),
    )
    return this.#open
  }
}

interface Waiting {
  readonly id: string
  readonly key: Uint8Array
  row: BufferedRow
}

const goesBefore = (one: Waiting, other: Waiting): boolean =>
  one.row.timeMs < other.row.timeMs || (one.row.timeMs === other.row.timeMs && one.id < other.id)

class LoadedBuffer<K, V> implements OpenSuppressionBuffer<K, V> {
  readonly #options: SuppressionBufferOptions<K, V>
  readonly #byKey: Map<string, Waiting>
  /** A binary heap: a row leaves it only from the top, and its time never changes while it is there. */
  readonly #heap: Waiting[] = []
  /** What has changed since the last commit, in the order of the last changes. */
  readonly #changed = new Map<string, Waiting>()
  #bytes = 0

  constructor(options: SuppressionBufferOptions<K, V>, waiting: readonly Waiting[]) {
    this.#options = options
    this.#byKey = new Map(waiting.map((it) => [it.id, it]))
    for (const it of waiting) {
      this.#push(it)
      this.#bytes += bufferedBytes(it.key, it.row)
    }
  }

  get records(): number {
    return this.#heap.length
  }

  get bytes(): number {
    return this.#bytes
  }

  get firstTimeMs(): number {
    return this.#heap[0]?.row.timeMs ?? Number.POSITIVE_INFINITY
  }

  put(timeMs: number, { key: recordKey, value: change, timestamp, headers }: Record<K, Change<V>>): void {
    const { keySerde, changelog, holder } = this.#options
    const bytes = this.#tried('write the key', () => keySerde.serialize(recordKey, changelog))
    const id = keyId(bytes)
    const { topic = '', partition = -1, offset = -1 } = holder.current ?? {}
    const [oldValue, newValue] = [this.#write(change.oldValue), this.#write(change.newValue)]
    const before = this.#byKey.get(id)
    const row = { timestamp, headers, topic, partition, offset, oldValue, newValue }
    const waiting: Waiting = before ?? { id, key: bytes, row: { ...row, timeMs, prior: oldValue } }
    if (before) {
      this.#bytes -= bufferedBytes(before.key, before.row)
      before.row = { ...row, timeMs: before.row.timeMs, prior: before.row.prior }
    } else {
      this.#byKey.set(id, waiting)
      this.#push(waiting)
    }
    this.#bytes += bufferedBytes(waiting.key, waiting.row)
    this.#change(waiting)
  }

  #change(waiting: Waiting): void {
    this.#changed.delete(waiting.id)
    this.#changed.set(waiting.id, waiting)
  }

  settle(): void {
    const { rows } = this.#options
    for (const [id, waiting] of this.#changed) {
      const { key, row } = waiting
      const { timestamp } = row
      const isThere = this.#byKey.get(id) === waiting
      rows.put(
        id,
        isThere ? { key, id, value: writeBufferedRow(row), timestamp, headers: bufferedRowHeaders } : { key, id, value: null, timestamp },
      )
    }
    this.#changed.clear()
  }

  evictWhile(goes: () => boolean, send: (record: Record<K, Change<V>>) => Awaitable<void>): Awaitable<void> {
    while (this.#heap.length > 0 && goes()) {
      const sent = this.#evict(send)
      if (sent instanceof Promise) return sent.then(() => this.evictWhile(goes, send))
    }
  }

  prior(key: K): V | null | undefined {
    const { keySerde, changelog } = this.#options
    const waiting = this.#byKey.get(keyId(keySerde.serialize(key, changelog)))
    return waiting === undefined ? undefined : this.#read(waiting.row.prior)
  }

  #evict(send: (record: Record<K, Change<V>>) => Awaitable<void>): Awaitable<void> {
    const first = this.#pop()
    const { keySerde, changelog, holder } = this.#options
    const { timestamp, headers, topic, partition, offset, oldValue, newValue } = first.row
    this.#bytes -= bufferedBytes(first.key, first.row)
    this.#change(first)
    const before = holder.current
    holder.current = { topic, partition, offset, timestamp, headers, rawKey: null, rawValue: null }
    const value = { newValue: this.#read(newValue), oldValue: this.#read(oldValue) }
    return andThen(send({ key: keySerde.deserialize(first.key, changelog) as K, value, timestamp, headers }), () => {
      // until then those who look the row up find what it was before, as in Kafka
      this.#byKey.delete(first.id)
      holder.current = before
    })
  }

  #write(value: V | null): Uint8Array | null {
    return value === null ? null : this.#tried('write the value', () => this.#options.valueSerde.serialize(value, this.#options.changelog))
  }

  #read(bytes: Uint8Array | null): V | null {
    return bytes === null ? null : this.#tried('read the value', () => this.#options.valueSerde.deserialize(bytes, this.#options.changelog))
  }

  #tried<T>(doing: string, act: () => T): T {
    try {
      return act()
    } catch (cause) {
      throw new StreamsError('SERDE_FAILED', `Cannot ${doing} in the buffer ${this.#options.name}: ${messageOf(cause)}`, {
        cause,
        remedy: 'Give the table above the suppression serdes that fit its keys and values.',
      })
    }
  }

  #push(waiting: Waiting): void {
    const heap = this.#heap
    let at = heap.length
    heap.push(waiting)
    while (at > 0) {
      const up = (at - 1) >>> 1
      const parent = heap[up]
      if (!parent || !goesBefore(waiting, parent)) break
      heap[at] = parent
      at = up
    }
    heap[at] = waiting
  }

  #pop(): Waiting {
    const heap = this.#heap
    const first = heap[0]
    const last = heap.pop()
    invariant(first && last, 'the buffer is not empty')
    if (heap.length === 0) return first
    let at = 0
    for (let child = 1; child < heap.length; child = 2 * at + 1) {
      const [left, right] = [heap[child], heap[child + 1]]
      const below = right && left && goesBefore(right, left) ? right : left
      if (!below || !goesBefore(below, last)) break
      heap[at] = below
      at = below === right ? child + 1 : child
    }
    heap[at] = last
    return first
  }
}
