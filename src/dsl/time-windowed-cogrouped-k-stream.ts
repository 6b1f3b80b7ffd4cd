import { aggregateFold, type Initializer } from '../operators/aggregate.ts'
import { Serdes } from '../serde/serdes.ts'
import type { Windowed } from '../serde/windowed.ts'
import { type CogroupInput, drawCogrouped } from './cogroup-aggregation.ts'
import type { KTable } from './k-table.ts'
import type { Aggregated } from './options.ts'
import { type WindowKind, windowReads } from './window-kinds.ts'
import { windowedStore } from './windowed-aggregation.ts'

/**
 * Several grouped streams with the same keys, to be folded into one table per window (Kafka's `TimeWindowedCogroupedKStream`,
 * D-32); sliding windows too. Every update is sent.
 *
 * @example
 * ```ts
 * import { Serdes, StreamsBuilder, tumbling } from 'millrace'
 * import { TopologyTestDriver } from 'millrace/testing'
 *
 * const strings = { keySerde: Serdes.string, valueSerde: Serdes.string }
 * const builder = new StreamsBuilder()
 * const views = builder.stream('views', strings).groupByKey()
 * const clicks = builder.stream('clicks', strings).groupByKey()
 * views
 *   .cogroup((_user, page, seen: string) => `${seen} saw ${page}`)
 *   .cogroup(clicks, (_user, button, seen) => `${seen} pressed ${button}`)
 *   .windowedBy(tumbling({ sizeMs: 10, graceMs: 0 }))
 *   .aggregate(() => '', { store: { name: 'seen', valueSerde: Serdes.string } })
 *   .toStream((windowed) => windowed.key)
 *   .to('seen', strings)
 *
 * await using driver = new TopologyTestDriver(builder.build())
 * await driver.createInputTopic('views', strings).pipeInput('ann', 'home', { timestamp: 1 })
 * await driver.createInputTopic('clicks', strings).pipeInput('ann', 'buy', { timestamp: 9 })
 * await driver.createInputTopic('clicks', strings).pipeInput('ann', 'pay', { timestamp: 10 })
 * const seen = driver.createOutputTopic('seen', strings).readRecords().map((it) => it.value)
 * seen // => [' saw home', ' saw home pressed buy', ' pressed pay']
 * ```
 */
export class TimeWindowedCogroupedKStream<K, A> {
  readonly #inputs: readonly CogroupInput<K, A>[]
  readonly #kind: WindowKind<K, unknown>

  constructor(inputs: readonly CogroupInput<K, A>[], kind: WindowKind<K, unknown>) {
    this.#inputs = inputs
    this.#kind = kind
  }

  /** Folds the values of each key and window of all streams, null ones too where the windows do not slide. */
  aggregate(initializer: Initializer<A>, options: Aggregated<K, A> = {}): KTable<Windowed<K>, A> {
    const { sizeMs, retention, supplier } = this.#kind
    const kind = { kind: 'window', holds: 'timestamped', windowSizeMs: sizeMs, retainDuplicates: false } as const
    return drawCogrouped(this.#inputs, {
      options,
      store: (drawing, name, materialized) => windowedStore(drawing, name, { ...materialized, kind, retention }),
      tableKeySerde: (inner) => Serdes.timeWindowed(inner, sizeMs),
      graceMs: retention.graceMs,
      node: ({ aggregator }, { store, index, oldValues }) => ({
        supplier: supplier(aggregateFold(initializer, aggregator), {
          store,
          emit: 'onWindowUpdate',
          oldValues,
          part: index,
          initial: initializer,
        }),
        keepsKey: false,
        readsByKey: [],
        ...windowReads(store, this.#kind),
      }),
    })
  }
}
