import { isStreamsError, StreamsError } from '../errors.ts'
import { keyId } from '../serde/serde.ts'
import type { Checkpoint } from '../state/backend.ts'
import type { Row } from '../state/rows.ts'
import type { StoreSpec } from '../topology/nodes.ts'
import { type CommitRecord, changelogStamp, readCommitRecord, withoutStamp } from './commit-record.ts'
import { initialTimes } from './effects.ts'
import { type LogTail, recordOverheadBytes } from './flush.ts'
import { endsByTopic, unnamedStores } from './named-ends.ts'
import type { TaskPlan } from './plan.ts'
import type { Bounds, FetchedPartition, FetchedRecord, PartitionReader } from './ports.ts'
import { addedStores } from './shape.ts'
import { loggedRow, sourceRowIn } from './task-stores.ts'

/** A row of the log's tail with the transaction that wrote it. */
export interface TailRow extends Row {
  readonly seq: number
}

/** What the log says after FENCE. */
export interface LogState {
  /** The last commit; `seq` 0 where nothing was ever committed. */
  readonly commit: CommitRecord
  /** Store to its rows that are newer than the checkpoint, the last per key. */
  readonly tail: ReadonlyMap<string, readonly TailRow[]>
  /** Commit topic and changelogs: offset after the records of `commit.seq`. */
  readonly ends: Readonly<Record<string, number>>
  /** Rows in the table are of no use: all that counts is in `tail`. */
  readonly rebuilt: boolean
  /** Stores whose tail is all that their changelogs have: what the table has of them is of another time. Absent: none. */
  readonly added?: ReadonlySet<string>
  /**
   * Where commit topic and changelogs were said to end, as far as they were asked. Whoever commits next writes there on the commit topic,
   * or was told by a broker that leads no more.
   */
  readonly listed?: Readonly<Record<string, number>>
  /** How much of the log that is; absent: nothing. */
  readonly unflushed?: LogTail
  /** When the last commit was written, by the clock of its writer; absent where that was not read. */
  readonly committedMs?: number
}

/** Half of the time for which the log keeps deletes: with an older checkpoint the tail could miss one. */
const staleMs = 3.5 * 24 * 3_600_000
const bytesMax = 8 * 1024 * 1024

const resetRemedy = 'empty the stores and read the input again: millrace reset (docs/operations.md).'
const lostRemedy = `Records of the application's own log are gone, and nobody else has them: ${resetRemedy}`

const fenced = (why: string): StreamsError => new StreamsError('FENCED', `Another invocation has committed: ${why}`)

export interface SyncRequest {
  readonly plan: TaskPlan
  readonly partition: number
  readonly reader: PartitionReader
  readonly checkpoint: Checkpoint | undefined
  readonly nowMs: number
  readonly deadlineMs: number
  /** By a reader who fenced nobody: what was committed may not be readable everywhere yet. */
  readonly unfenced?: boolean
}

/**
 * SYNC of the protocol (§5, R1, R2, R35 to R37), to be called after FENCE: commit topic first, changelogs only if it has
 * something newer than the checkpoint. FENCED where a reader that was itself fenced could see half a commit.
 */
