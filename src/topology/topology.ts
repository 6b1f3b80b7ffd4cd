import { createHash } from 'node:crypto'
import { StreamsError } from '../errors.ts'
import type { ExceptionHandlers } from '../processor/exception-handlers.ts'
import type { AnyProcessorSupplier, ConnectedStores, ProcessorSupplier, ProcessorWrapper } from '../processor/processor.ts'
import type { StateStore, StoreBuilder } from '../processor/store.ts'
import { type CompressionType, compressionOf, handlersOf, missingSerde, type StreamsConfig } from './config.ts'
import { describeTopology } from './describe.ts'
import { type InternalTopic, internalTopicsOf, partitionCountsOf } from './internal-topics.ts'
import { mermaidOf } from './mermaid.ts'
import type {
  AnySerde,
  GlobalStore,
  ProcessorNode,
  SinkNode,
  SourceNode,
  StoreSpec,
  TimestampExtractor,
  TopicNameExtractor,
  TopologyNode,
} from './nodes.ts'
import { specOf } from './stores.ts'
import { findSubTopologies, type SubTopology } from './sub-topologies.ts'
import { failOnInvalidTimestamp } from './timestamps.ts'
import { checkTopics } from './topic-clashes.ts'
import { topologyError } from './topology-error.ts'
import { type NodeNames, namesOf, type SinkOptions, type SourceOptions, type StoreFeed } from './topology-options.ts'
import { checkSupplier, globalProcessor, userProcessor } from './user-processor.ts'

/**
 * Sources, processors, sinks and stores (Kafka's `Topology`, P-01). Nodes are frozen plain data; a node's parents exist before it.
 * What is derived from them (sub-topologies, text, internal topics) is computed when asked for.
 *
 * @example
 * ```ts
 * import { type ProcessorContext, type Record, Serdes, Stores, Topology } from 'millrace'
 * import { TopologyTestDriver } from 'millrace/testing'
 *
 * const strings = { keySerde: Serdes.string, valueSerde: Serdes.string }
 * const counts = Stores.keyValueStore('counts', { keySerde: Serdes.string, valueSerde: Serdes.long })
 *
 * class Count {
 *   #context!: ProcessorContext<string, number>
 *   init(context: ProcessorContext<string, number>) {
 *     this.#context = context
 *   }
 *   async process(record: Record<string, string>) {
 *     const store = this.#context.getStateStore(counts)
 *     const count = ((await store.get(record.key)) ?? 0) + 1
 *     store.put(record.key, count)
 *     await this.#context.forward({ ...record, value: count })
 *   }
 * }
 *
 * const topology = new Topology()
 *   .addSource('words', 'words', strings)
 *   .addProcessor('count', () => new Count(), 'words')
 *   .addStateStore(counts, 'count')
 *   .addSink('counts', 'counts', { parents: 'count', keySerde: Serdes.string, valueSerde: Serdes.long })
 *
 * await using driver = new TopologyTestDriver(topology)
 * const words = driver.createInputTopic('words', strings)
 * await words.pipeInput('mill', 'a')
 * await words.pipeInput('mill', 'b')
 * driver.createOutputTopic('counts', { keySerde: Serdes.string, valueSerde: Serdes.long }).readRecords().map((it) => it.value) // => [1, 2]
 * ```
 */
export class Topology {
  /** Who is asked when a record cannot be read, processed or written. */
  readonly handlers: ExceptionHandlers
  /** `max.task.idle.ms`, for drivers that wait. */
  readonly maxTaskIdleMs: number
  /** How what is written is compressed. */
  readonly compression: CompressionType
  readonly #nodes = new Map<string, TopologyNode>()
  readonly #stores = new Map<string, StoreSpec>()
  readonly #globalStores = new Map<string, StoreSpec>()
  readonly #internal = new Map<string, { readonly partitions?: number }>()
  readonly #defaults: { readonly key: AnySerde | undefined; readonly value: AnySerde | undefined; readonly extractor: TimestampExtractor }
  readonly #wrapper: ProcessorWrapper | undefined
  #subTopologies: readonly SubTopology[] | undefined

