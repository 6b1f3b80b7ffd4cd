import type { Predicate } from './filter.ts'
import type { TableOperator } from './table-operator.ts'

/**
 * Keeps the rows for which the predicate is true, or with `keep` false the others (`KTableFilter`, D-50). A row that stops
 * fitting is deleted; where nobody can know whether there was one, each row that does not fit is a deletion. The predicate
 * never sees null.
 *
 * @example
 * ```ts
 * import { Serdes, StreamsBuilder } from 'millrace'
 *
 * const builder = new StreamsBuilder()
 * const stock = builder.table('stock', { keySerde: Serdes.string, valueSerde: Serdes.long })
 * stock.filter((_item, pieces) => pieces < 10, { store: 'scarce' }).queryableStoreName // => 'scarce'
 * ```
 */
export const tableFilter = <K, V>(predicate: Predicate<K, V>, keep = true): TableOperator<K, V, V> => ({
  prefix: 'KTABLE-FILTER-',
  open: () => ({ compute: (key, value) => (value !== null && Boolean(predicate(key, value)) === keep ? value : null) }),
  numbersUnnamed: true,
  skipsNothing: true,
})
