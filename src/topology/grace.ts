import type { LogicalNode } from './logical.ts'
import { topologyError } from './topology-error.ts'

/**
 * How far stream time must be beyond the end of a window for its row to change no more: the largest grace of the windowed
 * aggregations right above the node, on every way up (Kafka's `GraphGraceSearchUtil`, S-24). TOPOLOGY_INVALID on a way without one.
 */
export const graceAbove = (node: LogicalNode): number => {
  const visit = (at: LogicalNode, below: readonly string[]): number => {
    const path = [at.spec.name, ...below]
    if (at.spec.graceMs !== undefined) return at.spec.graceMs
    if (at.parents.size === 0) {
      throw topologyError(`Window close time is only defined for windowed computations. Got [${path.join('->')}].`)
    }
    return Math.max(...[...at.parents].map((parent) => visit(parent, path)))
  }
  return visit(node, [])
}
