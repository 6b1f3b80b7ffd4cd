import { StreamsError } from '../errors.ts'
import { filter, type Predicate } from '../operators/filter.ts'
import { flatMap } from '../operators/flat-map.ts'
import { flatMapValues } from '../operators/flat-map-values.ts'
import { foreach } from '../operators/foreach.ts'
import { type KeyValue, type KeyValueMapper, map } from '../operators/map.ts'
import { mapValues, type ValueMapper } from '../operators/map-values.ts'
import { merge } from '../operators/merge.ts'
import type { Operator } from '../operators/operator.ts'
import { type ForeachAction, peek } from '../operators/peek.ts'
import { type Printed, print } from '../operators/print.ts'
import { repartition } from '../operators/repartition.ts'
import { selectKey } from '../operators/select-key.ts'
import type { ValueJoiner } from '../operators/table-join.ts'
import type { FixedKeyProcessorSupplier, ProcessorSupplier } from '../processor/processor.ts'
import type { Serde } from '../serde/serde.ts'
import { logicalNode } from '../topology/logical.ts'
import { checkName } from '../topology/naming.ts'
import type { TopicNameExtractor } from '../topology/nodes.ts'
import type { JoinWindows } from '../topology/windows.ts'
import { BranchedKStream } from './branched-k-stream.ts'
import { tableOfStream } from './derive-table.ts'
import { drawOperator, type Place } from './drawing.ts'
import { GlobalKTable, globalStoreOf } from './global-k-table.ts'
import { joinGlobalTable } from './join-global-table.ts'
import { joinStreamTable } from './join-stream-table.ts'
import { joinStreams } from './join-streams.ts'
import { KGroupedStream } from './k-grouped-stream.ts'
import { KTable, placeOf } from './k-table.ts'
import type { Aggregated, ConnectedTo, Grouped, Joined, Named, Produced, Repartitioned, StreamJoined } from './options.ts'
import { drawProcess, drawProcessValues } from './process.ts'
import type { AnyJoinable, JoinArguments, JoinableWith } from './type-errors.ts'

/** A stream of records (Kafka's `KStream`, section 1.2). Every method draws one operator and returns what comes after it. */
export class KStream<K, V> {
  readonly #place: Place<K, V>

  constructor(place: Place<K, V>) {
    this.#place = place
  }

  /** Keeps the records for which the predicate is true. */
  filter(predicate: Predicate<K, V>, named: Named = {}): KStream<K, V> {
    return this.#then(filter(predicate), named, this.#place)
  }

  /** Keeps the records for which the predicate is false. */
  filterNot(predicate: Predicate<K, V>, named: Named = {}): KStream<K, V> {
    return this.#then(filter(predicate, false), named, this.#place)
  }

  /** Turns each record into one with a new key and value; the next grouping repartitions. */
  map<KR, VR>(mapper: KeyValueMapper<K, V, KeyValue<KR, VR>>, named: Named = {}): KStream<KR, VR> {
    return this.#then(map(mapper), named, { keySerde: undefined, valueSerde: undefined })
  }

  /** Replaces the value. */
  mapValues<VR>(mapper: ValueMapper<K, V, VR>, named: Named = {}): KStream<K, VR> {
    return this.#then(mapValues(mapper), named, { keySerde: this.#place.keySerde, valueSerde: undefined })
  }

  /** Turns each record into any number of records; the next grouping repartitions. */
  flatMap<KR, VR>(mapper: KeyValueMapper<K, V, Iterable<KeyValue<KR, VR>>>, named: Named = {}): KStream<KR, VR> {
    return this.#then(flatMap(mapper), named, { keySerde: undefined, valueSerde: undefined })
  }

  /** Turns each value into any number of values under the same key. */
  flatMapValues<VR>(mapper: ValueMapper<K, V, Iterable<VR>>, named: Named = {}): KStream<K, VR> {
    return this.#then(flatMapValues(mapper), named, { keySerde: this.#place.keySerde, valueSerde: undefined })
  }

  /** Replaces the key; the next grouping repartitions. */
  selectKey<KR>(mapper: KeyValueMapper<K, V, KR>, named: Named = {}): KStream<KR, V> {
    return this.#then(selectKey(mapper), named, { keySerde: undefined, valueSerde: this.#place.valueSerde })
  }

  /** Shows each record to the action and passes it on. */
  peek(action: ForeachAction<K, V>, named: Named = {}): KStream<K, V> {
    return this.#then(peek(action), named, this.#place)
  }

