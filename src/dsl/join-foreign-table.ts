import {
  answerSubscriptions,
  type ForeignKeyExtractor,
  type ForeignKeyJoin,
  foreignKeyJoinPrefixes as prefixes,
  receiveSubscriptions,
  resolveResponses,
  sendSubscriptions,
  tellSubscribers,
} from '../operators/foreign-key-join.ts'
import type { ValueJoiner } from '../operators/table-join.ts'
import { tableSourceNode } from '../operators/table-source.ts'
import { Serdes } from '../serde/serdes.ts'
import { foreignKeyPrefix, type SubscriptionResponse, subscriptionResponseSerde, subscriptionSerde } from '../serde/subscription.ts'
import { type LogicalNode, type LogicalNodeSpec, logicalNode } from '../topology/logical.ts'
import { checkName } from '../topology/naming.ts'
import type { AnySerde, AnyStreamPartitioner, ProcessorNode, SinkNode, SourceNode, StoreSpec } from '../topology/nodes.ts'
import { failOnInvalidTimestamp } from '../topology/timestamps.ts'
import type { Drawing } from './drawing.ts'
import { keyValueStore, materializedOf, type SourceDemand, sourceTable, storeNameOf, type TablePlace } from './materialize.ts'
import type { TableJoined } from './options.ts'

interface ForeignJoinSpec<K, V, KO, VO, VR> {
  readonly left: boolean
  readonly extractor: ForeignKeyExtractor<K, V, KO>
  readonly joiner: ValueJoiner<K, V, VO | null, VR>
  readonly options: TableJoined<K, NonNullable<VR>>
}

/**
 * Draws the join of a table with the rows of another that its values name (D-56): subscriptions go to the other table's
 * partitions, answers come back to this one's. Both tables are kept in stores from now on.
 */
export const joinForeignTable = <K, V, KO, VO, VR>(
  left: TablePlace<K, V>,
  right: TablePlace<KO, VO>,
  { options, ...facts }: ForeignJoinSpec<K, V, KO, VO, VR>,
): TablePlace<K, NonNullable<VR>> => {
  const { drawing } = left
  right.facts.sendOldValues(true)
  left.facts.sendOldValues(true)
  const names = namesOf(drawing, options.name)
  const serdes = serdesOf(drawing, names.registration.sink, { left, right })
  const join: ForeignKeyJoin<K, V, KO, VO, VR> = { ...facts, ...serdes, registrationTopic: names.registration.topic }
  const draw = (parents: LogicalNode | readonly LogicalNode[], node: ProcessorNode | SinkNode | SourceNode, store?: StoreSpec) =>
    drawing.graph.add(parents, logicalNode({ name: node.name, nodes: [node], ...(store ? { stores: [store] } : {}) }))
  const through = (parents: LogicalNode | readonly LogicalNode[], ...[sink, source]: readonly [SinkNode, SourceNode]) =>
    draw(draw(parents, sink), source)

  const views = { left: left.facts.view(), right: right.facts.view() }
  const store = subscriptionStore(names.store, options.name !== undefined)
  const send = draw(left.node, processor(names.send, sendSubscriptions(join), {}))
  const subscriptions = through(
    send,
    ...topic(
      names.registration,
      { keySerde: serdes.foreignKeySerde, valueSerde: subscriptionSerde },
      withoutValue(options.otherPartitioner),
    ),
  )
  const received = draw(
    subscriptions,
    processor(names.receive, receiveSubscriptions(store.name, join), {
      stores: [store.name],
      keepsKey: true,
      meets: [right.node.spec.name],
    }),
    store,
  )
  const answered = draw(
    received,
    processor(names.answer, answerSubscriptions(views.right, join), { stores: views.right.stores, readsByKey: views.right.stores }),
  )
  const byForeignKey = { store: store.name, keySerde: serdes.foreignKeySerde, prefixOf: foreignKeyPrefix }
  const told = draw(
    right.node,
    processor(names.tell, tellSubscribers(store.name, join), { stores: [store.name], readsPrefixes: [byForeignKey] }),
  )
  const response = { keySerde: serdes.keySerde, valueSerde: subscriptionResponseSerde(serdes.foreignValueSerde) }
  const responses = through([answered, told], ...topic(names.response, response, withoutValue(options.partitioner) ?? toAsker))
  const resolved = draw(
    responses,
    processor(names.resolve, resolveResponses(views.left, join), {
      stores: views.left.stores,
      readsByKey: views.left.stores,
      keepsKey: true,
      meets: [left.node.spec.name],
    }),
  )
  return resultTable(resolved, names.result, { left, options })
}

