import { andThen, forEachInOrder } from '../awaitable.ts'
import type { AnyProcessorSupplier, ProcessorContext } from '../processor/processor.ts'
import type { Record } from '../processor/record.ts'
import type { WindowStore } from '../processor/store.ts'
import type { JoinWindows } from '../topology/windows.ts'
import type { ValueJoiner } from './table-join.ts'

/**
 * Joins the records of a stream with each other over one store (`KStreamKStreamSelfJoin`, `single.store.self.join`, S-28, S-39):
 * what the inner join of two streams gives, in the same order. First the record as the left one of each pair, then as the right
 * one, its pair with itself before those with later records; a record that the store forgets at once has no pair with itself.
 * As in Kafka Streams a left or outer join becomes this one too, and null keys are dropped; and every record is paired with
 * itself, even where the windows leave out its own time.
 */
export const streamSelfJoin =
  <K, V, VR>(
    store: string,
    { beforeMs, afterMs, graceMs }: JoinWindows,
    joiner: ValueJoiner<K, V | null, V | null, VR>,
  ): AnyProcessorSupplier =>
  () => {
    let context: ProcessorContext<K, VR>
    let window: WindowStore<K, V>
    const timeName = `${store}/stream-time`
    const observe = (timestamp: number): number => {
      const latest = Math.max(context.remembered(timeName) ?? -1, timestamp)
      if (latest === timestamp) context.remember(timeName, timestamp)
      return latest
    }
    const around = ({ key, timestamp }: Record<K, V>, earlierMs: number, laterMs: number) =>
      window.fetch(key, Math.max(0, timestamp - earlierMs), Math.max(0, timestamp + laterMs))
    return {
      init: (given: ProcessorContext<K, VR>) => {
        context = given
        window = given.getStateStore(store)
      },
      process: (record: Record<K, V>) => {
        const { key, value, timestamp } = record
        if (key === null || value === null) return context.drop('null key or value')
        const isKept = timestamp - 1 > observe(timestamp) - beforeMs - afterMs - graceMs
        return andThen(around(record, beforeMs, afterMs), (asLeft) =>
          andThen(around(record, afterMs, beforeMs), (asRight) => {
            const itself = isKept ? [[timestamp, joiner(value, value, key)] as const] : []
            const pairs = asRight.map(([time, other]) => [time, joiner(other, value, key)] as const)
            const later = asRight.findIndex(([time]) => time > timestamp)
            const results = [
              ...asLeft.map(([time, other]) => [time, joiner(value, other, key)] as const),
              ...(later < 0 ? [...pairs, ...itself] : [...pairs.slice(0, later), ...itself, ...pairs.slice(later)]),
            ]
            return forEachInOrder(results, ([time, result]) =>
              context.forward({ ...record, value: result, timestamp: Math.max(timestamp, time) }),
            )
          }),
        )
      },
    }
  }
