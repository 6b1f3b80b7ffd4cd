import { forEachInOrder } from '../awaitable.ts'
import { listOf } from './flat-map.ts'
import type { ValueMapper } from './map-values.ts'
import { type Operator, stateless } from './operator.ts'

/**
 * Turns each value into any number of values under the same key (`KStreamFlatMapValues`, D-14), in the order of the list;
 * nothing is repartitioned.
 *
 * @example
 * ```ts
 * import { Serdes, StreamsBuilder } from 'millrace'
 *
 * const builder = new StreamsBuilder()
 * const lines = builder.stream('lines', { keySerde: Serdes.string, valueSerde: Serdes.string })
 * lines.flatMapValues((line) => line.split(' ')).to('words', { valueSerde: Serdes.string })
 * builder.build().sinkTopics // => ['words']
 * ```
 */
export const flatMapValues = <K, V, VR>(mapper: ValueMapper<K, V, Iterable<VR>>): Operator => ({
  prefix: 'KSTREAM-FLATMAPVALUES-',
  changesKey: false,
  changesValue: true,
  supplier: stateless<K, V, K, VR>(({ key, value, timestamp, headers }, context) =>
    forEachInOrder(listOf(mapper(value, key), 'flatMapValues'), (one) => context.forward({ key, value: one, timestamp, headers })),
  ),
})
