/** One vector, as README.md describes it. Only what the interpreter reads is typed; a field of an unknown verb is never looked at. */
export interface Scenario {
  readonly name: string
  readonly quirk?: string
  readonly api?: 'dsl' | 'topology'
  readonly config?: Readonly<Record<string, string>>
  readonly clock?: number
  readonly buildWithoutConfig?: boolean
  readonly topics?: Readonly<Record<string, readonly [key: SerdeSpec, value: SerdeSpec]>>
  readonly topology: readonly Step[]
  readonly events?: readonly InputEvent[]
  readonly probes?: readonly Probe[]
  readonly expect: Expectations
}

/** A byte-level table (README section 9). */
export interface FormatTable {
  readonly name: string
  readonly table: string
  readonly serde?: SerdeSpec
  readonly windows?: WindowsSpec
  readonly partitions?: readonly number[]
  readonly rows: readonly { readonly in: unknown; readonly error?: unknown; readonly [result: string]: unknown }[]
}

export type SerdeSpec =
  | string
  | { readonly list: SerdeSpec }
  | { readonly timeWindowed: SerdeSpec; readonly sizeMs: number }
  | { readonly sessionWindowed: SerdeSpec }

/** Which of the lengths there are depends on the type (README section 3.1). */
export interface WindowsSpec {
  readonly type: string
  readonly sizeMs?: number
  readonly advanceMs?: number
  readonly graceMs?: number
  readonly diffMs?: number
  readonly gapMs?: number
  readonly startMs?: number
  readonly offsetMs?: number
  readonly beforeMs?: number
  readonly afterMs?: number
}

/** A function of the scenario language (README section 4). */
export interface Expression {
  readonly fn: string
  readonly of?: Expression
  readonly a?: Expression
  readonly b?: Expression
  readonly args?: readonly Expression[]
  readonly arg?: Expression
  readonly cond?: Expression
  readonly then?: Expression
  readonly else?: Expression
  readonly key?: Expression
  readonly val?: Expression
  readonly list?: Expression
  readonly do?: Expression
  readonly to?: Expression
  readonly items?: readonly Expression[]
  readonly parts?: readonly Expression[]
  readonly fields?: readonly (readonly [name: string, of: Expression])[]
  readonly value?: unknown
  readonly suffix?: string
  readonly prefix?: string
  readonly sep?: string
  readonly text?: string
  readonly path?: string
  readonly message?: string
  readonly n?: number
}

/** A read of a store after the last event (README section 8.3): a store command, or an interactive query. */
export interface Probe {
  readonly store: string
  readonly op?: string
  readonly query?: string
  readonly key?: unknown
  readonly ts?: number
  readonly keyFrom?: unknown
  readonly keyTo?: unknown
  readonly from?: number
  readonly to?: number
  readonly asOf?: number
  readonly descending?: boolean
}

export interface Step {
  readonly id?: string
  readonly op: string
  readonly on?: readonly string[]
  readonly args?: StepArgs
}

/** Steps that run on the stream of a branch. */
export interface NestedSteps {
  readonly steps: readonly Step[]
  /** The step whose stream stands for the branch. */
  readonly result?: string
}

export interface BranchSpec {
  readonly predicate?: Expression
  readonly name?: string
  readonly function?: NestedSteps
  readonly consumer?: NestedSteps
}

export interface RepartitionedSpec {
  readonly name?: string
  readonly key?: SerdeSpec
  readonly value?: SerdeSpec
  readonly partitions?: number
  readonly partitioner?: PartitionerSpec
}

export interface BufferSpec {
  readonly maxRecords?: number
  readonly maxBytes?: number
  readonly full?: 'emitEarly' | 'shutDown'
  readonly logging?: false | Readonly<Record<string, string>>
}

