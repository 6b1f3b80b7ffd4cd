import { StreamsError } from '../errors.ts'
import type { ExceptionHandlers } from '../processor/exception-handlers.ts'
import { bytesOfId, keyId } from '../serde/serde.ts'
import { Serdes } from '../serde/serdes.ts'
import { sessionWindowed, windowStoreKey, windowStoreTail } from '../serde/windowed.ts'
import { prefixRange } from '../state/rows.ts'
import type { CompressionType } from '../topology/config.ts'
import { changelogTopic, commitTopic } from '../topology/internal-topics.ts'
import { type AnySerde, type SourceNode, type StoreSpec, type TopologyNode, topicName } from '../topology/nodes.ts'
import type { SubTopology } from '../topology/sub-topologies.ts'
import { checkApplicationId, type Topology } from '../topology/topology.ts'

/** Everything that a task of one sub-topology needs to know of the topology: names as on the cluster, nodes, stores. */
export interface TaskPlan {
  readonly applicationId: string
  /** Stable name of the sub-topology. */
  readonly subTopology: string
  /** Kafka's number; with the partition it makes the task id (S-37). -1 where it fills a global store. */
  readonly subTopologyId: number
  readonly nodes: readonly TopologyNode[]
  readonly stores: readonly StoreSpec[]
  /** Topic to the source node that reads it. */
  readonly sources: ReadonlyMap<string, SourceNode>
  readonly commitTopic: string
  /** Store to changelog, for those stores that have one. */
  readonly changelogs: ReadonlyMap<string, string>
  /** Topics of the application that it writes: repartition topics and those of joins by foreign key. */
  readonly internalSinks: ReadonlySet<string>
  readonly prefetch: readonly PrefetchRule[]
  /** How the global stores are filled that its processors may read; none for the tasks that fill one themselves. */
  readonly globals: readonly TaskPlan[]
  readonly fingerprint: string
  readonly handlers: ExceptionHandlers
  readonly compression: CompressionType
}

/** Kafka's task id (S-37); tasks that fill global stores have none, and tell so. */
export const taskIdOf = ({ subTopologyId }: TaskPlan, partition: number): string =>
  subTopologyId < 0 ? '-1_-1' : `${subTopologyId}_${partition}`

/** Processing a record of `topic` reads rows of `store` that its key, and its time where there are windows, tell. */
export type PrefetchRule = { readonly topic: string; readonly store: string } & (
  | {
      /** The row's {@link keyId} for that of a record's key. */
      readonly idOf: (id: string) => string
    }
  | {
      /** Those of its rows, by the record's time too. */
      readonly idsOf: (id: string, timestamp: number) => readonly string[]
    }
  | {
      /** Where in the store the rows are, from one key to another. */
      readonly rangesOf: (bytes: Uint8Array, timestamp: number) => readonly (readonly [from: Uint8Array, to: Uint8Array])[]
    }
)

export const planOf = (topology: Topology, applicationId: string, sub: SubTopology): TaskPlan =>
  sub.globalStore ? planGlobal(topology, applicationId, sub) : planReaders(topology, applicationId, [sub])

/** One plan over all sub-topologies but those of global stores: Kafka's test driver runs them as the one task `0_0` (T-12). */
export const planWhole = (topology: Topology, applicationId: string): TaskPlan =>
  planReaders(
    topology,
    applicationId,
    topology.subTopologies.filter((sub) => !sub.globalStore),
  )

const planReaders = (topology: Topology, applicationId: string, subs: readonly SubTopology[]): TaskPlan => ({
  ...planNodes(topology, applicationId, subs),
  globals: topology.subTopologies.filter((sub) => sub.globalStore).map((sub) => planGlobal(topology, applicationId, sub)),
})

/** Errors with the records of a global store write no dead letters, and ask the processing handler only if it wants to be asked (S-43, S-44). */
const planGlobal = (topology: Topology, applicationId: string, sub: SubTopology): TaskPlan => {
  const { handlers } = topology
  return {
    ...planNodes(topology, applicationId, [sub]),
    globals: [],
    subTopologyId: -1,
    handlers: { ...handlers, deadLetterTopic: undefined, processing: handlers.alsoGlobal ? handlers.processing : 'LogAndFail' },
  }
}

/** By stable name or CONFIG_INVALID with the names there are. */
export const subTopologyNamed = (topology: Topology, name: string): SubTopology => {
  const found = topology.subTopologies.find((sub) => sub.name === name)
  if (found) return found
  const known = topology.subTopologies.map((sub) => sub.name).join(', ')
  throw new StreamsError('CONFIG_INVALID', `The topology has no sub-topology "${name}"; it has ${known}`)
}

