import { messageOf, StreamsError } from '../errors.ts'
import type { Checkpoint } from '../state/backend.ts'
import { type Chunks, createChunks, type Progress, reserveMs } from './chunks.ts'
import { createFlush, type Flush, type Unflushed } from './flush.ts'
import { freshTask } from './fresh-task.ts'
import { type InvocationRequest, taskIdOf } from './invocation-request.ts'
import { type LogState, type SyncRequest, syncLog } from './log-sync.ts'
import { recall } from './packed-load.ts'
import type { FetchedPartition, TxnSession } from './ports.ts'
import { checkpointOf, type Ended, end, endedAs, type HeldTask, handOver, sourcesOf } from './release.ts'
import { adoptCommit, type ShapeChange } from './shape.ts'
import { startPositions } from './start-positions.ts'
import { sizesAt, sizesNow } from './store-sizes.ts'
import type { Task } from './task.ts'
import { isWarm } from './task-memory.ts'

const pollMs = 2_000
/** How long a task that goes on looks for input before it looks whether they are written. */
const lookMs = 5

/** Under the lease, or over a warm session: FENCE and SYNC unless it is warm, chunks, RELEASE. Undefined: the lease was lost, or is needed: acquire. */
export const holdTask = async (held: HeldTask): Promise<Ended | undefined> => {
  const { session, openedMs, warm, change, input, ...begun } = await begin(held)
  const { log } = begun
  let { task } = begun
  try {
    if (log.commit.paused) {
      const ended = await handOver(held, progressOf(held, log, log.commit.positions), false)
      return ended === 'bell' ? undefined : ended
    }
    const { seq = 0, positions: checkpointed } = held.item?.checkpoint ?? {}
    const isNewer = warm || change !== undefined || log.commit.seq > seq
    const committed = Object.entries(log.commit.positions).filter(([topic, offset]) => isNewer || offset > (checkpointed?.[topic] ?? 0))
    const positions = await startPositions(held, { ...checkpointed, ...Object.fromEntries(committed) })
    const sizes = warm ? begun.sizes : sizesAt(held.item?.checkpoint, log.commit.gen)
    const { tail, unflushed } = begun.unflushed
      ? { tail: log.tail, unflushed: begun.unflushed }
      : await recall(held, log, { sizes, kept: begun.kept })
    const progress = { ...progressOf(held, log, positions), change, sizes }
    task ??= freshTask(held, { ...log, tail }, { sizes, packed: unflushed.packed })
    progress.dropped = new Map(task.dropped)
    // who committed last may not have come to say so
    if (log.commit.seq > seq) progress.wakeMs = task.wakeMs
    const flush = createFlush(held, log.commit, unflushed)
    await held.globals?.refresh(held.deadlineMs)
    const chunks = createChunks(held, { session, task, progress, flush })
    return await work(held, { session, openedMs, task, progress, flush, chunks, input })
  } finally {
    await input?.read.catch(() => undefined)
    if (held.memory.kept?.session !== session) {
      session.close()
      task?.close()
    }
  }
}

interface Begun {
  readonly session: TxnSession
  readonly openedMs: number
  readonly log: LogState
  readonly warm: boolean
  readonly change?: ShapeChange | undefined
  /** Of a warm task; otherwise the log's tail tells. */
  readonly unflushed?: Unflushed
  /** Of a kept task that is not warm: its packed stores are as good as it is. */
  readonly kept?: Unflushed | undefined
  /** Of a warm task, as `unflushed`. */
  readonly sizes?: Checkpoint['sizes']
  /** A kept one that stands exactly where the log does. */
  readonly task: Task | undefined
  /** What the checkpoint's positions have to read. */
  readonly input?: EarlyInput | undefined
}

interface EarlyInput {
  readonly from: Readonly<Record<string, number>>
  readonly read: Promise<readonly FetchedPartition[]>
}

/** READ while SYNC is under way: of use if the log ends at the checkpoint, as it does unless somebody died before the flush. */
const readEarly = (held: HeldTask): EarlyInput | undefined => {
  const positions = held.item?.checkpoint?.positions ?? {}
  const from: Record<string, number> = {}
  // the checkpoint may have topics that other code has read
  for (const topic of sourcesOf(held)) {
    const position = positions[topic]
    if (position === undefined) return undefined
    from[topic] = position
  }
  const read = readInput(held, from, 0)
  // its error counts where it is used
  read.catch(() => undefined)
  return { from, read }
}