  /** Shows each record to the action; the stream ends here. */
  foreach(action: ForeachAction<K, V>, named: Named = {}): void {
    drawOperator(this.#place.drawing, this.#place.node, foreach(action), named.name)
  }

  /** The records of both streams as one. */
  merge(other: KStream<K, V>, named: Named = {}): KStream<K, V> {
    const { drawing, node, repartition } = this.#place
    return new KStream({
      drawing,
      node: drawOperator(drawing, [node, other.#place.node], merge(), named.name),
      keySerde: undefined,
      valueSerde: undefined,
      repartition: repartition || other.#place.repartition,
    })
  }

  /** Sends each record to one of several branches. */
  split(named: Named = {}): BranchedKStream<K, V> {
    return new BranchedKStream(this.#place, named)
  }

  /** Writes the stream through a repartition topic, always; records with a null key are dropped. */
  repartition(repartitioned: Repartitioned<K, V> = {}): KStream<K, V> {
    const { drawing } = this.#place
    const name = repartitioned.name === undefined ? drawing.names.processor('KSTREAM-REPARTITION-') : checkName(repartitioned.name)
    const { partitions, partitioner, keySerde = this.#place.keySerde, valueSerde = this.#place.valueSerde } = repartitioned
    const spec = repartition(drawing.names, name, {
      keySerde: drawing.keySerde(keySerde, `the key of the repartition topic of ${name}`),
      valueSerde: drawing.valueSerde(valueSerde, `the value of the repartition topic of ${name}`),
      mergeable: false,
      partitioner,
      ...(partitions === undefined ? {} : { partitions: checkPartitions(partitions) }),
    })
    return new KStream({ drawing, node: drawing.graph.add(this.#place.node, logicalNode(spec)), keySerde, valueSerde, repartition: false })
  }

  /** Prints each record; the stream ends here. */
  print(printed: Printed<K, V> & Named = {}): void {
    const { drawing, node } = this.#place
    drawOperator(drawing, node, print({ label: node.spec.name, ...printed }), printed.name)
  }

  /** Groups by a new key; what is counted, reduced or aggregated then goes through a repartition topic. */
  groupBy<KR>(mapper: KeyValueMapper<K, V, KR>, grouped: Grouped<KR, V> = {}): KGroupedStream<KR, V> {
    const { drawing, valueSerde } = this.#place
    const node = drawOperator(drawing, this.#place.node, selectKey(mapper), grouped.name)
    return new KGroupedStream({ drawing, node, repartition: true, keySerde: undefined, valueSerde }, grouped)
  }

  /** Groups by the key as it is; repartitions only if the key may have changed since the last topic. */
  groupByKey(grouped: Grouped<K, V> = {}): KGroupedStream<K, V> {
    return new KGroupedStream(this.#place, grouped)
  }

  /**
   * Joins each record with the row that the table has for its key now; without one there is no result (D-23). Or joins the
   * records of two streams that have the same key and are no further apart than the windows say (D-22).
   */
  join<VO, VR>(table: KTable<K, VO>, joiner: ValueJoiner<K, V, VO, VR>, joined?: Joined<K, V>): KStream<K, VR>
  join<VO, VR>(
    other: KStream<K, VO>,
    joiner: ValueJoiner<K, NonNullable<V>, NonNullable<VO>, VR>,
    windows: JoinWindows,
    joined?: StreamJoined<K, V, VO>,
  ): KStream<K, VR>
  /** Joins each record with the row that the global table has now for the key that the mapper computes; without one there is no result (D-24). */
  join<KG, VG, VR>(
    table: GlobalKTable<KG, VG>,
    mapper: KeyValueMapper<K, V, KG | null>,
    joiner: ValueJoiner<K, V, VG, VR>,
    named?: Named,
  ): KStream<K, VR>
  /** Never matches; the compiler tells why the last overload does not. */
  join<O extends AnyJoinable>(other: O & JoinableWith<K, O>, ...rest: JoinArguments<K, V, O, never>): KStream<K, unknown>
  join<VO, VR>(other: Joinable<K, VO>, joiner: AnyJoiner<K, VR>, ...options: JoinOptions<K, V, VO, VR>): KStream<K, VR> {
    return this.#join(other, joiner, { left: false, right: false }, options)
  }

  /**
   * Joins each record with the row that the table has for its key now, or with null; a null key is joined with null. Or joins
   * two streams, and the records of this one that have no partner with null, as soon as it is known that none can come.
   */
  leftJoin<VO, VR>(table: KTable<K, VO>, joiner: ValueJoiner<K, V, VO | null, VR>, joined?: Joined<K, V>): KStream<K, VR>
  leftJoin<VO, VR>(
    other: KStream<K, VO>,
    joiner: ValueJoiner<K, NonNullable<V>, NonNullable<VO> | null, VR>,
    windows: JoinWindows,
    joined?: StreamJoined<K, V, VO>,
  ): KStream<K, VR>
  /** Joins each record with the row that the global table has now for the key that the mapper computes, or with null. */
  leftJoin<KG, VG, VR>(
    table: GlobalKTable<KG, VG>,
    mapper: KeyValueMapper<K, V, KG | null>,
    joiner: ValueJoiner<K, V, VG | null, VR>,
    named?: Named,
  ): KStream<K, VR>
  /** Never matches; the compiler tells why the last overload does not. */
  leftJoin<O extends AnyJoinable>(other: O & JoinableWith<K, O>, ...rest: JoinArguments<K, V, O, null>): KStream<K, unknown>
  leftJoin<VO, VR>(other: Joinable<K, VO>, joiner: AnyJoiner<K, VR>, ...options: JoinOptions<K, V, VO, VR>): KStream<K, VR> {
    return this.#join(other, joiner, { left: true, right: false }, options)
  }

  /** Joins two streams, and the records of both that have no partner with null, as soon as it is known that none can come. */
  outerJoin<KO, VO, VR>(
    other: KStream<KO, VO> & JoinableWith<K, KStream<KO, VO>>,
    joiner: ValueJoiner<K, NonNullable<V> | null, NonNullable<VO> | null, VR>,
    windows: JoinWindows,
    joined: StreamJoined<K, V, VO> = {},
  ): KStream<K, VR> {
    return this.#join(other as Joinable<K, VO>, joiner as AnyJoiner<K, VR>, { left: true, right: true }, [windows, joined])
  }

  /** The table whose updates are the records of the stream: null deletes, null keys are dropped. Repartitions if the key may have changed. */
  toTable(options: Aggregated<K, NonNullable<V>> = {}): KTable<K, NonNullable<V>> {
    return new KTable(tableOfStream(this.#place, options))
  }

  /** Runs a processor of one's own, which may change keys: the next key-based verb repartitions (D-25). */
  process<KR, VR>(supplier: ProcessorSupplier<K, V, KR, VR>, options: Named & ConnectedTo = {}): KStream<KR, VR> {
    return new KStream(drawProcess(this.#place, supplier, options))
  }

  /** Runs a processor of one's own that cannot change keys (D-26). */
  processValues<VR>(supplier: FixedKeyProcessorSupplier<K, V, VR>, options: Named & ConnectedTo = {}): KStream<K, VR> {
    return new KStream(drawProcessValues(this.#place, supplier, options))
  }

  /** Writes the stream to a topic, which must exist; a function chooses the topic per record. */
  to(topic: string | TopicNameExtractor<K, V>, produced: Produced<K, V> = {}): void {
    const { drawing, keySerde, valueSerde } = this.#place
    const name = drawing.names.processor('KSTREAM-SINK-', produced.name === undefined ? undefined : checkName(produced.name))
    const what = typeof topic === 'string' ? `topic ${topic}` : `sink ${name}`
    const sink = {
      kind: 'sink' as const,
      name,
      parents: [],
      topic: typeof topic === 'string' ? { name: topic, internal: false } : topic,
      keySerde: drawing.keySerde(produced.keySerde ?? keySerde, `the key of ${what}`),
      valueSerde: drawing.valueSerde(produced.valueSerde ?? valueSerde, `the value of ${what}`),
    }
    const node = produced.partitioner ? { ...sink, partitioner: produced.partitioner } : sink
    drawing.graph.add(this.#place.node, logicalNode({ name, nodes: [node] }))
  }

  #join<VO, VR>(
    other: Joinable<K, VO>,
    joiner: AnyJoiner<K, VR>,
    outer: { readonly left: boolean; readonly right: boolean },
    [first = {}, second = {}]: JoinOptions<K, V, VO, VR>,
  ): KStream<K, VR> {
    if (other instanceof KStream) {
      const spec = { joiner, windows: first as JoinWindows, outer, joined: second }
      return new KStream(joinStreams<K, V, VO, VR>(this.#place, other.#place, spec))
    }
    if (other instanceof GlobalKTable) {
      // here the mapper comes before the joiner
      const join = { left: outer.left, mapper: joiner as AnyMapper, joiner: first as AnyJoiner<K, VR>, store: globalStoreOf(other) }
      return new KStream(joinGlobalTable(this.#place, join, second))
    }
    return new KStream(joinStreamTable(this.#place, placeOf(other), { left: outer.left, joiner, joined: first as Joined<K, V> }))
  }

  #then<KR, VR>(
    operator: Operator,
    { name }: Named,
    serdes: { readonly keySerde: Serde<KR> | undefined; readonly valueSerde: Serde<VR> | undefined },
  ): KStream<KR, VR> {
    const { drawing, node, repartition } = this.#place
    return new KStream({
      drawing,
      node: drawOperator(drawing, node, operator, name),
      keySerde: serdes.keySerde,
      valueSerde: serdes.valueSerde,
      repartition: repartition || operator.changesKey,
    })
  }
}

type Joinable<K, VO> = KTable<K, VO> | GlobalKTable<unknown, VO> | KStream<K, VO>
type JoinOptions<K, V, VO, VR> = readonly [first?: JoinWindows | Joined<K, V> | AnyJoiner<K, VR>, second?: StreamJoined<K, V, VO> | Named]
// biome-ignore lint/suspicious/noExplicitAny: the overloads say which values it gets; here it serves them all
type AnyJoiner<K, VR> = ValueJoiner<K, any, any, VR>
// biome-ignore lint/suspicious/noExplicitAny: as above
type AnyMapper = KeyValueMapper<any, any, any>

const checkPartitions = (partitions: number): number => {
  if (Number.isInteger(partitions) && partitions >= 1) return partitions
  throw new StreamsError('CONFIG_INVALID', `Number of partitions must be at least 1, not ${partitions}`)
}