const planNodes = (topology: Topology, applicationId: string, subs: readonly SubTopology[]): Omit<TaskPlan, 'globals'> => {
  checkApplicationId(applicationId)
  const name = subs[0]?.name ?? 'empty'
  const nodes = subs.flatMap((sub) => sub.nodes)
  const stores = subs.flatMap((sub) => sub.stores)
  const sources = new Map(
    subs.flatMap((sub) => sub.sources).flatMap((source) => source.topics.map((it) => [topicName(it, applicationId), source])),
  )
  return {
    applicationId,
    subTopology: name,
    subTopologyId: subs[0]?.id ?? 0,
    nodes,
    stores,
    sources,
    commitTopic: commitTopic(applicationId, name),
    changelogs: new Map(
      stores.flatMap((store) => (store.logging === false ? [] : [[store.name, changelogTopic(applicationId, store.name)]])),
    ),
    internalSinks: new Set(
      subs
        .flatMap((sub) => sub.sinks)
        .flatMap(({ topic }) => (typeof topic !== 'function' && topic.internal ? [topicName(topic, applicationId)] : [])),
    ),
    prefetch: [...sources].flatMap(([topic, source]) => rulesBelow(topic, source, { nodes, stores })),
    fingerprint: topology.fingerprint,
    handlers: topology.handlers,
    compression: topology.compression,
  }
}

/** Follows the key from a source down to the stores that are read with it. */
const rulesBelow = (
  topic: string,
  source: SourceNode,
  { nodes, stores }: { readonly nodes: readonly TopologyNode[]; readonly stores: readonly StoreSpec[] },
): readonly PrefetchRule[] => {
  const rules: PrefetchRule[] = []
  const visit = (name: string): void => {
    for (const node of nodes) {
      if (node.kind !== 'processor' || !node.parents.includes(name)) continue
      for (const store of node.readsByKey) {
        const spec = stores.find((it) => it.name === store)
        if (spec) rules.push({ topic, store, idOf: transcodeId(source.keySerde, spec.keySerde, topic) })
      }
      for (const { store, keySerde, prefixOf } of node.readsPrefixes ?? []) {
        const key = transcode(source.keySerde, keySerde, topic)
        rules.push({ topic, store, rangesOf: (bytes) => prefixRange(prefixOf(key(bytes))) })
      }
      for (const { store, windowsFor } of node.readsWindows ?? []) {
        const spec = stores.find((it) => it.name === store)
        if (!spec) continue
        const inner = transcodeId(source.keySerde, spec.keySerde, topic)
        rules.push({
          topic,
          store,
          idsOf: (id, timestamp) => {
            const key = inner(id)
            return windowsFor(timestamp).map(({ startMs }) => key + windowStoreTail(startMs))
          },
        })
      }
      for (const { store, fromMs } of node.readsFrom ?? []) {
        const spec = stores.find((it) => it.name === store)
        const inner = spec && transcode(source.keySerde, spec.keySerde, topic)
        if (inner) rules.push({ topic, store, rangesOf: (bytes, timestamp) => [rowsFrom(spec, inner(bytes), fromMs(timestamp))] })
      }
      if (node.keepsKey) visit(node.name)
    }
  }
  visit(source.name)
  return rules
}

/** From a window's start, or a session's end, to the key's last row. */
const rowsFrom = ({ kind }: StoreSpec, key: Uint8Array, fromMs: number): readonly [from: Uint8Array, to: Uint8Array] => {
  const last = Number.MAX_SAFE_INTEGER
  if (kind !== 'session') return [windowStoreKey(key, fromMs), windowStoreKey(key, last, 0x7fffffff)]
  const bound = (startMs: number, endMs: number) => sessionKeys.serialize({ key, window: { startMs, endMs } }, '')
  return [bound(0, fromMs), bound(last, last)]
}
const sessionKeys = sessionWindowed(Serdes.bytes)

const transcodeId = (from: AnySerde, to: AnySerde, topic: string): ((id: string) => string) => {
  if (from === to) return (id) => id
  const transcoded = transcode(from, to, topic)
  return (id) => keyId(transcoded(bytesOfId(id)))
}

const transcode = (from: AnySerde, to: AnySerde, topic: string): ((bytes: Uint8Array) => Uint8Array) =>
  from === to ? (bytes) => bytes : (bytes) => to.serialize(from.deserialize(bytes, topic), topic)
