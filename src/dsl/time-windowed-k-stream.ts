import { StreamsError } from '../errors.ts'
import {
  type Aggregator,
  aggregateFold,
  aggregatePrefix,
  countFold,
  type Fold,
  type Initializer,
  type Reducer,
  reduceFold,
  reducePrefix,
} from '../operators/aggregate.ts'
import { timeWindowAggregate } from '../operators/time-window-aggregate.ts'
import type { EmitStrategy } from '../operators/windowed-rows.ts'
import type { Serde } from '../serde/serde.ts'
import { Serdes } from '../serde/serdes.ts'
import type { Windowed } from '../serde/windowed.ts'
import type { Windows } from '../topology/windows.ts'
import type { KTable } from './k-table.ts'
import type { Aggregated } from './options.ts'
import { drawWindowed, type Grouping } from './windowed-aggregation.ts'

/**
 * Grouped records, to be folded per window (Kafka's `TimeWindowedKStream`, D-31). Rows have windowed keys.
 *
 * @example
 * ```ts
 * import { Serdes, StreamsBuilder, seconds, tumbling } from 'millrace'
 * import { TopologyTestDriver } from 'millrace/testing'
 *
 * const strings = { keySerde: Serdes.string, valueSerde: Serdes.string }
 * const builder = new StreamsBuilder()
 * builder
 *   .stream('clicks', strings)
 *   .groupByKey()
 *   .windowedBy(tumbling({ sizeMs: seconds(10), graceMs: 0 }))
 *   .count({ store: 'clicks-per-10s' })
 *   .toStream()
 *   .to('counts')
 *
 * await using driver = new TopologyTestDriver(builder.build())
 * const clicks = driver.createInputTopic('clicks', strings)
 * await clicks.pipeInput('ann', 'home', { timestamp: 1_000 })
 * await clicks.pipeInput('ann', 'cart', { timestamp: 9_000 })
 * await clicks.pipeInput('ann', 'home', { timestamp: 10_000 })
 * const counts = driver.createOutputTopic('counts', { keySerde: Serdes.timeWindowed(Serdes.string, seconds(10)), valueSerde: Serdes.long })
 * counts.readRecords().map(({ key, value }) => [key?.window.startMs, value]) // => [[0, 1], [0, 2], [10000, 1]]
 * ```
 */
export class TimeWindowedKStream<K, V> {
  readonly #grouping: Grouping<K, V>
  readonly #windows: Windows
  readonly #emit: EmitStrategy

  constructor(grouping: Grouping<K, V>, windows: Windows, emit: EmitStrategy = 'onWindowUpdate') {
    this.#grouping = grouping
    this.#windows = windows
    this.#emit = emit
  }

  /**
   * Sends every update (`onWindowUpdate`, the default), or each window once, when it closes (`onWindowClose`): when the time
   * of a record is `graceMs` beyond its end. Windows of one's own and unlimited ones cannot be sent so: TOPOLOGY_INVALID.
   */
  emitStrategy(strategy: EmitStrategy): TimeWindowedKStream<K, V> {
    const { sizeMs, advanceMs } = this.#windows
    if (strategy === 'onWindowClose' && sizeMs === Number.POSITIVE_INFINITY) {
      throw new StreamsError('TOPOLOGY_INVALID', 'ON_WINDOW_CLOSE emit strategy cannot be used for UnlimitedWindows')
    }
    if (strategy === 'onWindowClose' && advanceMs === undefined) {
      const why = 'ON_WINDOW_CLOSE strategy is only supported for TimeWindows and SlidingWindows for TimeWindowedKStream'
      throw new StreamsError('TOPOLOGY_INVALID', why)
    }
    return new TimeWindowedKStream(this.#grouping, this.#windows, strategy)
  }

  /** Counts the records of each key and window, those with a null value too. */
  count(options: Aggregated<K, number> = {}): KTable<Windowed<K>, number> {
    const named = typeof options.store === 'string' || options.store?.name !== undefined
    // Java uses up one number more for a Materialized without a name
    if (options.store !== undefined && !named) this.#grouping.place.drawing.names.store(aggregatePrefix)
    return this.#fold(aggregatePrefix, countFold, { defaultSerde: Serdes.long, options })
  }

  /** Combines the values of each key and window pairwise; the first one is taken as it is. */
  reduce(reducer: Reducer<V>, options: Aggregated<K, V> = {}): KTable<Windowed<K>, V> {
    return this.#fold(reducePrefix, reduceFold(reducer), { defaultSerde: this.#grouping.place.valueSerde, options })
  }

  /** Folds the values of each key and window, null ones too, into an aggregate that may have another type. */
  aggregate<A>(initializer: Initializer<A>, aggregator: Aggregator<K, V, A>, options: Aggregated<K, A> = {}): KTable<Windowed<K>, A> {
    return this.#fold(aggregatePrefix, aggregateFold(initializer, aggregator), { defaultSerde: undefined, options })
  }

  #fold<A>(
    prefix: string,
    fold: Fold<K, V, A>,
    given: { readonly defaultSerde: Serde<A> | undefined; readonly options: Aggregated<K, A> },
  ): KTable<Windowed<K>, A> {
    const windows = this.#windows
    const { sizeMs, graceMs } = windows
    return drawWindowed<K, V, A>(this.#grouping, {
      ...given,
      prefix,
      windowSizeMs: sizeMs,
      graceMs,
      windowed: (inner) => Serdes.timeWindowed(inner, sizeMs),
      supplier: (store, oldValues) => timeWindowAggregate(windows, fold, { store, emit: this.#emit, oldValues }),
    })
  }
}
