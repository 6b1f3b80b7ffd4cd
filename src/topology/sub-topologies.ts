import type { SinkNode, SourceNode, StoreSpec, TopicRef, TopologyNode } from './nodes.ts'

/** Nodes that belong together because records or a store connect them (S-36): the unit that becomes a function. */
export interface SubTopology {
  /** Kafka's number, in `describe()` and task ids. */
  readonly id: number
  /**
   * Stable name: its first source topic in declaration order (an internal one without the application id). It is part of
   * transactional ids, table keys and topic names, so it must not depend on numbering.
   */
  readonly name: string
  /** In insertion order. */
  readonly nodes: readonly TopologyNode[]
  readonly sources: readonly SourceNode[]
  readonly sinks: readonly SinkNode[]
  /** In the order in which a commit flushes them. */
  readonly stores: readonly StoreSpec[]
  /** The global store that it writes, if it is that of one: every task of the application reads it. */
  readonly globalStore: StoreSpec | undefined
  /** Every source topic, in declaration order. */
  readonly sourceTopics: readonly TopicRef[]
  /** Groups of source topics that must have the same number of partitions, for joins (S-38). */
  readonly copartitioned: readonly (readonly TopicRef[])[]
  /** Node names in the order in which Java adds them to the group; `describe()` needs it. */
  readonly groupOrder: readonly string[]
}

/** Groups the nodes as Kafka's `InternalTopologyBuilder.makeNodeGroups` does: in the order in which they were added. */
export const findSubTopologies = (
  nodes: readonly TopologyNode[],
  stores: ReadonlyMap<string, StoreSpec>,
  globalStores: ReadonlyMap<string, StoreSpec>,
): readonly SubTopology[] => {
  const rootOf = unite(nodes)
  const groups = new Map<string, string[]>()
  for (const node of nodes) {
    const root = rootOf(node.name)
    const group = groups.get(root)
    if (group) group.push(node.name)
    else groups.set(root, [node.name])
  }
  return [...groups.values()].map((groupOrder, id) => {
    const members = new Set(groupOrder)
    return subTopology(
      id,
      groupOrder,
      nodes.filter((node) => members.has(node.name)),
      { stores, globalStores },
    )
  })
}

const subTopology = (
  id: number,
  groupOrder: readonly string[],
  nodes: readonly TopologyNode[],
  { stores, globalStores }: { readonly stores: ReadonlyMap<string, StoreSpec>; readonly globalStores: ReadonlyMap<string, StoreSpec> },
): SubTopology => {
  const sources = nodes.filter((node) => node.kind === 'source')
  const sourceTopics = sources.flatMap((source) => source.topics)
  const storeNames = new Set(nodes.flatMap((node) => (node.kind === 'processor' ? node.stores : [])))
  return Object.freeze({
    id,
    name: sourceTopics[0]?.name ?? sources[0]?.pattern?.source.replaceAll(/[^a-zA-Z0-9._-]/g, '_') ?? groupOrder[0] ?? String(id),
    nodes,
    sources,
    sinks: nodes.filter((node) => node.kind === 'sink'),
    stores: [...storeNames].flatMap((name) => stores.get(name) ?? globalStores.get(name) ?? []),
    globalStore: [...storeNames].map((name) => globalStores.get(name)).find((store) => store !== undefined),
    sourceTopics,
    copartitioned: copartitionedIn(nodes),
    groupOrder,
  })
}

/** Union-find over node names: a node with its parents, and all nodes that share a store. */
const unite = (nodes: readonly TopologyNode[]): ((name: string) => string) => {
  const parent = new Map(nodes.map((node) => [node.name, node.name]))
  const rootOf = (name: string): string => {
    let at = name
    for (let up = parent.get(at); up !== undefined && up !== at; up = parent.get(at)) at = up
    return at
  }
  const join = (a: string, b: string): void => void parent.set(rootOf(a), rootOf(b))
  const firstOfStore = new Map<string, string>()
  for (const node of nodes) {
    if (node.kind === 'source') continue
    for (const name of node.parents) join(node.name, name)
    if (node.kind !== 'processor') continue
    for (const store of node.stores) {
      const first = firstOfStore.get(store)
      if (first === undefined) firstOfStore.set(store, node.name)
      else join(node.name, first)
    }
  }
  return rootOf
}

/** For each join the topics above it; joins that have a topic in common are one group. */
const copartitionedIn = (nodes: readonly TopologyNode[]): readonly (readonly TopicRef[])[] => {
  const byName = new Map(nodes.map((node) => [node.name, node]))
  const topicsAbove = (name: string): readonly TopicRef[] => {
    const node = byName.get(name)
    return !node || node.kind === 'source' ? (node?.topics ?? []) : node.parents.flatMap(topicsAbove)
  }
  let groups: ReadonlyMap<string, TopicRef>[] = []
  for (const node of nodes) {
    if (node.kind !== 'processor' || !node.meets) continue
    const topics = new Map([...node.parents, ...node.meets].flatMap(topicsAbove).map((topic) => [topic.name, topic]))
    const meeting = groups.filter((group) => [...topics.keys()].some((name) => group.has(name)))
    groups = [...groups.filter((group) => !meeting.includes(group)), new Map([...meeting.flatMap((group) => [...group]), ...topics])]
  }
  return groups.map((group) => [...group.values()]).filter((group) => group.length > 1)
}
