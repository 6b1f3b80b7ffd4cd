import type { Checkpoint, TaskItem } from '../state/backend.ts'
import type { CommitRecord } from './commit-record.ts'
import type { Unflushed } from './flush.ts'
import type { TxnSession } from './ports.ts'
import type { Task } from './task.ts'

/** A task between two invocations of one process, with all that was true when it was kept. */
export interface KeptTask {
  readonly task: Task
  /** The last commit, and the positions that were passed since. */
  readonly commit: CommitRecord
  /** Commit topic and changelogs: offset after the records of `commit.seq`. */
  readonly ends: Readonly<Record<string, number>>
  /** What the table does not have yet of what is committed. */
  readonly unflushed: Unflushed
  /** As in the checkpoint that comes next. */
  readonly sizes: Checkpoint['sizes']
  /** Fenced, and used for nothing else. */
  readonly session: TxnSession
  /** When the session was opened, Unix milliseconds. */
  readonly openedMs: number
}

/**
 * What a process keeps of one task between invocations, after a clean end only: EndTxn answered, and everything flushed and the
 * checkpoint written, or what is not flushed kept as well (protocol R20, R21). The task is valid if the log still ends at its commit (R19); over a session that is still warm that need not
 * be asked, as every committer fences.
 */
export interface TaskMemory {
  readonly kept: KeptTask | undefined
  /** Of the invocation that took the task last: it reads its rows within it. */
  readonly deadlineMs: number
  /** Handed out, not shared: two invocations of one task may overlap in a process, and one of them will be fenced. */
  take(deadlineMs: number): KeptTask | undefined
  keep(kept: KeptTask): void
  forget(): void
}

export const createTaskMemory = (): TaskMemory => {
  let kept: KeptTask | undefined
  let deadlineMs = 0
  const drop = (): void => {
    kept?.task.close()
    kept?.session.close()
  }
  return {
    get kept() {
      return kept
    },
    get deadlineMs() {
      return deadlineMs
    },
    take: (within) => {
      deadlineMs = within
      const taken = kept
      kept = undefined
      return taken
    },
    keep: (next) => {
      drop()
      kept = next
    },
    forget: () => {
      drop()
      kept = undefined
    },
  }
}

/** The broker forgets a transactional id after seven days without use; long before that a session is opened anew. */
const sessionMsMax = 12 * 3_600_000

/**
 * Whether FENCE and SYNC may be left out (protocol §7, C): the session has had an answer to everything, each of its transactions moved its
 * epoch on, and nothing is known of a commit of somebody else. One that is not known of has fenced it: its next transaction fails.
 */
export const isWarm = (
  { session, openedMs, commit }: KeptTask,
  { item, nowMs }: { readonly item: TaskItem | undefined; readonly nowMs: number },
): boolean => {
  const { seq = 0, gen = 0 } = item?.checkpoint ?? {}
  return session.reusable && nowMs - openedMs < sessionMsMax && seq <= commit.seq && gen <= commit.gen
}
