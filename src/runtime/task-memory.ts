import type { Rows } from '../state/rows.ts'
import type { StoreSpec } from '../topology/nodes.ts'
import type { LogState } from './log-sync.ts'
import { Task, type TaskOptions } from './task.ts'

/**
 * What a process keeps of one task between invocations: the task with its rows. It is valid only if, after FENCE, the log
 * still ends at the transaction at which it was kept (protocol R19); otherwise it is dropped whole.
 */
export interface TaskMemory {
  /** The kept task, which is then no longer kept, if it stands exactly where the log does, else a new one over the log's tail and the table. */
  taskAt(log: LogState, fresh: FreshTask): Task
  keep(task: Task, at: { readonly gen: number; readonly seq: number }): void
  forget(): void
}

export interface FreshTask {
  readonly options: Omit<TaskOptions, 'rowsOf' | 'times'>
  /** Of this invocation: a kept task reads its rows within it too. */
  readonly deadlineMs: number
  /** Rows over the table, or with `complete` over nothing. */
  readonly rows: (store: StoreSpec, at: { readonly complete: boolean; readonly deadlineMs: () => number }) => Rows
}

export const createTaskMemory = (): TaskMemory => {
  let deadlineMs = 0
  let kept: { readonly task: Task; readonly gen: number; readonly seq: number } | undefined
  const forget = (): void => {
    kept?.task.close()
    kept = undefined
  }
  return {
    taskAt: (log, { options, rows, deadlineMs: given }) => {
      deadlineMs = given
      if (kept && kept.gen === log.commit.gen && kept.seq === log.commit.seq) {
        // handed out, not shared: two invocations of one task may overlap in a process, and one of them will be fenced
        const { task } = kept
        kept = undefined
        return task
      }
      forget()
      return new Task({
        ...options,
        times: log.commit.times,
        rowsOf: (store) => {
          const made = rows(store, { complete: log.rebuilt && options.plan.changelogs.has(store.name), deadlineMs: () => deadlineMs })
          made.overlay(log.tail.get(store.name) ?? [])
          return made
        },
      })
    },
    keep: (task, { gen, seq }) => {
      kept = { task, gen, seq }
    },
    forget,
  }
}
