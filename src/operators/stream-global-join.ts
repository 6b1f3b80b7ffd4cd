import { andThen } from '../awaitable.ts'
import type { ProcessorContext } from '../processor/processor.ts'
import type { Record } from '../processor/record.ts'
import type { ValueAndTimestamp } from '../processor/store.ts'
import type { ProcessorNode } from '../topology/nodes.ts'
import type { KeyValueMapper } from './map.ts'
import type { ValueJoiner } from './table-join.ts'
import { type Lookup, storeView } from './table-view.ts'

/** A join of a stream with a global table: `mapper` says under which key the table is looked up. */
export interface StreamGlobalJoin<K, V, KG, VG, VR> {
  readonly left: boolean
  readonly mapper: KeyValueMapper<K, V, KG | null>
  readonly joiner: ValueJoiner<K, V, VG | null, VR>
  /** The table's store, which need not be connected. */
  readonly store: string
}

/** Kafka calls inner joins so too. */
export const streamGlobalJoinPrefix = 'KSTREAM-LEFTJOIN-'

/**
 * Joins each record with the row that the global table has now for the key that the mapper computes (`KStreamGlobalKTableJoin`,
 * D-24, S-23). Only records of the stream give results; they keep key, timestamp and headers, and nothing is repartitioned. Without a row,
 * or where the mapper gives null, an inner join gives nothing and a left join joins with null. A null value is dropped and
 * counted, and so is a null from the mapper of an inner join.
 *
 * @example
 * ```ts
 * import { Serdes, StreamsBuilder } from 'millrace'
 * import { TopologyTestDriver } from 'millrace/testing'
 *
 * const strings = { keySerde: Serdes.string, valueSerde: Serdes.string }
 * const builder = new StreamsBuilder()
 * const products = builder.globalTable('products', strings)
 * builder
 *   .stream('orders', strings)
 *   .join(products, (_order, product) => product, (_product, title, order) => `${order}: ${title}`)
 *   .to('titles', strings)
 *
 * await using driver = new TopologyTestDriver(builder.build())
 * await driver.createInputTopic('products', strings).pipeInput('p1', 'Tea')
 * await driver.createInputTopic('orders', strings).pipeInput('o1', 'p1')
 * driver.createOutputTopic('titles', strings).readRecords().map((it) => it.value) // => ['o1: Tea']
 * ```
 */
const streamGlobalJoin = <K, V, KG, VG, VR>({ left, mapper, joiner, store }: StreamGlobalJoin<K, V, KG, VG, VR>) => {
  let context: ProcessorContext<K, VR>
  let lookUp: Lookup<KG, VG>
  const join = (record: Record<K, V>, row: ValueAndTimestamp<VG> | null) => {
    if (row !== null || left)
      return context.forward({ ...record, value: joiner(record.value, row === null ? null : row.value, record.key) })
  }
  return {
    init: (given: ProcessorContext<K, VR>) => {
      context = given
      lookUp = storeView<KG, VG>(store).open(given)
    },
    process: (record: Record<K, V>) => {
      const key = mapper(record.key, record.value)
      if (record.value === null || (key === null && !left)) return context.drop('null value or mapped key')
      return key === null ? join(record, null) : andThen(lookUp(key), (row) => join(record, row))
    },
  }
}

/** Its physical node. */
export const streamGlobalJoinNode = <K, V, KG, VG, VR>(name: string, join: StreamGlobalJoin<K, V, KG, VG, VR>): ProcessorNode => ({
  kind: 'processor',
  name,
  parents: [],
  supplier: () => streamGlobalJoin(join),
  stores: [],
  keepsKey: true,
  readsByKey: [],
})
