import type { AnySerde, GlobalStore, SourceNode, StoreSpec, TopologyNode } from './nodes.ts'

/**
 * The logical graph that the DSL draws: one node per call, with the facts that optimisation asks for and the physical nodes
 * that it becomes. Processors and sinks with an empty `parents` list get the logical node's parents when they are written.
 */
export interface LogicalNodeSpec {
  /** What children see as their parent. */
  readonly name: string
  readonly nodes: readonly TopologyNode[]
  readonly stores?: readonly StoreSpec[]
  /** Stores that it has as soon as somebody below asks for rows: nobody has. */
  readonly storesOnDemand?: readonly Pick<StoreSpec, 'name' | 'logging' | 'named'>[]
  readonly changesKey?: boolean
  readonly changesValue?: boolean
  readonly merges?: boolean
  /** It has use for records with a null key: a repartition right above keeps them. */
  readonly takesNullKeys?: boolean
  readonly source?: SourceNode
  /** It is a global store with its topic: a sub-topology of its own, and none of `nodes`. */
  readonly globalStore?: GlobalStore
  readonly repartition?: RepartitionSpec
  /** Of a windowed aggregation: a row changes no more once stream time is this far beyond the end of its window. */
  readonly graceMs?: number
  /** Of a join of two streams: what it is where both are one, and the node that then goes (`single.store.self.join`). */
  readonly withItself?: { readonly spec: LogicalNodeSpec; readonly without: string }
  /** The one topic whose records are the rows of the node's store, if it has one. */
  readonly tableTopic?: string
}

export interface RepartitionSpec {
  /** Without the application id. */
  readonly topic: string
  readonly keySerde: AnySerde | undefined
  readonly valueSerde: AnySerde | undefined
  readonly partitions?: number
  /** Only repartitions that the library made may be merged. */
  readonly mergeable: boolean
  /** The nodes that let null keys pass, in place of the node's own. */
  readonly withNullKeys?: readonly TopologyNode[]
}

/** A node in place: edges keep insertion order, as Java's LinkedHashSets do. */
export interface LogicalNode {
  spec: LogicalNodeSpec
  readonly parents: Set<LogicalNode>
  readonly children: Set<LogicalNode>
  priority: number
}

export interface LogicalGraph {
  readonly root: LogicalNode
  /** In the order in which they were added; a node added again moves its priority, not its place. */
  readonly nodes: readonly LogicalNode[]
  add(parents: LogicalNode | readonly LogicalNode[], node: LogicalNode): LogicalNode
}

export const logicalNode = (spec: LogicalNodeSpec): LogicalNode => ({ spec, parents: new Set(), children: new Set(), priority: -1 })

export const link = (parent: LogicalNode, child: LogicalNode): void => {
  parent.children.add(child)
  child.parents.add(parent)
}

export const unlink = (parent: LogicalNode, child: LogicalNode): void => {
  parent.children.delete(child)
  child.parents.delete(parent)
}

export const createLogicalGraph = (): LogicalGraph => {
  const root = logicalNode({ name: 'root', nodes: [] })
  const nodes: LogicalNode[] = []
  let priority = 0
  return {
    root,
    nodes,
    add: (parents, node) => {
      for (const parent of 'spec' in parents ? [parents] : parents) link(parent, node)
      node.priority = priority++
      if (!nodes.includes(node)) nodes.push(node)
      return node
    },
  }
}