export const syncLog = async (request: SyncRequest): Promise<LogState> => {
  const { plan, partition } = request
  const checkpoint = request.checkpoint && { ...request.checkpoint, ends: endsByTopic(plan, request.checkpoint.ends) }
  const known = checkpoint?.ends[plan.commitTopic]
  // where they end now, records of aborted transactions counted, is where what is committed next begins
  const beside = [...plan.changelogs.values()].map((topic) => [topic, checkpoint?.ends[topic] ?? 0] as const)
  const log = await readLog(request, plan.commitTopic, { since: known, last: 1, beside })
  const last = log.records.at(-1)
  const { listed } = log
  if (!last) return { ...emptyLog(request), listed }
  const commit = readCommitRecord(last.value, `${plan.commitTopic}/${partition}@${last.offset}`)
  if (checkpoint && (commit.seq < checkpoint.seq || commit.gen < checkpoint.gen)) throw fenced('the checkpoint is newer than the log')
  const commitEnd = { [plan.commitTopic]: last.offset + 1 }
  // nobody works on it: whoever resumes it reads the rest
  const committedMs = last.timestamp
  if (commit.paused) return { commit, tail: new Map(), ends: commitEnd, rebuilt: false, listed, committedMs }
  const fresh = checkpoint === undefined || checkpoint.seq === 0 || checkpoint.gen !== commit.gen
  // one that was there before, and has come back, goes on with what its changelog has
  const added = new Set([...addedStores(plan, commit), ...(fresh ? [] : unnamedStores(plan, request.checkpoint ?? checkpoint))])
  if (!fresh && commit.seq === checkpoint.seq && added.size === 0 && !isBehind(plan, commit, checkpoint))
    return { commit, tail: new Map(), ends: { ...checkpoint.ends, ...commitEnd }, rebuilt: false, listed, committedMs }
  const oldest = log.records.find((record) => known === undefined || record.offset >= known)
  const rebuilt = fresh || (oldest !== undefined && oldest.timestamp < request.nowMs - staleMs)
  const tails = await Promise.all(
    [...plan.changelogs].map(async ([store, topic]) => {
      const read = await readLog(request, topic, {
        since: added.has(store) ? undefined : rebuilt ? (commit.logStarts?.[topic] ?? 0) : checkpoint?.ends[topic],
        reaches: commit.logEnds?.[topic],
        expires: expires(plan, store),
      })
      checkReached(request, topic, read, commit)
      return { store, topic, end: read.end, read: read.records, rows: rowsOf(read.records, commit, rowsIn(plan, store)) }
    }),
  )
  // the record of the checkpoint itself may have left the log, which is compacted
  const checkpointed = log.records.find((record) => known !== undefined && record.offset < known)
  const remembered = checkpointed && readCommitRecord(checkpointed.value, plan.commitTopic).times.remembered
  const begin = (store: StoreSpec, topic: string): Begin => {
    const since =
      rebuilt || added.has(store.name) || (store.kind === 'versioned' && !checkpointed) ? undefined : checkpoint?.positions[topic]
    return { topic, since, rowIn: sourceRowIn(store, since === undefined ? {} : (remembered ?? {})) }
  }
  const fromSources = await Promise.all(
    plan.stores.flatMap((store) =>
      store.sourceTopic === undefined
        ? []
        : [sourceRows(request, commit, begin(store, store.sourceTopic)).then((rows) => [store.name, rows] as const)],
    ),
  )
  return {
    commit,
    tail: new Map([...tails.map(({ store, rows }) => [store, rows] as const), ...fromSources]),
    ends: { ...commitEnd, ...Object.fromEntries(tails.map(({ topic, end }) => [topic, end])) },
    rebuilt,
    ...(added.size > 0 ? { added } : {}),
    listed: { ...listed, ...Object.fromEntries(tails.map(({ topic, end }) => [topic, end])) },
    committedMs,
    unflushed: tailOf(
      tails.flatMap(({ read }) => read),
      log.records,
      known,
    ),
  }
}

/** Without the topics that stand for changelogs, whose bytes are their owners'. */
const tailOf = (changed: readonly FetchedRecord[], committed: readonly FetchedRecord[], known = 0): LogTail => {
  const commits = committed.filter(({ offset }) => offset >= known)
  const bytes = [...commits, ...changed].reduce(
    (sum, { key, value }) => sum + recordOverheadBytes + (key?.length ?? 0) + (value?.length ?? 0),
    0,
  )
  return { bytes, records: changed.length, sinceMs: commits[0]?.timestamp ?? committed.at(-1)?.timestamp }
}

/** The same of a topic that is a store's changelog: that code has not read it. */
const isBehind = ({ stores }: TaskPlan, commit: CommitRecord, checkpoint: Checkpoint): boolean =>
  stores.some(({ sourceTopic: topic }) => topic !== undefined && (checkpoint.positions[topic] ?? 0) < (commit.positions[topic] ?? 0))

