import { StreamsError } from '../errors.ts'
import { defaultHandlers, type ExceptionHandlers } from '../processor/exception-handlers.ts'
import type { ProcessorWrapper } from '../processor/processor.ts'
import type { Serde } from '../serde/serde.ts'
import type { TimestampExtractor } from './nodes.ts'

/** Stands for "no default serde configured" in types. */
export interface NoDefault {
  readonly noDefault: true
}

/** What batches can be written with; whatever Kafka knows is read. */
export const compressionTypes = ['none', 'gzip', 'zstd'] as const
export type CompressionType = (typeof compressionTypes)[number]

/** The properties of a topology, under Kafka's names (O-06). */
export interface StreamsConfig<DK = NoDefault, DV = NoDefault> {
  readonly 'default.key.serde'?: Serde<DK>
  readonly 'default.value.serde'?: Serde<DV>
  /** Event time of the records of topics without an extractor of their own (P-13). Default: {@link failOnInvalidTimestamp}. */
  readonly 'default.timestamp.extractor'?: TimestampExtractor
  /** `none` (default), `all`, or a list of `reuse.ktable.source.topics`, `merge.repartition.topics`, `single.store.self.join`. */
  readonly 'topology.optimization'?: string
  /** Default `LogAndFail`: the function fails at the record until it can be read. */
  readonly 'deserialization.exception.handler'?: ExceptionHandlers['deserialization']
  readonly 'processing.exception.handler'?: ExceptionHandlers['processing']
  readonly 'production.exception.handler'?: ExceptionHandlers['production']
  /** Where the handlers named `LogAndContinue` send what they drop; the topic must exist. */
  readonly 'errors.dead.letter.queue.topic.name'?: string
  /** KIP-1270: the processing handler is asked for the processors of global stores too. Default false: their errors stop the application. */
  readonly 'processing.exception.handler.global.enabled'?: boolean
  /**
   * How long a task waits for records of topics that have none, so as to choose by their times, milliseconds. Only the test driver
   * waits: an invocation reads all topics to their ends before it begins. Default 0.
   */
  readonly 'max.task.idle.ms'?: number
  /** Stands between every node and its processor (KIP-1112). */
  readonly 'processor.wrapper.class'?: ProcessorWrapper
  /** `HEADERS`: processors see the DSL's stores as stores with headers (KIP-1285); the DSL itself writes none. */
  readonly 'dsl.store.format'?: 'DEFAULT' | 'HEADERS'
  /** KIP-1111: `build` refuses generated names of stores and of internal topics. */
  readonly 'ensure.explicit.internal.resource.naming'?: boolean
  /**
   * Kafka's producer property: how everything that the application writes is compressed, outputs, changelogs, repartition and commit topics,
   * with the codec's default level. Default `none`, as Kafka's. A batch that would not become smaller is written as it is, and batches are cut
   * by their size before. `zstd` needs Node 22.15 or later, which functions have. A topic may have a `compression.type` of its own: then the broker
   * compresses again.
   */
  readonly 'compression.type'?: CompressionType
  /** As `compression.type`, over which it goes, with the prefix that Kafka Streams has for properties of the producer alone. */
  readonly 'producer.compression.type'?: CompressionType
}

export const handlersOf = <DK, DV>(config: StreamsConfig<DK, DV>): ExceptionHandlers => ({
  deserialization: config['deserialization.exception.handler'] ?? defaultHandlers.deserialization,
  processing: config['processing.exception.handler'] ?? defaultHandlers.processing,
  production: config['production.exception.handler'] ?? defaultHandlers.production,
  deadLetterTopic: config['errors.dead.letter.queue.topic.name'],
  alsoGlobal: config['processing.exception.handler.global.enabled'] ?? false,
})

/** Throws CONFIG_INVALID for one that is not written. */
export const compressionOf = <DK, DV>(config: StreamsConfig<DK, DV>): CompressionType => {
  const name = config['producer.compression.type'] === undefined ? 'compression.type' : 'producer.compression.type'
  const type = config[name] ?? 'none'
  if (compressionTypes.includes(type)) return type
  throw new StreamsError('CONFIG_INVALID', `${name} is "${type}", which nothing can be written with`, {
    remedy: `Choose one of ${compressionTypes.join(', ')}.`,
  })
}

/** `what` completes "there is no serde for ...". Throws CONFIG_INVALID. */
export const missingSerde = (what: string): never => {
  throw new StreamsError('CONFIG_INVALID', `There is no serde for ${what}`, {
    remedy: 'Give the operator a keySerde and a valueSerde, or the builder default.key.serde and default.value.serde.',
  })
}
