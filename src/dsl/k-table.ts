import type { Predicate } from '../operators/filter.ts'
import type { ForeignKeyExtractor } from '../operators/foreign-key-join.ts'
import type { KeyValue, KeyValueMapper } from '../operators/map.ts'
import type { ValueMapper } from '../operators/map-values.ts'
import { tableFilter } from '../operators/table-filter.ts'
import { tableGroupBy, tableGroupByPrefix } from '../operators/table-group-by.ts'
import type { ValueJoiner } from '../operators/table-join.ts'
import { tableMapValues } from '../operators/table-map-values.ts'
import type { ValueTransformerSupplier } from '../operators/table-transform-values.ts'
import { toStream } from '../operators/to-stream.ts'
import type { Serde } from '../serde/serde.ts'
import { logicalNode } from '../topology/logical.ts'
import { checkName } from '../topology/naming.ts'
import type { Suppressed } from '../topology/suppressed.ts'
import { deriveTable } from './derive-table.ts'
import { drawOperator } from './drawing.ts'
import { joinForeignTable } from './join-foreign-table.ts'
import { joinTables } from './join-tables.ts'
import { KGroupedTable } from './k-grouped-table.ts'
import type { KStream } from './k-stream.ts'
import type { TablePlace } from './materialize.ts'
import type { Aggregated, ConnectedTo, Grouped, Named, TableJoined } from './options.ts'
import { transformTable } from './process.ts'
import { suppressTable } from './suppress-table.ts'
import type { TableJoinArguments, TableJoinableWith } from './type-errors.ts'

let openPlace: <K, V>(table: KTable<K, V>) => TablePlace<K, V>

/** Where the table stands, for verbs of other objects that take a table. */
export const placeOf = <K, V>(table: KTable<K, V>): TablePlace<K, V> => openPlace(table)

/** A table that a stream of updates keeps current (Kafka's `KTable`, section 1.5). */
export class KTable<K, V> {
  readonly #place: TablePlace<K, V>

  static {
    openPlace = (table) => table.#place
  }

  constructor(place: TablePlace<K, V>) {
    this.#place = place
  }

  /** The name under which the table can be queried: the store's, if the user gave it one (D-57). */
  get queryableStoreName(): string | null {
    return this.#place.queryableStoreName
  }

