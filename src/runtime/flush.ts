import { keyId } from '../serde/serde.ts'
import { assertRowFits, type StateRow } from '../state/backend.ts'
import type { Row } from '../state/rows.ts'
import { flushOf } from '../topology/table-options.ts'
import type { StoreChange } from './effects.ts'
import { type InvocationRequest, type InvocationStats, taskIdOf } from './invocation-request.ts'
import type { LogState } from './log-sync.ts'
import { stateRowsOf } from './table-rows.ts'

/** Committed rows on their way to the table: one write per key, however many transactions changed it. */
export interface Flush {
  /** The rows as the table will get them; STATE_TOO_LARGE where it would not take one, hence to be asked before they are committed. */
  stage(changes: readonly StoreChange[], seq: number): readonly StateRow[]
  /** What {@link stage} answered, once it is committed, with a commit record of so many bytes. */
  add(rows: readonly StateRow[], commitBytes: number): void
  /** Writes all rows now if many have come together. */
  whenLarge(): Promise<void>
  /** Whether stores that are flushed later have rows that may wait (protocol §7, A): the log's tail is short and young enough. */
  readonly mayWait: boolean
  /** Writes what may not wait: the rows of all other stores. Undefined: there are none. */
  eager(): Promise<void> | undefined
  /** Writes all; to be awaited before a checkpoint (protocol R12). Undefined: there is nothing to write. */
  all(): Promise<void> | undefined
  /** Rows of a store, by the ids of their keys, that are nowhere but in memory and in the log: they may not be evicted (R21). */
  pinned(store: string): ReadonlyMap<string, StateRow> | undefined
  /** Something was committed since the last checkpoint. */
  readonly isBehind: boolean
  /** A checkpoint was written after {@link all}. */
  checkpointed(): void
  /** What the next invocation goes on with. */
  readonly rest: Unflushed
}

/** What is committed behind the checkpoint. */
export interface Unflushed {
  /** Rows that the table does not have, by store and by the ids of their keys. */
  readonly rows: Map<string, Map<string, StateRow>>
  readonly tail: LogTail
}

/** What the log has behind the checkpoint, which whoever takes the task over has to read; roughly. */
export interface LogTail {
  readonly bytes: number
  readonly records: number
  /** When its first transaction was committed; undefined: there is none. */
  readonly sinceMs: number | undefined
}

export const noTail: LogTail = { bytes: 0, records: 0, sinceMs: undefined }

const rowsMax = 20_000
/** What a record takes in the log beside its key and its value, ours of its headers counted. */
export const recordOverheadBytes = 64

type FlushRequest = Pick<InvocationRequest, 'ports' | 'plan' | 'partition' | 'deadlineMs'>

const stagedAt = (request: FlushRequest, gen: number) => {
  const retentions = new Map(request.plan.stores.map(({ name, retentionMs }) => [name, retentionMs]))
  return (store: string, rows: readonly Row[], seq: number): readonly StateRow[] => {
    const nowMs = request.ports.clock.nowMs()
    return stateRowsOf(rows, { ...taskIdOf(request), gen, store, seq, nowMs, retentionMs: retentions.get(store) })
  }
}

const addTo = (rows: Unflushed['rows'], row: StateRow): void => {
  const { id = keyId(row.key) } = row
  const own = rows.get(row.store)
  if (own) own.set(id, row)
  else rows.set(row.store, new Map([[id, row]]))
}

/** Of a task that goes on behind a checkpoint: what the log has beyond it. */
export const unflushedOf = (request: FlushRequest, { commit, tail, unflushed }: LogState): Unflushed => {
  const staged = stagedAt(request, commit.gen)
  const rows: Unflushed['rows'] = new Map()
  for (const [store, some] of tail) for (const row of some) for (const one of staged(store, [row], row.seq)) addTo(rows, one)
  return { rows, tail: unflushed ?? noTail }
}

export const createFlush = (
  request: FlushRequest & { readonly stats: InvocationStats },
  gen: number,
  { rows, ...begun }: Unflushed,
): Flush => {
  const { ports, plan, deadlineMs, stats } = request
  const later = flushOf(plan.stores)
  const staged = stagedAt(request, gen)
  let tail = begun.tail
  const put = async (written: readonly StateRow[]): Promise<void> => {
    await ports.table.put(written, deadlineMs)
    stats.rowsWritten += written.length
  }
  const write = (stores: readonly string[]): Promise<void> | undefined => {
    const written = stores.flatMap((store) => [...(rows.get(store)?.values() ?? [])])
    for (const store of stores) rows.delete(store)
    return written.length === 0 ? undefined : put(written)
  }
  const all = (): Promise<void> | undefined => write([...rows.keys()])
  return {
    stage: (changes, seq) => {
      const all = changes.flatMap(({ store, rows }) => staged(store, rows, seq))
      for (const row of all) assertRowFits(row)
      return all
    },
    add: (committed, commitBytes) => {
      let bytes = tail.bytes + commitBytes
      for (const row of committed) {
        addTo(rows, row)
        bytes += recordOverheadBytes + row.key.length + (row.value?.length ?? 0)
      }
      tail = { bytes, records: tail.records + committed.length, sinceMs: tail.sinceMs ?? ports.clock.nowMs() }
    },
    whenLarge: async () => {
      let count = 0
      for (const own of rows.values()) count += own.size
      if (count >= rowsMax) await all()
    },
    get mayWait() {
      if (!later || tail.sinceMs === undefined || ![...rows.keys()].some((store) => later.stores.has(store))) return false
      const ageMs = ports.clock.nowMs() - tail.sinceMs
      return ageMs < later.intervalMs && tail.bytes < later.bytesMax && tail.records < later.recordsMax
    },
    eager: () => write([...rows.keys()].filter((store) => !later?.stores.has(store))),
    all,
    pinned: (store) => rows.get(store),
    get isBehind() {
      return tail.sinceMs !== undefined
    },
    checkpointed: () => {
      tail = noTail
    },
    get rest() {
      return { rows, tail }
    },
  }
}
