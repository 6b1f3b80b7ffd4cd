import { type Awaitable, andThen, forEachInOrder } from '../awaitable.ts'
import type { Change } from '../processor/change.ts'
import type { AnyProcessorSupplier, ProcessorContext } from '../processor/processor.ts'
import { noHeaders, type Record } from '../processor/record.ts'
import type { ValueAndTimestamp } from '../processor/store.ts'
import type { Window, Windowed } from '../serde/windowed.ts'
import type { SessionWindows } from '../topology/windows.ts'
import type { Aggregator, Initializer, Reducer } from './aggregate.ts'
import { openWindowedRows, type RowsContext, type WindowedRows, type WindowedRowsOptions } from './windowed-rows.ts'

/** Joins the aggregates of two sessions that have become one. */
export type Merger<K, A> = (key: K, one: A, other: A) => A

/** How sessions begin, merge and take in a record; null stands for a session without records. */
export interface SessionFold<K, V, A> {
  readonly begin: () => A | null
  readonly merge: (key: K, one: A | null, other: A) => A | null
  readonly add: (key: K, value: V, aggregate: A | null) => A | null
}

export const sessionAggregateFold = <K, V, A>(
  initializer: Initializer<A>,
  aggregator: Aggregator<K, V, A>,
  merger: Merger<K, A>,
): SessionFold<K, V, A> => ({
  begin: initializer,
  merge: (key, one, other) => merger(key, one as A, other),
  add: (key, value, aggregate) => aggregator(key, value, aggregate as A),
})

export const sessionCountFold: SessionFold<unknown, unknown, number> = {
  begin: () => 0,
  merge: (_key, one, other) => (one ?? 0) + other,
  add: (_key, _value, count) => (count ?? 0) + 1,
}

export const sessionReduceFold = <K, V>(reducer: Reducer<V>): SessionFold<K, V, V> => ({
  begin: () => null,
  merge: (_key, one, other) => (one === null ? other : reducer(one, other)),
  add: (_key, value, aggregate) => (aggregate === null ? value : reducer(aggregate, value)),
})

type Session<K, A> = readonly [Windowed<K>, ValueAndTimestamp<A>]

const unionOf = (one: Window, other: Window): Window => ({
  startMs: Math.min(one.startMs, other.startMs),
  endMs: Math.max(one.endMs, other.endMs),
})

/**
 * Folds the records of each key into sessions, which end when nothing came for longer than the gap
 * (`KStreamSessionWindowAggregate`, S-07). A record that joins sessions deletes their rows and writes one for all of them.
 * A null key is dropped and counted, and so is a record whose session, merged as it would be, ended before the latest time
 * less grace and gap; a null value is handed to the fold (S-09). Changes have the time of their session's end (S-01);
 * as in Kafka Streams they have no headers where the store is not cached, and the record's where it is.
 */
export const sessionWindowAggregate =
  <K, V, A>({ inactivityGapMs, graceMs }: SessionWindows, fold: SessionFold<K, V, A>, options: WindowedRowsOptions): AnyProcessorSupplier =>
  () => {
    let context: ProcessorContext<Windowed<K>, Change<A>>
    let rows: WindowedRows<K, A>
    const near = ({ key, timestamp }: Record<K, V>) =>
      rows.store.windowsOf(
        key,
        { startMs: 0, endMs: Math.max(0, timestamp - inactivityGapMs) },
        { startMs: Number.MAX_SAFE_INTEGER, endMs: Number.MAX_SAFE_INTEGER },
      )
    const process = (record: Record<K, V>, found: readonly Session<K, A>[], closeTime: number): Awaitable<void> => {
      const { key, value, timestamp } = record
      const alone = { startMs: timestamp, endMs: timestamp }
      const merged = found.reduce((window, [it]) => unionOf(window, it.window), alone)
      if (merged.endMs < closeTime) return context.drop('session is closed')
      let aggregate = fold.begin()
      for (const [, row] of found) aggregate = fold.merge(key, aggregate, row.value)
      const replaced = merged.startMs === merged.endMs ? [] : found
      const removed = forEachInOrder(replaced, ([session, row]) =>
        rows.update({ key: session, value: null, timestamp, headers: noHeaders }, row.value),
      )
      return andThen(removed, () =>
        rows.update({ key: { key, window: merged }, value: fold.add(key, value, aggregate) ?? null, timestamp, headers: noHeaders }, null),
      )
    }
    return {
      init: (given: ProcessorContext<Windowed<K>, Change<A>>) => {
        context = given
        rows = openWindowedRows(atSessionEnd(given), options)
      },
      process: (record: Record<K, V>) => {
        if (record.key === null) return context.drop('null key')
        const closeTime = rows.observe(record.timestamp) - graceMs - inactivityGapMs
        const latestStart = record.timestamp + inactivityGapMs
        return andThen(near(record), (found) =>
          andThen(
            process(
              record,
              found.filter(([{ window }]) => window.startMs <= latestStart),
              closeTime,
            ),
            () => rows.emitClosed(record, closeTime, (time) => time - 1),
          ),
        )
      },
    }
  }

/** In the store a session has the time of the record that wrote it, as in Kafka's changelogs; downstream the time of its end. */
const atSessionEnd = <K, A>(context: ProcessorContext<Windowed<K>, Change<A>>): RowsContext<K, A> => ({
  getStateStore: (name) => context.getStateStore(name),
  remember: (name, value) => context.remember(name, value),
  remembered: (name) => context.remembered(name),
  forward: (record) => context.forward({ ...record, timestamp: record.key.window.endMs }),
})
