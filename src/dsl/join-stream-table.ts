import { StreamsError } from '../errors.ts'
import { streamTableJoinNode, streamTableJoinPrefix } from '../operators/stream-table-join.ts'
import type { ValueJoiner } from '../operators/table-join.ts'
import type { Serde } from '../serde/serde.ts'
import { logicalNode } from '../topology/logical.ts'
import { checkName } from '../topology/naming.ts'
import type { StoreSpec } from '../topology/nodes.ts'
import { aboveJoin, type Drawing, type Place } from './drawing.ts'
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
  const { keySerde = stream.keySerde, valueSerde = stream.valueSerde } = joined
  const name = drawing.names.processor(streamTableJoinPrefix(left), given)
  const buffer =
    joined.graceMs === undefined ? undefined : joinBuffer(drawing, name, { table, joined: { ...joined, keySerde, valueSerde } })
  const join = { left, joiner, view: table.facts.view() }
  const joining = streamTableJoinNode(name, table.node.spec.name, buffer ? { ...join, buffer: buffer.name } : join)
  const stores = buffer ? { stores: [buffer] } : {}
  const node = drawing.graph.add(parent, logicalNode({ name, nodes: [joining], takesNullKeys: left, ...stores }))
  return { drawing, node, keySerde, valueSerde: undefined, repartition: false }
}

/** Where records wait. Throws CONFIG_INVALID, with Kafka's words, where the table does not know what was when they came. */
const joinBuffer = <K, V, VO>(
  drawing: Drawing,
  join: string,
  { table, joined }: { readonly table: TablePlace<K, VO>; readonly joined: Buffered<K, V> },
): StoreSpec => {
  const { graceMs = 0, keySerde, valueSerde } = joined
  const { historyMs } = table.facts
  if (historyMs === undefined) throw refused('KTable must be versioned to use a grace period in a stream table join.')
  if (historyMs < graceMs) throw refused('History retention must be at least grace period.')
  const name = `${join}-Buffer`
  return {
    kind: 'join-buffer',
    graceMs,
    name,
    keySerde: drawing.keySerde(keySerde, `the key of buffer ${name}`),
    valueSerde: drawing.valueSerde(valueSerde, `the value of buffer ${name}`),
    caching: false,
    logging: {},
    named: joined.name !== undefined,
  }
}

const refused = (why: string): StreamsError =>
  new StreamsError('CONFIG_INVALID', why, { remedy: 'Give the table a versioned store with historyRetentionMs of graceMs or more.' })

type Buffered<K, V> = Omit<Joined<K, V>, 'keySerde' | 'valueSerde'> & {
  readonly keySerde: Serde<K> | undefined
  readonly valueSerde: Serde<V> | undefined
}