/** A store of README section 3.4. */
export interface StateStoreSpec {
  readonly kind: string
  readonly name: string
  readonly key: SerdeSpec
  readonly value: SerdeSpec
  readonly persistent?: boolean
  readonly caching?: boolean
  readonly logging?: false | Readonly<Record<string, string>>
  readonly maxEntries?: number
  readonly historyMs?: number
  readonly segmentMs?: number
  readonly windowMs?: number
  readonly retentionMs?: number
  readonly retainDuplicates?: boolean
}

/** A processor of README sections 5.1 and 5.2; which of the members there are depends on it. */
export interface ProcessorSpec {
  readonly proc: string
  readonly store?: string
  readonly ownStores?: readonly StateStoreSpec[]
  readonly logInit?: boolean
  readonly key?: Expression
  readonly value?: Expression
  readonly ts?: Expression
  readonly to?: string
  readonly routes?: readonly { readonly when: Expression; readonly to: string }[]
  readonly otherwise?: string
  readonly n?: number
  readonly when?: Expression
  readonly message?: string
  readonly by?: Expression
  readonly windowMs?: number
  readonly intervalMs?: number
  readonly type?: 'stream' | 'wall'
  readonly startMs?: number
  readonly reset?: boolean
  readonly cancelAfter?: number
  readonly ttlMs?: number
  readonly group?: Expression
  readonly score?: Expression
  readonly joiner?: Expression
  readonly forward?: boolean
  readonly next?: Expression
  readonly remove?: readonly string[]
  readonly add?: HeaderList
  readonly copy?: boolean
}

/** A transformer of README section 5.3. */
export interface TransformerSpec {
  readonly xf: string
  readonly value?: Expression
  readonly store?: string
  readonly ownStores?: readonly StateStoreSpec[]
}

export interface StepArgs {
  readonly processor?: ProcessorSpec
  readonly transformer?: TransformerSpec
  readonly stores?: readonly string[]
  readonly store?: StateStoreSpec
  /** Processor API steps (README section 6). */
  readonly name?: string
  readonly parents?: readonly string[]
  readonly processors?: readonly string[]
  readonly processorName?: string
  readonly reset?: ConsumedSpec['reset']
  readonly timestampExtractor?: ConsumedSpec['timestampExtractor']
  readonly partitioner?: PartitionerSpec
  readonly value?: SerdeSpec
  readonly branches?: readonly BranchSpec[]
  readonly default?: BranchSpec
  readonly repartitioned?: RepartitionedSpec
  /** Of a branch of a split its name, of a Processor API step a serde. */
  readonly key?: SerdeSpec
  readonly topics?: readonly string[]
  readonly pattern?: string
  readonly topic?: string
  readonly extractor?: Expression
  readonly predicate?: Expression
  readonly mapper?: Expression
  readonly reducer?: Expression
  readonly initializer?: Expression
  readonly aggregator?: Expression
  readonly joiner?: Expression
  readonly tableJoined?: { readonly name?: string; readonly partitioner?: PartitionerSpec; readonly otherPartitioner?: PartitionerSpec }
  readonly joined?: JoinedSpec
  readonly merger?: Expression
  readonly adder?: Expression
  readonly subtractor?: Expression
  readonly withKey?: boolean
  readonly windows?: WindowsSpec
  readonly strategy?: 'onWindowUpdate' | 'onWindowClose'
  readonly label?: string
  /** Of a suppression. */
  readonly untilWindowCloses?: boolean
  readonly untilTimeLimitMs?: number
  readonly buffer?: BufferSpec
  readonly named?: string
  readonly consumed?: ConsumedSpec
  readonly produced?: ProducedSpec
  readonly grouped?: { readonly name?: string; readonly key?: SerdeSpec; readonly value?: SerdeSpec }
  readonly materialized?: MaterializedSpec
}

