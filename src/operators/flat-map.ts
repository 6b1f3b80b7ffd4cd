import { forEachInOrder } from '../awaitable.ts'
import { StreamsError } from '../errors.ts'
import type { KeyValue, KeyValueMapper } from './map.ts'
import { type Operator, stateless } from './operator.ts'

/**
 * Turns each record into any number of records (`KStreamFlatMap`, D-14), in the order of the list, each with the timestamp
 * and headers of the input. The key counts as changed. A mapper that returns no list fails.
 */
export const flatMap = <K, V, KR, VR>(mapper: KeyValueMapper<K, V, Iterable<KeyValue<KR, VR>>>): Operator => ({
  prefix: 'KSTREAM-FLATMAP-',
  changesKey: true,
  changesValue: true,
  supplier: stateless<K, V, KR, VR>(({ key, value, timestamp, headers }, context) =>
    forEachInOrder(listOf(mapper(key, value), 'flatMap'), ([newKey, newValue]) =>
      context.forward({ key: newKey, value: newValue, timestamp, headers }),
    ),
  ),
})

/** The mapper's answer as a list that can be walked twice. */
export const listOf = <T>(answer: Iterable<T>, verb: string): readonly T[] => {
  if (Array.isArray(answer)) return answer
  if (answer === null || answer === undefined || typeof answer[Symbol.iterator] !== 'function') {
    throw new StreamsError('PROCESSING_FAILED', `The mapper of ${verb} returned ${answer}: it must return a list`)
  }
  return [...answer]
}
