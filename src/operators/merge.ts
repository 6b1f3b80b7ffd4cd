import { type Operator, stateless } from './operator.ts'

/**
 * Two streams as one (`KStreamPassThrough` with two parents, D-17): records of both, each in its own order, none before the
 * other by rule. Serdes are dropped; the key counts as changed if it does in either stream.
 */
export const merge = <K, V>(): Operator => ({
  prefix: 'KSTREAM-MERGE-',
  changesKey: false,
  changesValue: false,
  merges: true,
  supplier: stateless<K, V, K, V>((record, context) => context.forward(record)),
})
