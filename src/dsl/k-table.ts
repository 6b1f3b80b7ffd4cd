import type { KeyValueMapper } from '../operators/map.ts'
import type { TableFacts } from '../operators/table-view.ts'
import { toStream } from '../operators/to-stream.ts'
import type { Serde } from '../serde/serde.ts'
import { drawOperator, type Place } from './drawing.ts'
import type { KStream } from './k-stream.ts'
import type { Named } from './options.ts'

/** Where a table stands, and what can be asked of it. */
export interface TablePlace<K, V> extends Place<K, V> {
  readonly queryableStoreName: string | null
  readonly facts: TableFacts<K, V>
}

/** A table that a stream of updates keeps current (Kafka's `KTable`, section 1.5). */
export class KTable<K, V> {
  readonly #place: TablePlace<K, V>

  constructor(place: TablePlace<K, V>) {
    this.#place = place
  }

  /** The name under which the table can be queried: the store's, if the user gave it one (D-57). */
  get queryableStoreName(): string | null {
    return this.#place.queryableStoreName
  }

  /** The changes of the table as a stream: the new row, null where it was deleted. With a mapper the stream has a new key. */
  toStream<KR>(mapper: KeyValueMapper<K, V | null, KR>, named?: Named): KStream<KR, V | null>
  toStream(named?: Named): KStream<K, V | null>
  toStream<KR>(first: Named | KeyValueMapper<K, V | null, KR> = {}, second: Named = {}): KStream<K, V | null> | KStream<KR, V | null> {
    const { drawing, keySerde, valueSerde } = this.#place
    const named = typeof first === 'object' ? first : second
    const node = drawOperator(drawing, this.#place.node, toStream(), named.name)
    const stream = drawing.newStream<K, V | null>({
      drawing,
      node,
      keySerde,
      valueSerde: valueSerde as Serde<V | null> | undefined,
      repartition: false,
    })
    return typeof first === 'object' ? stream : stream.selectKey(first)
  }
}
