import { describe, expect, it } from 'vitest'
import { StreamsBuilder } from '../../src/dsl/streams-builder.ts'
import { hashSetCopyOrder, hashSetOrder, JavaTreeSet, stringHashCode } from '../../src/topology/java-order.ts'
import { strings, wordCount } from './fixture.ts'

describe('the text of a topology', () => {
  it('is the text of Kafka Streams for a count of one topic (T-01)', () => {
    const builder = new StreamsBuilder()
    builder.stream('input-topic', strings).groupByKey().count()
    expect(builder.build().describe()).toBe(`Topologies:
   Sub-topology: 0
    Source: KSTREAM-SOURCE-0000000000 (topics: [input-topic])
      --> KSTREAM-AGGREGATE-0000000002
    Processor: KSTREAM-AGGREGATE-0000000002 (stores: [KSTREAM-AGGREGATE-STATE-STORE-0000000001])
      --> none
      <-- KSTREAM-SOURCE-0000000000

`)
  })

  it('numbers sub-topologies, and names internal topics without the application id', () => {
    expect(wordCount().describe()).toBe(`Topologies:
   Sub-topology: 0
    Source: KSTREAM-SOURCE-0000000000 (topics: [lines])
      --> KSTREAM-FLATMAPVALUES-0000000001
    Processor: KSTREAM-FLATMAPVALUES-0000000001 (stores: [])
      --> KSTREAM-KEY-SELECT-0000000002
      <-- KSTREAM-SOURCE-0000000000
    Processor: KSTREAM-KEY-SELECT-0000000002 (stores: [])
      --> counts-repartition-filter
      <-- KSTREAM-FLATMAPVALUES-0000000001
    Processor: counts-repartition-filter (stores: [])
      --> counts-repartition-sink
      <-- KSTREAM-KEY-SELECT-0000000002
    Sink: counts-repartition-sink (topic: counts-repartition)
      <-- counts-repartition-filter

  Sub-topology: 1
    Source: counts-repartition-source (topics: [counts-repartition])
      --> KSTREAM-AGGREGATE-0000000003
    Processor: KSTREAM-AGGREGATE-0000000003 (stores: [counts])
      --> KTABLE-TOSTREAM-0000000007
      <-- counts-repartition-source
    Processor: KTABLE-TOSTREAM-0000000007 (stores: [])
      --> KSTREAM-SINK-0000000008
      <-- KSTREAM-AGGREGATE-0000000003
    Sink: KSTREAM-SINK-0000000008 (topic: totals)
      <-- KTABLE-TOSTREAM-0000000007

`)
  })

  it('prints larger nodes first, patterns as their text, and functions that choose a topic by their name', () => {
    const builder = new StreamsBuilder()
    const source = builder.stream(/in-.*/, strings)
    source.foreach(() => {}, { name: 'aside' })
    source
      .filter(() => true, { name: 'zone' })
      .to(function byKey(key) {
        return String(key)
      })
    expect(builder.build().describe()).toBe(`Topologies:
   Sub-topology: 0
    Source: KSTREAM-SOURCE-0000000000 (topics: in-.*)
      --> zone, aside
    Processor: zone (stores: [])
      --> KSTREAM-SINK-0000000003
      <-- KSTREAM-SOURCE-0000000000
    Sink: KSTREAM-SINK-0000000003 (extractor class: byKey)
      <-- zone
    Processor: aside (stores: [])
      --> none
      <-- KSTREAM-SOURCE-0000000000

`)
  })

  it('of nothing is its heading', () => {
    expect(new StreamsBuilder().build().describe()).toBe('Topologies:\n ')
  })
})

describe('the orders of Java', () => {
  it('hash strings as String.hashCode does', () => {
    expect(['', 'a', 'hello', 'polygenelubricants'].map(stringHashCode)).toEqual([0, 97, 99162322, -2147483648])
  })

  it('walk a HashSet by bucket, with twice the buckets from the thirteenth name on', () => {
    const names = Array.from({ length: 13 }, (_, at) => `n${at}`)
    expect(hashSetOrder(['b', 'q', 'a', 'b'])).toEqual(['q', 'a', 'b'])
    const bucket = (size: number) => (name: string) => (stringHashCode(name) ^ (stringHashCode(name) >>> 16)) & (size - 1)
    const inBuckets = (list: readonly string[], size: number) =>
      [...list].sort((one, other) => bucket(size)(one) - bucket(size)(other) || list.indexOf(one) - list.indexOf(other))
    expect(hashSetOrder(names.slice(0, 12))).toEqual(inBuckets(names.slice(0, 12), 16))
    expect(hashSetOrder(names)).toEqual(inBuckets(names, 32))
    expect(hashSetCopyOrder(names.slice(0, 12))).toEqual(inBuckets(names.slice(0, 12), 32))
  })

  it('keep a TreeSet sorted and without doubles', () => {
    const set = new JavaTreeSet<number>((a, b) => a - b)
    for (const item of [5, 3, 9, 1, 4, 8, 10, 2, 7, 6, 5, 1]) set.add(item)
    expect([...set]).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
  })
})
