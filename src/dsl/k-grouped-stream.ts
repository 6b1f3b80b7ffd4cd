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
import { type LogicalNode, logicalNode } from '../topology/logical.ts'
import { checkName } from '../topology/naming.ts'
import type { StoreSpec } from '../topology/nodes.ts'
import type { Place } from './drawing.ts'
import { KTable } from './k-table.ts'
import type { Aggregated, Grouped, Materialized } from './options.ts'

/** Records grouped by key, to be folded into a table (Kafka's `KGroupedStream`, D-30). */
export class KGroupedStream<K, V> {
  readonly #place: Place<K, V>
  readonly #topicName: string | undefined
  #namedRepartition: LogicalNode | undefined

  constructor(place: Place<K, V>, grouped: Grouped<K, V>) {
    this.#place = { ...place, keySerde: grouped.keySerde ?? place.keySerde, valueSerde: grouped.valueSerde ?? place.valueSerde }
    this.#topicName = grouped.name === undefined ? undefined : checkName(grouped.name)
  }

  /** Counts the records of each key; those with a null key or value do not count. */
  count(options: Aggregated<K, number> = {}): KTable<K, number> {
    const named = typeof options.store === 'string' || options.store?.name !== undefined
    // Java uses up one number more for a Materialized without a name
    if (options.store !== undefined && !named) this.#place.drawing.names.store(aggregatePrefix)
    return this.#fold(aggregatePrefix, countFold, { defaultSerde: Serdes.long, options })
  }

  /** Combines the values of each key pairwise; the first one is taken as it is. */
  reduce(reducer: Reducer<V>, options: Aggregated<K, V> = {}): KTable<K, V> {
    return this.#fold(reducePrefix, reduceFold(reducer), { defaultSerde: this.#place.valueSerde, options })
  }

  /** Folds the values of each key into an aggregate that may have another type. */
  aggregate<A>(initializer: Initializer<A>, aggregator: Aggregator<K, V, A>, options: Aggregated<K, A> = {}): KTable<K, A> {
    return this.#fold(aggregatePrefix, aggregateFold(initializer, aggregator), { defaultSerde: undefined, options })
  }

  #fold<A>(
    prefix: string,
    fold: Fold<K, V, A>,
    { defaultSerde, options }: { readonly defaultSerde: Serde<A> | undefined; readonly options: Aggregated<K, A> },
  ): KTable<K, A> {
    const { drawing, keySerde } = this.#place
    const materialized: Materialized<K, A> = typeof options.store === 'string' ? { name: options.store } : (options.store ?? {})
    const storeName = materialized.name === undefined ? drawing.names.store(prefix) : checkName(materialized.name)
    const name = drawing.names.processor(prefix, options.name === undefined ? undefined : checkName(options.name))
    const serdes = {
      keySerde: drawing.keySerde(materialized.keySerde ?? keySerde, `the key of store ${storeName}`),
      valueSerde: drawing.valueSerde(materialized.valueSerde ?? defaultSerde, `the value of store ${storeName}`),
    }
    const store: StoreSpec = {
      kind: 'timestamped-key-value',
      name: storeName,
      ...serdes,
      caching: materialized.caching ?? true,
      logging: materialized.logging ?? {},
      named: materialized.name !== undefined,
    }
    const node = logicalNode({
      name,
      stores: [store],
      nodes: [
        {
          kind: 'processor',
          name,
          parents: [],
          supplier: aggregate(storeName, fold),
          stores: [storeName],
          keepsKey: true,
          readsByKey: [storeName],
        },
      ],
    })
    drawing.graph.add(this.#repartitioned(storeName), node)
    return new KTable({ drawing, node, ...serdes, repartition: false, queryableStoreName: materialized.name ?? null })
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
