import type { Operator } from '../operators/operator.ts'
import { repartition } from '../operators/repartition.ts'
import type { Serde } from '../serde/serde.ts'
import { missingSerde } from '../topology/config.ts'
import { createLogicalGraph, type LogicalGraph, type LogicalNode, logicalNode } from '../topology/logical.ts'
import { checkName, createNames, type Names } from '../topology/naming.ts'
import type { AnySerde } from '../topology/nodes.ts'
import type { KStream } from './k-stream.ts'

/** Where on the drawing a stream or table stands. */
export interface Place<K, V> {
  readonly drawing: Drawing
  readonly node: LogicalNode
  readonly keySerde: Serde<K> | undefined
  readonly valueSerde: Serde<V> | undefined
  /** The key may have changed since the last topic: the next key-based verb repartitions. */
  readonly repartition: boolean
}

/** What every DSL object of one builder shares: the graph it draws on, the counter for names and the default serdes. */
export interface Drawing {
  readonly graph: LogicalGraph
  readonly names: Names
  /** Repartitions that joins without a name made, by the node above: the next such join of the stream reads the same topic. */
  readonly joinRepartitions: Map<LogicalNode, LogicalNode>
  /** Stores of the DSL hold headers (KIP-1285). */
  readonly holdsHeaders: boolean
  keySerde(given: AnySerde | undefined, what: string): AnySerde
  valueSerde(given: AnySerde | undefined, what: string): AnySerde
  /** A table becomes a stream and a stream a table: this turn of the circle comes in by parameter, so that the files do not import each other. */
  newStream<K, V>(place: Place<K, V>): KStream<K, V>
}

export const createDrawing = (
  defaults: { readonly key?: AnySerde | undefined; readonly value?: AnySerde | undefined; readonly holdsHeaders?: boolean },
  newStream: Drawing['newStream'],
): Drawing => ({
  graph: createLogicalGraph(),
  names: createNames(),
  joinRepartitions: new Map(),
  holdsHeaders: defaults.holdsHeaders ?? false,
  keySerde: (given, what) => given ?? defaults.key ?? missingSerde(what),
  valueSerde: (given, what) => given ?? defaults.value ?? missingSerde(what),
  newStream,
})

/** Draws one stateless operator below its parents, under a generated name unless one is given. */
export const drawOperator = (
  drawing: Drawing,
  parents: LogicalNode | readonly LogicalNode[],
  operator: Operator,
  name: string | undefined,
): LogicalNode => {
  const given = name === undefined ? undefined : checkName(name)
  return drawNamed(drawing, parents, operator, drawing.names.processor(operator.prefix, given))
}

/** Draws one stateless operator under exactly this name. */
export const drawNamed = (
  { graph }: Drawing,
  parents: LogicalNode | readonly LogicalNode[],
  { changesKey, changesValue, merges = false, supplier }: Operator,
  name: string,
): LogicalNode =>
  graph.add(
    parents,
    logicalNode({
      name,
      changesKey,
      changesValue,
      merges,
      nodes: [{ kind: 'processor', name, parents: [], supplier, stores: [], keepsKey: !changesKey, readsByKey: [] }],
    }),
  )

/**
 * The node above a join: the stream's own, or a repartition where its key may have changed, which has the join's name or the
 * node's. A join without a name takes the last one that is there, which may have a name;
 * as in Kafka Streams the numbers of a repartition are used up all the same.
 */
export const aboveJoin = <K, V>(
  { drawing, ...stream }: Place<K, V>,
  {
    name,
    keySerde,
    valueSerde,
  }: { readonly name: string | undefined; readonly keySerde?: AnySerde | undefined; readonly valueSerde?: AnySerde | undefined },
): LogicalNode => {
  if (!stream.repartition) return stream.node
  const prefix = name ?? stream.node.spec.name
  const made = repartition(drawing.names, prefix, {
    keySerde: drawing.keySerde(keySerde ?? stream.keySerde, `the key of topic ${prefix}-repartition`),
    valueSerde: drawing.valueSerde(valueSerde ?? stream.valueSerde, `the value of topic ${prefix}-repartition`),
    mergeable: true,
  })
  const there = name === undefined ? drawing.joinRepartitions.get(stream.node) : undefined
  if (there) return there
  const node = drawing.graph.add(stream.node, logicalNode(made))
  drawing.joinRepartitions.set(stream.node, node)
  return node
}
