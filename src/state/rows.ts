import { type Awaitable, andThen } from '../awaitable.ts'
import type { Headers } from '../processor/record.ts'
import { bytesOfId, keyId } from '../serde/serde.ts'
import { type IdRange, ReadRanges } from './read-ranges.ts'
import { SortedIds } from './sorted-ids.ts'

/** A row of a store as bytes. `value` null: deleted, or known not to exist. */
export interface Row {
  readonly key: Uint8Array
  readonly value: Uint8Array | null
  readonly timestamp: number
  readonly headers?: Headers
}

/** Reads rows of one store that are not in memory. */
export interface RowReader {
  /** In request order; undefined where there is none. */
  get(keys: readonly Uint8Array[]): Promise<readonly (Row | undefined)[]>
  /** Live rows in unsigned byte order of their keys, bounds inclusive, null open. */
  range(from: Uint8Array | null, to: Uint8Array | null): Promise<readonly Row[]>
}

/** The first bytes behind everything that begins with `prefix`; null where nothing is. */
export const successor = (prefix: Uint8Array): Uint8Array | null => {
  const end = prefix.findLastIndex((byte) => byte !== 0xff)
  if (end < 0) return null
  const bytes = Buffer.from(prefix.subarray(0, end + 1))
  bytes[end] = (bytes[end] as number) + 1
  return bytes
}

/** The bounds of all keys that begin like this; none where no key is behind them. */
export const prefixRange = (prefix: Uint8Array): readonly (readonly [from: Uint8Array, to: Uint8Array])[] => {
  const to = successor(prefix)
  return to === null ? [] : [[prefix, to]]
}

const idsOf = (from: Uint8Array, to: Uint8Array): IdRange => ({ low: keyId(from), high: keyId(to) })

const readsAtOnce = 32

const inParallel = async <T>(items: readonly T[], run: (item: T) => Promise<void>): Promise<void> => {
  const waiting = items.values()
  const worker = async (): Promise<void> => {
    for (const item of waiting) await run(item)
  }
  await Promise.all(Array.from({ length: Math.min(readsAtOnce, items.length) }, worker))
}

/** Bytes that a row costs in memory, roughly: its key twice, its value, and the objects around them. */
const weight = (row: Row): number => 120 + 2 * row.key.length + (row.value?.length ?? 0)

/**
 * The rows of one store of one task: what is in memory, over a reader for what is not. A row that was read or written stays
 * until it is evicted; what the transaction wrote is told apart until it is taken.
 */
export class Rows {
  readonly #rows = new Map<string, Row>()
  readonly #written = new Map<string, Row>()
  readonly #reader: RowReader | undefined
  readonly #bytesMax: number
  readonly #readRanges = new ReadRanges()
  /** Of all rows in memory, from the first read of a range on. */
  #order: SortedIds | undefined
  #complete: boolean
  #bytes = 0

  /** Without a reader, or with `complete`, what is not in memory does not exist. */
  constructor(options: { readonly reader?: RowReader | undefined; readonly complete?: boolean; readonly bytesMax?: number } = {}) {
    this.#reader = options.reader
    this.#complete = options.complete ?? options.reader === undefined
    this.#bytesMax = options.bytesMax ?? Number.POSITIVE_INFINITY
  }

  /** By the {@link keyId} of a key. */
  get(id: string): Awaitable<Row | null> {
    const row = this.#rows.get(id)
    if (row !== undefined) return row.value === null ? null : row
    return this.#isKnown(id) ? null : this.#load(id)
  }

  put(id: string, row: Row): void {
    this.#keep(id, row)
    this.#written.delete(id)
    this.#written.set(id, row)
  }

  /** Rows from elsewhere that are newer than the reader's: the tail of the log. */
  overlay(rows: readonly Row[]): void {
    for (const row of rows) this.#keep(keyId(row.key), row)
  }

  /** What is not in memory does not exist. */
  get isComplete(): boolean {
    return this.#complete || !this.#reader
  }

