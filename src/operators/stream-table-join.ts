import { andThen } from '../awaitable.ts'
import type { ProcessorContext, ProcessorSupplier } from '../processor/processor.ts'
import type { Record } from '../processor/record.ts'
import type { ValueAndTimestamp } from '../processor/store.ts'
import type { ProcessorNode } from '../topology/nodes.ts'
import type { ValueJoiner } from './table-join.ts'
import type { Lookup, TableView } from './table-view.ts'

/** A join of a stream with a table: `left` keeps the records for which the table has no row. */
export interface StreamTableJoin<K, V, VO, VR> {
  readonly left: boolean
  readonly joiner: ValueJoiner<K, V, VO | null, VR>
  readonly view: TableView<K, VO>
}

export const streamTableJoinPrefix = (left: boolean): string => (left ? 'KSTREAM-LEFTJOIN-' : 'KSTREAM-JOIN-')

/**
 * Joins each record with the row that the table has for its key now (`KStreamKTableJoin`, D-23). Only records of the stream
 * give results; they keep key, timestamp and headers. Without a row an inner join gives nothing and a left join joins with null.
 * A null value is dropped and counted; so is a null key by an inner join, while a left join joins it with null (S-23).
 *
 * @example
 * ```ts
 * import { Serdes, StreamsBuilder } from 'millrace'
 *
 * const strings = { keySerde: Serdes.string, valueSerde: Serdes.string }
 * const builder = new StreamsBuilder()
 * const regions = builder.table('regions', strings)
 * builder.stream('views', strings).join(regions, (page, region) => `${page} from ${region}`).to('views-by-region', strings)
 * builder.build().subTopologies.map((sub) => sub.copartitioned.flat().map((topic) => topic.name)) // => [['views', 'regions']]
 * ```
 */
const streamTableJoin =
  <K, V, VO, VR>({ left, joiner, view }: StreamTableJoin<K, V, VO, VR>): ProcessorSupplier<K, V, K, VR> =>
  () => {
    let context: ProcessorContext<K, VR>
    let lookUp: Lookup<K, VO>
    const join = (record: Record<K, V>, row: ValueAndTimestamp<VO> | null) => {
      if (row !== null || left)
        return context.forward({ ...record, value: joiner(record.value, row === null ? null : row.value, record.key) })
    }
    return {
      init: (given) => {
        context = given
        lookUp = view.open(given)
      },
      process: (record) => {
        if (record.value === null || (record.key === null && !left)) return context.drop('null key or value')
        return record.key === null ? join(record, null) : andThen(lookUp(record.key), (row) => join(record, row))
      },
    }
  }

/** Its physical node; `table` is the node of the table. */
export const streamTableJoinNode = <K, V, VO, VR>(name: string, table: string, join: StreamTableJoin<K, V, VO, VR>): ProcessorNode => ({
  kind: 'processor',
  name,
  parents: [],
  supplier: streamTableJoin(join),
  stores: join.view.stores,
  keepsKey: true,
  readsByKey: join.view.stores,
  meets: [table],
})