  /** The rows for which the predicate is true; one that no longer fits is deleted. */
  filter(predicate: Predicate<K, V>, options: Aggregated<K, V> = {}): KTable<K, V> {
    return new KTable(deriveTable(this.#place, tableFilter(predicate), { options, inherited: this.#place.valueSerde }))
  }

  /** The rows for which the predicate is false; one that no longer fits is deleted. */
  filterNot(predicate: Predicate<K, V>, options: Aggregated<K, V> = {}): KTable<K, V> {
    return new KTable(deriveTable(this.#place, tableFilter(predicate, false), { options, inherited: this.#place.valueSerde }))
  }

  /** The same keys with mapped values; null from the mapper deletes the row. */
  mapValues<VR>(mapper: ValueMapper<K, V, VR>, options: Aggregated<K, NonNullable<VR>> = {}): KTable<K, NonNullable<VR>> {
    return new KTable(deriveTable(this.#place, tableMapValues(mapper), { options, inherited: undefined }))
  }

  /** The same keys with values that a transformer computes, which may use stores and also sees deletions (D-52). */
  transformValues<VR>(
    supplier: ValueTransformerSupplier<K, V, VR>,
    { stores = [], ...options }: Aggregated<K, VR> & ConnectedTo = {},
  ): KTable<K, VR> {
    return new KTable(transformTable(this.#place, supplier, { stores, options }))
  }

  /** Groups the rows by a new key, with a new value, for aggregates that follow the table (D-33). Null for either leaves the row out. */
  groupBy<KR, VR>(mapper: KeyValueMapper<K, V, KeyValue<KR, VR>>, grouped: Grouped<KR, VR> = {}): KGroupedTable<KR, VR> {
    const { drawing, node, facts } = this.#place
    const { keySerde, valueSerde } = grouped
    facts.sendOldValues(true)
    const topicName = grouped.name === undefined ? undefined : checkName(grouped.name)
    const name = drawing.names.processor(tableGroupByPrefix, topicName)
    const selected = drawing.graph.add(node, logicalNode({ name, nodes: [tableGroupBy(name, mapper)] }))
    return new KGroupedTable({ drawing, node: selected, keySerde, valueSerde, repartition: true }, topicName, (place) => new KTable(place))
  }

  /** Joins each row with the row of the other table that its value names, if that has it (D-56). */
  join<KO, VO, VR>(
    other: KTable<KO, VO>,
    extractor: ForeignKeyExtractor<K, V, KO>,
    joiner: ValueJoiner<K, V, VO, VR>,
    options?: TableJoined<K, NonNullable<VR>>,
  ): KTable<K, NonNullable<VR>>
  /** Joins the rows that both tables have (D-55). */
  join<VO, VR>(
    other: KTable<K, VO>,
    joiner: ValueJoiner<K, V, VO, VR>,
    options?: Aggregated<K, NonNullable<VR>>,
  ): KTable<K, NonNullable<VR>>
  /** Never matches; the compiler tells why the last overload does not. */
  join<O extends AnyTable>(other: O & TableJoinableWith<K, O>, ...rest: TableJoinArguments<K, V, O, never>): KTable<K, unknown>
  join(other: AnyTable, ...join: Joining): KTable<K, Any> {
    return this.#join(other, { left: true, right: true }, join)
  }

  /** Joins each row with the row of the other table that its value names, null where that has none or the value names none (D-56). */
  leftJoin<KO, VO, VR>(
    other: KTable<KO, VO>,
    extractor: ForeignKeyExtractor<K, V, KO>,
    joiner: ValueJoiner<K, V, VO | null, VR>,
    options?: TableJoined<K, NonNullable<VR>>,
  ): KTable<K, NonNullable<VR>>
  /** Joins the rows of this table with those of the other, null where that has none. */
  leftJoin<VO, VR>(
    other: KTable<K, VO>,
    joiner: ValueJoiner<K, V, VO | null, VR>,
    options?: Aggregated<K, NonNullable<VR>>,
  ): KTable<K, NonNullable<VR>>
  /** Never matches; the compiler tells why the last overload does not. */
  leftJoin<O extends AnyTable>(other: O & TableJoinableWith<K, O>, ...rest: TableJoinArguments<K, V, O, null>): KTable<K, unknown>
  leftJoin(other: AnyTable, ...join: Joining): KTable<K, Any> {
    return this.#join(other, { left: true, right: false }, join)
  }

  /** Joins the rows that at least one of the tables has, null for the other. */
  outerJoin<VO, VR>(
    other: KTable<K, VO>,
    joiner: ValueJoiner<K, V | null, VO | null, VR>,
    options: Aggregated<K, NonNullable<VR>> = {},
  ): KTable<K, NonNullable<VR>> {
    return new KTable(joinTables(this.#place, other.#place, { joiner, needed: { left: false, right: false }, options }))
  }

  /** Holds changes back until their window is closed ({@link untilWindowCloses}) or for a while ({@link untilTimeLimit}): of each row only the last is sent (D-54). */
  suppress(suppressed: Suppressed<K>): KTable<K, V> {
    return new KTable(suppressTable(this.#place, suppressed))
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

  /** With an extractor the values of this table name the rows of the other; without, the keys are the same. */
  #join(other: AnyTable, needed: { readonly left: boolean; readonly right: boolean }, [first, second, third]: Joining): KTable<K, Any> {
    if (typeof second === 'function') {
      return new KTable(
        joinForeignTable(this.#place, other.#place, { left: !needed.right, extractor: first, joiner: second, options: third ?? {} }),
      )
    }
    return new KTable(joinTables(this.#place, other.#place, { joiner: first, needed, options: second ?? {} }))
  }
}

// biome-ignore lint/suspicious/noExplicitAny: behind overloads, which guard the types
type Any = any
type AnyTable = KTable<Any, Any>
/** Joiner and options, or extractor, joiner and options. */
type Joining = readonly [
  first: (...args: Any[]) => Any,
  second?: ((...args: Any[]) => Any) | Aggregated<Any, Any>,
  third?: TableJoined<Any, Any>,
]
