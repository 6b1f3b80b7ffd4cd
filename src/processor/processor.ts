import type { Awaitable } from '../awaitable.ts'
import type { Record, RecordMetadata } from './record.ts'
import type { StateStore } from './store.ts'

/** One node's work (Kafka's `processor.api.Processor`, P-02). One object per task and node. */
export interface Processor<KIn, VIn, KOut, VOut> {
  /** Called once before the first record of a task. */
  init?(context: ProcessorContext<KOut, VOut>): void
  /** The next record of the task waits until the answer is there. */
  process(record: Record<KIn, VIn>): Awaitable<void>
  /** Called once when the task is closed. */
  close?(): void
}

/** Gives a new processor at every call (P-05). */
export type ProcessorSupplier<KIn, VIn, KOut, VOut> = () => Processor<KIn, VIn, KOut, VOut>

// biome-ignore lint/suspicious/noExplicitAny: nodes of different types stand in one graph; the DSL's types guard the edges
export type AnyProcessor = Processor<any, any, any, any>
export type AnyProcessorSupplier = () => AnyProcessor

/** What a processor may ask of its task (P-04). */
export interface ProcessorContext<KOut, VOut> {
  readonly applicationId: string
  /** `<sub-topology>_<partition>`, S-37. */
  readonly taskId: string
  /** The topic record that is being processed; undefined while there is none. */
  readonly recordMetadata: RecordMetadata | undefined
  /** Sends a record to the children, depth first, in the order in which they were added; or only to the one that is named. */
  forward(record: Record<KOut, VOut>, child?: string): Awaitable<void>
  /** Gives the record up here, on purpose, and counts it (Kafka's `dropped-records`). */
  drop(why: string): void
  /** A store that is connected to this node; any other name throws CONFIG_INVALID. */
  getStateStore<S extends StateStore>(name: string): S
  /** Highest timestamp that the task has seen, -1 before the first record (S-02). */
  currentStreamTimeMs(): number
  currentSystemTimeMs(): number
  /** Keeps a number beyond the life of the task: it is committed with the records, under this name for all nodes of the task (S-03). */
  remember(name: string, value: number): void
  /** The number of that name, undefined where none was ever kept. */
  remembered(name: string): number | undefined
}

/** Where time comes from; the runtime never asks the machine. */
export interface Clock {
  nowMs(): number
}
