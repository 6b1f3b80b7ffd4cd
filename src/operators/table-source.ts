import type { Change } from '../processor/change.ts'
import type { AnyProcessorSupplier, ProcessorContext } from '../processor/processor.ts'
import type { Record } from '../processor/record.ts'
import type { ProcessorNode } from '../topology/nodes.ts'
import { openTableRows, type TableRows } from './table-rows.ts'

export const tableSourcePrefix = 'KTABLE-SOURCE-'
export const toTablePrefix = 'KSTREAM-TOTABLE-'

/**
 * Reads records as updates of a table's rows (`KTableSource`, D-02, D-20): the last one of a key is its row, null deletes it; a
 * null key is dropped and counted. An update with an older time than the row's overwrites it all the same. Without a `store`
 * nothing is kept and changes have no old value; key, timestamp and headers stay.
 *
 * @example
 * ```ts
 * import { Serdes, StreamsBuilder } from 'millrace'
 *
 * const builder = new StreamsBuilder()
 * const users = builder.table('users', { keySerde: Serdes.string, valueSerde: Serdes.string, store: 'users-by-id' })
 * users.toStream().to('seen')
 * users.queryableStoreName // => 'users-by-id'
 * builder.build().sourceTopics // => ['users']
 * ```
 */
const tableSource =
  <K, V>(store: string | undefined, oldValues: boolean): AnyProcessorSupplier =>
  () => {
    let context: ProcessorContext<K, Change<V>>
    let rows: TableRows<K, V> | undefined
    return {
      init: (given: ProcessorContext<K, Change<V>>) => {
        context = given
        rows = store === undefined ? undefined : openTableRows(given, store, oldValues)
      },
      process: (record: Record<K, V | null>) => {
        if (record.key === null) return context.drop('null key')
        return rows ? rows.replace(record) : context.forward({ ...record, value: { newValue: record.value, oldValue: null } })
      },
    }
  }

/** Its physical node. It reads the row before a record only to tell it downstream. */
export const tableSourceNode = ({
  name,
  parents,
  store,
  oldValues,
}: {
  readonly name: string
  readonly parents: readonly string[]
  readonly store: string | undefined
  readonly oldValues: boolean
}): ProcessorNode => ({
  kind: 'processor',
  name,
  parents,
  supplier: tableSource(store, oldValues),
  stores: store === undefined ? [] : [store],
  keepsKey: true,
  readsByKey: store !== undefined && oldValues ? [store] : [],
})