/** The warm session and its task; or FENCE, SYNC, and the kept task if nobody has committed since. */
const begin = async (held: HeldTask): Promise<Begun> => {
  const { memory, item, ports, deadlineMs } = held
  const openedMs = ports.clock.nowMs()
  const kept = memory.take(deadlineMs)
  // without a lease it was warm when the lease was left out
  if (kept && (!item || isWarm(kept, { item, nowMs: openedMs })))
    return { ...kept, log: { commit: kept.commit, ends: kept.ends, tail: new Map(), rebuilt: false }, warm: true }
  kept?.session.close()
  let session: TxnSession | undefined
  try {
    session = await (held.early ?? fence(held))
    const input = readEarly(held)
    const synced = await sync({ ...held, checkpoint: item?.checkpoint }).finally(() => input?.read.catch(() => undefined))
    const { log, change } = await adopt(held, synced)
    const task = kept?.commit.gen === log.commit.gen && kept.commit.seq === log.commit.seq ? kept.task : undefined
    if (!task) kept?.task.close()
    return { session, openedMs, log, warm: false, change, task, input, kept: task && kept?.unflushed }
  } catch (error) {
    session?.close()
    kept?.task.close()
    throw error
  }
}

/** Goes on from what other code may have committed; where this code may not, whoever may is not kept waiting for the lease. */
const adopt = async (held: HeldTask, log: LogState): Promise<Pick<Begun, 'log' | 'change'>> => {
  const { ports, plan, token, deadlineMs } = held
  try {
    const nowMs = ports.clock.nowMs()
    const { commit, change } = adoptCommit(plan, log.commit, { nowMs, committedMs: log.committedMs ?? nowMs })
    return { log: { ...log, commit }, change }
  } catch (error) {
    if (held.item) await ports.table.release(taskIdOf(held), { token, checkpoint: undefined, sources: [], handover: {} }, deadlineMs)
    throw error
  }
}

interface Work {
  readonly session: TxnSession
  readonly openedMs: number
  readonly task: Task
  readonly progress: Progress
  readonly flush: Flush
  readonly chunks: Chunks
  /** Until it was used. */
  input: EarlyInput | undefined
  /** Rows on their way to the table while the task goes on; never rejects unseen. */
  written?: Promise<void> | undefined
}

const work = async (held: HeldTask, at: Work): Promise<Ended | undefined> => {
  const { progress, task, chunks } = at
  const goesOnUntilMs = held.trigger.kind === 'delivery' ? held.ports.clock.nowMs() + (held.goOnMs ?? 0) : 0
  for (;;) {
    let late = false
    try {
      for (;;) {
        late = chunks.late
        const read = late || (!at.input && chunks.drained && reached(held, progress, chunks.ahead)) ? [] : await readNext(held, at)
        if (!read.some((it) => it.records.length > 0) && (late || !task.wallClockIsDue)) {
          chunks.pass(read)
          break
        }
        await chunks.add(read)
      }
      await chunks.settled()
      progress.positions = chunks.ahead
      if (!late && !reached(held, progress, chunks.ahead) && (await poll(held, at))) continue
    } catch (error) {
      throw await checkedError(held, at, error)
    }
    const ended = await settle(held, at, { unfinished: late || !reached(held, progress, chunks.ahead), goesOnUntilMs })
    if (ended !== 'more') return ended
  }
}

/**
 * FLUSH and RELEASE, or DEFER; `more` where a bell was rung, or where input has come while rows were written: it need not wait for them. What
 * is committed stays committed: trouble with the table then costs the next owner a look at the log's tail, not this delivery.
 */
const settle = async (
  held: HeldTask,
  at: Work,
  { unfinished, goesOnUntilMs }: { readonly unfinished: boolean; readonly goesOnUntilMs: number },
): Promise<Ended | 'more' | undefined> => {
  const { task, progress, flush } = at
  try {
    // a tick leaves nothing behind (R34): the sweeper would send one for ever
    const deferred = flush.mayWait && !unfinished && held.trigger.kind !== 'tick'
    for (;;) {
      // one write at a time: what is committed meanwhile is written together
      at.written ??= deferred ? flush.eager() : flush.all()
      if (!at.written) break
      if (!unfinished && (await hasMore(held, at, at.written, goesOnUntilMs))) return 'more'
      await at.written
      at.written = undefined
    }
    for (const { name } of held.plan.stores) {
      task.store(name)?.rows.forget(flush.packed(name)?.takeForgotten() ?? [])
      task.store(name)?.rows.evict(flush.pinned(name))
    }
    progress.sizes = sizesNow(held, at, progress.sizes)
    const ended = await end(held, at, { unfinished, deferred })
    if (ended === 'bell') return 'more'
    if (!deferred) flush.checkpointed()
    // only a task that nobody works on any more is kept, or one that goes on under the lease
    if ((ended || !held.item) && !progress.spoiled) keep(held, at)
    return ended
  } catch (error) {
    if (unfinished || !(error instanceof StreamsError) || !['TABLE_UNREACHABLE', 'DEADLINE_EXCEEDED'].includes(error.code)) throw error
    held.memory.forget()
    held.ports.log({ level: 'warn', message: 'committed but not flushed', code: error.code, reason: error.message, ...taskIdOf(held) })
    return endedAs('done', progress)
  }
}

