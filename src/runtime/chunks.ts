import { invariant } from '../invariant.ts'
import type { Checkpoint } from '../state/backend.ts'
import { writeChunk } from './chunk.ts'
import type { CommitRecord } from './commit-record.ts'
import type { Effects } from './effects.ts'
import type { Flush } from './flush.ts'
import { type InvocationRequest, type InvocationStats, taskIdOf } from './invocation-request.ts'
import { type FetchedPartition, recordCount, type TxnSession } from './ports.ts'
import type { ShapeChange } from './shape.ts'
import type { Task } from './task.ts'

/** What is committed, and where it stands: everything that changes while a task is held. */
export interface Progress {
  commit: CommitRecord
  /** Of the commit, or further on, where only aborted and control records are in between. */
  positions: Readonly<Record<string, number>>
  /** Commit topic and changelogs: offset after the records of the commit. */
  ends: Readonly<Record<string, number>>
  /** When the clock next has something to do; undefined: as it stands in the task item until something is committed. */
  wakeMs: number | undefined
  dropped: ReadonlyMap<string, number>
  /** Source topic to the exclusive offset that somebody was promised. */
  bells: Readonly<Record<string, number>>
  /** The task is somebody else's by now, or has processed what will not be committed. */
  spoiled: boolean
  /** Where commit topic and changelogs were said to end, until something was written behind it; undefined over a warm session. */
  listed: Readonly<Record<string, number>> | undefined
  /** Other stores or sources than those of the last commit: said once one has them. */
  change: ShapeChange | undefined
  /** Of the stores, at the last checkpoint; undefined: nobody knows. */
  sizes: Checkpoint['sizes']
}

/** The invocation stops here before its deadline, to flush and to give the lease back in order. */
export const reserveMs = 2_000

export interface Chunks {
  /** Where the next read begins: behind what was added last, committed or not. */
  readonly ahead: Readonly<Record<string, number>>
  /** Nothing was readable any more behind what was added last. */
  readonly drained: boolean
  /** Another chunk that takes as long as the slowest so far, from its first record to its commit, would not fit. */
  readonly late: boolean
  /**
   * Processes what was read, on top of the chunk before, and hands it to a transaction of its own, which goes on while the next chunk is
   * read and processed. Where it turns out to be late by then nothing of it is committed.
   */
  add(read: readonly FetchedPartition[]): Promise<void>
  /** Passes what has no records. */
  pass(read: readonly FetchedPartition[]): void
  /** Resolves when all that was added is committed; rejects with the error of the first chunk that is not. */
  settled(): Promise<void>
}

/**
 * COMPUTE of a chunk while COMMIT of the one before is under way (protocol §7, D). The task's rows are the buffer that both share; no
 * record is produced before the transaction before it has ended (R26), and what was computed on top of one that failed goes with it (R28).
 */
export const createChunks = (
  held: InvocationRequest & { readonly stats: InvocationStats },
  at: { readonly session: TxnSession; readonly task: Task; readonly progress: Progress; readonly flush: Flush },
): Chunks => {
  const { ports } = held
  const { task, progress } = at
  let ahead = progress.positions
  let drained = false
  let slowestMs = 0
  let inFlight: Promise<void> | undefined
  const compute = async (read: readonly FetchedPartition[]): Promise<Computed> => {
    await Promise.all(read.map(({ topic, records }) => task.prefetch(topic, records)))
    for (const { topic, records } of read) task.add(topic, records)
    await task.process()
    await task.punctuateWallClock()
    const effects = await task.commit()
    const recordsRead = read.reduce((sum, it) => sum + it.records.length, 0)
    return { effects, positions: passed(ahead, read), recordsRead, wakeMs: task.wakeMs, dropped: new Map(task.dropped) }
  }
  const isLate = (): boolean => ports.clock.nowMs() + slowestMs > held.deadlineMs - reserveMs
  const settled = async (): Promise<void> => {
    await inFlight
    inFlight = undefined
  }
  return {
    get ahead() {
      return ahead
    },
    get drained() {
      return drained
    },
    get late() {
      return isLate()
    },
    add: async (read) => {
      const startedMs = ports.clock.nowMs()
      const computed = await compute(read)
      await settled()
      if (isLate()) {
        progress.spoiled = true
        return
      }
      ahead = computed.positions
      drained = read.every(({ nextOffset, lastStableOffset }) => nextOffset >= lastStableOffset)
      inFlight = commitChunk(held, at, computed).then(() => {
        slowestMs = Math.max(slowestMs, ports.clock.nowMs() - startedMs)
      })
      // looked at by whoever asks for the next chunk, or for the end
      inFlight.catch(() => undefined)
    },
    pass: (read) => {
      ahead = passed(ahead, read)
    },
    settled,
  }
}

