import { type Awaitable, andThen } from '../awaitable.ts'
import { StreamsError } from '../errors.ts'
import type { ProcessorContext, ProcessorSupplier } from '../processor/processor.ts'
import type { Record } from '../processor/record.ts'
import type { JoinBuffer, OpenJoinBuffer, ValueAndTimestamp } from '../processor/store.ts'
import type { ProcessorNode } from '../topology/nodes.ts'
import type { ValueJoiner } from './table-join.ts'
import type { Lookup, TableView } from './table-view.ts'

/** A join of a stream with a table: `left` keeps the records for which the table has no row. */
export interface StreamTableJoin<K, V, VO, VR> {
  readonly left: boolean
  readonly joiner: ValueJoiner<K, V, VO | null, VR>
  readonly view: TableView<K, VO>
  /** Where records wait until their grace period is over; absent: they are joined at once. */
  readonly buffer?: string
}

export const streamTableJoinPrefix = (left: boolean): string => (left ? 'KSTREAM-LEFTJOIN-' : 'KSTREAM-JOIN-')

/**
 * Joins each record with the row that the table has for its key now, or, where the table is versioned, had at the record's time
 * (`KStreamKTableJoin`, D-23, KIP-914). Only records of the stream give results; they keep key, timestamp and headers. Without a
 * row an inner join gives nothing and a left join joins with null. A null value is dropped and counted; so is a null key by an
 * inner join, while a left join joins it with null (S-23). With a grace period a record waits until the time of later ones is
 * beyond it, one that comes after that is joined at once (S-22, KIP-923); a left join then throws PROCESSING_FAILED for a null key.
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
  <K, V, VO, VR>(name: string, { left, joiner, view, buffer }: StreamTableJoin<K, V, VO, VR>): ProcessorSupplier<K, V, K, VR> =>
  () => {
    let context: ProcessorContext<K, VR>
    let lookUp: Lookup<K, VO>
    let waiting: JoinBuffer<K, V> | undefined
    const forward = (record: Record<K, V>, row: ValueAndTimestamp<VO> | null) => {
      if (row !== null || left)
        return context.forward({ ...record, value: joiner(record.value, row === null ? null : row.value, record.key) })
    }
    const join = (record: Record<K, V>): Awaitable<void> =>
      andThen(lookUp(record.key, view.historyMs === undefined ? undefined : record.timestamp), (row) => forward(record, row))
    const wait = (record: Record<K, V>, open: OpenJoinBuffer<K, V>): Awaitable<void> =>
      andThen(open.put(record) ? undefined : join(record), () => open.sendDue(join))
    return {
      init: (given) => {
        context = given
        lookUp = view.open(given, true)
        waiting = buffer === undefined ? undefined : given.getStateStore(buffer)
      },
      process: (record) => {
        if (record.value === null || (record.key === null && !left)) return context.drop('null key or value')
        if (waiting) {
          if (record.key === null) throw nullKeyWaits(name)
          return andThen(waiting.open(), (open) => wait(record, open))
        }
        return record.key === null ? forward(record, null) : join(record)
      },
    }
  }

/** Kafka Streams fails there as well, without a word of why. */
const nullKeyWaits = (name: string): StreamsError =>
  new StreamsError('PROCESSING_FAILED', `Join ${name} has a grace period: a record with a null key cannot wait for it`, {
    remedy: 'Filter out records with a null key above the join, or leave out graceMs.',
  })

/** Its physical node; `table` is the node of the table. */
export const streamTableJoinNode = <K, V, VO, VR>(name: string, table: string, join: StreamTableJoin<K, V, VO, VR>): ProcessorNode => ({
  kind: 'processor',
  name,
  parents: [],
  supplier: streamTableJoin(name, join),
  stores: join.buffer === undefined ? join.view.stores : [join.buffer, ...join.view.stores],
  keepsKey: join.buffer === undefined,
  readsByKey: join.view.stores,
  meets: [table],
})