/** Of a stream with a table, or with another stream. */
export interface JoinedSpec {
  readonly name?: string
  readonly key?: SerdeSpec
  readonly left?: SerdeSpec
  readonly right?: SerdeSpec
  readonly graceMs?: number
  readonly storeName?: string
  readonly thisSupplier?: JoinStoreSpec
  readonly otherSupplier?: JoinStoreSpec
  readonly storeType?: string
  readonly logging?: false | Readonly<Record<string, string>>
}

export interface JoinStoreSpec {
  readonly name: string
  readonly windowMs: number
  readonly retentionMs: number
  readonly retainDuplicates?: boolean
}

export interface ConsumedSpec {
  readonly key?: SerdeSpec
  readonly value?: SerdeSpec
  readonly timestampExtractor?: string | Expression
  readonly reset?: 'earliest' | 'latest' | 'none' | { readonly byDurationMs: number }
  readonly name?: string
}

export interface ProducedSpec {
  readonly key?: SerdeSpec
  readonly value?: SerdeSpec
  readonly partitioner?: PartitionerSpec
  readonly name?: string
}

export interface PartitionerSpec {
  readonly partitioner: string
  readonly partition?: number
  readonly when?: Expression
}

export interface MaterializedSpec {
  readonly name?: string
  readonly supplier?: {
    readonly kind: string
    readonly name: string
    readonly maxEntries?: number
    readonly persistent?: boolean
    readonly historyMs?: number
  }
  readonly storeType?: string
  readonly key?: SerdeSpec
  readonly value?: SerdeSpec
  readonly caching?: boolean
  readonly retentionMs?: number
  readonly logging?: false | Readonly<Record<string, string>>
}

export type HeaderList = readonly (readonly [name: string, text: string | null])[]

export interface InputRecord {
  readonly topic: string
  readonly k?: unknown
  readonly v?: unknown
  readonly kb?: string | null
  readonly vb?: string | null
  readonly ts: number
  readonly h?: HeaderList
}

export type InputEvent = InputRecord | { readonly bulk: readonly InputRecord[] } | { readonly clock: number }

export interface OutputRecord {
  readonly topic: string
  /** null: Java left it to the producer. */
  readonly ts: number | null
  readonly k?: unknown
  readonly v?: unknown
  readonly kb?: string | null
  readonly vb?: string | null
  readonly h?: HeaderList
}

export interface JavaError {
  readonly phase?: 'build' | 'start' | 'close'
  readonly class: string
  readonly message: string | null
  readonly causes?: readonly { readonly class: string; readonly message: string | null }[]
}

/** `E`: how an error is told; Java's in the vectors, whatever was thrown in what we observe. */
export interface Observations<E> {
  readonly error?: E
  readonly describe?: string
  readonly branches?: Readonly<Record<string, readonly string[]>>
  readonly queryableStoreNames?: Readonly<Record<string, string | null>>
  readonly subtopologies?: Readonly<Record<string, SubTopologyTopics>>
  readonly copartition?: readonly (readonly string[])[]
  readonly internalTopics?: Readonly<Record<string, InternalTopicConfig>>
  readonly events?: readonly EventResult<E>[]
  readonly stores?: Readonly<Record<string, { readonly kind: string; readonly entries?: readonly unknown[] }>>
  readonly probes?: readonly unknown[]
  readonly dropped?: number
  /** Names that a recording processor wrapper was asked for. */
  readonly wrapped?: readonly string[]
  readonly startLog?: readonly string[]
  readonly closeLog?: readonly string[]
}

export interface SubTopologyTopics {
  readonly sources: readonly string[]
  readonly sinks: readonly string[]
  readonly changelogs: readonly string[]
}

export interface InternalTopicConfig {
  readonly kind: string
  readonly partitions?: number
  readonly config: Readonly<Record<string, string>>
}

export interface EventResult<E> {
  readonly out?: readonly OutputRecord[]
  readonly log?: readonly string[]
  readonly error?: E
}

export type Expectations = Observations<JavaError>

export type Vector = Scenario | FormatTable

export const isFormatTable = (vector: Vector): vector is FormatTable => 'table' in vector
