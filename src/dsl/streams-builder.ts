import { StreamsError } from '../errors.ts'
import { repartition } from '../operators/repartition.ts'
import { tableSourceNode, tableSourcePrefix } from '../operators/table-source.ts'
import type { ProcessorSupplier } from '../processor/processor.ts'
import type { StateStore, StoreBuilder } from '../processor/store.ts'
import type { NoDefault, StreamsConfig } from '../topology/config.ts'
import { type LogicalGraph, type LogicalNodeSpec, logicalNode } from '../topology/logical.ts'
import { checkName, isGenerated } from '../topology/naming.ts'
import type { GlobalStore, SourceNode } from '../topology/nodes.ts'
import {
  joinInOneStore,
  keepNullKeys,
  mergeRepartitions,
  mergeSources,
  parseOptimization,
  reuseSourceTopics,
} from '../topology/optimise.ts'
import { specOf } from '../topology/stores.ts'
import { failOnInvalidTimestamp } from '../topology/timestamps.ts'
import type { Topology } from '../topology/topology.ts'
import { topologyError } from '../topology/topology-error.ts'
import { checkSupplier, globalProcessor } from '../topology/user-processor.ts'
import { writeTopology } from '../topology/write.ts'
import { createDrawing, type Drawing } from './drawing.ts'
import { GlobalKTable } from './global-k-table.ts'
import { KStream } from './k-stream.ts'
import { KTable } from './k-table.ts'
import { historyOf, keyValueStore, materializedOf, type SourceDemand, sourceTable, storeNameOf } from './materialize.ts'
import type { Consumed, ConsumedTable } from './options.ts'
import type { Known } from './type-errors.ts'

type Needed<D, Name extends 'keySerde' | 'valueSerde', C> = [D] extends [NoDefault] ? { readonly [N in Name]-?: C } : unknown

