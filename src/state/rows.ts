import { type Awaitable, andThen } from '../awaitable.ts'
import type { Headers } from '../processor/record.ts'
import { bytesOfId, keyId } from '../serde/serde.ts'
import { type StoreSize, tableBytes } from './backend.ts'
import { type IdRange, ReadRanges } from './read-ranges.ts'
import { SortedIds } from './sorted-ids.ts'

/** A row of a store as bytes. `value` null: deleted, or known not to exist. */
export interface Row {
  readonly key: Uint8Array
  /** The {@link keyId} of the key, where whoever wrote the row had it. */
  readonly id?: string
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
  /** All live rows; undefined where they are more than `bytesMax`, by {@link tableBytes}, which is noticed on the way. Absent: never asked. */
  all?(bytesMax: number): Promise<readonly Row[] | undefined>
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

const noRows: readonly Row[] = Object.freeze([])
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

const bytesPerUnit = 4096
/** Read units: of a row that is not there one as well. */
const unitsOf = (bytes: number): number => Math.max(1, Math.ceil(bytes / bytesPerUnit))
const inTable = (row: Row): number => tableBytes(row.key, row.value)

export interface RowsOptions {
  /** Without one, or with `complete`, what is not in memory does not exist. */
  readonly reader?: RowReader | undefined
  readonly complete?: boolean
  /** In memory, between two invocations. Default: no limit. */
  readonly bytesMax?: number
  /** What the reader has, roughly; undefined: unknown. */
  readonly size?: StoreSize | undefined
  /** A store that is no larger may be read whole. Default: never. */
  readonly residentBytesMax?: number
}

/**
 * The rows of one store of one task: what is in memory, over a reader for what is not. A row that was read or written stays
 * until it is evicted; what the transaction wrote is told apart until it is taken. A store is read whole as soon as the reads of single
 * rows have cost as much as that does: whatever comes, it is never more than twice as dear as what would have been best.
 */
export class Rows {
  readonly #rows = new Map<string, Row>()
  /** By the transaction, in the order of the writes. */
  #written: Row[] = []
  /** What was in memory before rows that were written: may be of the same transaction. */
  readonly #replaced = new Set<Row>()
  readonly #reader: RowReader | undefined
  readonly #bytesMax: number
  readonly #readRanges = new ReadRanges()
  /** Of all rows in memory, from the first read of a part of them on. */
  #order: SortedIds | undefined
  #complete: boolean
  #bytes = 0
  /** Of the store: what the table will have once all is written. */
  #sizeRows: number
  #sizeBytes: number
  readonly #sizeIsKnown: boolean
  #everWritten: boolean
  /** 0: it is too large, or memory is too small. */
  #residentBytesMax: number
  /** Read units that single rows and ranges have cost. */
  #spent = 0
  #readingAll: Promise<boolean> | undefined

  constructor(options: RowsOptions = {}) {
    this.#reader = options.reader
    this.#complete = options.complete ?? options.reader === undefined
    this.#sizeIsKnown = options.size !== undefined
    this.#everWritten = options.size !== undefined
    this.#sizeRows = options.size?.rows ?? 0
    this.#sizeBytes = options.size?.bytes ?? 0
    this.#residentBytesMax = options.reader?.all ? (options.residentBytesMax ?? 0) : 0
    this.#bytesMax = options.bytesMax ?? Number.POSITIVE_INFINITY
  }

  /** By the {@link keyId} of a key. */
  get(id: string): Awaitable<Row | null> {
    const row = this.#rows.get(id)
    if (row !== undefined) return row.value === null ? null : row
    return this.#isKnown(id) ? null : this.#load(id)
  }

