import type { Predicate } from './filter.ts'
import { type Operator, stateless } from './operator.ts'

/** What a split knows when the task starts: the children in the order of their predicates; one more child is the default. */
export interface Branches<K, V> {
  readonly predicates: readonly Predicate<K, V>[]
  readonly children: readonly string[]
}

/**
 * Sends each record to the first child whose predicate is true, else to the default child, else nowhere (`KStreamBranch`,
 * D-40).
 */
export const branch = <K, V>({ predicates, children }: Branches<K, V>): Operator => ({
  prefix: 'KSTREAM-BRANCH-',
  changesKey: false,
  changesValue: false,
  supplier: stateless<K, V, K, V>((record, context) => {
    const match = predicates.findIndex((predicate) => predicate(record.key, record.value))
    const child = children[match < 0 ? predicates.length : match]
    if (child !== undefined) return context.forward(record, child)
  }),
})

/** A child of a split: passes on what it gets. */
export const branchChild = <K, V>(): Operator => ({
  prefix: '',
  changesKey: false,
  changesValue: false,
  supplier: stateless<K, V, K, V>((record, context) => context.forward(record)),
})
