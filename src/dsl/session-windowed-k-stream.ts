import { type Aggregator, aggregatePrefix, type Initializer, type Reducer, reducePrefix } from '../operators/aggregate.ts'
import {
  type Merger,
  type SessionFold,
  sessionAggregateFold,
  sessionCountFold,
  sessionReduceFold,
  sessionWindowAggregate,
} from '../operators/session-window-aggregate.ts'
import type { EmitStrategy } from '../operators/windowed-rows.ts'
import type { Serde } from '../serde/serde.ts'
import { Serdes } from '../serde/serdes.ts'
import type { Windowed } from '../serde/windowed.ts'
import type { SessionWindows } from '../topology/windows.ts'
import type { KTable } from './k-table.ts'
import type { Aggregated } from './options.ts'
import { sessionRetention, sessionsFrom } from './window-kinds.ts'
import { drawWindowed, type Grouping } from './windowed-aggregation.ts'

/**
 * Grouped records, to be folded per session (Kafka's `SessionWindowedKStream`, D-31). A record that comes between two
 * sessions makes them one: their rows are deleted and a row of the longer session comes instead.
 *
 * @example
 * ```ts
 * import { Serdes, StreamsBuilder, session } from 'millrace'
 * import { TopologyTestDriver } from 'millrace/testing'
 *
 * const strings = { keySerde: Serdes.string, valueSerde: Serdes.string }
 * const builder = new StreamsBuilder()
 * const sessions = builder.stream('clicks', strings).groupByKey().windowedBy(session({ inactivityGapMs: 5, graceMs: 60 }))
 * sessions.count({ store: 'sessions' }).toStream().to('counts')
 *
 * await using driver = new TopologyTestDriver(builder.build())
 * const clicks = driver.createInputTopic('clicks', strings)
 * for (const timestamp of [0, 8, 4]) await clicks.pipeInput('ann', 'x', { timestamp })
 * const counts = driver.createOutputTopic('counts', { keySerde: Serdes.sessionWindowed(Serdes.string), valueSerde: Serdes.long })
 * const spans = counts.readRecords().map(({ key, value }) => `${key?.window.startMs}-${key?.window.endMs}: ${value}`)
 * spans // => ['0-0: 1', '8-8: 1', '0-0: null', '8-8: null', '0-8: 3']
 * ```
 */
export class SessionWindowedKStream<K, V> {
  readonly #grouping: Grouping<K, V>
  readonly #windows: SessionWindows
  readonly #emit: EmitStrategy

  constructor(grouping: Grouping<K, V>, windows: SessionWindows, emit: EmitStrategy = 'onWindowUpdate') {
    this.#grouping = grouping
    this.#windows = windows
    this.#emit = emit
  }

  /** Sends every update (`onWindowUpdate`, the default), or each session once, when no record can come to it any more (`onWindowClose`). */
  emitStrategy(strategy: EmitStrategy): SessionWindowedKStream<K, V> {
    return new SessionWindowedKStream(this.#grouping, this.#windows, strategy)
  }

  /** Counts the records of each session, those with a null value too. */
  count(options: Aggregated<K, number> = {}): KTable<Windowed<K>, number> {
    const named = typeof options.store === 'string' || options.store?.name !== undefined
    // Java uses up one number more for a Materialized without a name
    if (options.store !== undefined && !named) this.#grouping.place.drawing.names.store(aggregatePrefix)
    return this.#fold(aggregatePrefix, sessionCountFold, { defaultSerde: Serdes.long, options })
  }

  /** Combines the values of each session pairwise, and sessions that become one likewise. */
  reduce(reducer: Reducer<V>, options: Aggregated<K, V> = {}): KTable<Windowed<K>, V> {
    return this.#fold(reducePrefix, sessionReduceFold(reducer), { defaultSerde: this.#grouping.place.valueSerde, options })
  }

  /**
   * Folds the values of each session into an aggregate that may have another type. Every record begins with a new aggregate,
   * into which the sessions around it are merged before it is added.
   */
  aggregate<A>(
    initializer: Initializer<A>,
    aggregator: Aggregator<K, V, A>,
    merger: Merger<K, A>,
    options: Aggregated<K, A> = {},
  ): KTable<Windowed<K>, A> {
    return this.#fold(aggregatePrefix, sessionAggregateFold(initializer, aggregator, merger), { defaultSerde: undefined, options })
  }

  #fold<A>(
    prefix: string,
    fold: SessionFold<K, V, A>,
    given: { readonly defaultSerde: Serde<A> | undefined; readonly options: Aggregated<K, A> },
  ): KTable<Windowed<K>, A> {
    const windows = this.#windows
    return drawWindowed<K, V, A>(this.#grouping, {
      ...given,
      prefix,
      kind: { kind: 'session', holds: 'values' },
      // sessions that are sent when they close are not cached (S-10)
      cacheable: this.#emit === 'onWindowUpdate',
      retention: sessionRetention(windows),
      reads: { fromMs: sessionsFrom(windows) },
      windowed: (inner) => Serdes.sessionWindowed(inner),
      supplier: (store, oldValues) => sessionWindowAggregate(windows, fold, { store, emit: this.#emit, oldValues }),
    })
  }
}