/** A chunk that was processed: what it wants to change, and where the task stood behind it. */
interface Computed {
  readonly effects: Effects
  readonly positions: Readonly<Record<string, number>>
  readonly recordsRead: number
  readonly wakeMs: number | undefined
  readonly dropped: ReadonlyMap<string, number>
}

const commitChunk = async (
  held: InvocationRequest & { readonly stats: InvocationStats },
  { session, progress, flush }: { readonly session: TxnSession; readonly progress: Progress; readonly flush: Flush },
  { effects, positions, recordsRead, wakeMs, dropped }: Computed,
): Promise<void> => {
  const { ports, plan, stats } = held
  const next = { ...progress.commit, seq: progress.commit.seq + 1, positions, times: effects.times, topology: plan.fingerprint }
  invariant(effects.seq === next.seq, `what was computed as transaction ${effects.seq} is committed as ${next.seq}`)
  const rows = flush.stage(effects.changes, next.seq)
  const written = await writeChunk(held, session, { effects, commit: next, ends: progress.ends, listed: progress.listed })
  progress.commit = written.commit
  progress.listed = undefined
  progress.positions = positions
  progress.wakeMs = wakeMs
  progress.ends = { ...progress.ends, ...written.ends }
  tellDropped(held, progress, dropped)
  tellDeadLetters(held, effects)
  if (progress.change) ports.log({ level: 'warn', message: 'the topology has changed', ...taskIdOf(held), ...progress.change })
  progress.change = undefined
  const chunk = { recordsRead, recordsWritten: written.records }
  stats.transactions++
  stats.recordsRead += chunk.recordsRead
  stats.recordsWritten += chunk.recordsWritten
  ports.committed?.(chunk)
  ports.log({ level: 'debug', message: 'committed', ...taskIdOf(held), seq: next.seq, offsets: positions, records: stats.recordsRead })
  flush.add(rows, written.commit, written.commitBytes)
  await flush.whenLarge()
}

/** Positions behind what was read. */
export const passed = (
  positions: Readonly<Record<string, number>>,
  read: readonly FetchedPartition[],
): Readonly<Record<string, number>> => ({
  ...positions,
  ...Object.fromEntries(read.map(({ topic, nextOffset }) => [topic, nextOffset])),
})

/** Says how many records went to the dead letter topic: deployments raise an alarm by this line. */
const tellDeadLetters = ({ ports, ...held }: InvocationRequest, { outputs }: Effects): void => {
  const { deadLetterTopic } = held.plan.handlers
  const records = outputs.reduce((sum, batch) => sum + (batch.topic === deadLetterTopic ? recordCount(batch) : 0), 0)
  if (records > 0) ports.log({ level: 'warn', message: 'dead letters', ...taskIdOf(held), topic: deadLetterTopic, records })
}

/** Says what was given up on the way, once per chunk: nobody else would. */
const tellDropped = ({ ports, ...held }: InvocationRequest, progress: Progress, now: ReadonlyMap<string, number>): void => {
  const before = progress.dropped
  const dropped = [...now].flatMap(([why, count]) => (count > (before.get(why) ?? 0) ? [[why, count - (before.get(why) ?? 0)]] : []))
  if (dropped.length === 0) return
  progress.dropped = now
  ports.log({ level: 'warn', message: 'dropped records', ...taskIdOf(held), dropped: Object.fromEntries(dropped) })
}