  put(id: string, row: Row): void {
    const before = this.#keep(id, row)
    this.#count(before, row)
    if (before && this.#written.length > 0) this.#replaced.add(before)
    this.#written.push(row)
  }

  /** Rows from elsewhere that are newer than the reader's: the tail of the log. */
  overlay(rows: readonly Row[]): void {
    for (const row of rows) this.#keep(keyId(row.key), row)
    if (rows.length > 0) this.#everWritten = true
  }

  /** How much the store has, roughly; undefined where it never had a row. */
  get size(): StoreSize | undefined {
    return this.#everWritten ? { rows: Math.max(0, this.#sizeRows), bytes: Math.max(0, this.#sizeBytes) } : undefined
  }

  /** Takes off what has expired of it: so much is left. */
  age(share: number): void {
    this.#sizeRows = Math.round(this.#sizeRows * share)
    this.#sizeBytes = Math.round(this.#sizeBytes * share)
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
    if (missing.size === 0 || (this.#isWorthAll(missing.size) && (await this.#readAll()))) return
    const keys = Array.from(missing, bytesOfId)
    const found = await this.#reader.get(keys)
    let at = 0
    for (const id of missing) {
      const key = keys[at] as Uint8Array
      const row = found[at++] ?? { key, value: null, timestamp: 0 }
      this.#spent += unitsOf(inTable(row))
      this.#keep(id, row)
    }
  }

  /** Live rows in unsigned byte order of their keys; bounds are inclusive. A range with both bounds is read from the table once. */
  range(from: Uint8Array | null, to: Uint8Array | null): Awaitable<readonly Row[]> {
    return this.rangeOfIds(from === null ? null : keyId(from), to === null ? null : keyId(to))
  }

  /** The same by the {@link keyId} of the bounds. */
  rangeOfIds(low: string | null, high: string | null): Awaitable<readonly Row[]> {
    if (low !== null && high !== null && low > high) return []
    if (this.#complete || !this.#reader) return this.#inMemory(low, high)
    if (low !== null && high !== null) return andThen(this.#readMissing({ low, high }), () => this.#inMemory(low, high))
    if (low === null && high === null && this.#isWorthAll(Number.POSITIVE_INFINITY))
      return this.#readAll().then((all) => (all ? this.#inMemory(low, high) : this.#open(low, high)))
    return this.#open(low, high)
  }

  /** Not kept: a store may be larger than memory. */
  #open(low: string | null, high: string | null): Promise<readonly Row[]> {
    const [from, to] = [low, high].map((id) => (id === null ? null : bytesOfId(id)))
    const reading = this.#reader?.range(from ?? null, to ?? null) ?? Promise.resolve([])
    return reading.then((found) => {
      const merged = new Map(found.map((row) => [keyId(row.key), row]))
      for (const row of this.#all(low, high)) merged.set(keyId(row.key), row)
      const live = [...merged].filter(([, row]) => row.value !== null)
      return live.sort(([a], [b]) => (a < b ? -1 : 1)).map(([, row]) => row)
    })
  }

  /** Reads these ranges at once, each with both bounds; later reads of them find all in memory. */
  async prefetchRanges(ranges: Iterable<readonly [from: Uint8Array, to: Uint8Array]>): Promise<void> {
    if (this.#complete || !this.#reader) return
    const missing = new ReadRanges()
    for (const [from, to] of ranges) for (const range of this.#readRanges.missing(idsOf(from, to))) missing.add(range)
    if (missing.all.length === 0 || (this.#isWorthAll(missing.all.length) && (await this.#readAll()))) return
    await inParallel(missing.all, (range) => this.#read(range))
  }

  /** What was written since the last call: the last row per key, in the order of the last writes. */
  takeWritten(): readonly Row[] {
    if (this.#written.length === 0) return noRows
    const rows = this.#replaced.size === 0 ? this.#written : this.#written.filter((row) => !this.#replaced.has(row))
    this.#written = []
    this.#replaced.clear()
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
      this.#residentBytesMax = 0
      this.#readRanges.clear()
    }
  }

  /** Lets go of rows, by their ids, for which nobody asks any more. */
  forget(ids: Iterable<string>): void {
    for (const id of ids) {
      const row = this.#rows.get(id)
      if (!row) continue
      this.#rows.delete(id)
      this.#order?.delete(id)
      this.#bytes -= weight(row)
    }
  }

  /** Answers what was there before. */
  #keep(id: string, row: Row): Row | undefined {
    const before = this.#rows.get(id)
    this.#bytes += weight(row) - (before ? weight(before) : 0)
    this.#rows.set(id, row)
    if (!before) this.#order?.add(id)
    return before
  }

  /** Of a key that was not read nobody knows whether it is new: it counts as such. */
  #count(before: Row | undefined, after: Row): void {
    this.#everWritten = true
    if (before !== undefined && before.value !== null) {
      this.#sizeRows--
      this.#sizeBytes -= inTable(before)
    }
    if (after.value === null) return
    this.#sizeRows++
    this.#sizeBytes += inTable(after)
  }

  /** Whether so many read units more would bring what was paid to what the whole store costs. */
  #isWorthAll(units: number): boolean {
    return this.#sizeIsKnown && this.#sizeBytes <= this.#residentBytesMax && this.#spent + units >= unitsOf(this.#sizeBytes)
  }

  /** From then on the store is in memory whole; false where it is too large for that. */
  #readAll(): Promise<boolean> {
    this.#readingAll ??= this.#loadAll().finally(() => {
      this.#readingAll = undefined
    })
    return this.#readingAll
  }

  async #loadAll(): Promise<boolean> {
    const bytesMax = 2 * this.#residentBytesMax
    const found = await this.#reader?.all?.(bytesMax)
    if (!found) {
      this.#residentBytesMax = 0
      this.#sizeBytes = Math.max(this.#sizeBytes, bytesMax)
      return false
    }
    for (const row of found) this.#keepOlder(row)
    this.#complete = true
    this.#sizeRows = 0
    this.#sizeBytes = 0
    for (const row of this.#rows.values()) this.#count(undefined, row)
    return true
  }

  /** What is in memory is newer. */
  #keepOlder(row: Row): void {
    const id = keyId(row.key)
    if (!this.#rows.has(id)) this.#keep(id, row)
  }

  /** What is not in memory does not exist. */
  #isKnown(id: string): boolean {
    return this.#complete || this.#readRanges.covers(id)
  }

  #inMemory(low: string | null, high: string | null): readonly Row[] {
    return this.#all(low, high).filter((row) => row.value !== null)
  }

  /** Deleted ones too. */
  #all(low: string | null, high: string | null): readonly Row[] {
    const order = this.#order ?? new SortedIds(this.#rows.keys())
    // who reads all of it once, as buffers do when they begin, pays for no order afterwards
    if (low !== null || high !== null) this.#order = order
    return order.between(low ?? '', high ?? undefined).map((id) => this.#rows.get(id) as Row)
  }

  #readMissing(range: IdRange): Awaitable<void> {
    const missing = this.#readRanges.missing(range)
    if (missing.length === 0) return
    const readEach = (): Promise<void> => inParallel(missing, (range) => this.#read(range))
    return this.#isWorthAll(missing.length) ? this.#readAll().then((all) => (all ? undefined : readEach())) : readEach()
  }

  async #read(range: IdRange): Promise<void> {
    const [from, to] = [range.low, range.high].map(bytesOfId)
    const found = (await this.#reader?.range(from ?? null, to ?? null)) ?? []
    let bytes = 0
    for (const row of found) {
      bytes += inTable(row)
      this.#keepOlder(row)
    }
    this.#spent += unitsOf(bytes)
    this.#readRanges.add(range)
  }

  async #load(id: string): Promise<Row | null> {
    await this.prefetch([id])
    const row = this.#rows.get(id)
    return row === undefined || row.value === null ? null : row
  }
}
