import { StreamsError } from '../errors.ts'
import { type Operator, stateless } from './operator.ts'

export type KeyValue<K, V> = readonly [key: K, value: V]
export type KeyValueMapper<K, V, R> = (key: K, value: V) => R

/**
 * Turns each record into one with a new key and value (`KStreamMap`, D-13); timestamp and headers stay. Both may be null, the
 * pair itself may not. The key counts as changed.
 *
 * @example
 * ```ts
 * import { Serdes, StreamsBuilder } from 'millrace'
 *
 * const builder = new StreamsBuilder()
 * const lines = builder.stream('lines', { keySerde: Serdes.string, valueSerde: Serdes.string })
 * lines.map((_key, line) => [line.slice(0, 1), line.length]).to('lengths', { keySerde: Serdes.string, valueSerde: Serdes.long })
 * builder.build().sinkTopics // => ['lengths']
 * ```
 */
export const map = <K, V, KR, VR>(mapper: KeyValueMapper<K, V, KeyValue<KR, VR>>): Operator => ({
  prefix: 'KSTREAM-MAP-',
  changesKey: true,
  changesValue: true,
  supplier: stateless<K, V, KR, VR>(({ key, value, timestamp, headers }, context) => {
    const pair = mapper(key, value)
    if (!Array.isArray(pair)) throw new StreamsError('PROCESSING_FAILED', `The mapper of map returned ${pair}: it must return [key, value]`)
    return context.forward({ key: pair[0] as KR, value: pair[1] as VR, timestamp, headers })
  }),
})
