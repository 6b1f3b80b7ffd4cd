import { createHash } from 'node:crypto'
import { StreamsError } from '../errors.ts'
import { defaultHandlers, type ExceptionHandlers } from '../processor/exception-handlers.ts'
import { describeTopology } from './describe.ts'
import { type InternalTopic, internalTopicsOf, partitionCountsOf } from './internal-topics.ts'
import { mermaidOf } from './mermaid.ts'
import type { GlobalStore, ProcessorNode, SinkNode, SourceNode, StoreSpec, TopologyNode } from './nodes.ts'
import { findSubTopologies, type SubTopology } from './sub-topologies.ts'

/** An error of the topology itself, with Java's `TopologyException` wording. */
export const topologyError = (why: string): StreamsError => new StreamsError('TOPOLOGY_INVALID', `Invalid topology: ${why}`)

/**
 * Sources, processors, sinks and stores (Kafka's `Topology`). Nodes are frozen plain data; a node's parents exist before it.
 * What is derived from them (sub-topologies, text, internal topics) is computed when asked for.
 */
export class Topology {
  /** Who is asked when a record cannot be read, processed or written. */
  readonly handlers: ExceptionHandlers
  readonly #nodes = new Map<string, TopologyNode>()
  readonly #stores = new Map<string, StoreSpec>()
  readonly #globalStores = new Map<string, StoreSpec>()
  readonly #internal = new Map<string, { readonly partitions?: number }>()
  #subTopologies: readonly SubTopology[] | undefined

  constructor(handlers: ExceptionHandlers = defaultHandlers) {
    this.handlers = handlers
  }

  /** Parents and stores must be there before; names and topics may be used once. Throws TOPOLOGY_INVALID. */
  add(node: TopologyNode): void {
    if (this.#nodes.has(node.name)) throw topologyError(`Processor ${node.name} is already added.`)
    if (node.kind === 'source') this.#checkTopics(node)
    else this.#checkParents(node)
    if (node.kind === 'processor') {
      for (const store of node.stores) this.#checkStore(store)
    }
    this.#nodes.set(node.name, Object.freeze(node))
    this.#subTopologies = undefined
  }

  addStateStore(store: StoreSpec): void {
    const known = this.#stores.get(store.name)
    if (known === store) return
    this.#checkStoreName(store.name)
    this.#stores.set(store.name, Object.freeze(store))
    this.#subTopologies = undefined
  }

  /**
   * A store that every task may read, filled from a topic by one node that nothing stands below. Names and the topic may be used
   * once. Throws TOPOLOGY_INVALID. The store has a changelog unless its rows are the topic's records, whatever `logging` says: in Kafka
   * Streams every instance fills it from the topic for itself, here one task does.
   */
  addGlobalStore({ store, source, processor }: GlobalStore): void {
    for (const { name } of [source, processor]) if (this.#nodes.has(name)) throw topologyError(`Processor ${name} is already added.`)
    this.#checkStoreName(store.name)
    if (source.name === processor.name) throw topologyError('sourceName and processorName must be different.')
    this.#checkTopics(source)
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

  #checkTopics(node: SourceNode): void {
    if (node.topics.length === 0 && !node.pattern) throw topologyError('topics cannot be empty')
    const taken = this.#sources()
    const matches = (pattern: RegExp, topic: string): boolean => new RegExp(`^(?:${pattern.source})$`, pattern.flags).test(topic)
    for (const { name: topic } of node.topics) {
      const clash = taken.some((other) => other.topics.some((it) => it.name === topic) || (other.pattern && matches(other.pattern, topic)))
      if (clash) throw topologyError(`Topic ${topic} has already been registered by another source.`)
    }
    const { pattern } = node
    if (pattern && taken.some((other) => other.topics.some((it) => matches(pattern, it.name)))) {
      throw topologyError(`Pattern ${pattern.source} will match a topic that has already been registered by another source.`)
    }
  }

  #checkParents(node: ProcessorNode | SinkNode): void {
    if (node.parents.length === 0) throw topologyError('predecessorNames cannot be empty')
    for (const name of node.parents) {
      const parent = this.#nodes.get(name)
      if (!parent) throw topologyError(`Predecessor processor ${name} is not added yet for ${node.name}`)
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
