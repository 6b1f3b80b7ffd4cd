import type { Awaitable } from '../awaitable.ts'
import type { Record, RecordMetadata } from './record.ts'
import type { StateStore, StoreBuilder } from './store.ts'

/** One node's work (Kafka's `processor.api.Processor`, P-02). One object per task and node. */
export interface Processor<KIn, VIn, KOut, VOut> {
  /** Called once before the first record of a task: the place to take stores and to make schedules. */
  init?(context: ProcessorContext<KOut, VOut>): void
  /**
   * The next record of the task waits until the answer is there. What a processor keeps in its own fields is gone when the
   * invocation ends, which may be after any record: what must last belongs in a store or in {@link ProcessorContext.remember}.
   */
  process(record: Record<KIn, VIn>): Awaitable<void>
  /** Called once when the task is closed. */
  close?(): void
}

/** Gives a new processor at every call (P-05): the same one twice is TOPOLOGY_INVALID. */
export type ProcessorSupplier<KIn, VIn, KOut, VOut> = (() => Processor<KIn, VIn, KOut, VOut>) & ConnectedStores

/** A supplier may bring the stores of its processors, which are then added and connected (Kafka's `ConnectedStoreProvider`). */
export interface ConnectedStores {
  readonly stores?: readonly StoreBuilder<StateStore>[]
}

/** A supplier with the stores that its processors use. */
export const withStores = <S extends () => unknown>(supplier: S, stores: readonly StoreBuilder<StateStore>[]): S & ConnectedStores =>
  Object.assign(() => supplier(), { stores }) as unknown as S & ConnectedStores

// biome-ignore lint/suspicious/noExplicitAny: nodes of different types stand in one graph; the DSL's types guard the edges
export type AnyProcessor = Processor<any, any, any, any>
export type AnyProcessorSupplier = () => AnyProcessor

/** What a processor may ask of its task whatever it forwards (Kafka's `ProcessingContext`, P-04). */
export interface ProcessingContext {
  readonly applicationId: string
  /** `<sub-topology>_<partition>`, S-37. */
  readonly taskId: string
  /** The topic record that is being processed; undefined while there is none. While punctuating it is there, with an empty topic, as in Kafka. */
  readonly recordMetadata: RecordMetadata | undefined
  /** Gives the record up here, on purpose, and counts it (Kafka's `dropped-records`). */
  drop(why: string): void
  /** A store that is connected to this node, by its name or by what built it; any other one throws CONFIG_INVALID. */
  getStateStore<S extends StateStore>(store: string | StoreBuilder<S>): S
  /** Highest timestamp that the task has seen, -1 before the first record (S-02). */
  currentStreamTimeMs(): number
  currentSystemTimeMs(): number
  /**
   * Calls back when time has come, again and again (S-12, P-07). Only in `init`: a schedule made later would be gone with the
   * invocation. Throws CONFIG_INVALID. When it is due next outlives the task, and so does that it was cancelled.
   */
  schedule(schedule: Schedule, punctuator: Punctuator): Cancellable
  /** Does nothing: every invocation commits what it has done before it ends. */
  commit(): void
  /** Keeps a number beyond the life of the task: it is committed with the records, under this name for all nodes of the task (S-03). */
  remember(name: string, value: number): void
  /** The number of that name, undefined where none was ever kept. */
  remembered(name: string): number | undefined
}

/** Kafka's `ProcessorContext`: may forward any record. */
export interface ProcessorContext<KOut, VOut> extends ProcessingContext {
  /** Sends a record to the children, depth first, in the order in which they were added; or only to the one that is named. */
  forward(record: Record<KOut, VOut>, child?: string): Awaitable<void>
}

/** Event time, or the clock: on it a schedule fires at an invocation that comes at or after its time, at the latest at the tick of every minute. */
export type PunctuationType = 'STREAM_TIME' | 'WALL_CLOCK_TIME'

export interface Schedule {
  /** At least 1. What was missed is skipped, the rhythm stays. */
  readonly intervalMs: number
  readonly type: PunctuationType
  /** The first time, Unix milliseconds (KIP-1146). Default: the first known stream time, or one interval from now on the clock. */
  readonly startMs?: number
}

/** Gets the time at which it is called: stream time or the clock's, not the time that was due. */
export type Punctuator = (timestampMs: number) => Awaitable<void>

/** Kafka's `Cancellable`. */
export interface Cancellable {
  cancel(): void
}

/** A record whose key cannot change: `{ ...record, value }` makes the next one (Kafka's `FixedKeyRecord`, P-03). */
export interface FixedKeyRecord<K, V> extends Record<K, V> {
  readonly key: K
}

/** Kafka's `FixedKeyProcessor` (P-03): the same key goes in and out, so that no repartition is needed below. */
export interface FixedKeyProcessor<K, VIn, VOut> {
  init?(context: FixedKeyProcessorContext<K, VOut>): void
  process(record: FixedKeyRecord<K, VIn>): Awaitable<void>
  close?(): void
}

export type FixedKeyProcessorSupplier<K, VIn, VOut> = (() => FixedKeyProcessor<K, VIn, VOut>) & ConnectedStores

/** Kafka's `FixedKeyProcessorContext`. */
export interface FixedKeyProcessorContext<K, VOut> extends ProcessingContext {
  /** Throws PROCESSING_FAILED for another key than the one of the record that is being processed. */
  forward(record: FixedKeyRecord<K, VOut>, child?: string): Awaitable<void>
}

/**
 * Stands between every node and its processor, those of the DSL too (Kafka's `ProcessorWrapper`, KIP-1112): for tracing and
 * the like. Gets a node's name and supplier and answers with the supplier to use.
 */
export type ProcessorWrapper = (name: string, supplier: AnyProcessorSupplier) => AnyProcessorSupplier

/** Where time comes from; the runtime never asks the machine. */
export interface Clock {
  nowMs(): number
}
