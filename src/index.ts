export { type Branched, BranchedKStream } from './dsl/branched-k-stream.ts'
export { CogroupedKStream } from './dsl/cogrouped-k-stream.ts'
export { GlobalKTable } from './dsl/global-k-table.ts'
export { KGroupedStream } from './dsl/k-grouped-stream.ts'
export { KGroupedTable } from './dsl/k-grouped-table.ts'
export { KStream } from './dsl/k-stream.ts'
export { KTable } from './dsl/k-table.ts'
export type {
  Aggregated,
  ConnectedTo,
  Consumed,
  ConsumedTable,
  Grouped,
  Joined,
  JoinStoreSupplier,
  Materialized,
  Named,
  Printed,
  Produced,
  Repartitioned,
  StreamJoined,
  TableJoined,
} from './dsl/options.ts'
export type { ValueTransformer, ValueTransformerSupplier } from './dsl/process.ts'
export { SessionWindowedCogroupedKStream } from './dsl/session-windowed-cogrouped-k-stream.ts'
export { SessionWindowedKStream } from './dsl/session-windowed-k-stream.ts'
export { StreamsBuilder } from './dsl/streams-builder.ts'
export { TimeWindowedCogroupedKStream } from './dsl/time-windowed-cogrouped-k-stream.ts'
export { TimeWindowedKStream } from './dsl/time-windowed-k-stream.ts'
export { type ErrorCode, isStreamsError, StreamsError } from './errors.ts'
export type {
  DeadLetter,
  DeserializationExceptionHandler,
  ErrorHandlerContext,
  HandlerResponse,
  ProcessingExceptionHandler,
  ProductionExceptionHandler,
} from './processor/exception-handlers.ts'
export {
  type Cancellable,
  type ConnectedStores,
  type FixedKeyProcessor,
  type FixedKeyProcessorContext,
  type FixedKeyProcessorSupplier,
  type FixedKeyRecord,
  type ProcessingContext,
  type Processor,
  type ProcessorContext,
  type ProcessorSupplier,
  type ProcessorWrapper,
  type PunctuationType,
  type Punctuator,
  type Schedule,
  withStores,
} from './processor/processor.ts'
export type { Header, Headers, Record, RecordMetadata } from './processor/record.ts'
export type {
  Entries,
  KeyValueStore,
  PrefixSerializer,
  ReadOnlyKeyValueStore,
  ReadOnlySessionStore,
  ReadOnlyWindowStore,
  SessionStore,
  SessionStoreWithHeaders,
  StateStore,
  StoreBuilder,
  TimestampedKeyValueStore,
  TimestampedKeyValueStoreWithHeaders,
  TimestampedWindowStore,
  TimestampedWindowStoreWithHeaders,
  ValueAndTimestamp,
  ValueTimestampHeaders,
  VersionedKeyValueStore,
  VersionedRecord,
  WindowStore,
} from './processor/store.ts'
export { notPut, validForever } from './processor/store.ts'
export { type Serde, serde, type ValueOf } from './serde/serde.ts'
export { Serdes } from './serde/serdes.ts'
export type { Window, Windowed } from './serde/windowed.ts'
export type { NoDefault, StreamsConfig } from './topology/config.ts'
export { days, hours, minutes, seconds } from './topology/durations.ts'
export type {
  DeferredFlush,
  PackedPages,
  ResidentStore,
  StreamPartitioner,
  TimestampExtractor,
  TopicNameExtractor,
} from './topology/nodes.ts'
export {
  type LruOptions,
  type SessionStoreOptions,
  type StoreOptions,
  Stores,
  type VersionedStoreOptions,
  type WindowStoreOptions,
} from './topology/stores.ts'
export {
  type BufferConfig,
  type EagerBufferConfig,
  type StrictBufferConfig,
  type Suppressed,
  untilTimeLimit,
  untilWindowCloses,
} from './topology/suppressed.ts'
export { failOnInvalidTimestamp, logAndSkipOnInvalidTimestamp, usePartitionTimeOnInvalidTimestamp } from './topology/timestamps.ts'
export { Topology } from './topology/topology.ts'
export type { SinkOptions, SourceOptions, StoreFeed } from './topology/topology-options.ts'
export {
  hopping,
  type JoinWindows,
  joinWindows,
  type SessionWindows,
  type SlidingWindows,
  session,
  sliding,
  tumbling,
  unlimited,
  type Windows,
} from './topology/windows.ts'
