import { type Operator, stateless } from './operator.ts'
import type { ForeachAction } from './peek.ts'

/** Shows each record to the action; the stream ends here (`KStreamPeek` without forwarding, D-15). The action may run again after a failure. */
export const foreach = <K, V>(action: ForeachAction<K, V>): Operator => ({
  prefix: 'KSTREAM-FOREACH-',
  changesKey: false,
  changesValue: false,
  supplier: stateless<K, V, never, never>((record) => action(record.key, record.value)),
})
