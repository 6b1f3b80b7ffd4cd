import {
  type Aggregator,
  aggregate,
  aggregateFold,
  aggregatePrefix,
  countFold,
  type Fold,
  type Initializer,
  type Reducer,
  reduceFold,
  reducePrefix,
} from '../operators/aggregate.ts'
import { repartition } from '../operators/repartition.ts'
import type { Serde } from '../serde/serde.ts'
import { Serdes } from '../serde/serdes.ts'
import { type LogicalNode, type LogicalNodeSpec, logicalNode } from '../topology/logical.ts'
import { checkName } from '../topology/naming.ts'
import type { SessionWindows, SlidingWindows, Windows } from '../topology/windows.ts'
import { CogroupedKStream } from './cogrouped-k-stream.ts'
import type { Place } from './drawing.ts'
import { KTable } from './k-table.ts'
import { keyValueStore, materializedOf, storedTable, storeNameOf } from './materialize.ts'
import type { Aggregated, Grouped } from './options.ts'
import { SessionWindowedKStream } from './session-windowed-k-stream.ts'
import { TimeWindowedKStream } from './time-windowed-k-stream.ts'
import { fixedWindows, slidingWindows } from './window-kinds.ts'
import type { Grouping } from './windowed-aggregation.ts'

/** Records grouped by key, to be folded into a table (Kafka's `KGroupedStream`, D-30). */
export class KGroupedStream<K, V> {
  readonly #place: Place<K, V>
  readonly #topicName: string | undefined
  #namedRepartition: LogicalNode | undefined

  constructor(place: Place<K, V>, grouped: Grouped<K, V>) {
    this.#place = { ...place, keySerde: grouped.keySerde ?? place.keySerde, valueSerde: grouped.valueSerde ?? place.valueSerde }
    this.#topicName = grouped.name === undefined ? undefined : checkName(grouped.name)
  }

  /** For the other forms of aggregation, which draw below it. */
  get grouping(): Grouping<K, V> {
    return { place: this.#place, repartitioned: (storeName) => this.#repartitioned(storeName) }
  }

  /** Counts the records of each key; those with a null key or value do not count. */
  count(options: Aggregated<K, number> = {}): KTable<K, number> {
    const named = typeof options.store === 'string' || options.store?.name !== undefined
    // Java uses up one number more for a Materialized without a name
    if (options.store !== undefined && !named) this.#place.drawing.names.store(aggregatePrefix)
    return this.#fold(aggregatePrefix, countFold, { defaultSerde: Serdes.long, initial: () => 0, options })
  }

  /** Combines the values of each key pairwise; the first one is taken as it is. */
  reduce(reducer: Reducer<V>, options: Aggregated<K, V> = {}): KTable<K, V> {
    return this.#fold(reducePrefix, reduceFold(reducer), { defaultSerde: this.#place.valueSerde, options })
  }

  /** Folds the values of each key into an aggregate that may have another type. */
  aggregate<A>(initializer: Initializer<A>, aggregator: Aggregator<K, V, A>, options: Aggregated<K, A> = {}): KTable<K, A> {
    return this.#fold(aggregatePrefix, aggregateFold(initializer, aggregator), { defaultSerde: undefined, initial: initializer, options })
  }

  /** Begins a table into which further groupings with the same keys may go. */
  cogroup<A>(aggregator: Aggregator<K, V, A>): CogroupedKStream<K, A> {
    return new CogroupedKStream<K, A>(new Map()).cogroup(this, aggregator)
  }

  /** Folds per window instead of over all time. */
  windowedBy(windows: SessionWindows): SessionWindowedKStream<K, V>
  windowedBy(windows: Windows | SlidingWindows): TimeWindowedKStream<K, V>
  windowedBy(windows: Windows | SlidingWindows | SessionWindows): TimeWindowedKStream<K, V> | SessionWindowedKStream<K, V> {
    const { grouping } = this
    if ('inactivityGapMs' in windows) return new SessionWindowedKStream(grouping, windows)
    return new TimeWindowedKStream(grouping, 'windowsFor' in windows ? fixedWindows(windows) : slidingWindows(windows))
  }

  #fold<A>(
    prefix: string,
    fold: Fold<K, V, A>,
    {
      defaultSerde,
      initial,
      options,
    }: { readonly defaultSerde: Serde<A> | undefined; readonly initial?: Initializer<A>; readonly options: Aggregated<K, A> },
  ): KTable<K, A> {
    const { drawing } = this.#place
    const materialized = materializedOf(options.store) ?? {}
    const storeName = storeNameOf(drawing, prefix, materialized)
    const name = drawing.names.processor(prefix, options.name === undefined ? undefined : checkName(options.name))
    const { keySerde = this.#place.keySerde, valueSerde = defaultSerde } = materialized
    const store = keyValueStore(drawing, storeName, { ...materialized, keySerde, valueSerde })
    const draw = ({ oldValues }: { readonly oldValues: boolean }): LogicalNodeSpec => ({
      name,
      stores: [store],
      nodes: [
        {
          kind: 'processor',
          name,
          parents: [],
          supplier: aggregate(storeName, fold, { oldValues, initial }),
          stores: [storeName],
          keepsKey: true,
          readsByKey: [storeName],
        },
      ],
    })
    const node = logicalNode(draw({ oldValues: false }))
    drawing.graph.add(this.#repartitioned(storeName), node)
    return new KTable({
      drawing,
      node,
      keySerde: store.keySerde,
      valueSerde: store.valueSerde,
      repartition: false,
      queryableStoreName: materialized.name ?? null,
      facts: storedTable(node, store, draw),
    })
  }

  /** A grouping with a name is repartitioned once for all its aggregations; one without, once for each. */
  #repartitioned(storeName: string): LogicalNode {
    const { drawing, node, keySerde, valueSerde, repartition: needed } = this.#place
    if (!needed) return node
    const made = repartition(drawing.names, this.#topicName ?? storeName, {
      keySerde: drawing.keySerde(keySerde, `the key of the repartition topic of store ${storeName}`),
      valueSerde: drawing.valueSerde(valueSerde, `the value of the repartition topic of store ${storeName}`),
      mergeable: true,
    })
    const repartitionNode = this.#namedRepartition ?? logicalNode(made)
    if (this.#topicName !== undefined) this.#namedRepartition = repartitionNode
    return drawing.graph.add(node, repartitionNode)
  }
}
