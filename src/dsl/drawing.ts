import type { Operator } from '../operators/operator.ts'
import type { Serde } from '../serde/serde.ts'
import { createLogicalGraph, type LogicalGraph, type LogicalNode, logicalNode } from '../topology/logical.ts'
import { checkName, createNames, type Names } from '../topology/naming.ts'
import type { AnySerde } from '../topology/nodes.ts'
import { missingSerde } from './config.ts'
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
  keySerde(given: AnySerde | undefined, what: string): AnySerde
  valueSerde(given: AnySerde | undefined, what: string): AnySerde
  /** A table becomes a stream and a stream a table: this turn of the circle comes in by parameter, so that the files do not import each other. */
  newStream<K, V>(place: Place<K, V>): KStream<K, V>
}

export const createDrawing = (
  defaults: { readonly key?: AnySerde | undefined; readonly value?: AnySerde | undefined },
  newStream: Drawing['newStream'],
): Drawing => ({
  graph: createLogicalGraph(),
  names: createNames(),
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
