import { noHeaders } from '../processor/record.ts'
import { keyId } from '../serde/serde.ts'
import { type StateRow, type TableBackend, type TaskId, tableBytes } from '../state/backend.ts'
import type { Row, RowReader } from '../state/rows.ts'

/** Tombstones stay this long, far beyond any request that an older invocation may still send (protocol R10). */
const tombstoneSeconds = 7 * 24 * 3600

/** Reads the rows of one store of one task from the table; tombstones read as absent. */
export const tableReader = (
  table: TableBackend,
  where: TaskId & { readonly gen: number; readonly store: string },
  deadlineMs: () => number,
): RowReader => ({
  get: async (keys) => {
    const rows = await table.get(
      keys.map((key) => ({ ...where, key })),
      deadlineMs(),
    )
    return rows.map((row) => (row === undefined || row.value === null ? undefined : row))
  },
  range: async (from, to) => {
    const rows: Row[] = []
    const range = { ...where, ...(from === null ? {} : { from }), ...(to === null ? {} : { to }) }
    for await (const page of table.query(range, deadlineMs())) rows.push(...page)
    return rows
  },
  all: async (bytesMax) => {
    const rows: Row[] = []
    let bytes = 0
    for await (const page of table.query(where, deadlineMs())) {
      for (const row of page) bytes += tableBytes(row.key, row.value)
      if (bytes > bytesMax) return undefined
      rows.push(...page)
    }
    return rows
  },
})

/** Rows with a window stay a day longer than it takes stream time, going as the clock goes, to leave them behind: as the changelog does. */
const dayMs = 86_400_000

const expiryOf = (
  row: Row,
  { nowMs, retentionMs }: { readonly nowMs: number; readonly retentionMs?: number | undefined },
): number | undefined => {
  if (row.value === null) return Math.ceil(nowMs / 1000) + tombstoneSeconds
  const livesMs = expiresAfterMs(retentionMs)
  return livesMs === undefined ? undefined : Math.ceil((nowMs + livesMs) / 1000)
}

/** How long the table keeps a row of a store with windows behind its last write; undefined: for ever. */
export const expiresAfterMs = (retentionMs: number | undefined): number | undefined =>
  retentionMs === undefined || !Number.isFinite(retentionMs) ? undefined : retentionMs + dayMs

type Written = { -readonly [field in keyof StateRow]: StateRow[field] }

/** Rows as the table takes them, stamped with the transaction that committed them. `retentionMs` is the store's. */
export const stateRowsOf = (
  rows: readonly Row[],
  at: TaskId & {
    readonly gen: number
    readonly store: string
    readonly seq: number
    readonly nowMs: number
    readonly retentionMs?: number | undefined
  },
): readonly StateRow[] => {
  const { subTopology, partition, gen, store, seq } = at
  return rows.map((row) => {
    const { key, id = keyId(key), value, timestamp, headers = noHeaders } = row
    const expiresAtSeconds = expiryOf(row, at)
    const written: Written = { subTopology, partition, gen, store, key, id, value, timestamp, seq }
    if (headers.length > 0) written.headers = headers
    if (expiresAtSeconds !== undefined) written.expiresAtSeconds = expiresAtSeconds
    return written
  })
}
