import { describe, expect, it } from 'vitest'
import type { KStream } from '../../src/dsl/k-stream.ts'
import { StreamsBuilder } from '../../src/dsl/streams-builder.ts'
import { type PrefetchRule, planOf, planWhole, subTopologyNamed } from '../../src/runtime/plan.ts'
import { bytesOfId, keyId } from '../../src/serde/serde.ts'
import { Serdes } from '../../src/serde/serdes.ts'
import { hopping, joinWindows, session, sliding } from '../../src/topology/windows.ts'
import { strings } from './scene.ts'

/** Lines are counted by word, through a repartition topic. */
const wordCount = () => {
  const builder = new StreamsBuilder()
  builder
    .stream('lines', strings)
    .flatMapValues((line) => line.split(' '))
    .groupBy((_key, word) => word, strings)
    .count({ store: 'counts' })
    .toStream()
    .to('totals')
  return builder.build()
}

const shown = ({
  nodes,
  stores,
  sources,
  changelogs,
  internalSinks,
  prefetch,
  handlers: _defaults,
  ...rest
}: ReturnType<typeof planOf>) => ({
  ...rest,
  nodes: nodes.length,
  stores: stores.map(({ name }) => name),
  sources: [...sources].map(([topic, { name }]) => `${topic}: ${name}`),
  changelogs: [...changelogs],
  internalSinks: [...internalSinks],
  prefetch: prefetch.map(({ topic, store }) => `${topic} -> ${store}`),
})

/** What a rule reads for a key, `k` if none is given, at a time: keys, or the bounds of ranges. */
const readOf = (rule: PrefetchRule, timestamp: number, key: Uint8Array = Buffer.from('k')): string => {
  const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
  const hexOfId = (id: string) => hex(bytesOfId(id))
  const read = (): readonly string[] => {
    if ('rangesOf' in rule) return rule.rangesOf(key, timestamp).map((bounds) => bounds.map(hex).join(' to '))
    return ('idsOf' in rule ? rule.idsOf(keyId(key), timestamp) : [rule.idOf(keyId(key))]).map(hexOfId)
  }
  return `${rule.topic} -> ${rule.store} ${read().join(' ')}`
}

