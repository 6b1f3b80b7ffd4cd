import { StreamsError } from '../errors.ts'
import { type LogicalGraph, type LogicalNode, type LogicalNodeSpec, link, logicalNode, type RepartitionSpec, unlink } from './logical.ts'
import { topologyError } from './topology-error.ts'

/** Kafka's `topology.optimization` values (S-39). */
export type Optimization = 'reuse.ktable.source.topics' | 'merge.repartition.topics' | 'single.store.self.join'

const all: readonly Optimization[] = ['reuse.ktable.source.topics', 'merge.repartition.topics', 'single.store.self.join']

/** `none`, `all`, or a comma-separated list; anything else is CONFIG_INVALID. */
export const parseOptimization = (value: string): ReadonlySet<Optimization> => {
  const parts = value.split(',').map((part) => part.trim())
  if (value === 'none') return new Set()
  if (value === 'all') return new Set(all)
  const known = parts.filter((part): part is Optimization => all.some((it) => it === part))
  if (known.length === parts.length) return new Set(known)
  throw new StreamsError(
    'CONFIG_INVALID',
    `"${value}" is not a topology.optimization: it is "none", "all" or a comma-separated list of ${all.join(', ')}`,
  )
}

/** Two sources of exactly the same topics or pattern become one, always (D-01). */
export const mergeSources = (graph: LogicalGraph): void => {
  const mainOf = new Map<string, LogicalNode>()
  for (const node of [...graph.root.children]) {
    const { source } = node.spec
    if (!source) continue
    const topics = source.topics.map((topic) => topic.name)
    for (const key of source.pattern ? [`/${source.pattern}/`] : topics) {
      const main = mainOf.get(key)
      if (!main) {
        mainOf.set(key, node)
        continue
      }
      if (main === node) continue
      const mainTopics = new Set(main.spec.source?.topics.map((topic) => topic.name))
      if (!source.pattern && (mainTopics.size !== topics.length || topics.some((topic) => !mainTopics.has(topic)))) {
        throw topologyError('Two source nodes are subscribed to overlapping but not equal input topics')
      }
      const reset = (it: LogicalNodeSpec['source']): string => JSON.stringify(it?.offsetReset ?? null)
      if (reset(main.spec.source) !== reset(source)) {
        throw topologyError("Can't configure different offset reset policies on the same input topic(s)")
      }
      for (const child of [...node.children]) {
        unlink(node, child)
        link(main, child)
      }
      unlink(graph.root, node)
    }
  }
}

/** A table's source topic is its changelog (`reuse.ktable.source.topics`): what stands in it need not be written once more. */
export const reuseSourceTopics = (graph: LogicalGraph): void => {
  for (const node of graph.nodes) {
    const { tableTopic, stores } = node.spec
    if (tableTopic === undefined || !stores) continue
    node.spec = { ...node.spec, stores: stores.map((store) => ({ ...store, logging: false, sourceTopic: tableTopic })) }
  }
}

/**
 * One repartition right behind a change of key instead of one per grouping below it (`merge.repartition.topics`; Kafka's
 * `InternalStreamsBuilder.mergeRepartitionTopics`). `makeRepartition` makes the node that replaces them.
 */
export const mergeRepartitions = (graph: LogicalGraph, makeRepartition: (spec: RepartitionSpec) => LogicalNodeSpec): void => {
  for (const [changer, repartitions] of repartitionsByKeyChanger(graph)) {
    const first = repartitions[0]?.spec.repartition
    if (!first) continue
    const specs = repartitions.flatMap((node) => node.spec.repartition ?? [])
    const merged = logicalNode(
      makeRepartition({
        topic: first.topic,
        keySerde: specs.find((spec) => spec.keySerde)?.keySerde,
        valueSerde: specs.find((spec) => spec.valueSerde)?.valueSerde,
        mergeable: true,
      }),
    )
    merged.priority = changer.priority
    for (const replaced of repartitions) {
      const below = findUp(replaced, (node) => node.parents.has(changer))
      if (!below) continue
      link(merged, below)
      unlink(changer, below)
      const parents = [...replaced.parents]
      for (const child of [...replaced.children]) {
        for (const parent of parents) link(parent, child)
        unlink(replaced, child)
      }
      for (const parent of parents) unlink(parent, replaced)
    }
    link(changer, merged)
  }
}

/** Key changers with the mergeable repartitions below them; a merge of streams takes the place of the changers above it. */
const repartitionsByKeyChanger = (graph: LogicalGraph): ReadonlyMap<LogicalNode, readonly LogicalNode[]> => {
  const byChanger = new Map<LogicalNode, Set<LogicalNode>>()
  for (const node of graph.nodes) {
    if (node.spec.changesKey) byChanger.set(node, new Set())
    else if (node.spec.repartition?.mergeable) {
      const nearest = findUp(node, (it) => Boolean(it.spec.changesKey || it.spec.changesValue))
      const changer = findUp(node, (it) => Boolean(it.spec.changesKey))
      if (changer && nearest === changer) byChanger.get(changer)?.add(node)
    }
  }
  const replaced = new Set<LogicalNode>()
  for (const merge of graph.nodes.filter((node) => node.spec.merges)) {
    const below = new Set<LogicalNode>()
    for (const [changer, repartitions] of byChanger) {
      if (!findUp(merge, (node) => node.parents.has(changer))) continue
      // one that is not below the merge needs its own
      if (![...repartitions].every((node) => findUp(node, (it) => it.parents.has(merge)))) continue
      for (const node of repartitions) below.add(node)
      replaced.add(changer)
    }
    byChanger.set(merge, below)
  }
  for (const changer of replaced) byChanger.delete(changer)
  return new Map([...byChanger].map(([changer, nodes]) => [changer, [...nodes]]))
}

/** A stream that is joined with itself is kept in one store (`single.store.self.join`). */
export const joinInOneStore = (graph: LogicalGraph): void => {
  for (const node of graph.nodes) {
    const { withItself } = node.spec
    const [parent, other] = node.parents
    if (!withItself || !parent || other) continue
    for (const child of [...parent.children]) if (child.spec.name === withItself.without) unlink(parent, child)
    node.spec = withItself.spec
  }
}

/** Repartitions above a join that has use for null keys let them pass (Kafka's `NodesWithRelaxedNullKeyJoinDownstream`), always. */
export const keepNullKeys = (graph: LogicalGraph): void => {
  const keepAbove = (node: LogicalNode): void => {
    for (const parent of node.parents) {
      const { repartition } = parent.spec
      if (repartition?.withNullKeys) parent.spec = { ...parent.spec, nodes: repartition.withNullKeys }
      keepAbove(parent)
    }
  }
  for (const node of graph.nodes) if (node.spec.takesNullKeys) keepAbove(node)
}

/** The nearest node upwards that fits, itself included; of several ways up the first one that finds something counts, as in Kafka. */
const findUp = (node: LogicalNode, fits: (node: LogicalNode) => boolean): LogicalNode | undefined => {
  if (fits(node)) return node
  for (const parent of node.parents) {
    const found = findUp(parent, fits)
    if (found) return found
  }
  return undefined
}
