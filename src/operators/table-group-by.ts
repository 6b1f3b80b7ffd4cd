import { isDeepStrictEqual } from 'node:util'
import { type Awaitable, andThen } from '../awaitable.ts'
import { StreamsError } from '../errors.ts'
import type { Change } from '../processor/change.ts'
import type { ProcessorContext } from '../processor/processor.ts'
import type { Record } from '../processor/record.ts'
import { changeSerde } from '../serde/change.ts'
import type { Serde } from '../serde/serde.ts'
import type { LogicalNodeSpec } from '../topology/logical.ts'
import type { AnySerde, ProcessorNode } from '../topology/nodes.ts'
import { failOnInvalidTimestamp } from '../topology/timestamps.ts'
import type { KeyValue, KeyValueMapper } from './map.ts'

export const tableGroupByPrefix = 'KTABLE-SELECT-'

/**
 * Gives each row of a table a new key and value, to be aggregated by that key (`KTableRepartitionMap`, D-33, S-18). What a
 * change takes away is sent under the old row's new key, then what it adds under the new row's; both in one record where the
 * keys are equal. A null key or value from the mapper leaves its half out; timestamp and headers stay. It always needs the
 * old values of its table.
 *
 * @example
 * ```ts
 * import { Serdes, StreamsBuilder } from 'millrace'
 *
 * const strings = { keySerde: Serdes.string, valueSerde: Serdes.string }
 * const builder = new StreamsBuilder()
 * const cityOfUser = builder.table('cities', { ...strings, store: 'city-of-user' })
 * cityOfUser.groupBy((user, city) => [city, user], strings).count({ store: 'users-in-city' })
 * builder.build().subTopologies.map((sub) => sub.name) // => ['cities', 'users-in-city-repartition']
 * ```
 */
export const tableGroupBy = <K, V, KR, VR>(name: string, mapper: KeyValueMapper<K, V, KeyValue<KR, VR>>): ProcessorNode => ({
  kind: 'processor',
  name,
  parents: [],
  stores: [],
  keepsKey: false,
  readsByKey: [],
  supplier: () => {
    let context: ProcessorContext<KR, Change<VR>>
    const select = (key: K, value: V | null): KeyValue<KR, VR> | undefined => {
      const pair = value === null ? undefined : mapper(key, value)
      return pair === undefined || (pair[0] ?? null) === null || (pair[1] ?? null) === null ? undefined : pair
    }
    return {
      init: (given: ProcessorContext<KR, Change<VR>>) => {
        context = given
      },
      process: (record: Record<K, Change<V>>): Awaitable<void> => {
        const { key, value: change } = record
        if (key === null) throw new StreamsError('RECORD_INVALID', 'The key of a table that is grouped must not be null')
        // a version that is not the latest is in no aggregate
        if (change.isLatest === false) return
        const [before, after] = [select(key, change.oldValue), select(key, change.newValue)]
        if (before && after && isDeepStrictEqual(before[0], after[0])) {
          return context.forward({ ...record, key: after[0], value: { newValue: after[1], oldValue: before[1] } })
        }
        const taken = before && context.forward({ ...record, key: before[0], value: { newValue: null, oldValue: before[1] } })
        return andThen(taken, () => after && context.forward({ ...record, key: after[0], value: { newValue: after[1], oldValue: null } }))
      },
    }
  },
})

/** Sink and source around the topic on which the changes of a grouped table go to their new keys. */
export const repartitionTable = (
  topic: string,
  names: { readonly sink: string; readonly source: string },
  { keySerde, valueSerde }: { readonly keySerde: AnySerde; readonly valueSerde: Serde<unknown> },
): LogicalNodeSpec => {
  const changes = changeSerde(valueSerde)
  const ref = { name: topic, internal: true }
  return {
    name: names.source,
    repartition: { topic, keySerde, valueSerde: changes, mergeable: false },
    nodes: [
      { kind: 'sink', name: names.sink, parents: [], topic: ref, keySerde, valueSerde: changes },
      { kind: 'source', name: names.source, topics: [ref], keySerde, valueSerde: changes, timestampExtractor: failOnInvalidTimestamp },
    ],
  }
}
