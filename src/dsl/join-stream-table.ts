import { streamTableJoinNode, streamTableJoinPrefix } from '../operators/stream-table-join.ts'
import type { ValueJoiner } from '../operators/table-join.ts'
import { logicalNode } from '../topology/logical.ts'
import { checkName } from '../topology/naming.ts'
import { aboveJoin, type Place } from './drawing.ts'
import type { TablePlace } from './materialize.ts'
import type { Joined } from './options.ts'

interface StreamTableJoinSpec<K, V, VO, VR> {
  readonly left: boolean
  readonly joiner: ValueJoiner<K, V, VO | null, VR>
  readonly joined: Joined<K, V>
}

/** Draws the join of a stream with a table (D-23); the stream is repartitioned first if its key may have changed. */
export const joinStreamTable = <K, V, VO, VR>(
  stream: Place<K, V>,
  table: TablePlace<K, VO>,
  { left, joiner, joined }: StreamTableJoinSpec<K, V, VO, VR>,
): Place<K, VR> => {
  const { drawing } = stream
  const given = joined.name === undefined ? undefined : checkName(joined.name)
  const parent = aboveJoin(stream, { ...joined, name: given })
  const { keySerde = stream.keySerde } = joined
  const name = drawing.names.processor(streamTableJoinPrefix(left), given)
  const join = streamTableJoinNode(name, table.node.spec.name, { left, joiner, view: table.facts.view() })
  const node = drawing.graph.add(parent, logicalNode({ name, nodes: [join], takesNullKeys: left }))
  return { drawing, node, keySerde, valueSerde: undefined, repartition: false }
}
