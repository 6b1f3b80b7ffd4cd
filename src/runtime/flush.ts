import { keyId } from '../serde/serde.ts'
import { assertRowFits, type StateRow } from '../state/backend.ts'
import type { Row } from '../state/rows.ts'
import type { StoreChange } from './effects.ts'
import { type InvocationRequest, type InvocationStats, taskIdOf } from './invocation-request.ts'
import type { TailRow } from './log-sync.ts'
import { stateRowsOf } from './table-rows.ts'

/** Committed rows on their way to the table: one write per key, however many transactions of the invocation changed it. */
export interface Flush {
  /** The rows as the table will get them; STATE_TOO_LARGE where it would not take one, hence to be asked before they are committed. */
  stage(changes: readonly StoreChange[], seq: number): readonly StateRow[]
  /** What {@link stage} answered, once it is committed. */
  add(rows: readonly StateRow[]): void
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
  const retentions = new Map(request.plan.stores.map(({ name, retentionMs }) => [name, retentionMs]))
  const rowsAt = (store: string, rows: readonly Row[], seq: number): readonly StateRow[] =>
    stateRowsOf(rows, { ...taskIdOf(request), gen, store, seq, nowMs: ports.clock.nowMs(), retentionMs: retentions.get(store) })
  const add = (rows: readonly StateRow[]): void => {
    for (const row of rows) waiting.set(`${row.store}/${keyId(row.key)}`, row)
  }
  for (const [store, rows] of tail) for (const row of rows) add(rowsAt(store, [row], row.seq))
  const all = async (): Promise<void> => {
    if (waiting.size === 0) return
    const rows = [...waiting.values()]
    waiting.clear()
    await ports.table.put(rows, deadlineMs)
    stats.rowsWritten += rows.length
  }
  return {
    stage: (changes, seq) => {
      const staged = changes.flatMap(({ store, rows }) => rowsAt(store, rows, seq))
      for (const row of staged) assertRowFits(row)
      return staged
    },
    add,
    whenLarge: async () => {
      if (waiting.size >= rowsMax) await all()
    },
    all,
  }
}
