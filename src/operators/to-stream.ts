import type { Change } from '../processor/change.ts'
import { type Operator, stateless } from './operator.ts'

/** The table's changes as records: the new value, null where a row was deleted (`KTableImpl.toStream`, D-53). */
export const toStream = <K, V>(): Operator => ({
  prefix: 'KTABLE-TOSTREAM-',
  changesKey: false,
  changesValue: false,
  supplier: stateless<K, Change<V>, K, V | null>(({ key, value, timestamp, headers }, context) =>
    context.forward({ key, value: value.newValue, timestamp, headers }),
  ),
})
