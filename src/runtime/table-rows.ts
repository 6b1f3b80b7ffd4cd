import type { StateRow, TableBackend, TaskId } from '../state/backend.ts'
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
})

/** Rows as the table takes them, stamped with the transaction that committed them. */
export const stateRowsOf = (
  rows: readonly Row[],
  at: TaskId & { readonly gen: number; readonly store: string; readonly seq: number; readonly nowMs: number },
): readonly StateRow[] => {
  const { nowMs, ...where } = at
  const expiresAtSeconds = Math.ceil(nowMs / 1000) + tombstoneSeconds
  return rows.map(({ key, value, timestamp }) =>
    value === null ? { ...where, key, value, timestamp, expiresAtSeconds } : { ...where, key, value, timestamp },
  )
}