/** Options are required exactly where the builder has no default serde. */
type ConsumedArgs<K, V, DK, DV, C extends Consumed<K, V> = Consumed<K, V>> = [DK] extends [NoDefault]
  ? [
      consumed: C &
        Needed<DK, 'keySerde', NonNullable<Consumed<K, V>['keySerde']>> &
        Needed<DV, 'valueSerde', NonNullable<Consumed<K, V>['valueSerde']>> &
        Known<V>,
    ]
  : [DV] extends [NoDefault]
    ? [consumed: C & Needed<DV, 'valueSerde', NonNullable<Consumed<K, V>['valueSerde']>>]
    : [consumed?: C]

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
    const defaults = { key: config['default.key.serde'], value: config['default.value.serde'] }
    const holdsHeaders = config['dsl.store.format'] === 'HEADERS'
    this.#drawing = createDrawing({ ...defaults, holdsHeaders }, (place) => new KStream(place))
  }

  /** A stream from one topic, several topics, or all that match a pattern (D-01). The same topics again give the same source. */
  stream<K = DK, V = DV>(topics: string | readonly string[] | RegExp, ...[consumed = {}]: ConsumedArgs<K, V, DK, DV>): KStream<K, V> {
    const { names, graph } = this.#drawing
    const name = names.processor('KSTREAM-SOURCE-', consumed.name === undefined ? undefined : checkName(consumed.name))
    const source = this.#source(name, topics, consumed)
    const node = graph.add(graph.root, logicalNode({ name, source, nodes: [source] }))
    return new KStream<K, V>({
      drawing: this.#drawing,
      node,
      keySerde: consumed.keySerde,
      valueSerde: consumed.valueSerde,
      repartition: false,
    })
  }

  /** A table of the last value per key of a topic (D-02). It is kept in a store if that has a name or somebody below needs its rows. */
  table<K = DK, V = DV>(topic: string, ...[consumed = {}]: ConsumedArgs<K, V, DK, DV, ConsumedTable<K, V>>): KTable<K, V> {
    const { names, graph } = this.#drawing
    const given: ConsumedTable<K, V> = consumed
    const materialized = materializedOf<K, V>(given.store) ?? {}
    const storeName = storeNameOf(this.#drawing, `${topic}-`, materialized)
    const base = given.name === undefined ? undefined : checkName(given.name)
    const sourceName = names.processor('KSTREAM-SOURCE-', base && `${base}-source`)
    const name = names.processor(tableSourcePrefix, base)
    const source = this.#source(sourceName, topic, given)
    const store = keyValueStore(this.#drawing, storeName, { ...materialized, keySerde: source.keySerde, valueSerde: source.valueSerde })
    const draw = ({ stored, oldValues }: SourceDemand): LogicalNodeSpec => ({
      name,
      ...(stored ? { stores: [store], tableTopic: topic } : { storesOnDemand: [store] }),
      nodes: [source, tableSourceNode({ name, parents: [sourceName], store: stored ? storeName : undefined, oldValues })],
    })
    const stored = materialized.name !== undefined
    const node = graph.add(graph.root, logicalNode(draw({ stored, oldValues: false })))
    return new KTable<K, V>({
      drawing: this.#drawing,
      node,
      keySerde: given.keySerde,
      valueSerde: given.valueSerde,
      repartition: false,
      queryableStoreName: materialized.name ?? null,
      facts: sourceTable(node, storeName, { stored, historyMs: historyOf(store), draw }),
    })
  }

  /**
   * A table of the last value per key of a topic that every task of the application sees whole, however the topic is partitioned
   * (D-03): for joins by any key. A deployed application fills it once, and what it holds must fit into the memory of each function that
   * reads it. Records are applied as they come, without regard to the time of other topics; no extractor is asked for theirs, as in Kafka.
   */
  globalTable<K = DK, V = DV>(topic: string, ...[consumed = {}]: ConsumedArgs<K, V, DK, DV, ConsumedTable<K, V>>): GlobalKTable<K, V> {
    const given: ConsumedTable<K, V> = consumed
    const materialized = materializedOf<K, V>(given.store) ?? {}
    if (materialized.versioned) throw topologyError('GlobalTables cannot be versioned.')
    if (given.store !== undefined && materialized.name === undefined)
      throw new StreamsError('TOPOLOGY_INVALID', `The store of global table ${topic} has options, but no name`, {
        remedy: 'Name the store.',
      })
    const store = storeNameOf(this.#drawing, `${topic}-`, materialized)
    const nodes = this.#globalNodes(topic, given)
    const { keySerde, valueSerde } = nodes.source
    const spec = keyValueStore(this.#drawing, store, { ...materialized, keySerde, valueSerde })
    this.#addGlobal({
      source: nodes.source,
      // its topic tells what its rows are
      store: { ...spec, logging: false, sourceTopic: topic },
      processor: tableSourceNode({ name: nodes.processor, parents: [nodes.source.name], store, oldValues: false }),
    })
    return new GlobalKTable<K, V>(store)
  }

  /**
   * Adds a store that every processor of the application may read by its name, without being connected to it; only this processor
   * writes it, from a topic of its own (D-05). As {@link Topology.addGlobalStore}.
   */
  addGlobalStore<K = DK, V = DV>(
    store: StoreBuilder<StateStore>,
    topic: string,
    supplier: ProcessorSupplier<K, V, never, never>,
    ...[consumed = {}]: ConsumedArgs<K, V, DK, DV>
  ): this {
    const { source, processor } = this.#globalNodes(topic, consumed as Consumed<K, V>)
    checkSupplier(processor, supplier)
    this.#addGlobal({ source, store: specOf(store), processor: globalProcessor(processor, source.name, { supplier, store: store.name }) })
    return this
  }

  #globalNodes<K, V>(topic: string, consumed: Consumed<K, V>): { readonly source: SourceNode; readonly processor: string } {
    const { names } = this.#drawing
    const base = consumed.name === undefined ? undefined : checkName(consumed.name)
    const source = names.processor('KSTREAM-SOURCE-', base && `${base}-source`)
    const { offsetReset: _start, timestampExtractor: _own, ...node } = this.#source(source, topic, consumed)
    return { processor: names.processor(tableSourcePrefix, base), source: node }
  }

  #addGlobal(globalStore: GlobalStore): void {
    const { graph } = this.#drawing
    graph.add(graph.root, logicalNode({ name: globalStore.processor.name, nodes: [], globalStore }))
  }

  /** Adds a store for processors that name it (D-04). */
  addStateStore(store: StoreBuilder<StateStore>): this {
    const { graph } = this.#drawing
    graph.add(graph.root, logicalNode({ name: store.name, nodes: [], stores: [specOf(store)] }))
    return this
  }

  #source<K, V>(name: string, topics: string | readonly string[] | RegExp, consumed: Consumed<K, V>): SourceNode {
    const { keySerde, valueSerde } = this.#drawing
    const list = topics instanceof RegExp ? [] : typeof topics === 'string' ? [topics] : topics
    const what = topics instanceof RegExp ? `topics matching ${topics}` : `topic ${list.join(', ')}`
    return {
      kind: 'source',
      name,
      topics: list.map((topic) => ({ name: topic, internal: false })),
      ...(topics instanceof RegExp ? { pattern: topics } : {}),
      keySerde: keySerde(consumed.keySerde, `the key of ${what}`),
      valueSerde: valueSerde(consumed.valueSerde, `the value of ${what}`),
      timestampExtractor: consumed.timestampExtractor ?? this.#config['default.timestamp.extractor'] ?? failOnInvalidTimestamp,
      ...(consumed.offsetReset === undefined ? {} : { offsetReset: consumed.offsetReset }),
    }
  }

  /** The physical topology. Without an argument `topology.optimization` of the builder's configuration holds. */
  build(config: StreamsConfig<DK, DV> = this.#config): Topology {
    const { graph, names, keySerde, valueSerde } = this.#drawing
    const optimizations = parseOptimization(config['topology.optimization'] ?? 'none')
    mergeSources(graph)
    if (optimizations.has('reuse.ktable.source.topics')) reuseSourceTopics(graph)
    if (optimizations.has('merge.repartition.topics')) {
      mergeRepartitions(graph, ({ topic, ...spec }) =>
        repartition(names, topic, {
          ...spec,
          keySerde: keySerde(spec.keySerde, `the key of ${topic}`),
          valueSerde: valueSerde(spec.valueSerde, `the value of ${topic}`),
        }),
      )
    }
    if (optimizations.has('single.store.self.join')) joinInOneStore(graph)
    keepNullKeys(graph)
    const topology = writeTopology(graph, config)
    if (config['ensure.explicit.internal.resource.naming']) checkExplicitNames(topology, graph)
    return topology
  }
}

