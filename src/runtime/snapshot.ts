import { isStreamsError, StreamsError } from '../errors.ts'
import { invariant } from '../invariant.ts'
import { keyId } from '../serde/serde.ts'
import type { Checkpoint } from '../state/backend.ts'
import type { Row } from '../state/rows.ts'
import type { InvocationPorts } from './invocation-request.ts'
import { type LogState, syncLog } from './log-sync.ts'
import { unnamedStores } from './named-ends.ts'
import { itemsOf, rowFrom } from './pages.ts'
import { taskIdOf as nameOf, type TaskPlan } from './plan.ts'

export interface SnapshotRequest {
  readonly ports: Pick<InvocationPorts, 'reader' | 'table' | 'clock'>
  readonly plan: TaskPlan
  readonly partition: number
  /** Bytes as the store writes them. */
  readonly keys: readonly { readonly store: string; readonly key: Uint8Array }[]
  /** The transaction that must be in it at least, e.g. the `__millrace.seq` of an output: its writer reads what it wrote. */
  readonly atLeast?: number
  readonly deadlineMs: number
}

/** Rows of one task, all of them as one transaction left them. */
export interface Snapshot {
  /** Number of that transaction; 0: nothing was ever committed. */
  readonly seq: number
  readonly gen: number
  /** In request order; undefined where there is no row. */
  readonly rows: readonly (Row | undefined)[]
}

const tableTries = 3
/** Between two looks at a log whose last transaction is not readable everywhere yet. */
const pollMs = 50
const logPatienceMs = 2_000

/**
 * Rows of one or several stores of one task as exactly one transaction left them, which may be older than the last one (protocol §9). It
 * fences nobody. First the checkpoint, then the rows: as long as none is newer than the checkpoint nothing else is read (R24); else the
 * log's tail is laid over the rows (R38). DEADLINE_EXCEEDED where the task commits too quickly, or where `atLeast` was not committed in time.
 */
export const readSnapshot = async (request: SnapshotRequest): Promise<Snapshot> => {
  for (let attempt = 0; attempt < tableTries; attempt++) {
    const found = await fromTable(request)
    if (found === 'behind') break
    if (found) return found
  }
  return fromLog(request)
}

/** Undefined where rows are newer than the checkpoint; `behind` where the checkpoint is older than what is asked for, or not of these stores. */
const fromTable = async (request: SnapshotRequest): Promise<Snapshot | 'behind' | undefined> => {
  const checkpoint = await checkpointOf(request)
  const { seq, gen } = checkpoint
  if (seq < (request.atLeast ?? 0) || (seq > 0 && unnamedStores(request.plan, checkpoint).length > 0)) return 'behind'
  const rows = await rowsIn(request, { seq, gen })
  if (!rows || (await isWiped(request, gen, rows))) return undefined
  return { seq, gen, rows: rows.map(living) }
}

/** A reset deletes the rows of older generations: what is not there may have been, unless its generation still counts afterwards. */
const isWiped = async (request: SnapshotRequest, gen: number, rows: readonly (FoundRow | undefined)[]): Promise<boolean> =>
  rows.includes(undefined) && (await checkpointOf(request)).gen > gen

const fromLog = async (request: SnapshotRequest): Promise<Snapshot> => {
  const { ports, plan, partition, deadlineMs, atLeast = 0 } = request
  const untilMs = Math.min(deadlineMs, ports.clock.nowMs() + logPatienceMs)
  for (;;) {
    const log = await tailOf(request)
    if (log && log.commit.seq >= atLeast) {
      const rows = await rowsIn(request, log.commit)
      if (rows && !(await isWiped(request, log.commit.gen, rows))) return overlaid(request, log, rows)
    }
    if (ports.clock.nowMs() >= untilMs)
      throw new StreamsError('DEADLINE_EXCEEDED', `No state of task ${nameOf(plan, partition)} that is of one transaction could be read`, {
        remedy:
          atLeast > 0
            ? `Ask again: transaction ${atLeast} may not be committed yet, or another one is under way.`
            : 'Ask again: a transaction is under way.',
      })
    // the wait is the broker's: there is nothing to read behind the end of the log
    await ports.reader.fetch([{ topic: plan.commitTopic, partition, offset: await endOf(request), bytesMax: 1 }], {
      waitMs: pollMs,
      deadlineMs,
    })
  }
}

