import type { KeyValueMapper } from './map.ts'
import { type Operator, stateless } from './operator.ts'

/** Replaces the key (`KStreamImpl.internalSelectKey`, D-11), possibly by null; value, timestamp and headers stay. A key-based verb below repartitions. */
export const selectKey = <K, V, KR>(mapper: KeyValueMapper<K, V, KR>): Operator => ({
  prefix: 'KSTREAM-KEY-SELECT-',
  changesKey: true,
  changesValue: false,
  supplier: stateless<K, V, KR, V>(({ key, value, timestamp, headers }, context) =>
    context.forward({ key: mapper(key, value), value, timestamp, headers }),
  ),
})
