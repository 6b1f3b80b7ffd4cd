import type { Awaitable } from '../awaitable.ts'
import type { Headers } from '../processor/record.ts'

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

/** Key bytes as a string that a Map can hold: one character per byte, so string order is unsigned byte order. */
export const keyId = (key: Uint8Array): string =>
  (key instanceof Buffer ? key : Buffer.from(key.buffer, key.byteOffset, key.byteLength)).toString('latin1')

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
  #complete: boolean
  #bytes = 0

  /** Without a reader, or with `complete`, what is not in memory does not exist. */
  constructor(options: { readonly reader?: RowReader | undefined; readonly complete?: boolean; readonly bytesMax?: number } = {}) {
    this.#reader = options.reader
    this.#complete = options.complete ?? options.reader === undefined
    this.#bytesMax = options.bytesMax ?? 128 * 1024 * 1024
  }

  get(key: Uint8Array, id: string): Awaitable<Row | null> {
    const row = this.#rows.get(id)
    if (row !== undefined) return row.value === null ? null : row
    return this.#complete ? null : this.#load(key, id)
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

  /** Reads the rows of these keys at once; later gets find them in memory. */
  async prefetch(keys: Iterable<Uint8Array>): Promise<void> {
    if (this.#complete || !this.#reader) return
    const missing = new Map<string, Uint8Array>()
    for (const key of keys) {
      const id = keyId(key)
      if (!this.#rows.has(id)) missing.set(id, key)
    }
    if (missing.size === 0) return
    const found = await this.#reader.get([...missing.values()])
    let at = 0
    for (const [id, key] of missing) this.#keep(id, found[at++] ?? { key, value: null, timestamp: 0 })
  }

  /** Live rows in unsigned byte order of their keys; bounds are inclusive. */
  async range(from: Uint8Array | null, to: Uint8Array | null): Promise<readonly Row[]> {
    const [low, high] = [from === null ? '' : keyId(from), to === null ? undefined : keyId(to)]
    const merged = new Map<string, Row>()
    if (!this.#complete && this.#reader) for (const row of await this.#reader.range(from, to)) merged.set(keyId(row.key), row)
    for (const [id, row] of this.#rows) if (id >= low && (high === undefined || id <= high)) merged.set(id, row)
    const live = [...merged].filter(([, row]) => row.value !== null)
    return live.sort(([a], [b]) => (a < b ? -1 : 1)).map(([, row]) => row)
  }

  /** What was written since the last call: the last row per key, in the order of the last writes. */
  takeWritten(): readonly Row[] {
    const rows = [...this.#written.values()]
    this.#written.clear()
    return rows
  }

  /** Lets go of the oldest rows above the memory limit. Only to be called when everything written is in the table. */
  evict(): void {
    if (!this.#reader) return
    for (const [id, row] of this.#rows) {
      if (this.#bytes <= this.#bytesMax) return
      this.#rows.delete(id)
      this.#bytes -= weight(row)
      this.#complete = false
    }
  }

  #keep(id: string, row: Row): void {
    const before = this.#rows.get(id)
    this.#bytes += weight(row) - (before ? weight(before) : 0)
    this.#rows.set(id, row)
  }

  async #load(key: Uint8Array, id: string): Promise<Row | null> {
    await this.prefetch([key])
    const row = this.#rows.get(id)
    return row === undefined || row.value === null ? null : row
  }
}
