import type { LogicalNodeSpec, RepartitionSpec } from '../topology/logical.ts'
import type { Names } from '../topology/naming.ts'
import type { AnySerde, AnyStreamPartitioner, TopologyNode } from '../topology/nodes.ts'
import { failOnInvalidTimestamp } from '../topology/timestamps.ts'
import { filter } from './filter.ts'

/**
 * Filter, sink and source around a repartition topic (`OptimizableRepartitionNode`, S-33). Null keys are dropped by the
 * filter, silently, unless a join below has use for them. Three numbers are used up whether or not the nodes are named by them. `prefix` names the topic.
 */
export const repartition = (
  names: Names,
  prefix: string,
  spec: Omit<RepartitionSpec, 'topic'> & {
    readonly keySerde: AnySerde
    readonly valueSerde: AnySerde
    readonly partitioner?: AnyStreamPartitioner | undefined
  },
): LogicalNodeSpec => {
  const topic = prefix.endsWith('-repartition') ? prefix : `${prefix}-repartition`
  const generated = /^KSTREAM.*-[0-9]{10}$/.test(prefix)
  const name = (kind: string, suffix: string): string => names.processor(`KSTREAM-${kind}-`, generated ? undefined : `${topic}-${suffix}`)
  const [sink, keepKeyed, source] = [name('SINK', 'sink'), name('FILTER', 'filter'), name('SOURCE', 'source')]
  const { partitioner, ...facts } = spec
  const { keySerde, valueSerde } = facts
  const ref = { name: topic, internal: true }
  const nodes = (keeps: (key: unknown) => boolean): readonly TopologyNode[] => [
    { kind: 'processor', name: keepKeyed, parents: [], supplier: filter(keeps).supplier, stores: [], keepsKey: true, readsByKey: [] },
    { kind: 'sink', name: sink, parents: [keepKeyed], topic: ref, keySerde, valueSerde, ...(partitioner && { partitioner }) },
    { kind: 'source', name: source, topics: [ref], keySerde, valueSerde, timestampExtractor: failOnInvalidTimestamp },
  ]
  return { name: source, repartition: { ...facts, topic, withNullKeys: nodes(() => true) }, nodes: nodes((key) => key !== null) }
}