const emptyLog = ({ plan, partition, checkpoint }: SyncRequest): LogState => {
  if (checkpoint !== undefined && checkpoint.seq > 0) {
    throw new StreamsError(
      'LOG_TRUNCATED',
      `The commit topic ${plan.commitTopic}/${partition} is empty, but the table has commit ${checkpoint.seq}`,
      {
        remedy: `The topic was deleted, or the table belongs to another cluster: restore it, or ${resetRemedy}`,
      },
    )
  }
  const commit = { gen: checkpoint?.gen ?? 0, seq: 0, paused: false, positions: {}, times: initialTimes, topology: plan.fingerprint }
  // what is not written now is named all the same
  return { commit, tail: new Map(), ends: Object.fromEntries([...plan.changelogs.values()].map((topic) => [topic, 0])), rebuilt: true }
}

/** Whether the changelog of a store has retention, by its windows or as a user configures it: what left it had expired. */
const expires = ({ stores }: TaskPlan, name: string): boolean => {
  const store = stores.find((it) => it.name === name)
  if (!store?.logging) return false
  return store.retentionMs !== undefined || (store.logging['cleanup.policy'] ?? '').includes('delete')
}

interface ReadLog {
  readonly records: readonly FetchedRecord[]
  readonly end: number
  /** The end, or further on, as the answers told while it was read. */
  readonly reached: number
  readonly listed: Readonly<Record<string, number>>
}

/**
 * Everything committed since an offset (default: the start), and `last` records before it, up to the high watermark that
 * ListOffsets tells now or below `until`. LOG_TRUNCATED where the log does not reach from the one to the other, unless its records expire.
 */
const readLog = async (
  request: SyncRequest,
  topic: string,
  {
    since,
    reaches = 0,
    until = Number.POSITIVE_INFINITY,
    last = 0,
    expires = false,
    beside = [],
  }: {
    readonly since: number | undefined
    /** Where it ends at least, as the last commit tells: a broker that says otherwise is asked again. */
    readonly reaches?: number | undefined
    readonly until?: number
    readonly last?: number
    readonly expires?: boolean
    /** Other topics of the log, which must reach as far: one that was deleted and made again does not. */
    readonly beside?: readonly (readonly [topic: string, end: number])[]
  },
): Promise<ReadLog> => {
  const { reader, partition, deadlineMs } = request
  const read = async (from: number): Promise<FetchedPartition | undefined> =>
    (await reader.fetch([{ topic, partition, offset: from, bytesMax }], { waitMs: 100, deadlineMs }))[0]
  const early = since === undefined || last === 0 ? undefined : read(since - last).catch(outside)
  const least = new Map([[topic, Math.max(since ?? 0, reaches)], ...beside])
  let [[bounds, ...others], first] = await Promise.all([boundsOf(request, least), early])
  for (const { topic: other, highWatermark } of others) checkEnd(`${other}/${partition}`, highWatermark, least.get(other))
  const [start, end] = [bounds?.logStartOffset ?? 0, Math.min(bounds?.highWatermark ?? 0, until)]
  checkEnd(`${topic}/${partition}`, end, since)
  if (since !== undefined && since < start && !expires) {
    throw new StreamsError('LOG_TRUNCATED', `The log ${topic}/${partition} begins at ${start}, but is needed from ${since} on`, {
      remedy: lostRemedy,
    })
  }
  const records: FetchedRecord[] = []
  let reached = end
  let offset = Math.max(start, since === undefined ? start : since - last)
  while (offset < end) {
    // asked together with the bounds, it may end before them
    const answer = first && offset === (since ?? 0) - last ? first : await read(offset)
    first = undefined
    if (!answer) break
    for (const record of answer.records) if (record.offset < end) records.push(record)
    if (answer.highWatermark >= end && answer.lastStableOffset < end) throw fenced(`a transaction is open on ${topic}/${partition}`)
    offset = answer.nextOffset
    reached = Math.max(reached, answer.highWatermark)
  }
  const listed = [bounds, ...others].flatMap((it) => (it ? [[it.topic, it.highWatermark] as const] : []))
  return { records, end, reached, listed: Object.fromEntries(listed) }
}

