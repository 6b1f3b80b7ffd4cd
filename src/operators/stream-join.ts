import { type Awaitable, andThen, forEachInOrder } from '../awaitable.ts'
import type { AnyProcessorSupplier, ProcessorContext } from '../processor/processor.ts'
import type { Record } from '../processor/record.ts'
import type { WindowStore } from '../processor/store.ts'
import type { JoinSide } from '../serde/outer-join.ts'
import type { JoinWindows } from '../topology/windows.ts'
import { openPendingJoins, type PendingJoins, type PendingJoinsOptions } from './pending-joins.ts'
import type { ValueJoiner } from './table-join.ts'

/** One stream of a join, as the node sees it that joins its records with what the other stream had. */
export interface StreamJoinSide<K, V, VO, VR> {
  readonly side: JoinSide
  /** Its records give a result without a partner too. */
  readonly outer: boolean
  /** The other side's records that it is joined with: so much earlier, so much later. */
  readonly beforeMs: number
  readonly afterMs: number
  readonly join: (own: V | null, other: VO | null, key: K) => VR
}

/** A join seen from its left and from its right stream. */
export const streamJoinSides = <K, L, R, VR>(
  joiner: ValueJoiner<K, L | null, R | null, VR>,
  { beforeMs, afterMs }: JoinWindows,
  outer: { readonly left: boolean; readonly right: boolean },
): { readonly left: StreamJoinSide<K, L, R, VR>; readonly right: StreamJoinSide<K, R, L, VR> } => ({
  left: { side: 'left', outer: outer.left, beforeMs, afterMs, join: joiner },
  right: { side: 'right', outer: outer.right, beforeMs: afterMs, afterMs: beforeMs, join: (own, other, key) => joiner(other, own, key) },
})

/** Keeps the records of one stream for the other one; each goes on first, so that it never meets itself (`KStreamJoinWindow`, S-25). */
export const keepForJoin =
  <K, V>(store: string): AnyProcessorSupplier =>
  () => {
    let context: ProcessorContext<K, V>
    let window: WindowStore<K, V>
    return {
      init: (given: ProcessorContext<K, V>) => {
        context = given
        window = given.getStateStore(store)
      },
      process: (record: Record<K, V>) =>
        andThen(context.forward(record), () => {
          if (record.key !== null) window.put(record.key, record.value, record.timestamp)
        }),
    }
  }

/**
 * Joins each record of one stream with the other's records of its key around its time (`KStreamKStreamJoin`, D-22, S-25 to
 * S-27), in the order of their times. A result has the later time of both and the headers of the record that came last. A null
 * key or value is dropped and counted. Of an outer side a record with a null key is joined with null at once; one that finds
 * no partner waits in `pending`, and is joined with null when the latest time of both streams is more than the grace beyond its
 * window: with the record that brings that time, or at once if its window was over before it came.
 *
 * @example
 * ```ts
 * import { joinWindows, Serdes, StreamsBuilder } from 'millrace'
 * import { TopologyTestDriver } from 'millrace/testing'
 *
 * const strings = { keySerde: Serdes.string, valueSerde: Serdes.string }
 * const builder = new StreamsBuilder()
 * const views = builder.stream('views', strings)
 * const clicks = builder.stream('clicks', strings)
 * views
 *   .leftJoin(clicks, (ad, click) => `${ad}: ${click ?? 'no click'}`, joinWindows({ beforeMs: 0, afterMs: 1_000, graceMs: 0 }))
 *   .to('seen', strings)
 *
 * await using driver = new TopologyTestDriver(builder.build())
 * const [views$, clicks$] = [driver.createInputTopic('views', strings), driver.createInputTopic('clicks', strings)]
 * await views$.pipeInput('ann', 'shoes', { timestamp: 0 })
 * await clicks$.pipeInput('ann', 'buy', { timestamp: 900 })
 * await views$.pipeInput('bob', 'hats', { timestamp: 950 })
 * await views$.pipeInput('ann', 'socks', { timestamp: 2_000 })
 * const seen = driver.createOutputTopic('seen', strings).readRecords().map((it) => it.value)
 * seen // => ['shoes: buy', 'hats: no click']
 * ```
 */
export const streamJoin =
  <K, V, VO, VR>(
    { side, outer, beforeMs, afterMs, join }: StreamJoinSide<K, V, VO, VR>,
    {
      otherStore,
      pending: given,
    }: { readonly otherStore: string; readonly pending: PendingJoinsOptions<unknown, unknown, VR, K> | undefined },
  ): AnyProcessorSupplier =>
  () => {
    const otherSide = side === 'left' ? 'right' : 'left'
    let context: ProcessorContext<K, VR>
    let others: WindowStore<K, VO>
    let pending: PendingJoins<K, unknown, unknown> | undefined
    const sendAlone = (record: Record<K, V>) => context.forward({ ...record, value: join(record.value, null, record.key) })
    const meet = (record: Record<K, V>, [timestamp, other]: readonly [number, VO]): Awaitable<void> =>
      andThen(pending?.remove(timestamp, { side: otherSide, key: record.key }), () =>
        context.forward({
          ...record,
          value: join(record.value, other, record.key),
          timestamp: Math.max(record.timestamp, timestamp),
        }),
      )
    const process = (record: Record<K, V>, streamTime: number): Awaitable<void> => {
      const { key, value, timestamp } = record
      const untilMs = Math.max(0, timestamp + afterMs)
      return andThen(others.fetch(key, Math.max(0, timestamp - beforeMs), untilMs), (found) => {
        if (found.length > 0 || !outer || !pending) return forEachInOrder(found, (other) => meet(record, other))
        return untilMs < streamTime ? sendAlone(record) : pending.add(timestamp, { side, key }, value)
      })
    }
    return {
      init: (it: ProcessorContext<K, VR>) => {
        context = it
        others = it.getStateStore(otherStore)
        pending = given && openPendingJoins(it, given)
      },
      process: (record: Record<K, V>) => {
        const streamTime = pending?.observe(record.timestamp) ?? record.timestamp
        if (record.key === null && record.value !== null && outer) return sendAlone(record)
        if (record.key === null || record.value === null) return context.drop('null key or value')
        const sent = record.timestamp === streamTime ? pending?.sendClosed(record, afterMs) : undefined
        return andThen(sent, () => process(record, streamTime))
      },
    }
  }
