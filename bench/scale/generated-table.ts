import { createMemoryTable } from '../../src/adapters/memory/table.ts'
import { type StateKey, type StateRow, type TableBackend, type TaskItem, tableBytes } from '../../src/state/backend.ts'

/** As the DynamoDB adapter asks: keys of a BatchGetItem, statements of a BatchExecuteStatement, and how many of each at once. */
const [keysPerRead, readsAtOnce, rowsPerWrite, writesAtOnce] = [100, 8, 25, 16]
const rowsPerPage = 1_000
const digits = 9

/** The nth key; keys are in the order of their numbers. */
export const keyOf = (n: number): Buffer => Buffer.from(String(n).padStart(digits, '0'))

export interface GeneratedTable extends TableBackend {
  /** Rows and requests since the last look. */
  taken(): { readonly rows: number; readonly requests: number; readonly written: number }
}

export interface GeneratedTableOptions {
  readonly keys: number
  readonly store: string
  readonly latencyMs: () => number
}

/**
 * A table with so many rows per store that holds none: what a key's row says follows from the key, and what is written is dropped. Each
 * request takes as long as `latencyMs` says, several at once as many as the DynamoDB adapter sends. Task items are held as in memory, but
 * say how large the store is.
 */
export const createGeneratedTable = ({ keys, store, latencyMs }: GeneratedTableOptions): GeneratedTable => {
  const held = createMemoryTable()
  const sizes = { [store]: { rows: keys, bytes: keys * tableBytes(keyOf(0), bytesOf(0)) } }
  const withSizes = (item: TaskItem): TaskItem =>
    item.checkpoint === undefined ? item : { ...item, checkpoint: { ...item.checkpoint, sizes } }
  let counts = { rows: 0, requests: 0, written: 0 }
  const request = (): Promise<void> => {
    counts.requests++
    return new Promise((resolve) => setTimeout(resolve, latencyMs()))
  }
  const requests = async (count: number, atOnce: number): Promise<void> => {
    let left = count
    const worker = async (): Promise<void> => {
      while (left-- > 0) await request()
    }
    await Promise.all(Array.from({ length: Math.min(count, atOnce) }, worker))
  }
  const rowAt = (key: StateKey): StateRow | undefined => {
    const n = Number(Buffer.from(key.key).toString('latin1'))
    return n < keys ? { ...key, value: bytesOf(n), timestamp: 0, seq: 1 } : undefined
  }
  return {
    ...held,
    acquire: async (...args) => {
      const { won, item } = await held.acquire(...args)
      return { won, item: withSizes(item) }
    },
    taken: () => {
      const taken = counts
      counts = { rows: 0, requests: 0, written: 0 }
      return taken
    },
    put: async (rows) => {
      counts.written += rows.length
      await requests(Math.ceil(rows.length / rowsPerWrite), writesAtOnce)
    },
    get: async (wanted) => {
      counts.rows += wanted.length
      await requests(Math.ceil(wanted.length / keysPerRead), readsAtOnce)
      return wanted.map(rowAt)
    },
    query: async function* (range) {
      const [from, to] = [range.from, range.to].map((bound) => (bound ? Number(Buffer.from(bound).toString('latin1')) : undefined))
      const end = Math.min(keys - 1, to ?? Number.POSITIVE_INFINITY)
      for (let n = from ?? 0; n <= end; n += rowsPerPage) {
        await request()
        const page = Array.from({ length: Math.min(rowsPerPage, end + 1 - n) }, (_, i) => rowAt({ ...range, key: keyOf(n + i) }))
        counts.rows += page.length
        yield page.filter((row) => row !== undefined)
      }
    },
  }
}

const valueBytes = 92

/** A count as text, so long that a row has some 100 bytes. */
export const valueText = (count: number): string => String(count).padStart(valueBytes, '0')
const bytesOf = (n: number): Uint8Array => Buffer.from(valueText(n))