/** How often a broker is asked again that tells an end before the one that is known, a tenth of a second apart. */
const staleTries = 30

/**
 * Bounds of topics that are known to reach some way. One that stood still tells an old end until it knows that it leads no more: it is
 * asked again, by its name anew, until it does or the end has to be taken for what it is.
 */
const boundsOf = async (
  { reader, partition, deadlineMs, unfenced = false }: SyncRequest,
  least: ReadonlyMap<string, number>,
): Promise<readonly Bounds[]> => {
  const all = [...least.keys()].map((topic) => ({ topic, partition }))
  for (let left = unfenced ? 0 : staleTries; ; left--) {
    const bounds = await reader.bounds(all, deadlineMs)
    const stale = bounds.find(({ topic, highWatermark }) => highWatermark < (least.get(topic) ?? 0))
    if (!stale || left === 0) return bounds
    const end = { topic: stale.topic, partition, offset: stale.highWatermark, bytesMax: 1 }
    await reader.fetch([end], { waitMs: 100, deadlineMs }).catch(outside)
  }
}

/** The bounds tell why. */
const outside = (error: unknown): undefined => {
  if (!isStreamsError(error, 'LOG_TRUNCATED')) throw error
}

/** What a commit wrote to a changelog is there for whoever fenced its writer; who was fenced since may see it come while it looks. */
const checkReached = ({ partition, unfenced }: SyncRequest, topic: string, { end, reached }: ReadLog, { logEnds }: CommitRecord): void => {
  const known = logEnds?.[topic] ?? 0
  if (end < known && (unfenced || reached >= known)) throw fenced(`${topic}/${partition} is not readable up to ${known} yet`)
  checkEnd(`${topic}/${partition}`, end, known, "last commit's")
}

const checkEnd = (log: string, end: number, known = 0, whose = "checkpoint's"): void => {
  if (known <= end) return
  throw new StreamsError('LOG_TRUNCATED', `The log ${log} ends at ${end}, before the ${whose} ${known}`, { remedy: lostRemedy })
}

/** What a record of a store's changelog is in its table. */
type RowIn = (record: Row) => Row | undefined
const rowsIn = ({ stores }: TaskPlan, name: string): RowIn => {
  const spec = stores.find((store) => store.name === name)
  return (record) => (spec === undefined ? record : loggedRow(spec, record))
}

/** The last row per key; records of another generation, or of another writer, are not part of the state. */
const rowsOf = (records: readonly FetchedRecord[], commit: CommitRecord, rowIn: RowIn): readonly TailRow[] => {
  const rows = new Map<string, TailRow>()
  for (const record of records) {
    const stamp = changelogStamp(record.headers)
    if (!stamp || record.key === null) continue
    if (stamp.seq > commit.seq) throw fenced(`a changelog has transaction ${stamp.seq}, the commit topic ${commit.seq}`)
    if (stamp.gen !== commit.gen) continue
    const row = rowIn(withoutStamp(record))
    if (row) rows.set(keyId(row.key), { ...row, seq: stamp.seq })
  }
  return [...rows.values()]
}

/** From where a topic is read in a changelog's place, and what its records are from there on. */
interface Begin {
  readonly topic: string
  readonly since: number | undefined
  readonly rowIn: RowIn
}

/** Of a store whose source topic is its changelog: what the commits since the checkpoint have read. The topic keeps what its owner wants it to. */
const sourceRows = async (request: SyncRequest, commit: CommitRecord, { topic, since, rowIn }: Begin): Promise<readonly TailRow[]> => {
  const until = commit.positions[topic] ?? 0
  const { records } = await readLog(request, topic, { since, until, reaches: until, expires: true })
  const rows = new Map<string, TailRow>()
  for (const { key, value, timestamp } of records) {
    const row = key === null ? undefined : rowIn({ key, value, timestamp })
    if (row) rows.set(keyId(row.key), { ...row, seq: commit.seq })
  }
  return [...rows.values()]
}
