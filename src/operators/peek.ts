import { type Operator, stateless } from './operator.ts'

export type ForeachAction<K, V> = (key: K, value: V) => void

/** Shows each record to the action and passes it on unchanged (`KStreamPeek`, D-15). The action may run again after a failure. */
export const peek = <K, V>(action: ForeachAction<K, V>): Operator => ({
  prefix: 'KSTREAM-PEEK-',
  changesKey: false,
  changesValue: false,
  supplier: stateless<K, V, K, V>((record, context) => {
    action(record.key, record.value)
    return context.forward(record)
  }),
})
