import { messageOf, StreamsError } from '../errors.ts'
import type { Checkpoint, TaskItem } from '../state/backend.ts'
import { Rows } from '../state/rows.ts'
import { writeChunk } from './chunk.ts'
import type { CommitRecord } from './commit-record.ts'
import { createFlush, type Flush } from './flush.ts'
import { type InvocationOutcome, type InvocationRequest, type InvocationStats, taskIdOf } from './invocation-request.ts'
import { type LogState, syncLog } from './log-sync.ts'
import type { FetchedPartition, TxnSession } from './ports.ts'
import { startPositions } from './start-positions.ts'
import { tableReader } from './table-rows.ts'
import type { Task } from './task.ts'

export interface HeldTask extends InvocationRequest {
  readonly token: string
  /** As ACQUIRE returned it. */
  readonly item: TaskItem
  readonly stats: InvocationStats
}

/** Everything that changes while the lease is held. */
interface Progress {
  commit: CommitRecord
  positions: Readonly<Record<string, number>>
  ends: Readonly<Record<string, number>>
  wakeMs: number | undefined
  dropped: ReadonlyMap<string, number>
  bells: Readonly<Record<string, number>>
}

/** The invocation stops here before its deadline, to flush and to give the lease back in order. */
const reserveMs = 2_000
const pollMs = 2_000

export type Ended = Pick<InvocationOutcome, 'result' | 'seq' | 'positions'>

/** Under the lease: FENCE, SYNC, chunks, RELEASE. Undefined: the lease was lost, acquire again. */
export const holdTask = async (held: HeldTask): Promise<Ended | undefined> => {
  const { ports, plan, partition, deadlineMs, memory, globals } = held
  const session = await fence(held)
  try {
    const log = await sync(held)
    if (log.commit.paused) {
      const ended = await handOver(held, progressOf(held, log, log.commit.positions), false)
      return ended === 'bell' ? undefined : ended
    }
    const positions = await startPositions(held, {
      ...held.item.checkpoint?.positions,
      ...(log.commit.seq > (held.item.checkpoint?.seq ?? 0) ? log.commit.positions : {}),
    })
    const progress = progressOf(held, log, positions)
    const { gen } = log.commit
    const task = memory.taskAt(log, {
      options: {
        ...{ plan, partition, clock: ports.clock, partitionsOf: ports.partitionsOf },
        ...(globals ? { globalStore: (name: string) => globals.store(name) } : {}),
      },
      deadlineMs,
      rows: (store, at) =>
        new Rows({
          reader: tableReader(ports.table, { ...taskIdOf(held), gen, store: store.name }, at.deadlineMs),
          complete: at.complete,
        }),
    })
    progress.dropped = new Map(task.dropped)
    // who committed last may not have come to say so
    if (log.commit.seq > (held.item.checkpoint?.seq ?? 0)) progress.wakeMs = task.wakeMs
    const flush = createFlush(held, gen, log.tail)
    try {
      await globals?.refresh(deadlineMs)
      return await work(held, { session, task, progress, flush })
    } catch (error) {
      task.close()
      throw error
    }
  } finally {
    session.close()
  }
}

interface Work {
  readonly session: TxnSession
  readonly task: Task
  readonly progress: Progress
  readonly flush: Flush
}

const work = async (held: HeldTask, at: Work): Promise<Ended | undefined> => {
  const { ports, deadlineMs } = held
  const { progress, task } = at
  let slowestMs = 0
  for (;;) {
    const startedMs = ports.clock.nowMs()
    const late = startedMs + slowestMs > deadlineMs - reserveMs
    const read = late ? [] : await readInput(held, progress, 0)
    if (read.some((it) => it.records.length > 0) || (!late && task.wallClockIsDue)) {
      await processChunk(held, at, read)
      slowestMs = Math.max(slowestMs, ports.clock.nowMs() - startedMs)
      continue
    }
    progress.positions = passed(progress.positions, read)
    if (!late && !reached(held, progress) && (await poll(held, progress))) continue
    const ended = await settle(held, at, late || !reached(held, progress))
    if (ended !== 'bell') return ended
  }
}

/** FLUSH and RELEASE. What is committed stays committed: trouble with the table then costs the next owner a look at the log's tail, not this delivery. */
const settle = async (held: HeldTask, { task, progress, flush }: Work, unfinished: boolean): Promise<Ended | 'bell' | undefined> => {
  try {
    await flush.all()
    for (const store of held.plan.stores) task.store(store.name)?.rows.evict()
    const ended = await (unfinished ? handOver(held, progress, true) : release(held, progress))
    // only a task that nobody works on any more is kept
    if (ended && ended !== 'bell') held.memory.keep(task, progress.commit)
    return ended
  } catch (error) {
    if (unfinished || !(error instanceof StreamsError) || !['TABLE_UNREACHABLE', 'DEADLINE_EXCEEDED'].includes(error.code)) throw error
    held.memory.forget()
    held.ports.log({ level: 'warn', message: 'committed but not flushed', code: error.code, reason: error.message, ...taskIdOf(held) })
    return endedAs('done', progress)
  }
}