  constructor(config: StreamsConfig<unknown, unknown> = {}) {
    this.handlers = handlersOf(config)
    this.maxTaskIdleMs = config['max.task.idle.ms'] ?? 0
    this.compression = compressionOf(config)
    this.#wrapper = config['processor.wrapper.class']
    this.#defaults = {
      key: config['default.key.serde'],
      value: config['default.value.serde'],
      extractor: config['default.timestamp.extractor'] ?? failOnInvalidTimestamp,
    }
  }

  /** Reads one topic, several, or all that match a pattern. Topics may be read by one source only: TOPOLOGY_INVALID. */
  addSource<K, V>(name: string, topics: NodeNames | RegExp, options: SourceOptions<K, V> = {}): this {
    this.add(this.#source(name, topics, options))
    return this
  }

  /** Runs a processor below its parents; the stores that the supplier brings are added and connected. */
  addProcessor<KIn, VIn, KOut, VOut>(name: string, supplier: ProcessorSupplier<KIn, VIn, KOut, VOut>, parents: NodeNames): this {
    checkSupplier(name, supplier)
    const stores = this.#addStores(supplier)
    this.add(userProcessor({ name, parents: namesOf(parents), supplier, stores, keepsKey: false }))
    return this
  }

  /** Writes the records of its parents to a topic, which must exist; a function chooses the topic per record. */
  addSink<K, V>(name: string, topic: string | TopicNameExtractor<K, V>, { parents, partitioner, ...serdes }: SinkOptions<K, V>): this {
    this.add({
      kind: 'sink',
      name,
      parents: namesOf(parents),
      topic: typeof topic === 'string' ? { name: topic, internal: false } : topic,
      ...this.#serdes(serdes, `sink ${name}`),
      ...(partitioner === undefined ? {} : { partitioner }),
    })
    return this
  }

  /** Adds a store and connects these processors to it. The same builder again changes nothing; another one of that name is TOPOLOGY_INVALID. */
  addStateStore(builder: StoreBuilder<StateStore>, processors: NodeNames = []): this {
    const spec = specOf(builder)
    this.addStore(spec)
    for (const name of namesOf(processors)) this.connectProcessorAndStateStores(name, spec.name)
    return this
  }

  /** Lets a processor use stores that were added. */
  connectProcessorAndStateStores(processor: string, stores: NodeNames): this {
    const node = this.#nodes.get(processor)
    if (!node) throw topologyError(`Processor ${processor} is not added yet.`)
    if (node.kind !== 'processor')
      throw topologyError(`cannot connect a state store ${namesOf(stores).join(', ')} to a source node or a sink node.`)
    for (const store of namesOf(stores)) this.#checkStore(store)
    this.#nodes.set(processor, Object.freeze({ ...node, stores: [...new Set([...node.stores, ...namesOf(stores)])] }))
    this.#subTopologies = undefined
    return this
  }

  /**
   * Adds a store that only this processor writes, from a topic that is also its changelog (KIP-813): the processor puts each
   * record under its own key, and others may read.
   */
  addReadOnlyStateStore<K, V, KOut, VOut>(
    builder: StoreBuilder<StateStore>,
    { source, topic, processor, ...options }: StoreFeed<K, V>,
    supplier: ProcessorSupplier<K, V, KOut, VOut>,
  ): this {
    const spec = specOf(builder)
    this.addSource(source, topic, { offsetReset: 'earliest', ...options })
    this.addProcessor(processor, supplier, source)
    this.addStore({ ...spec, logging: false, sourceTopic: topic })
    return this.connectProcessorAndStateStores(processor, spec.name)
  }

  /**
   * Adds a store that every processor of the application may read by its name, without being connected to it; only this processor writes
   * it, from a topic of its own (P-01). It sees the topic whole, however that is partitioned, forwards to nobody and makes no
   * schedules. A reader that writes throws PROCESSING_FAILED. What the store holds must fit into the memory of each function that reads it.
   *
   * @example
   * ```ts
   * import { type ProcessorContext, type Record, Serdes, Stores, Topology } from 'millrace'
   * import { TopologyTestDriver } from 'millrace/testing'
   *
   * const strings = { keySerde: Serdes.string, valueSerde: Serdes.string }
   * const names = Stores.keyValueStore('names', strings)
   *
   * class Remember {
   *   #context!: ProcessorContext<never, never>
   *   init(context: ProcessorContext<never, never>) {
   *     this.#context = context
   *   }
   *   process({ key, value }: Record<string, string>) {
   *     this.#context.getStateStore(names).put(key, value.trim())
   *   }
   * }
   *
   * const topology = new Topology()
   *   .addGlobalStore(names, { source: 'people', topic: 'people', processor: 'remember', ...strings }, () => new Remember())
   *
   * await using driver = new TopologyTestDriver(topology)
   * await driver.createInputTopic('people', strings).pipeInput('p1', ' Ann ')
   * await driver.getKeyValueStore('names').get('p1') // => 'Ann'
   * ```
   */
  addGlobalStore<K, V>(
    builder: StoreBuilder<StateStore>,
    { source: name, topic, processor, ...options }: StoreFeed<K, V>,
    supplier: ProcessorSupplier<K, V, never, never>,
  ): this {
    checkSupplier(processor, supplier)
    const { offsetReset: _start, timestampExtractor: _own, ...node } = this.#source(name, topic, options)
    this.addGlobal({
      store: specOf(builder),
      source: node,
      processor: globalProcessor(processor, name, { supplier, store: builder.name }),
    })
    return this
  }

  #source<K, V>(name: string, topics: NodeNames | RegExp, options: SourceOptions<K, V>): SourceNode {
    const { keySerde, valueSerde, timestampExtractor = this.#defaults.extractor, offsetReset } = options
    const list = topics instanceof RegExp ? [] : namesOf(topics)
    return {
      kind: 'source',
      name,
      topics: list.map((topic) => ({ name: topic, internal: false })),
      ...(topics instanceof RegExp ? { pattern: topics } : {}),
      ...this.#serdes({ keySerde, valueSerde }, `source ${name}`),
      timestampExtractor,
      ...(offsetReset === undefined ? {} : { offsetReset }),
    }
  }

  #addStores({ stores = [] }: ConnectedStores): readonly string[] {
    for (const store of stores) this.addStateStore(store)
    return stores.map((store) => store.name)
  }

  #serdes(
    { keySerde, valueSerde }: { readonly keySerde?: AnySerde | undefined; readonly valueSerde?: AnySerde | undefined },
    what: string,
  ) {
    return {
      keySerde: keySerde ?? this.#defaults.key ?? missingSerde(`the key of ${what}`),
      valueSerde: valueSerde ?? this.#defaults.value ?? missingSerde(`the value of ${what}`),
    }
  }

  /** Parents and stores must be there before; names and topics may be used once. Throws TOPOLOGY_INVALID. */
  add(node: TopologyNode): void {
    this.checkName(node.name)
    if (node.kind === 'source') checkTopics(node, this.#sources())
    else this.#checkParents(node)
    if (node.kind === 'processor') {
      for (const store of node.stores) this.#checkStore(store)
    }
    this.#nodes.set(node.name, Object.freeze(this.#wrapped(node)))
    this.#subTopologies = undefined
  }

  #wrapped(node: TopologyNode): TopologyNode {
    if (!this.#wrapper || node.kind !== 'processor') return node
    const supplier: AnyProcessorSupplier = this.#wrapper(node.name, node.supplier)
    return { ...node, supplier }
  }

  /** As {@link addStateStore}, by the declaration itself. */
  addStore(store: StoreSpec): void {
    const known = this.#stores.get(store.name)
    if (known === store) return
    this.#checkStoreName(store.name)
    if (store.packed && store.sourceTopic !== undefined)
      throw new StreamsError('CONFIG_INVALID', `Store ${store.name}: rows cannot be packed whose changelog is a source topic`, {
        remedy: 'Leave out packed, or the optimization reuse.ktable.source.topics.',
      })
    this.#stores.set(store.name, Object.freeze(store))
    this.#subTopologies = undefined
  }

  /**
   * As {@link addGlobalStore}, by the declaration itself. NodeNames and the topic may be used
   * once. Throws TOPOLOGY_INVALID. The store has a changelog unless its rows are the topic's records, whatever `logging` says: in Kafka
   * Streams every instance fills it from the topic for itself, here one task does.
   */
  addGlobal({ store, source, processor }: GlobalStore): void {
    for (const { name } of [source, processor]) this.checkName(name)
    this.#checkStoreName(store.name)
    if (store.flush)
      throw new StreamsError(
        'CONFIG_INVALID',
        `Global store ${store.name}: its readers wait for its rows, which cannot wait for their flush`,
      )
    if (store.packed)
      throw new StreamsError('CONFIG_INVALID', `Global store ${store.name}: its rows, which others read one by one, cannot be packed`)
    if (source.name === processor.name) throw topologyError('sourceName and processorName must be different.')
    checkTopics(source, this.#sources())
    this.#globalStores.set(store.name, Object.freeze({ ...store, logging: store.sourceTopic === undefined ? {} : false }))
    for (const node of [source, processor]) this.#nodes.set(node.name, Object.freeze(node))
    this.#subTopologies = undefined
  }

  /** Declares a repartition topic; without a partition count it follows its upstream (S-38). */
  addInternalTopic(name: string, options: { readonly partitions?: number }): void {
    this.#internal.set(name, options)
  }

  get subTopologies(): readonly SubTopology[] {
    this.#subTopologies ??= findSubTopologies([...this.#nodes.values()], this.#stores, this.#globalStores)
    return this.#subTopologies
  }

  /** The user's topics that the topology reads, in declaration order; patterns are not among them. */
  get sourceTopics(): readonly string[] {
    return this.#sources().flatMap((source) => source.topics.filter((topic) => !topic.internal).map((topic) => topic.name))
  }

  /** The user's topics that it writes under a fixed name. */
  get sinkTopics(): readonly string[] {
    const names = [...this.#nodes.values()].flatMap((node) =>
      node.kind === 'sink' && typeof node.topic !== 'function' && !node.topic.internal ? [node.topic.name] : [],
    )
    const { deadLetterTopic } = this.handlers
    return [...new Set(deadLetterTopic === undefined ? names : [...names, deadLetterTopic])]
  }

  /** Java's text, byte for byte (T-01 to T-03). */
  describe(): string {
    return describeTopology(this.subTopologies)
  }

  /** A mermaid flowchart, one box per sub-topology. */
  toMermaid(): string {
    return mermaidOf(this.subTopologies)
  }

  /** Topics that belong to the application: repartition topics, changelogs and one commit topic per sub-topology (protocol D2, D3). */
  internalTopics(applicationId: string): readonly InternalTopic[] {
    return internalTopicsOf(this.subTopologies, this.#internal, checkApplicationId(applicationId))
  }

  /**
   * Partition count of every internal topic, given those of the user's source topics (S-38). TOPIC_MISSING for a source
   * topic without a count.
   */
  partitionCounts(applicationId: string, userTopics: ReadonlyMap<string, number>): ReadonlyMap<string, number> {
    return partitionCountsOf(this.subTopologies, this.internalTopics(applicationId), applicationId, userTopics)
  }

  /** Changes when nodes, topics or stores do. */
  get fingerprint(): string {
    return createHash('sha256').update(this.describe()).digest('hex').slice(0, 16)
  }

  /** Throws TOPOLOGY_INVALID for the name of a node that is there. */
  checkName(name: string): void {
    if (this.#nodes.has(name)) throw topologyError(`Processor ${name} is already added.`)
  }

  #checkStoreName(name: string): void {
    if (this.#stores.has(name)) throw topologyError(`A different StateStore has already been added with the name ${name}`)
    if (this.#globalStores.has(name)) throw topologyError(`A different GlobalStateStore has already been added with the name ${name}`)
  }

  #checkStore(name: string): void {
    if (this.#globalStores.has(name))
      throw topologyError(
        `Global StateStore ${name} can be used by a Processor without being specified; it should not be explicitly passed.`,
      )
    if (!this.#stores.has(name)) throw topologyError(`StateStore ${name} is not added yet.`)
  }

  #sources(): readonly SourceNode[] {
    return [...this.#nodes.values()].filter((node) => node.kind === 'source')
  }

  #checkParents(node: ProcessorNode | SinkNode): void {
    if (node.parents.length === 0) throw topologyError('predecessorNames cannot be empty')
    for (const name of node.parents) {
      const parent = this.#nodes.get(name)
      if (!parent) throw topologyError(`Parent node ${name} is unknown${name === node.name ? ' (self-reference)' : ''}.`)
      if (parent.kind === 'sink') throw topologyError(`Sink ${name} cannot be used a parent.`)
      if (parent.kind === 'processor' && parent.stores.some((store) => this.#globalStores.has(store)))
        throw topologyError(`Processor ${name} writes a global store: nothing can stand below it.`)
    }
  }
}

/** Application ids become topic names and transactional ids. Throws CONFIG_INVALID. */
export const checkApplicationId = (applicationId: string): string => {
  if (/^[a-zA-Z0-9._-]{1,150}$/.test(applicationId) && applicationId !== '.' && applicationId !== '..') return applicationId
  throw new StreamsError(
    'CONFIG_INVALID',
    `The application id "${applicationId}" cannot be the prefix of topic names: it takes 1 to 150 of the characters a-z, A-Z, 0-9, '.', '_' and '-'`,
    { remedy: 'Choose an application id such as "word-count".' },
  )
}