/** Whether input comes before all rows are written; it is read next. */
const hasMore = async (held: HeldTask, at: Work, written: Promise<void>, untilMs: number): Promise<boolean> => {
  const { chunks } = at
  let pending = true
  const end = (): void => {
    pending = false
  }
  written.then(end, end)
  while (pending && !chunks.late && held.ports.clock.nowMs() < untilMs) {
    const from = chunks.ahead
    // what cannot be read now is for the next event
    const read = await readInput(held, from, lookMs).catch(() => undefined)
    if (!read) return false
    if (!read.some((it) => it.records.length > 0)) continue
    at.input = { from, read: Promise.resolve(read) }
    return true
  }
  return false
}

const keep = ({ memory }: HeldTask, { task, session, openedMs, progress, flush }: Work): void => {
  const commit = { ...progress.commit, positions: progress.positions }
  memory.keep({ task, session, openedMs, commit, ends: progress.ends, unflushed: flush.rest, sizes: progress.sizes })
}

/** Records that the event source delivered before they were committed become readable soon; true once there is something to read. */
const poll = async (held: HeldTask, { progress, chunks }: Work): Promise<boolean> => {
  const untilMs = Math.min(held.ports.clock.nowMs() + pollMs, held.deadlineMs - reserveMs)
  for (let left = pollMs; left > 0 && !reached(held, progress, chunks.ahead); left = untilMs - held.ports.clock.nowMs()) {
    const read = await readInput(held, chunks.ahead, left)
    if (read.some((it) => it.records.length > 0)) return true
    chunks.pass(read)
    progress.positions = chunks.ahead
  }
  return reached(held, progress, chunks.ahead)
}

/**
 * What a failed chunk means. The transaction before it, which may still be under way, has its say first. An error of processing counts
 * only if nobody else has taken over in the meantime (protocol §5); it then frees the lease.
 */
const checkedError = async (held: HeldTask, at: Work, failed: unknown): Promise<unknown> => {
  const { session, progress, chunks } = at
  const error = await chunks.settled().then(
    () => failed,
    (before: unknown) => before,
  )
  await at.written?.catch(() => undefined)
  // an open transaction would hold back every reader until its timeout; a session that was fenced does nothing here
  await session.abort(held.deadlineMs).catch(() => undefined)
  if (error instanceof StreamsError && error.retryable) return error
  const fenced = await fence(held)
  fenced.close()
  const log = await sync({ ...held, checkpoint: checkpointOf(held, progress) })
  if (log.commit.seq !== progress.commit.seq)
    return new StreamsError('FENCED', `Another invocation went on while this one failed: ${messageOf(error)}`, { cause: error })
  if (held.item)
    await held.ports.table.release(
      taskIdOf(held),
      { token: held.token, checkpoint: held.item.checkpoint, sources: sourcesOf(held), handover: {} },
      held.deadlineMs,
    )
  return error
}

export const fence = ({ ports, plan, partition, deadlineMs }: InvocationRequest): Promise<TxnSession> =>
  ports.txnLog.open({
    transactionalId: `${plan.applicationId}.${plan.subTopology}.${partition}`,
    transactionTimeoutMs: Math.max(1_000, Math.min(deadlineMs - ports.clock.nowMs() + 5_000, 900_000)),
    compression: plan.compression,
    deadlineMs,
  })

const sync = ({ ports, plan, partition, deadlineMs, checkpoint }: HeldTask & Pick<SyncRequest, 'checkpoint'>): Promise<LogState> =>
  syncLog({ plan, partition, reader: ports.reader, checkpoint, nowMs: ports.clock.nowMs(), deadlineMs })

const progressOf = (held: HeldTask, log: LogState, positions: Readonly<Record<string, number>>): Progress => ({
  commit: { ...log.commit, positions },
  positions,
  ends: log.ends,
  // as it stands in the item until something is committed
  wakeMs: undefined,
  dropped: new Map(),
  bells: held.item?.bells ?? {},
  spoiled: false,
  listed: log.listed,
  change: undefined,
  sizes: undefined,
})

const readInput = (held: HeldTask, positions: Readonly<Record<string, number>>, waitMs: number): Promise<readonly FetchedPartition[]> => {
  const { ports, partition, deadlineMs } = held
  const bytesMax = held.chunkBytesMax ?? 1024 * 1024
  const requests = Object.entries(positions).map(([topic, offset]) => ({ topic, partition, offset, bytesMax }))
  return ports.reader.fetch(requests, { waitMs, deadlineMs })
}

/** Own target and every bell. */
const reached = ({ trigger }: HeldTask, { bells }: Progress, positions: Readonly<Record<string, number>>): boolean => {
  const targets = trigger.kind === 'delivery' ? [...Object.entries(bells), [trigger.topic, trigger.target] as const] : Object.entries(bells)
  return targets.every(([topic, target]) => (positions[topic] ?? target) >= target)
}

/** What was read early, if it was from there; else what there is now. */
const readNext = (held: HeldTask, at: Work): Promise<readonly FetchedPartition[]> => {
  const { ahead } = at.chunks
  const { input } = at
  at.input = undefined
  const fits = input !== undefined && Object.entries(ahead).every(([topic, offset]) => input.from[topic] === offset)
  return fits ? input.read : readInput(held, ahead, 0)
}
