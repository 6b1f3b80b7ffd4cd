import type { Clock } from '../processor/processor.ts'
import type { TableBackend, TaskId } from '../state/backend.ts'
import type { GlobalStores } from './global-stores.ts'
import type { TaskPlan } from './plan.ts'
import type { PartitionReader, TxnLog } from './ports.ts'
import type { TaskMemory } from './task-memory.ts'

/** One line of the log: what happened to which task. */
export type LogEntry = Readonly<{ level: 'debug' | 'info' | 'warn' | 'error'; message: string } & Record<string, unknown>>

/** What one transaction did. */
export interface CommittedChunk {
  readonly recordsRead: number
  readonly recordsWritten: number
}

/** What an invocation needs of the world. */
export interface InvocationPorts {
  readonly txnLog: TxnLog
  readonly reader: PartitionReader
  readonly table: TableBackend
  readonly clock: Clock
  /** A random token, new at every call. */
  token(): string
  /** Partition count of a source or output topic. */
  partitionsOf(topic: string): number | Promise<number>
  log(entry: LogEntry): void
  /** Told of every committed transaction. */
  committed?(chunk: CommittedChunk): void
}

/** A delivery promises its source that everything below `target` (exclusive offset) is processed when it succeeds; a tick promises nothing. */
export type Trigger = { readonly kind: 'delivery'; readonly topic: string; readonly target: number } | { readonly kind: 'tick' }

export interface InvocationRequest {
  readonly ports: InvocationPorts
  readonly plan: TaskPlan
  readonly partition: number
  readonly trigger: Trigger
  /** When the invocation must have returned; past it nothing more is sent. */
  readonly deadlineMs: number
  /** What this process keeps of the task between invocations. */
  readonly memory: TaskMemory
  /** The same as long as `memory` is; absent where the application has no global stores. */
  readonly globals?: GlobalStores
  readonly chunkBytesMax?: number
  /** Rows of a store beyond this are let go at the end of an invocation. Default 128 MiB. */
  readonly storeBytesMax?: number
  /**
   * For so long a delivery goes on with input that comes while its rows are written, milliseconds: it does not wait for them then. Who
   * invokes it must not have anything else to do that waits for its end. Default: it does not go on.
   */
  readonly goOnMs?: number
}

/** `done`: the target is reached; `rung`: whoever holds the lease was told; `handed over`: time ran out, a bell stands; `held`: a tick found the task busy. */
export type InvocationResult = 'done' | 'rung' | 'handed over' | 'held'

export interface InvocationStats {
  transactions: number
  recordsRead: number
  recordsWritten: number
  rowsWritten: number
}

export interface InvocationOutcome extends InvocationStats {
  readonly result: InvocationResult
  readonly seq: number
  readonly positions: Readonly<Record<string, number>>
}

export const taskIdOf = ({ plan, partition }: Pick<InvocationRequest, 'plan' | 'partition'>): TaskId => ({
  subTopology: plan.subTopology,
  partition,
})