/** Records that the event source delivered before they were committed become readable soon; true once there is something to read. */
const poll = async (held: HeldTask, progress: Progress): Promise<boolean> => {
  const untilMs = Math.min(held.ports.clock.nowMs() + pollMs, held.deadlineMs - reserveMs)
  for (let left = pollMs; left > 0 && !reached(held, progress); left = untilMs - held.ports.clock.nowMs()) {
    const read = await readInput(held, progress, left)
    if (read.some((it) => it.records.length > 0)) return true
    progress.positions = passed(progress.positions, read)
  }
  return reached(held, progress)
}

const processChunk = async (held: HeldTask, { session, task, progress, flush }: Work, read: readonly FetchedPartition[]): Promise<void> => {
  const { ports, stats } = held
  try {
    await Promise.all(read.map(({ topic, records }) => task.prefetch(topic, records)))
    for (const { topic, records } of read) task.add(topic, records)
    await task.process()
    await task.punctuateWallClock()
    const effects = await task.commit()
    const next = {
      ...progress.commit,
      seq: progress.commit.seq + 1,
      positions: passed(progress.positions, read),
      times: effects.times,
      topology: held.plan.fingerprint,
    }
    const rows = flush.stage(effects.changes, next.seq)
    const written = await writeChunk(held, session, { effects, commit: next })
    progress.commit = next
    progress.positions = next.positions
    progress.wakeMs = task.wakeMs
    tellDropped(held, task, progress)
    progress.ends = { ...progress.ends, ...written.ends }
    const chunk = { recordsRead: read.reduce((sum, it) => sum + it.records.length, 0), recordsWritten: written.records }
    stats.transactions++
    stats.recordsRead += chunk.recordsRead
    stats.recordsWritten += chunk.recordsWritten
    ports.committed?.(chunk)
    flush.add(rows)
  } catch (error) {
    // an open transaction would hold back every reader until its timeout; a session that was fenced does nothing here
    await session.abort(held.deadlineMs).catch(() => undefined)
    throw await checkedError(held, progress, error)
  }
  await flush.whenLarge()
  ports.log({
    level: 'debug',
    message: 'committed',
    ...taskIdOf(held),
    seq: progress.commit.seq,
    offsets: progress.positions,
    records: stats.recordsRead,
  })
}

/** Says what was given up on the way, once per chunk: nobody else would. */
const tellDropped = ({ ports, ...held }: HeldTask, task: Task, progress: Progress): void => {
  const before = progress.dropped
  const dropped = [...task.dropped].flatMap(([why, count]) =>
    count > (before.get(why) ?? 0) ? [[why, count - (before.get(why) ?? 0)]] : [],
  )
  if (dropped.length === 0) return
  progress.dropped = new Map(task.dropped)
  ports.log({ level: 'warn', message: 'dropped records', ...taskIdOf(held), dropped: Object.fromEntries(dropped) })
}

/** An error of processing counts only if nobody else has taken over in the meantime (protocol §5); it then frees the lease. */
const checkedError = async (held: HeldTask, progress: Progress, error: unknown): Promise<unknown> => {
  if (error instanceof StreamsError && error.retryable) return error
  const session = await fence(held)
  session.close()
  const log = await sync(held)
  if (log.commit.seq !== progress.commit.seq)
    return new StreamsError('FENCED', `Another invocation went on while this one failed: ${messageOf(error)}`, { cause: error })
  await held.ports.table.release(
    taskIdOf(held),
    { token: held.token, checkpoint: held.item.checkpoint, sources: sourcesOf(held), handover: {} },
    held.deadlineMs,
  )
  return error
}

const fence = ({ ports, plan, partition, deadlineMs }: HeldTask): Promise<TxnSession> =>
  ports.txnLog.open({
    transactionalId: `${plan.applicationId}.${plan.subTopology}.${partition}`,
    transactionTimeoutMs: Math.max(1_000, Math.min(deadlineMs - ports.clock.nowMs() + 5_000, 900_000)),
    deadlineMs,
  })

const sync = ({ ports, plan, partition, deadlineMs, item }: HeldTask): Promise<LogState> =>
  syncLog({ plan, partition, reader: ports.reader, checkpoint: item.checkpoint, nowMs: ports.clock.nowMs(), deadlineMs })

