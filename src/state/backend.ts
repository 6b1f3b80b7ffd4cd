import { StreamsError } from '../errors.ts'
import { invariant } from '../invariant.ts'
import type { Headers } from '../processor/record.ts'

/**
 * The port that a remote table fills: state rows and task items of one application. Rows are last-writer-wins by the
 * task's transaction number `seq`; the task item carries checkpoint, lease and bells. Deadlines are absolute Unix
 * milliseconds. Every call may be repeated safely. Times come in by parameter: a backend has no clock of its own but for
 * its retries. A table that does not answer until the deadline is TABLE_UNREACHABLE, a throttled one DEADLINE_EXCEEDED.
 */
export interface TableBackend {
  /** Creates what is missing (a DynamoDB table: on demand, TTL on `x`); does nothing where it exists. */
  ensure(deadlineMs: number): Promise<void>

  /** The task item, read consistently; undefined where the task never ran. */
  readTask(task: TaskId, deadlineMs: number): Promise<TaskItem | undefined>
  /**
   * Takes the lease if nobody holds it, if it expired (`expiresAtMs < nowMs`), if `token` holds it already, or, with
   * `steal`, if the same `source` holds it. The item is the one after the update if won, the current one if not.
   */
  acquire(task: TaskId, lease: LeaseRequest, deadlineMs: number): Promise<{ readonly won: boolean; readonly item: TaskItem }>
  /**
   * Records the promise that `target` (exclusive offset of `topic`) will be reached, at whoever holds the lease.
   * `rung` also where a bell at or above the target stands; `free` where nobody, or this token, holds the lease: acquire again.
   */
  ring(task: TaskId, bell: BellRequest, deadlineMs: number): Promise<'rung' | 'free'>
  /**
   * Writes the checkpoint and gives the lease back in one step. Refused while a bell above its position stands, when the
   * lease is another's, or when the item already has a higher seq: then nothing changes and the current item comes back.
   * With `deferred` the item keeps its checkpoint, and only remembers the seq of this one: it is committed, but its rows are not written.
   * A repeated release that finds no lease and a seq (or deferred seq) at or above its own counts as released.
   */
  release(
    task: TaskId,
    release: ReleaseRequest,
    deadlineMs: number,
  ): Promise<{ readonly released: boolean; readonly item: TaskItem | undefined }>
  /** Raises the checkpoint if it is newer; a refused one means the item is as new: both resolve. */
  checkpoint(task: TaskId, checkpoint: Checkpoint, deadlineMs: number): Promise<void>

  /**
   * Writes rows, each only over a lower seq (a refused row is as new: fine). In any order, in parallel. A row without
   * value is a tombstone and needs `expiresAtSeconds`. A key or item too large is STATE_TOO_LARGE and nothing of it is written.
   */
  put(rows: readonly StateRow[], deadlineMs: number): Promise<void>
  /** Rows by key, consistent, in request order; undefined where there is none (a tombstone comes back as a row without value). */
  get(keys: readonly StateKey[], deadlineMs: number): Promise<readonly (StateRow | undefined)[]>
  /** Live rows (no tombstones) of one store partition in unsigned byte order of their keys, page by page; consistent. Bounds are inclusive. */
  query(range: StateRange, deadlineMs: number): AsyncIterable<readonly StateRow[]>

  /**
   * Removes some of the rows of a key space, tombstones too, and says how many; 0: none is left. Only for a generation that no task is
   * in any more: nothing is compared.
   */
  wipe(space: Omit<StateKey, 'key'>, deadlineMs: number): Promise<number>

  /** What was asked so far, for progress and cost. */
  readonly metrics: TableMetrics
  close(): Promise<void>
}

/** `<sub-topology>/<partition>` */
export interface TaskId {
  readonly subTopology: string
  readonly partition: number
}

/** State up to `seq` is in the rows; `ends` maps the commit topic and every changelog to the offset after the records of `seq`. */
export interface Checkpoint {
  readonly seq: number
  readonly gen: number
  readonly ends: Readonly<Record<string, number>>
  /** Source topic to next offset. */
  readonly positions: Readonly<Record<string, number>>
  /** When the clock next has something for the task to do, Unix milliseconds; 0: nothing any more; absent: it never asked. */
  readonly wakeMs?: number
  /**
   * Of each store that ever had a row in this generation, up to `seq`: a store that is not there has none in the table. Absent, and as soon as
   * a checkpoint without it is written: nobody knows.
   */
  readonly sizes?: Readonly<Record<string, StoreSize>>
}

