import type { Serde } from '../serde/serde.ts'
import type { SourceNode, StreamPartitioner, TimestampExtractor } from './nodes.ts'

/** Serdes and event time of a source (P-01); what is left out is the configuration's default. */
export interface SourceOptions<K, V> {
  readonly keySerde?: Serde<K>
  readonly valueSerde?: Serde<V>
  readonly timestampExtractor?: TimestampExtractor<NoInfer<K>, NoInfer<V>>
  readonly offsetReset?: SourceNode['offsetReset']
}

/** Names of nodes: one or several. */
export type NodeNames = string | readonly string[]

export interface SinkOptions<K, V> {
  readonly parents: NodeNames
  readonly keySerde?: Serde<K>
  readonly valueSerde?: Serde<V>
  readonly partitioner?: StreamPartitioner<NoInfer<K>, NoInfer<V>>
}

/** A store that is fed from a topic of one's own by one processor (KIP-813). */
export interface StoreFeed<K, V> extends SourceOptions<K, V> {
  /** Name of the source. */
  readonly source: string
  readonly topic: string
  /** Name of the processor. */
  readonly processor: string
}

export const namesOf = (names: NodeNames): readonly string[] => (typeof names === 'string' ? [names] : names)