/**
 * KIP-1111, with Java's wording. A table without a name is refused even where it needs no store: the next verb below it may.
 * Kafka Streams does not look at what the subscriptions of joins by foreign key need; here they come last.
 */
const checkExplicitNames = (topology: Topology, graph: LogicalGraph): void => {
  const repartitions = topology.subTopologies.flatMap((sub) =>
    sub.sourceTopics.filter((topic) => topic.internal && isGenerated(topic.name)).map((topic) => topic.name),
  )
  const onDemand = graph.nodes.flatMap((node) => node.spec.storesOnDemand ?? [])
  const stores = [...onDemand, ...topology.subTopologies.flatMap((sub) => sub.stores)].filter((store) => !store.named)
  const buffers = new Set(
    topology.subTopologies.flatMap((sub) => sub.stores.filter(({ kind }) => kind === 'suppression-buffer')).map(({ name }) => name),
  )
  const told = (isTold: (name: string) => boolean): string => {
    const unnamed = stores.filter((store) => isTold(store.name))
    const changelogs = unnamed.filter((store) => store.logging !== false)
    return [
      listed(
        'changelog topic(s)',
        changelogs.map(({ name }) => `${name}-changelog`),
      ),
      listed(
        'state store(s)',
        // of a suppression's buffer Kafka Streams tells the changelog alone
        unnamed.filter(({ name }) => !buffers.has(name)).map(({ name }) => name),
      ),
      listed('repartition topic(s)', repartitions.filter(isTold)),
    ].join('')
  }
  const ofSubscription = (name: string): boolean => name.startsWith('KTABLE-FK-JOIN-SUBSCRIPTION-')
  const text = told((name) => !ofSubscription(name)) || told(ofSubscription)
  if (text) throw topologyError(text)
}

const listed = (what: string, names: readonly string[]): string =>
  names.length === 0 ? '' : `Following ${what} has not been named: ${names.join(', ')}\n`
