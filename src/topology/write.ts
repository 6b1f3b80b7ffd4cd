import type { StreamsConfig } from './config.ts'
import type { LogicalGraph, LogicalNode } from './logical.ts'
import { Topology } from './topology.ts'

/**
 * Writes the logical graph as a topology, in Kafka's order (`InternalStreamsBuilder.buildAndOptimizeTopology`): a node when
 * all of its parents are written, the one that was drawn first first. The order decides sub-topology numbers.
 */
export const writeTopology = (graph: LogicalGraph, config: StreamsConfig<unknown, unknown>): Topology => {
  const topology = new Topology(config)
  const written = new Set<LogicalNode>()
  const queue = [graph.root]
  while (queue.length > 0) {
    const next = queue.reduce((best, node, at) => (node.priority < (queue[best]?.priority ?? Number.POSITIVE_INFINITY) ? at : best), 0)
    const node = queue.splice(next, 1)[0]
    if (!node) break
    if (!written.has(node) && [...node.parents].every((parent) => written.has(parent))) {
      writeNode(topology, node)
      written.add(node)
    }
    for (const child of node.children) if (!written.has(child)) queue.push(child)
  }
  return topology
}

const writeNode = (topology: Topology, { spec, parents }: LogicalNode): void => {
  const above = [...parents].map((parent) => parent.spec.name)
  if (spec.repartition) {
    const { topic, partitions } = spec.repartition
    topology.addInternalTopic(topic, partitions === undefined ? {} : { partitions })
  }
  if (spec.globalStore) topology.addGlobal(spec.globalStore)
  for (const { name } of spec.nodes) topology.checkName(name)
  for (const store of spec.stores ?? []) topology.addStore(store)
  for (const node of spec.nodes) {
    topology.add(node.kind === 'source' || node.parents.length > 0 ? node : { ...node, parents: above })
  }
}
