import type { Aggregator, Initializer, Reducer } from '../operators/aggregate.ts'
import {
  type TableFold,
  tableAggregate,
  tableAggregateFold,
  tableAggregatePrefix,
  tableCountFold,
  tableReduceFold,
  tableReducePrefix,
} from '../operators/table-aggregate.ts'
import { repartitionTable } from '../operators/table-group-by.ts'
import type { Serde } from '../serde/serde.ts'
import { Serdes } from '../serde/serdes.ts'
import { type LogicalNode, type LogicalNodeSpec, logicalNode } from '../topology/logical.ts'
import { checkName } from '../topology/naming.ts'
import type { Place } from './drawing.ts'
import type { KTable } from './k-table.ts'
import { keyValueStore, materializedOf, storedTable, storeNameOf, type TablePlace } from './materialize.ts'
import type { Aggregated } from './options.ts'

/**
 * Rows of a table grouped by a new key (Kafka's `KGroupedTable`, D-33). Aggregates follow the table: what a row gave to one is
 * taken back when the row changes. The changes always go through a repartition topic.
 */
export class KGroupedTable<K, V> {
  readonly #place: Place<K, V>
  readonly #topicName: string | undefined
  readonly #newTable: <A>(place: TablePlace<K, A>) => KTable<K, A>
  #namedRepartition: LogicalNode | undefined

  /** `place`: the node that selects the new keys. Tables come in by parameter, so that their file and this one do not import each other. */
  constructor(place: Place<K, V>, topicName: string | undefined, newTable: <A>(place: TablePlace<K, A>) => KTable<K, A>) {
    this.#place = place
    this.#topicName = topicName
    this.#newTable = newTable
  }

  /** Counts the rows that have the key now. */
  count(options: Aggregated<K, number> = {}): KTable<K, number> {
    return this.#fold(tableAggregatePrefix, tableCountFold, { defaultSerde: Serdes.long, options })
  }

  /** Combines the values of a key's rows; `subtractor` takes back what `adder` had put in. The first value is taken as it is. */
  reduce(adder: Reducer<V>, subtractor: Reducer<V>, options: Aggregated<K, V> = {}): KTable<K, V> {
    return this.#fold(tableReducePrefix, tableReduceFold(adder, subtractor), { defaultSerde: this.#place.valueSerde, options })
  }

  /** Folds a key's rows into an aggregate that may have another type; `subtractor` takes back what `adder` had put in. */
  aggregate<A>(
    initializer: Initializer<A>,
    adder: Aggregator<K, V, A>,
    subtractor: Aggregator<K, V, A>,
    options: Aggregated<K, A> = {},
  ): KTable<K, A> {
    return this.#fold(tableAggregatePrefix, tableAggregateFold(initializer, adder, subtractor), { defaultSerde: undefined, options })
  }

  #fold<A>(
    prefix: string,
    fold: TableFold<K, V, A>,
    { defaultSerde, options }: { readonly defaultSerde: Serde<A> | undefined; readonly options: Aggregated<K, A> },
  ): KTable<K, A> {
    const { drawing } = this.#place
    const materialized = materializedOf(options.store) ?? {}
    // Java names the store of a reduce as an aggregate's too
    const storeName = storeNameOf(drawing, tableAggregatePrefix, materialized)
    const given = options.name === undefined ? undefined : checkName(options.name)
    const { keySerde = this.#place.keySerde, valueSerde = defaultSerde } = materialized
    const store = keyValueStore(drawing, storeName, { ...materialized, keySerde, valueSerde })
    const parent = this.#repartitioned(storeName, given)
    const name = drawing.names.processor(prefix, given)
    const draw = ({ oldValues }: { readonly oldValues: boolean }): LogicalNodeSpec => ({
      name,
      stores: [store],
      nodes: [
        {
          kind: 'processor',
          name,
          parents: [],
          supplier: tableAggregate(storeName, fold, oldValues),
          stores: [storeName],
          keepsKey: true,
          readsByKey: [storeName],
        },
      ],
    })
    const node = drawing.graph.add(parent, logicalNode(draw({ oldValues: false })))
    return this.#newTable({
      ...{ drawing, node, keySerde: store.keySerde, valueSerde: store.valueSerde, repartition: false },
      queryableStoreName: materialized.name ?? null,
      facts: storedTable(node, store, draw),
    })
  }

  /** A grouping with a name is repartitioned once for all its aggregations; one without, once for each. */
  #repartitioned(storeName: string, given: string | undefined): LogicalNode {
    const { drawing, node, keySerde, valueSerde } = this.#place
    const sink = drawing.names.processor('KSTREAM-SINK-', given && `${given}-sink`)
    const source = drawing.names.processor('KSTREAM-SOURCE-', given && `${given}-source`)
    const topic = `${this.#topicName ?? storeName}-repartition`
    const serdes = {
      keySerde: drawing.keySerde(keySerde, `the key of topic ${topic}`),
      valueSerde: drawing.valueSerde(valueSerde, `the value of topic ${topic}`),
    }
    const made = this.#namedRepartition ?? logicalNode(repartitionTable(topic, { sink, source }, serdes))
    if (this.#topicName !== undefined) this.#namedRepartition = made
    return drawing.graph.add(node, made)
  }
}
