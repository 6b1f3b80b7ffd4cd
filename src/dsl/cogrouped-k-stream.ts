import { StreamsError } from '../errors.ts'
import { type Aggregator, aggregate, aggregateFold, type Initializer } from '../operators/aggregate.ts'
import { merge } from '../operators/merge.ts'
import { storeView } from '../operators/table-view.ts'
import { type LogicalNodeSpec, logicalNode } from '../topology/logical.ts'
import { checkName } from '../topology/naming.ts'
import type { KGroupedStream } from './k-grouped-stream.ts'
import { KTable } from './k-table.ts'
import { keyValueStore, materializedOf, storeNameOf } from './materialize.ts'
import type { Aggregated } from './options.ts'

/** The groupings that go into one table, each with its aggregator. */
type Inputs<K, A> = ReadonlyMap<KGroupedStream<K, unknown>, Aggregator<K, unknown, A>>

const aggregatePrefix = 'COGROUPKSTREAM-AGGREGATE-'
const mergePrefix = 'COGROUPKSTREAM-MERGE-'

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

  /** Folds the values of each key of all streams; records with a null key or value are dropped and counted. */
  aggregate(initializer: Initializer<A>, options: Aggregated<K, A> = {}): KTable<K, A> {
    const inputs = [...this.#inputs].map(([{ grouping }, aggregator]) => ({ grouping, aggregator }))
    const first = inputs[0]
    if (!first) throw new StreamsError('TOPOLOGY_INVALID', 'A cogrouped stream takes at least one grouping')
    const { drawing, keySerde: groupSerde } = first.grouping.place
    const materialized = materializedOf(options.store) ?? {}
    const storeName = storeNameOf(drawing, aggregatePrefix, materialized)
    const store = keyValueStore(drawing, storeName, { ...materialized, keySerde: materialized.keySerde ?? groupSerde })
    const nameOf = (prefix: string, suffix: string): string =>
      drawing.names.processor(prefix, options.name === undefined ? undefined : checkName(`${options.name}${suffix}`))
    // all repartitions come before the first aggregation, as in Java's numbering
    const above = inputs.map(({ grouping }) => grouping.repartitioned(storeName))
    const aggregations = inputs.map(({ aggregator }, at) => {
      const name = nameOf(aggregatePrefix, `-cogroup-agg-${at}`)
      const fold = aggregateFold(initializer, aggregator)
      const draw = (oldValues: boolean): LogicalNodeSpec => ({
        name,
        stores: [store],
        nodes: [
          {
            kind: 'processor',
            name,
            parents: [],
            supplier: aggregate(storeName, fold, { oldValues, initial: initializer }),
            stores: [storeName],
            keepsKey: true,
            readsByKey: [storeName],
          },
        ],
      })
      const node = logicalNode(draw(false))
      drawing.graph.add(above[at] ?? drawing.graph.root, node)
      return { node, draw }
    })
    const name = nameOf(mergePrefix, '-cogroup-merge')
    const { supplier } = merge<K, unknown>()
    const merged = drawing.graph.add(
      aggregations.map(({ node }) => node),
      logicalNode({
        name,
        nodes: [{ kind: 'processor', name, parents: [], supplier, stores: [], keepsKey: true, readsByKey: [], meets: [] }],
      }),
    )
    return new KTable({
      drawing,
      node: merged,
      keySerde: store.keySerde,
      valueSerde: store.valueSerde,
      repartition: false,
      queryableStoreName: materialized.name ?? null,
      facts: {
        view: () => storeView(storeName),
        sendOldValues: () => {
          for (const { node, draw } of aggregations) node.spec = draw(true)
          return true
        },
      },
    })
  }
}
