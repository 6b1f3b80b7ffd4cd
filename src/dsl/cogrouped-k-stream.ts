import { type Aggregator, aggregate, aggregateFold, type Initializer } from '../operators/aggregate.ts'
import type { SessionWindows, SlidingWindows, Windows } from '../topology/windows.ts'
import { type CogroupInput, drawCogrouped } from './cogroup-aggregation.ts'
import type { KGroupedStream } from './k-grouped-stream.ts'
import type { KTable } from './k-table.ts'
import { keyValueStore } from './materialize.ts'
import type { Aggregated } from './options.ts'
import { SessionWindowedCogroupedKStream } from './session-windowed-cogrouped-k-stream.ts'
import { TimeWindowedCogroupedKStream } from './time-windowed-cogrouped-k-stream.ts'
import { fixedWindows, slidingWindows } from './window-kinds.ts'

/** The groupings that go into one table, each with its aggregator. */
type Inputs<K, A> = ReadonlyMap<KGroupedStream<K, unknown>, Aggregator<K, unknown, A>>

/**
 * Several grouped streams with the same keys, folded into one table (Kafka's `CogroupedKStream`, D-32): one store, one node per
 * stream. The streams' topics must have the same number of partitions.
 *
 * @example
 * ```ts
 * import { Serdes, StreamsBuilder } from 'millrace'
 * import { TopologyTestDriver } from 'millrace/testing'
 *
 * const strings = { keySerde: Serdes.string, valueSerde: Serdes.string }
 * const builder = new StreamsBuilder()
 * const views = builder.stream('views', strings).groupByKey()
 * const clicks = builder.stream('clicks', strings).groupByKey()
 * views
 *   .cogroup((_user, page, seen: string) => `${seen} saw ${page}`)
 *   .cogroup(clicks, (_user, button, seen) => `${seen} pressed ${button}`)
 *   .aggregate(() => '', { store: { name: 'seen', valueSerde: Serdes.string } })
 *   .toStream()
 *   .to('seen')
 *
 * await using driver = new TopologyTestDriver(builder.build())
 * await driver.createInputTopic('views', strings).pipeInput('ann', 'home')
 * await driver.createInputTopic('clicks', strings).pipeInput('ann', 'buy')
 * driver.createOutputTopic('seen', strings).readRecords().map((it) => it.value) // => [' saw home', ' saw home pressed buy']
 * ```
 */
export class CogroupedKStream<K, A> {
  readonly #inputs: Inputs<K, A>

  constructor(inputs: Inputs<K, A>) {
    this.#inputs = inputs
  }

  /** Adds a grouping with the aggregator for its values. A grouping that is there already gets the new aggregator. */
  cogroup<V>(grouped: KGroupedStream<K, V>, aggregator: Aggregator<K, V, A>): CogroupedKStream<K, A> {
    return new CogroupedKStream(new Map([...this.#inputs, [grouped, aggregator] as never]))
  }

  /** Folds per window instead of over all time. */
  windowedBy(windows: SessionWindows): SessionWindowedCogroupedKStream<K, A>
  windowedBy(windows: Windows | SlidingWindows): TimeWindowedCogroupedKStream<K, A>
  windowedBy(
    windows: Windows | SlidingWindows | SessionWindows,
  ): TimeWindowedCogroupedKStream<K, A> | SessionWindowedCogroupedKStream<K, A> {
    if ('inactivityGapMs' in windows) return new SessionWindowedCogroupedKStream(this.#list, windows)
    return new TimeWindowedCogroupedKStream(this.#list, 'windowsFor' in windows ? fixedWindows(windows) : slidingWindows(windows))
  }

  /** Folds the values of each key of all streams; records with a null key or value are dropped and counted. */
  aggregate(initializer: Initializer<A>, options: Aggregated<K, A> = {}): KTable<K, A> {
    return drawCogrouped(this.#list, {
      options,
      store: keyValueStore,
      tableKeySerde: (inner) => inner,
      node: ({ aggregator }, { store, oldValues }) => ({
        supplier: aggregate(store, aggregateFold(initializer, aggregator), { oldValues, initial: initializer }),
        keepsKey: true,
        readsByKey: [store],
      }),
    })
  }

  get #list(): readonly CogroupInput<K, A>[] {
    return [...this.#inputs].map(([{ grouping }, aggregator]) => ({ grouping, aggregator }))
  }
}