const progressOf = (held: HeldTask, log: LogState, positions: Readonly<Record<string, number>>): Progress => ({
  commit: { ...log.commit, positions },
  positions,
  ends: log.ends,
  // as it stands in the item until something is committed
  wakeMs: undefined,
  dropped: new Map(),
  bells: held.item.bells,
})

const sourcesOf = ({ plan }: HeldTask): readonly string[] => [...plan.sources.keys()]

const readInput = (held: HeldTask, progress: Progress, waitMs: number): Promise<readonly FetchedPartition[]> => {
  const { ports, partition, deadlineMs } = held
  const bytesMax = held.chunkBytesMax ?? 1024 * 1024
  const requests = Object.entries(progress.positions).map(([topic, offset]) => ({ topic, partition, offset, bytesMax }))
  return ports.reader.fetch(requests, { waitMs, deadlineMs })
}

const passed = (positions: Readonly<Record<string, number>>, read: readonly FetchedPartition[]): Readonly<Record<string, number>> => ({
  ...positions,
  ...Object.fromEntries(read.map(({ topic, nextOffset }) => [topic, nextOffset])),
})

/** Own target and every bell. */
const reached = ({ trigger }: HeldTask, { positions, bells }: Progress): boolean => {
  const targets = trigger.kind === 'delivery' ? [...Object.entries(bells), [trigger.topic, trigger.target] as const] : Object.entries(bells)
  return targets.every(([topic, target]) => (positions[topic] ?? target) >= target)
}

const ownReached = ({ trigger }: HeldTask, { positions }: Progress): boolean =>
  trigger.kind === 'tick' || (positions[trigger.topic] ?? -1) >= trigger.target

const checkpointOf = ({ commit, positions, ends, wakeMs }: Progress): Checkpoint => ({
  seq: commit.seq,
  gen: commit.gen,
  ends,
  positions,
  ...(wakeMs === undefined ? {} : { wakeMs }),
})

const endedAs = (result: InvocationOutcome['result'], { commit, positions }: Progress): Ended => ({ result, seq: commit.seq, positions })

/** RELEASE; `bell` where somebody rang in the meantime, undefined where the lease was lost below the own target. */
const release = async (held: HeldTask, progress: Progress): Promise<Ended | 'bell' | undefined> => {
  const { ports, token, deadlineMs } = held
  const checkpoint = checkpointOf(progress)
  const { released, item } = await ports.table.release(taskIdOf(held), { token, checkpoint, sources: sourcesOf(held) }, deadlineMs)
  return released ? endedAs('done', progress) : refused(held, progress, { item, checkpoint })
}

/**
 * HANDOVER: gives the lease back although bells stand, and leaves one for the own target if it was not reached. With
 * `flushed` false the checkpoint stays as it is: the next owner looks at the log's tail.
 */
const handOver = async (held: HeldTask, progress: Progress, flushed: boolean): Promise<Ended | 'bell' | undefined> => {
  const { ports, trigger, token, deadlineMs } = held
  const checkpoint = flushed ? checkpointOf(progress) : undefined
  const bell = trigger.kind === 'delivery' && !ownReached(held, progress) ? { topic: trigger.topic, target: trigger.target } : undefined
  const { released, item } = await ports.table.release(
    taskIdOf(held),
    { token, checkpoint, sources: sourcesOf(held), handover: bell ? { bell } : {} },
    deadlineMs,
  )
  // a release that finds no lease counts as repeated, but somebody else may have given it back: then our bell is not there
  const recorded = bell === undefined || (item?.bells[bell.topic] ?? -1) >= bell.target
  if (!released || !recorded) return refused(held, progress, { item, checkpoint })
  return endedAs(bell ? 'handed over' : 'done', progress)
}

/** Why a release was refused: a bell above the position, another's lease (then no bell of ours was written), or a newer checkpoint. */
const refused = async (
  held: HeldTask,
  progress: Progress,
  { item, checkpoint }: { readonly item: TaskItem | undefined; readonly checkpoint: Checkpoint | undefined },
): Promise<Ended | 'bell' | undefined> => {
  if (item?.lease?.token !== held.token) {
    if (checkpoint) await held.ports.table.checkpoint(taskIdOf(held), checkpoint, held.deadlineMs)
    held.memory.forget()
    return ownReached(held, progress) ? endedAs('done', progress) : undefined
  }
  if (item.checkpoint && checkpoint && item.checkpoint.seq > checkpoint.seq)
    throw new StreamsError('FENCED', 'The table has a newer checkpoint')
  progress.bells = item.bells
  return 'bell'
}
