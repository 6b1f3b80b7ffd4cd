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
import type { EmitStrategy } from '../operators/windowed-rows.ts'
import type { Serde } from '../serde/serde.ts'
import { Serdes } from '../serde/serdes.ts'
import type { Windowed } from '../serde/windowed.ts'
import type { KTable } from './k-table.ts'
import type { Aggregated } from './options.ts'
import type { WindowKind } from './window-kinds.ts'
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
  readonly #kind: WindowKind<K, V>
  readonly #emit: EmitStrategy

  constructor(grouping: Grouping<K, V>, kind: WindowKind<K, V>, emit: EmitStrategy = 'onWindowUpdate') {
    this.#grouping = grouping
    this.#kind = kind
    this.#emit = emit
  }

  /**
   * Sends every update (`onWindowUpdate`, the default), or each window once, when it closes (`onWindowClose`): when the time
   * of a record is `graceMs` beyond its end. Windows of one's own and unlimited ones cannot be sent so: TOPOLOGY_INVALID.
   */
  emitStrategy(strategy: EmitStrategy): TimeWindowedKStream<K, V> {
    const { neverCloses } = this.#kind
    if (strategy === 'onWindowClose' && neverCloses !== undefined) throw new StreamsError('TOPOLOGY_INVALID', neverCloses)
    return new TimeWindowedKStream(this.#grouping, this.#kind, strategy)
  }

  /** Counts the records of each key and window, those with a null value too; sliding windows take no null values. */
  count(options: Aggregated<K, number> = {}): KTable<Windowed<K>, number> {
    const named = typeof options.store === 'string' || options.store?.name !== undefined
    if (this.#kind.countTakesNumber && options.store !== undefined && !named) this.#grouping.place.drawing.names.store(aggregatePrefix)
    return this.#fold(aggregatePrefix, countFold, { defaultSerde: Serdes.long, initial: () => 0, options })
  }

  /** Combines the values of each key and window pairwise; the first one is taken as it is. */
  reduce(reducer: Reducer<V>, options: Aggregated<K, V> = {}): KTable<Windowed<K>, V> {
    return this.#fold(reducePrefix, reduceFold(reducer), { defaultSerde: this.#grouping.place.valueSerde, options })
  }

  /** Folds the values of each key and window, null ones too, into an aggregate that may have another type. */
  aggregate<A>(initializer: Initializer<A>, aggregator: Aggregator<K, V, A>, options: Aggregated<K, A> = {}): KTable<Windowed<K>, A> {
    return this.#fold(aggregatePrefix, aggregateFold(initializer, aggregator), { defaultSerde: undefined, initial: initializer, options })
  }

  #fold<A>(
    prefix: string,
    fold: Fold<K, V, A>,
    {
      initial,
      ...given
    }: { readonly defaultSerde: Serde<A> | undefined; readonly initial?: Initializer<A>; readonly options: Aggregated<K, A> },
  ): KTable<Windowed<K>, A> {
    const { sizeMs, retention, supplier } = this.#kind
    return drawWindowed<K, V, A>(this.#grouping, {
      ...given,
      prefix,
      kind: { kind: 'window', holds: 'timestamped', windowSizeMs: sizeMs, retainDuplicates: false },
      retention,
      reads: this.#kind,
      windowed: (inner) => Serdes.timeWindowed(inner, sizeMs),
      supplier: (store, oldValues) => supplier(fold, { store, emit: this.#emit, oldValues, ...(initial ? { initial } : {}) }),
    })
  }
}
