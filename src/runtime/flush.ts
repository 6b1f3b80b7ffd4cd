import { invariant } from '../invariant.ts'
import { keyId } from '../serde/serde.ts'
import { assertRowFits, type StateRow } from '../state/backend.ts'
import type { Row } from '../state/rows.ts'
import { flushOf } from '../topology/table-options.ts'
import type { CommitRecord } from './commit-record.ts'
import type { StoreChange } from './effects.ts'
import { type InvocationRequest, type InvocationStats, taskIdOf } from './invocation-request.ts'
import type { LogState } from './log-sync.ts'
import type { PackedStore, WrittenPage } from './packed-store.ts'
import { assertPackable, latestWindowOf, pageRowsOf } from './pages.ts'
import { stateRowsOf } from './table-rows.ts'

/** Committed rows on their way to the table: one write per key, however many transactions changed it. */
export interface Flush {
  /** The rows as the table will get them; STATE_TOO_LARGE where it would not take one, hence to be asked before they are committed. */
  stage(changes: readonly StoreChange[], seq: number): readonly StateRow[]
  /** What {@link stage} answered, once it is committed, with a commit record of so many bytes. */
  add(rows: readonly StateRow[], commit: CommitRecord, commitBytes: number): void
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
  /** All rows of a packed store that are in the table. */
  packed(store: string): PackedStore | undefined
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
  /** The rows of packed stores that the table has, by store: what is not flushed goes in its pages. */
  readonly packed: ReadonlyMap<string, PackedStore>
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

/** Of a task that goes on behind a checkpoint: what the log has beyond it, and what one that was `kept` has not put in its packed stores. */
export const unflushedOf = (
  request: FlushRequest,
  { commit, tail, unflushed }: LogState,
  { packed, kept }: Pick<Unflushed, 'packed'> & { readonly kept?: Unflushed | undefined },
): Unflushed => {
  const staged = stagedAt(request, commit.gen)
  const rows: Unflushed['rows'] = new Map()
  for (const store of packed.keys()) for (const row of kept?.rows.get(store)?.values() ?? []) addTo(rows, row)
  for (const [store, some] of tail) for (const row of some) for (const one of staged(store, [row], row.seq)) addTo(rows, one)
  return { rows, packed, tail: unflushed ?? noTail }
}

export const createFlush = (
  request: FlushRequest & { readonly stats: InvocationStats },
  begin: CommitRecord,
  { rows, packed, ...begun }: Unflushed,
): Flush => {
  const { ports, plan, deadlineMs, stats } = request
  const later = flushOf(plan.stores)
  const staged = stagedAt(request, begin.gen)
  let commit = begin
  let tail = begun.tail
  const put = async (written: readonly StateRow[], obsolete: readonly StateRow[]): Promise<void> => {
    // what stands for a page is there before the page goes
    for (const some of [written, obsolete]) {
      if (some.length > 0) await ports.table.put(some, deadlineMs)
      stats.rowsWritten += some.length
    }
  }
  const asItems = (name: string, pages: readonly WrittenPage[]): readonly StateRow[] => {
    const store = plan.stores.find((it) => it.name === name)
    invariant(store, `the task has a store "${name}"`)
    return pageRowsOf(pages, store, { ...taskIdOf(request), gen: commit.gen, seq: commit.seq, nowMs: ports.clock.nowMs() })
  }
  const write = (stores: readonly string[]): Promise<void> | undefined => {
    const [written, obsolete]: [StateRow[], StateRow[]] = [[], []]
    for (const name of stores) {
      const pending = rows.get(name)?.values() ?? []
      const own = packed.get(name)
      if (own === undefined) for (const row of pending) written.push(row)
      else {
        const pages = own.write(pending, { seq: commit.seq, latestMs: latestWindowOf(name, commit.times) })
        written.push(...asItems(name, pages.pages))
        obsolete.push(...asItems(name, pages.obsolete))
      }
      rows.delete(name)
    }
    return written.length + obsolete.length === 0 ? undefined : put(written, obsolete)
  }
  const storesToWrite = (): readonly string[] => [...new Set([...rows.keys(), ...packed.keys()])]
  const all = (): Promise<void> | undefined => write(storesToWrite())
  return {
    stage: (changes, seq) => {
      const all = changes.flatMap(({ store, rows }) => staged(store, rows, seq))
      for (const row of all) (packed.has(row.store) ? assertPackable : assertRowFits)(row)
      return all
    },
    add: (committed, next, commitBytes) => {
      commit = next
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
    eager: () => write(storesToWrite().filter((store) => !later?.stores.has(store))),
    all,
    pinned: (store) => rows.get(store),
    packed: (store) => packed.get(store),
    get isBehind() {
      return tail.sinceMs !== undefined
    },
    checkpointed: () => {
      tail = noTail
    },
    get rest() {
      return { rows, packed, tail }
    },
  }
}
