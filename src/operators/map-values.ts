import { type Operator, stateless } from './operator.ts'

/** The key comes last (Java's `ValueMapperWithKey` twin) and is not to be changed. */
export type ValueMapper<K, V, R> = (value: V, key: K) => R

/**
 * Replaces the value (`KStreamMapValues`, D-12); key, timestamp and headers stay, so nothing is repartitioned.
 *
 * @example
 * ```ts
 * import { Serdes, StreamsBuilder } from 'millrace'
 *
 * const builder = new StreamsBuilder()
 * const names = builder.stream('names', { keySerde: Serdes.string, valueSerde: Serdes.string })
 * names.mapValues((name) => name.trim()).to('trimmed', { valueSerde: Serdes.string })
 * builder.build().sinkTopics // => ['trimmed']
 * ```
 */
export const mapValues = <K, V, VR>(mapper: ValueMapper<K, V, VR>): Operator => ({
  prefix: 'KSTREAM-MAPVALUES-',
  changesKey: false,
  changesValue: true,
  supplier: stateless<K, V, K, VR>(({ key, value, timestamp, headers }, context) =>
    context.forward({ key, value: mapper(value, key), timestamp, headers }),
  ),
})
