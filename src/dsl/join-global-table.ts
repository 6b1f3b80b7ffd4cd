import { type StreamGlobalJoin, streamGlobalJoinNode, streamGlobalJoinPrefix } from '../operators/stream-global-join.ts'
import { logicalNode } from '../topology/logical.ts'
import { checkName } from '../topology/naming.ts'
import type { Place } from './drawing.ts'
import type { Named } from './options.ts'

/** Draws the join of a stream with a global table (D-24). What is known of the stream's key stays known. */
export const joinGlobalTable = <K, V, KG, VG, VR>(
  { drawing, node, keySerde, repartition }: Place<K, V>,
  join: StreamGlobalJoin<K, V, KG, VG, VR>,
  named: Named,
): Place<K, VR> => {
  const name = drawing.names.processor(streamGlobalJoinPrefix, named.name === undefined ? undefined : checkName(named.name))
  const drawn = drawing.graph.add(node, logicalNode({ name, nodes: [streamGlobalJoinNode(name, join)], takesNullKeys: join.left }))
  return { drawing, node: drawn, keySerde, valueSerde: undefined, repartition }
}
