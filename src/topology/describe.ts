import { hashSetCopyOrder, hashSetOrder, JavaTreeSet } from './java-order.ts'
import type { TopologyNode } from './nodes.ts'
import type { SubTopology } from './sub-topologies.ts'

interface Described {
  readonly node: TopologyNode
  readonly predecessors: JavaTreeSet<Described>
  readonly successors: JavaTreeSet<Described>
  size: number
}

const byName = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)
const bySizeThenName = (a: Described, b: Described): number => (a === b ? 0 : b.size - a.size || byName(a.node.name, b.node.name))

const grow = (entry: Described, by: number): void => {
  entry.size += by
  for (const predecessor of entry.predecessors) grow(predecessor, by)
}

/** Java's text of `Topology.describe()`, byte for byte (T-01 to T-03; Kafka's `InternalTopologyBuilder.TopologyDescription`). */
export const describeTopology = (subTopologies: readonly SubTopology[]): string =>
  `Topologies:\n ${subTopologies.map(describeSubTopology).join('')}`

const describeSubTopology = (sub: SubTopology): string => {
  const entries = new Map<string, Described>()
  const nodes = new Map(sub.nodes.map((node) => [node.name, node]))
  for (const name of hashSetOrder(sub.groupOrder)) {
    const node = nodes.get(name)
    if (node)
      entries.set(name, { node, predecessors: new JavaTreeSet(bySizeThenName), successors: new JavaTreeSet(bySizeThenName), size: 1 })
  }
  for (const name of hashSetOrder(entries.keys())) {
    const entry = entries.get(name)
    if (!entry || entry.node.kind === 'source') continue
    for (const parent of entry.node.parents) {
      const predecessor = entries.get(parent)
      if (!predecessor) continue
      entry.predecessors.add(predecessor)
      predecessor.successors.add(entry)
      grow(predecessor, entry.size)
    }
  }
  const sorted = [...entries.values()].sort(bySizeThenName)
  const lines = sorted.map(describeNode).join('')
  return sub.globalStore
    ? `  Sub-topology: ${sub.id} for global store (will not generate tasks)\n${lines}`
    : `  Sub-topology: ${sub.id}\n${lines}\n`
}

const names = (set: Iterable<Described>): string => [...set].map((entry) => entry.node.name).join(', ') || 'none'

const describeNode = ({ node, predecessors, successors }: Described): string => {
  switch (node.kind) {
    case 'source': {
      const topics = node.pattern ? node.pattern.source : `[${hashSetCopyOrder(node.topics.map((topic) => topic.name)).join(', ')}]`
      return `    Source: ${node.name} (topics: ${topics})\n      --> ${names(successors)}\n`
    }
    case 'processor': {
      const stores = hashSetCopyOrder(hashSetOrder(node.stores)).join(', ')
      return `    Processor: ${node.name} (stores: [${stores}])\n      --> ${names(successors)}\n      <-- ${names(predecessors)}\n`
    }
    case 'sink': {
      const target = typeof node.topic === 'function' ? `extractor class: ${node.topic.name || '(anonymous)'}` : `topic: ${node.topic.name}`
      return `    Sink: ${node.name} (${target})\n      <-- ${names(predecessors)}\n`
    }
    default:
      return node satisfies never
  }
}
