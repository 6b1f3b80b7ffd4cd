import { suppressedView, suppressNode, suppressPrefix } from '../operators/suppress.ts'
import { graceAbove } from '../topology/grace.ts'
import { logicalNode } from '../topology/logical.ts'
import type { SuppressionBufferSpec } from '../topology/nodes.ts'
import type { Suppressed } from '../topology/suppressed.ts'
import { topologyError } from '../topology/topology-error.ts'
import type { TablePlace } from './materialize.ts'

/** Draws a suppression (D-54) with its buffer. Throws TOPOLOGY_INVALID where it waits for windows and there are none above. */
export const suppressTable = <K, V>(table: TablePlace<K, V>, suppressed: Suppressed<K>): TablePlace<K, V> => {
  const { drawing, keySerde, valueSerde, facts } = table
  const waitMs = suppressed.waitMs ?? graceAbove(table.node)
  checkLatestOnly(table)
  // a name that is given uses up no number here
  const name = suppressed.name ?? drawing.names.processor(suppressPrefix)
  const store: SuppressionBufferSpec = {
    kind: 'suppression-buffer',
    name: suppressed.name === undefined ? drawing.names.store(suppressPrefix) : `${name}-store`,
    keySerde: drawing.keySerde(keySerde, `the key of the buffer of ${name}`),
    valueSerde: drawing.valueSerde(valueSerde, `the value of the buffer of ${name}`),
    caching: false,
    logging: suppressed.logging,
    named: suppressed.name !== undefined,
  }
  // the buffer knows by them what a row was before its first change
  facts.sendOldValues(true)
  const node = logicalNode({ name, stores: [store], nodes: [suppressNode(name, store.name, { ...suppressed, waitMs })] })
  drawing.graph.add(table.node, node)
  return {
    ...table,
    node,
    queryableStoreName: null,
    facts: {
      historyMs: undefined,
      view: () => suppressedView(store.name, facts.view()),
      sendOldValues: () => true,
    },
  }
}

const checkLatestOnly = <K, V>({ facts, queryableStoreName }: TablePlace<K, V>): void => {
  if (facts.historyMs === undefined) return
  const inherited = queryableStoreName === null ? ' (note that version semantics might be inherited from upstream)' : ''
  throw topologyError(`suppress() is only supported for non-versioned KTables${inherited}`)
}
