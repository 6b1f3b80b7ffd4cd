import type { ValueMapper } from './map-values.ts'
import type { TableOperator } from './table-operator.ts'

/**
 * A table with the same keys and mapped values (`KTableMapValues`, D-51). A deletion stays one and does not reach the mapper; a
 * mapper that gives null deletes. Without a store the rows are mapped again for every look-up.
 *
 * @example
 * ```ts
 * import { Serdes, StreamsBuilder } from 'millrace'
 *
 * const builder = new StreamsBuilder()
 * const names = builder.table('names', { keySerde: Serdes.string, valueSerde: Serdes.string })
 * const lengths = names.mapValues((name) => name.length)
 * lengths.toStream().to('lengths', { valueSerde: Serdes.long })
 * builder.build().sinkTopics // => ['lengths']
 * ```
 */
export const tableMapValues = <K, V, VR>(mapper: ValueMapper<K, V, VR>): TableOperator<K, V, NonNullable<VR>> => ({
  prefix: 'KTABLE-MAPVALUES-',
  open: () => ({ compute: (key, value) => (value === null ? null : (mapper(value, key) ?? null)) }),
  numbersUnnamed: true,
  skipsNothing: false,
})