  /** Reads the rows of these ids at once; later gets find them in memory. */
  async prefetch(ids: Iterable<string>): Promise<void> {
    if (this.#complete || !this.#reader) return
    const missing = new Set<string>()
    for (const id of ids) if (!this.#rows.has(id) && !this.#readRanges.covers(id)) missing.add(id)
    if (missing.size === 0) return
    const keys = Array.from(missing, bytesOfId)
    const found = await this.#reader.get(keys)
    let at = 0
    for (const id of missing) {
      const key = keys[at] as Uint8Array
      this.#keep(id, found[at++] ?? { key, value: null, timestamp: 0 })
    }
  }

  /** Live rows in unsigned byte order of their keys; bounds are inclusive. A range with both bounds is read from the table once. */
  range(from: Uint8Array | null, to: Uint8Array | null): Awaitable<readonly Row[]> {
    if (from !== null && to !== null && Buffer.compare(from, to) > 0) return []
    if (this.#complete || !this.#reader) return this.#inMemory(from, to)
    if (from !== null && to !== null) return andThen(this.#readMissing(from, to), () => this.#inMemory(from, to))
    // not kept: a store may be larger than memory
    return this.#reader.range(from, to).then((found) => {
      const merged = new Map(found.map((row) => [keyId(row.key), row]))
      for (const row of this.#all(from, to)) merged.set(keyId(row.key), row)
      const live = [...merged].filter(([, row]) => row.value !== null)
      return live.sort(([a], [b]) => (a < b ? -1 : 1)).map(([, row]) => row)
    })
  }

  /** Reads these ranges at once, each with both bounds; later reads of them find all in memory. */
  async prefetchRanges(ranges: Iterable<readonly [from: Uint8Array, to: Uint8Array]>): Promise<void> {
    if (this.#complete || !this.#reader) return
    const missing = new ReadRanges()
    for (const [from, to] of ranges) for (const range of this.#readRanges.missing(idsOf(from, to))) missing.add(range)
    await inParallel(missing.all, (range) => this.#read(range))
  }

  /** What was written since the last call: the last row per key, in the order of the last writes. */
  takeWritten(): readonly Row[] {
    const rows = [...this.#written.values()]
    this.#written.clear()
    return rows
  }

  /** Lets go of the oldest rows above the memory limit. Everything written is in the table, but for what is `pinned`, by the ids of its keys. */
  evict(pinned?: ReadonlyMap<string, unknown>): void {
    if (!this.#reader) return
    for (const [id, row] of this.#rows) {
      if (this.#bytes <= this.#bytesMax) return
      if (pinned?.has(id)) continue
      this.#rows.delete(id)
      this.#order?.delete(id)
      this.#bytes -= weight(row)
      this.#complete = false
      this.#readRanges.clear()
    }
  }

  #keep(id: string, row: Row): void {
    const before = this.#rows.get(id)
    this.#bytes += weight(row) - (before ? weight(before) : 0)
    this.#rows.set(id, row)
    if (!before) this.#order?.add(id)
  }

  /** What is not in memory does not exist. */
  #isKnown(id: string): boolean {
    return this.#complete || this.#readRanges.covers(id)
  }

  #inMemory(from: Uint8Array | null, to: Uint8Array | null): readonly Row[] {
    return this.#all(from, to).filter((row) => row.value !== null)
  }

  /** Deleted ones too. */
  #all(from: Uint8Array | null, to: Uint8Array | null): readonly Row[] {
    this.#order ??= new SortedIds(this.#rows.keys())
    const ids = this.#order.between(from === null ? '' : keyId(from), to === null ? undefined : keyId(to))
    return ids.map((id) => this.#rows.get(id) as Row)
  }

  #readMissing(from: Uint8Array, to: Uint8Array): Awaitable<void> {
    const missing = this.#readRanges.missing(idsOf(from, to))
    if (missing.length > 0) return inParallel(missing, (range) => this.#read(range))
  }

  async #read(range: IdRange): Promise<void> {
    const [from, to] = [range.low, range.high].map(bytesOfId)
    const found = (await this.#reader?.range(from ?? null, to ?? null)) ?? []
    for (const row of found) {
      const id = keyId(row.key)
      // what is in memory is newer
      if (!this.#rows.has(id)) this.#keep(id, row)
    }
    this.#readRanges.add(range)
  }

  async #load(id: string): Promise<Row | null> {
    await this.prefetch([id])
    const row = this.#rows.get(id)
    return row === undefined || row.value === null ? null : row
  }
}
