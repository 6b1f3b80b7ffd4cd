import type { StateRow } from '../state/backend.ts'
import { keyId, type Row } from '../state/rows.ts'
import type { StoreChange } from './effects.ts'
import { type InvocationRequest, type InvocationStats, taskIdOf } from './invocation-request.ts'
import type { TailRow } from './log-sync.ts'
import { stateRowsOf } from './table-rows.ts'

/** Committed rows on their way to the table: one write per key, however many transactions of the invocation changed it. */
export interface Flush {
  add(changes: readonly StoreChange[], seq: number): void
  /** Writes now if much has come together. */
  whenLarge(): Promise<void>
  /** Writes all; to be awaited before a checkpoint (protocol R12). */
  all(): Promise<void>
}

const rowsMax = 20_000

export const createFlush = (
  request: InvocationRequest & { readonly stats: InvocationStats },
  gen: number,
  tail: ReadonlyMap<string, readonly TailRow[]>,
): Flush => {
  const { ports, deadlineMs, stats } = request
  const waiting = new Map<string, StateRow>()
  const add = (store: string, rows: readonly Row[], seq: number): void => {
    const at = { ...taskIdOf(request), gen, store, seq, nowMs: ports.clock.nowMs() }
    for (const row of stateRowsOf(rows, at)) waiting.set(`${store}/${keyId(row.key)}`, row)
  }
  for (const [store, rows] of tail) for (const row of rows) add(store, [row], row.seq)
  const all = async (): Promise<void> => {
    if (waiting.size === 0) return
    const rows = [...waiting.values()]
    waiting.clear()
    await ports.table.put(rows, deadlineMs)
    stats.rowsWritten += rows.length
  }
  return {
    add: (changes, seq) => {
      for (const { store, rows } of changes) add(store, rows, seq)
    },
    whenLarge: async () => {
      if (waiting.size >= rowsMax) await all()
    },
    all,
  }
}