/**
 * How much of a store is in the table, roughly: counted when rows are committed, exact once somebody has read all of them, never below
 * zero. New rows that one process commits and another flushes are not counted: who takes the size for too small has read some megabytes in vain, once.
 */
export interface StoreSize {
  readonly rows: number
  readonly bytes: number
  /** Up to when rows that have expired are taken off, Unix milliseconds; absent where none expires. */
  readonly agedMs?: number
}

export interface TaskItem {
  /** Absent until the first checkpoint. */
  readonly checkpoint: Checkpoint | undefined
  /** Source topic to the exclusive offset that somebody was promised. Never removed, only raised. */
  readonly bells: Readonly<Record<string, number>>
  readonly lease: Lease | undefined
  /** Up to here transactions are known to be committed, written to the table or not. Absent where no flush was ever deferred; it only rises. */
  readonly deferredSeq?: number
}

export interface Lease {
  readonly token: string
  /** `src:<topic>`, `tick` or `reset` */
  readonly source: string
  readonly expiresAtMs: number
}

export interface LeaseRequest extends Lease {
  readonly nowMs: number
  readonly steal: boolean
}

export interface BellRequest {
  readonly token: string
  readonly topic: string
  readonly target: number
}

export interface ReleaseRequest {
  readonly token: string
  /** Absent where nothing was ever committed or the log could not be read: the lease goes, the rest stays. */
  readonly checkpoint: Checkpoint | undefined
  /** Every source topic of the task, for the bell conditions. */
  readonly sources: readonly string[]
  /** Protocol's DEFER: rows of the checkpoint are not written yet. */
  readonly deferred?: boolean
  /** Protocol's HANDOVER: release even while bells stand, and leave a bell for the own target. */
  readonly handover?: { readonly bell?: { readonly topic: string; readonly target: number } }
}

/** `store` without the task: the backend is told the task and the generation. Key bytes are the store's own (no version byte). */
export interface StateKey extends TaskId {
  readonly gen: number
  readonly store: string
  readonly key: Uint8Array
  /** The {@link keyId} of the key, where it is known. */
  readonly id?: string
}

export interface StateRow extends StateKey {
  /** null: deleted (a tombstone). */
  readonly value: Uint8Array | null
  /** Event time of the last update, Unix milliseconds. */
  readonly timestamp: number
  readonly seq: number
  /** DynamoDB TTL, Unix seconds; absent: kept. */
  readonly expiresAtSeconds?: number
  readonly headers?: Headers
}

export interface StateRange extends TaskId {
  readonly gen: number
  readonly store: string
  readonly from?: Uint8Array
  readonly to?: Uint8Array
  readonly reverse?: boolean
}

export interface TableMetrics {
  readonly requests: number
  readonly rowsRead: number
  readonly rowsWritten: number
}

/** What a row takes in the table, roughly: names, numbers and the partition key beside its own bytes. */
export const tableBytes = (key: Uint8Array, value: Uint8Array | null): number => 64 + key.length + (value?.length ?? 0)

const keyBytesMax = 1023
const itemBytesMax = 400 * 1024
/** Names and numbers of a row's own attributes, the numbers in its partition key, the version byte: an upper bound. */
const rowOverheadBytes = 128

/**
 * What every backend refuses: a key or an item above DynamoDB's limits (also in memory, so that the laptop tells first).
 * Throws STATE_TOO_LARGE with the store, the size and the limit.
 */
export function assertRowFits(row: StateRow): void {
  if (row.key.length > keyBytesMax) throw tooLarge(row, 'key', row.key.length, keyBytesMax)
  const bytes = itemBytes(row)
  if (bytes > itemBytesMax) throw tooLarge(row, 'row', bytes, itemBytesMax)
  if (row.value === null) invariant(row.expiresAtSeconds !== undefined, `a tombstone has expiresAtSeconds (store '${row.store}')`)
}

function tooLarge({ store, subTopology, partition }: StateRow, what: 'key' | 'row', bytes: number, max: number): StreamsError {
  const where = `store '${store}' of task ${subTopology}/${partition}`
  return new StreamsError('STATE_TOO_LARGE', `${where}: a ${what} of ${bytes} bytes; the limit is ${max} bytes`)
}

function itemBytes({ subTopology, store, key, value, headers }: StateRow): number {
  let bytes = rowOverheadBytes + subTopology.length + store.length + key.length + (value?.length ?? 0)
  if (headers) for (const [name, value] of headers) bytes += 3 * name.length + (value?.length ?? 0) + 16
  return bytes
}
