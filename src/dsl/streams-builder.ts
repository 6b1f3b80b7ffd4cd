import { repartition } from '../operators/repartition.ts'
import { logicalNode } from '../topology/logical.ts'
import { checkName, isGenerated } from '../topology/naming.ts'
import type { SourceNode } from '../topology/nodes.ts'
import { mergeRepartitions, mergeSources, parseOptimization } from '../topology/optimise.ts'
import { failOnInvalidTimestamp } from '../topology/timestamps.ts'
import { type Topology, topologyError } from '../topology/topology.ts'
import { writeTopology } from '../topology/write.ts'
import type { NoDefault, StreamsConfig } from './config.ts'
import { createDrawing, type Drawing } from './drawing.ts'
import { KStream } from './k-stream.ts'
import type { Consumed } from './options.ts'

type Needed<D, Name extends 'keySerde' | 'valueSerde', C> = [D] extends [NoDefault] ? { readonly [N in Name]-?: C } : unknown

/** Options are required exactly where the builder has no default serde. */
type ConsumedArgs<K, V, DK, DV> = [DK] extends [NoDefault]
  ? [
      consumed: Consumed<K, V> &
        Needed<DK, 'keySerde', NonNullable<Consumed<K, V>['keySerde']>> &
        Needed<DV, 'valueSerde', NonNullable<Consumed<K, V>['valueSerde']>>,
    ]
  : [DV] extends [NoDefault]
    ? [consumed: Consumed<K, V> & Needed<DV, 'valueSerde', NonNullable<Consumed<K, V>['valueSerde']>>]
    : [consumed?: Consumed<K, V>]

/**
 * Where a topology begins (Kafka's `StreamsBuilder`).
 *
 * @example
 * ```ts
 * import { Serdes, StreamsBuilder } from 'millrace'
 *
 * const builder = new StreamsBuilder()
 * builder
 *   .stream('lines', { keySerde: Serdes.string, valueSerde: Serdes.string })
 *   .flatMapValues((line) => line.toLowerCase().split(' '))
 *   .groupBy((_key, word) => word, { keySerde: Serdes.string, valueSerde: Serdes.string })
 *   .count({ store: 'counts' })
 *   .toStream()
 *   .to('word-counts')
 * builder.build().subTopologies.map((sub) => sub.name) // => ['lines', 'counts-repartition']
 * ```
 */
export class StreamsBuilder<DK = NoDefault, DV = NoDefault> {
  readonly #drawing: Drawing
  readonly #config: StreamsConfig<DK, DV>

  constructor(config: StreamsConfig<DK, DV> = {}) {
    this.#config = config
    this.#drawing = createDrawing({ key: config['default.key.serde'], value: config['default.value.serde'] }, (place) => new KStream(place))
  }

  /** A stream from one topic, several topics, or all that match a pattern (D-01). The same topics again give the same source. */
  stream<K = DK, V = DV>(topics: string | readonly string[] | RegExp, ...[consumed = {}]: ConsumedArgs<K, V, DK, DV>): KStream<K, V> {
    const { names, graph, keySerde, valueSerde } = this.#drawing
    const timestampExtractor = consumed.timestampExtractor ?? this.#config['default.timestamp.extractor'] ?? failOnInvalidTimestamp
    const { offsetReset }: Consumed<K, V> = consumed
    const list = topics instanceof RegExp ? [] : typeof topics === 'string' ? [topics] : topics
    const name = names.processor('KSTREAM-SOURCE-', consumed.name === undefined ? undefined : checkName(consumed.name))
    const what = topics instanceof RegExp ? `topics matching ${topics}` : `topic ${list.join(', ')}`
    const source: SourceNode = {
      kind: 'source',
      name,
      topics: list.map((topic) => ({ name: topic, internal: false })),
      ...(topics instanceof RegExp ? { pattern: topics } : {}),
      keySerde: keySerde(consumed.keySerde, `the key of ${what}`),
      valueSerde: valueSerde(consumed.valueSerde, `the value of ${what}`),
      timestampExtractor,
      ...(offsetReset === undefined ? {} : { offsetReset }),
    }
    const node = graph.add(graph.root, logicalNode({ name, source, nodes: [source] }))
    return new KStream<K, V>({
      drawing: this.#drawing,
      node,
      keySerde: consumed.keySerde,
      valueSerde: consumed.valueSerde,
      repartition: false,
    })
  }

  /** The physical topology. Without an argument `topology.optimization` of the builder's configuration holds. */
  build(config: StreamsConfig<DK, DV> = this.#config): Topology {
    const { graph, names, keySerde, valueSerde } = this.#drawing
    const optimizations = parseOptimization(config['topology.optimization'] ?? 'none')
    mergeSources(graph)
    if (optimizations.has('merge.repartition.topics')) {
      mergeRepartitions(graph, ({ topic, ...spec }) =>
        repartition(names, topic, {
          ...spec,
          keySerde: keySerde(spec.keySerde, `the key of ${topic}`),
          valueSerde: valueSerde(spec.valueSerde, `the value of ${topic}`),
        }),
      )
    }
    const topology = writeTopology(graph)
    if (config['ensure.explicit.internal.resource.naming']) checkExplicitNames(topology)
    return topology
  }
}

/** KIP-1111, with Java's wording. */
const checkExplicitNames = (topology: Topology): void => {
  const repartitions = topology.subTopologies.flatMap((sub) =>
    sub.sourceTopics.filter((topic) => topic.internal && isGenerated(topic.name)),
  )
  const stores = topology.subTopologies.flatMap((sub) => sub.stores.filter((store) => !store.named))
  const changelogs = stores.filter((store) => store.logging !== false)
  const line = (what: string, names: readonly string[]): string =>
    names.length === 0 ? '' : `Following ${what} has not been named: ${names.join(', ')}\n`
  const text = [
    line(
      'changelog topic(s)',
      changelogs.map((store) => `${store.name}-changelog`),
    ),
    line(
      'state store(s)',
      stores.map((store) => store.name),
    ),
    line(
      'repartition topic(s)',
      repartitions.map((topic) => topic.name),
    ),
  ].join('')
  if (text) throw topologyError(text)
}