describe('the plan of a sub-topology', () => {
  it('has every name as on the cluster', () => {
    const topology = wordCount()
    const fingerprint = topology.fingerprint
    const plans = topology.subTopologies.map((sub) => shown(planOf(topology, 'app', sub)))
    expect(plans).toEqual([
      {
        ...{ applicationId: 'app', subTopology: 'lines', subTopologyId: 0, commitTopic: 'app-lines-commits', fingerprint },
        ...{ nodes: 5, stores: [], globals: [], sources: ['lines: KSTREAM-SOURCE-0000000000'], changelogs: [], prefetch: [] },
        ...{ internalSinks: ['app-counts-repartition'], compression: 'none' },
      },
      {
        ...{ applicationId: 'app', subTopology: 'counts-repartition', subTopologyId: 1, fingerprint },
        ...{ commitTopic: 'app-counts-repartition-commits', nodes: 4, stores: ['counts'], globals: [] },
        sources: ['app-counts-repartition: counts-repartition-source'],
        changelogs: [['counts', 'app-counts-changelog']],
        ...{ internalSinks: [], compression: 'none', prefetch: ['app-counts-repartition -> counts'] },
      },
    ])
  })

  it('has no changelog for a store without logging', () => {
    const builder = new StreamsBuilder()
    builder
      .stream('words', strings)
      .groupByKey()
      .count({ store: { name: 'counts', logging: false } })
    const topology = builder.build()
    expect(topology.subTopologies.map((sub) => [...planOf(topology, 'app', sub).changelogs])).toEqual([[]])
  })

  it('prefetches the rows that a record will read, as long as its key stays on the way', () => {
    const builder = new StreamsBuilder()
    const words = builder.stream(['a', 'b'], strings)
    words
      .filter(() => true)
      .mapValues((value) => value)
      .groupByKey()
      .count({ store: 'kept' })
    words
      .selectKey((_key, value) => value)
      .groupByKey(strings)
      .count({ store: 'lost' })
    const topology = builder.build()
    const [sub] = topology.subTopologies
    const plan = sub && planOf(topology, 'app', sub)
    expect(plan?.prefetch.map(({ topic, store }) => `${topic} -> ${store}`)).toEqual(['a -> kept', 'b -> kept'])
  })

  it('prefetches by the bytes that the store will ask for, where its key serde is another', () => {
    const builder = new StreamsBuilder()
    builder
      .stream('numbers', { keySerde: Serdes.long, valueSerde: Serdes.string })
      .groupByKey()
      .count({ store: { name: 'counts', keySerde: Serdes.json() } })
    const [rule] = planWhole(builder.build(), 'app').prefetch
    expect(rule && readOf(rule, 0, Serdes.long.serialize(258, ''))).toBe(`numbers -> counts ${Buffer.from('258').toString('hex')}`)
  })

  it('prefetches a row for each window that the time of a record tells', () => {
    const builder = new StreamsBuilder()
    builder
      .stream('words', strings)
      .groupByKey()
      .windowedBy(hopping({ sizeMs: 10, advanceMs: 5, graceMs: 0 }))
      .count({ store: 'counts' })
    const [rule] = planWhole(builder.build(), 'app').prefetch
    expect(rule && readOf(rule, 7)).toBe('words -> counts 6b000000000000000000000000 6b000000000000000500000000')
  })

  it('prefetches the subscriptions to the row that a record changes, by the beginning of their keys', () => {
    const builder = new StreamsBuilder()
    const users = builder.table('users', { ...strings, store: 'users' })
    const cities = builder.table('cities', { ...strings, store: 'cities' })
    users.join(
      cities,
      (city) => city,
      (city, mayor) => `${mayor} of ${city}`,
      { name: 'join' },
    )
    const topology = builder.build()
    const rules = topology.subTopologies.map((sub) => planOf(topology, 'app', sub).prefetch.map((rule) => readOf(rule, 0)))
    expect(rules).toEqual([
      ['users -> users 6b', 'app-join-subscription-response-topic -> users 6b'],
      [
        ...['cities -> cities 6b', 'cities -> join-subscription-store 000000016b to 000000016c'],
        'app-join-subscription-registration-topic -> cities 6b',
      ],
    ])
  })

  it('prefetches the rows of a key from the earliest on that a record of its time reads', () => {
    const builder = new StreamsBuilder()
    const [words, more] = ['words', 'more'].map((topic) => builder.stream(topic, strings)) as [
      KStream<string, string>,
      KStream<string, string>,
    ]
    words.leftJoin(more, (one, other) => `${one}${other}`, joinWindows({ beforeMs: 2, afterMs: 5, graceMs: 0 }), { storeName: 'j' })
    const grouped = words.groupByKey()
    grouped.windowedBy(session({ inactivityGapMs: 3, graceMs: 0 })).count({ store: 'sessions' })
    grouped.windowedBy(sliding({ timeDifferenceMs: 1, graceMs: 0 })).count({ store: 'sliding' })
    const last = '6b001fffffffffffff'
    expect(planWhole(builder.build(), 'app').prefetch.map((rule) => readOf(rule, 9))).toEqual([
      `words -> j-outer-other-join-store 6b000000000000000700000000 to ${last}7fffffff`,
      `words -> sessions 6b00000000000000060000000000000000 to ${last}001fffffffffffff`,
      `words -> sliding 6b000000000000000700000000 to ${last}7fffffff`,
      `more -> j-this-join-store 6b000000000000000400000000 to ${last}7fffffff`,
    ])
  })

  it('may be one over all sub-topologies, as the test driver runs them', () => {
    expect(shown(planWhole(wordCount(), 'app'))).toMatchObject({
      ...{ subTopology: 'lines', subTopologyId: 0, nodes: 9, stores: ['counts'] },
      sources: ['lines: KSTREAM-SOURCE-0000000000', 'app-counts-repartition: counts-repartition-source'],
    })
  })

  it('is refused for an application id that cannot begin a topic name', () => {
    expect(() => planWhole(wordCount(), 'my app')).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }))
  })
})

describe('a sub-topology', () => {
  it('is found by its stable name; another name is refused with those there are', () => {
    const topology = wordCount()
    expect(subTopologyNamed(topology, 'counts-repartition').id).toBe(1)
    expect(() => subTopologyNamed(topology, 'words')).toThrow(
      expect.objectContaining({
        code: 'CONFIG_INVALID',
        message: 'The topology has no sub-topology "words"; it has lines, counts-repartition',
      }),
    )
  })
})