/** What the log has beyond the checkpoint; undefined while a transaction is not readable everywhere. */
const tailOf = async (request: SnapshotRequest): Promise<LogState | undefined> => {
  const { ports, plan, partition, deadlineMs } = request
  const { checkpoint } = (await ports.table.readTask({ subTopology: plan.subTopology, partition }, deadlineMs)) ?? {}
  try {
    return await syncLog({ plan, partition, reader: ports.reader, checkpoint, nowMs: ports.clock.nowMs(), deadlineMs, unfenced: true })
  } catch (error) {
    // to a reader it means that somebody is at work, not that it lost anything
    if (isStreamsError(error, 'FENCED')) return undefined
    throw error
  }
}

const endOf = async ({ ports, plan, partition, deadlineMs }: SnapshotRequest): Promise<number> =>
  (await ports.reader.bounds([{ topic: plan.commitTopic, partition }], deadlineMs))[0]?.highWatermark ?? 0

const checkpointOf = async ({ ports, plan, partition, deadlineMs }: SnapshotRequest): Promise<Checkpoint> =>
  (await ports.table.readTask({ subTopology: plan.subTopology, partition }, deadlineMs))?.checkpoint ?? {
    seq: 0,
    gen: 0,
    ends: {},
    positions: {},
  }

type FoundRow = Row & { readonly seq: number }

/** What the table has; undefined where it is newer than `seq`, or moves: what was written in between is of no single transaction. */
const rowsIn = async (
  { ports, plan, partition, keys, deadlineMs }: SnapshotRequest,
  { seq, gen }: Pick<Snapshot, 'seq' | 'gen'>,
): Promise<readonly (FoundRow | undefined)[] | undefined> => {
  const asked = keys.map(({ store: name, key }) => {
    const store = plan.stores.find((it) => it.name === name)
    invariant(store, `the task has a store "${name}"`)
    return { key, store, items: itemsOf(key, { subTopology: plan.subTopology, partition, gen, store }) }
  })
  const found = await ports.table.get(
    asked.flatMap(({ items }) => items),
    deadlineMs,
  )
  const rows: (FoundRow | undefined)[] = []
  let at = 0
  for (const { key, store, items } of asked) {
    const one = rowFrom(key, found.slice(at, at + items.length), store)
    at += items.length
    if (one === 'moved' || one.seq > seq) return undefined
    rows.push(one.row)
  }
  return rows
}

const overlaid = ({ keys, plan }: SnapshotRequest, log: LogState, rows: readonly (FoundRow | undefined)[]): Snapshot => {
  const tails = new Map([...log.tail].map(([store, tail]) => [store, new Map(tail.map((row) => [keyId(row.key), row]))]))
  const newest = keys.map(({ store, key }, at) => {
    const [row, logged] = [rows[at], tails.get(store)?.get(keyId(key))]
    // of a log that was read in whole the table has nothing to add
    if ((log.rebuilt || log.added?.has(store)) && plan.changelogs.has(store)) return logged
    return logged !== undefined && logged.seq > (row?.seq ?? -1) ? logged : row
  })
  return { seq: log.commit.seq, gen: log.commit.gen, rows: newest.map(living) }
}

const living = (row: Row | undefined): Row | undefined => {
  if (row === undefined || row.value === null) return undefined
  const { key, value, timestamp, headers } = row
  return headers === undefined ? { key, value, timestamp } : { key, value, timestamp, headers }
}