/** Fourteen numbers with that of the result's store, in Java's order, whether or not the nodes are named by them (S-31). */
const namesOf = ({ names }: Drawing, name: string | undefined) => {
  const given = name === undefined ? undefined : checkName(name)
  const next = (prefix: string, suffix: string): string => names.processor(prefix, given && `${given}-${suffix}`)
  const topicNames = (suffix: string) => ({
    sink: next('KTABLE-SINK-', `${suffix}-sink`),
    source: next('KTABLE-SOURCE-', `${suffix}-source`),
  })
  const registration = next(prefixes.registration, 'subscription-registration')
  const send = next(prefixes.registration, 'subscription-registration-processor')
  const subscriptions = { topic: `${registration}-topic`, ...topicNames('subscription-registration') }
  const store = next(prefixes.store, 'subscription-store')
  const receive = next(prefixes.processor, 'subscription-receive')
  const answer = next(prefixes.processor, 'subscription-join-foreign')
  const tell = next(prefixes.processor, 'foreign-join-subscription')
  const response = { topic: `${next(prefixes.response, 'subscription-response')}-topic`, ...topicNames('subscription-response') }
  const resolve = next(prefixes.resolver, 'subscription-response-resolver')
  return { registration: subscriptions, send, store, receive, answer, tell, response, resolve, result: next(prefixes.output, 'result') }
}

const serdesOf = <K, V, KO, VO>(
  drawing: Drawing,
  topic: string,
  { left, right }: { readonly left: TablePlace<K, V>; readonly right: TablePlace<KO, VO> },
) => ({
  keySerde: drawing.keySerde(left.keySerde, `the key of the table on the left of ${topic}`),
  valueSerde: drawing.valueSerde(left.valueSerde, `the value of the table on the left of ${topic}`),
  foreignKeySerde: drawing.keySerde(right.keySerde, `the key of the table on the right of ${topic}`),
  foreignValueSerde: drawing.valueSerde(right.valueSerde, `the value of the table on the right of ${topic}`),
})

const processor = (
  name: string,
  supplier: ProcessorNode['supplier'],
  facts: Partial<Pick<ProcessorNode, 'stores' | 'keepsKey' | 'readsByKey' | 'readsPrefixes' | 'meets'>>,
): ProcessorNode => ({ kind: 'processor', name, parents: [], supplier, stores: [], keepsKey: false, readsByKey: [], ...facts })

/** Sink and source around one of the two topics. */
const topic = (
  names: { readonly topic: string; readonly sink: string; readonly source: string },
  serdes: { readonly keySerde: AnySerde; readonly valueSerde: AnySerde },
  partitioner: AnyStreamPartitioner | undefined,
): readonly [SinkNode, SourceNode] => {
  const ref = { name: names.topic, internal: true }
  return [
    { kind: 'sink', name: names.sink, parents: [], topic: ref, ...serdes, ...(partitioner && { partitioner }) },
    { kind: 'source', name: names.source, topics: [ref], ...serdes, timestampExtractor: failOnInvalidTimestamp },
  ]
}

/** Partitioners of the user are for rows, by their keys (KIP-775): they do not see what the topics carry. */
const withoutValue = (partitioner: AnyStreamPartitioner | undefined): AnyStreamPartitioner | undefined =>
  partitioner && ((name, key, _value, partitions) => partitioner(name, key, null, partitions))

/** Back to the partition whose row has asked. */
const toAsker: AnyStreamPartitioner = (_topic, _key, value) => {
  const { partition } = value as SubscriptionResponse<unknown>
  return partition === undefined ? undefined : [partition]
}

const subscriptionStore = (name: string, named: boolean): StoreSpec => ({
  kind: 'key-value',
  holds: 'values',
  logsHeaders: true,
  name,
  keySerde: Serdes.bytes,
  valueSerde: subscriptionSerde,
  caching: false,
  logging: {},
  named,
})

/** The joined rows, kept as soon as somebody below asks for them. */
const resultTable = <K, V, VR>(
  parent: LogicalNode,
  name: string,
  { left, options }: { readonly left: TablePlace<K, V>; readonly options: TableJoined<K, NonNullable<VR>> },
): TablePlace<K, NonNullable<VR>> => {
  const { drawing } = left
  const materialized = materializedOf(options.store) ?? {}
  const { keySerde = left.keySerde, valueSerde } = materialized
  const storeName = storeNameOf(drawing, prefixes.output, materialized)
  const store = () => keyValueStore(drawing, storeName, { ...materialized, keySerde, valueSerde })
  const draw = ({ stored, oldValues }: SourceDemand): LogicalNodeSpec => ({
    name,
    ...(stored ? { stores: [store()] } : { storesOnDemand: [{ name: storeName, logging: materialized.logging ?? {}, named: false }] }),
    nodes: [tableSourceNode({ name, parents: [], store: stored ? storeName : undefined, oldValues })],
  })
  const stored = materialized.name !== undefined
  const node = drawing.graph.add(parent, logicalNode(draw({ stored, oldValues: false })))
  return {
    drawing,
    node,
    keySerde,
    valueSerde,
    repartition: false,
    queryableStoreName: storeName,
    facts: sourceTable(node, storeName, { stored, historyMs: materialized.versioned?.historyRetentionMs, draw }),
  }
}
