import { describe, expect, it } from 'vitest'
import { StreamsBuilder } from '../../src/dsl/streams-builder.ts'
import { Serdes } from '../../src/serde/serdes.ts'
import type { StreamsConfig } from '../../src/topology/config.ts'
import { checkName, createNames, isGenerated } from '../../src/topology/naming.ts'
import type { ProcessorNode, SinkNode, SourceNode, StoreSpec } from '../../src/topology/nodes.ts'
import { parseOptimization } from '../../src/topology/optimise.ts'
import { Stores } from '../../src/topology/stores.ts'
import { Topology } from '../../src/topology/topology.ts'
import { strings, twoGroupings, wordCount } from './fixture.ts'

const source = (name: string, ...topics: readonly string[]): SourceNode => ({
  ...{ kind: 'source', name, ...strings },
  topics: topics.map((topic) => ({ name: topic, internal: false })),
})
const processor = (name: string, parents: readonly string[], stores: readonly string[] = []): ProcessorNode => ({
  ...{ kind: 'processor', name, parents, stores, keepsKey: true, readsByKey: [] },
  supplier: () => ({ process: () => {} }),
})
const sink = (name: string, parents: readonly string[]): SinkNode => ({
  kind: 'sink',
  name,
  parents,
  topic: { name: 'out', internal: false },
  ...strings,
})
const store = (name: string): StoreSpec => ({
  ...{
    kind: 'key-value',
    holds: 'timestamped',
    name,
    keySerde: Serdes.string,
    valueSerde: Serdes.long,
    caching: true,
    logging: {},
    named: true,
  },
})
const topologyOf = (...nodes: readonly (SourceNode | ProcessorNode | SinkNode)[]) => {
  const topology = new Topology()
  for (const name of ['s', 't']) topology.addStore(store(name))
  for (const node of nodes) topology.add(node)
  return topology
}
const names = (topology: Topology) =>
  topology.subTopologies.map(({ id, name, nodes }) => `${id} ${name}: ${nodes.map((node) => node.name).join(' ')}`)

describe('a topology', () => {
  it('falls apart where neither records nor stores connect its nodes, numbered in the order of their first nodes', () => {
    const apart = [source('b', 'tb'), processor('pb', ['b']), source('a', 'ta'), processor('pa', ['a'])]
    expect(names(topologyOf(...apart))).toEqual(['0 tb: b pb', '1 ta: a pa'])
    expect(names(topologyOf(...apart, processor('both', ['a', 'b'])))).toEqual(['0 tb: b pb a pa both'])
    const sharing = [source('a', 'ta'), processor('pa', ['a'], ['s']), source('b', 'tb'), processor('pb', ['b'], ['t', 's'])]
    expect(names(topologyOf(...sharing))).toEqual(['0 ta: a pa b pb'])
    expect(topologyOf(...sharing).subTopologies[0]?.stores.map(({ name }) => name)).toEqual(['s', 't'])
  })

  it.each([
    ['a node twice', [source('a', 'ta'), source('a', 'tb')], 'Processor a is already added.'],
    ['a topic twice', [source('a', 'ta'), source('b', 'tb', 'ta')], 'Topic ta has already been registered by another source.'],
    ['a source without topics', [source('a')], 'topics cannot be empty'],
    ['a node without parents', [processor('p', [])], 'predecessorNames cannot be empty'],
    ['a parent that is not there', [processor('p', ['a'])], 'Parent node a is unknown.'],
    ['a sink as parent', [source('a', 'ta'), sink('z', ['a']), processor('p', ['z'])], 'Sink z cannot be used a parent.'],
    ['a store that is not there', [source('a', 'ta'), processor('p', ['a'], ['u'])], 'StateStore u is not added yet.'],
    [
      'a pattern over a topic that is read',
      [source('a', 'ta'), { ...source('b'), pattern: /t./ }],
      'Pattern t. will match a topic that has already been registered by another source.',
    ],
    [
      'a topic under a pattern',
      [{ ...source('b'), pattern: /t./ }, source('a', 'ta')],
      'Topic ta has already been registered by another source.',
    ],
  ] as const)('refuses %s, in the words of Kafka Streams', (_what, nodes, message) => {
    expect(() => topologyOf(...nodes)).toThrow(
      expect.objectContaining({ code: 'TOPOLOGY_INVALID', message: `Invalid topology: ${message}` }),
    )
  })

  it('refuses a second store of one name, but not the same one again', () => {
    const [topology, one] = [new Topology(), store('s')]
    topology.addStore(one)
    topology.addStore(one)
    expect(() => topology.addStore(store('s'))).toThrow('Invalid topology: A different StateStore has already been added with the name s')
  })

  it('knows its user topics, and has a fingerprint that changes with it', () => {
    const topology = wordCount()
    expect([topology.sourceTopics, topology.sinkTopics, topology.fingerprint]).toEqual([['lines'], ['totals'], wordCount().fingerprint])
    expect(twoGroupings('none').fingerprint).not.toBe(twoGroupings('all').fingerprint)
  })

  it('draws itself as a flowchart with a box per sub-topology', () => {
    const builder = new StreamsBuilder()
    builder.stream('words', strings).groupByKey().count({ store: 'counts' }).toStream().to('totals')
    expect(builder.build().toMermaid()).toBe(`flowchart TD
  n1[/"words"/]
  n6[/"totals"/]
  subgraph s0["sub-topology 0: words"]
    n0(["KSTREAM-SOURCE-0000000000"])
    n2["KSTREAM-AGGREGATE-0000000001"]
    n4["KTABLE-TOSTREAM-0000000002"]
    n5(["KSTREAM-SINK-0000000003"])
    n3[("counts")]
  end
  n1 --> n0
  n0 --> n2
  n2 -.- n3
  n2 --> n4
  n4 --> n5
  n5 --> n6
`)
  })
})

describe('internal topics', () => {
  const week = { 'cleanup.policy': 'compact', 'message.timestamp.type': 'CreateTime', 'delete.retention.ms': '604800000' }

  it('are the repartition topics, the changelogs, and one commit topic per sub-topology, with their configuration (S-35)', () => {
    expect(wordCount().internalTopics('app')).toEqual([
      { name: 'app-lines-commits', kind: 'commits', subTopology: 'lines', config: week },
      {
        ...{ name: 'app-counts-repartition', kind: 'repartition', subTopology: 'counts-repartition' },
        config: { 'cleanup.policy': 'delete', 'message.timestamp.type': 'CreateTime', 'retention.ms': '-1', 'segment.bytes': '52428800' },
      },
      { name: 'app-counts-changelog', kind: 'changelog', subTopology: 'counts-repartition', config: week },
      { name: 'app-counts-repartition-commits', kind: 'commits', subTopology: 'counts-repartition', config: week },
    ])
  })

  it('let commit records be large where the order of use of a store travels in them', () => {
    const recent = Stores.lruMap('recent', { ...strings, maxEntries: 50_000 })
    const topology = new Topology()
      .addSource('words', 'words', strings)
      .addProcessor('keep', () => ({ process: () => undefined }), 'words')
      .addStateStore(recent, 'keep')
    expect(topology.internalTopics('app').find(({ kind }) => kind === 'commits')?.config).toEqual({
      ...week,
      'max.message.bytes': '8388608',
    })
  })

  it('take the configuration that the user gives a changelog; without logging there is none', () => {
    const changelogs = (logging: false | Record<string, string>) => {
      const builder = new StreamsBuilder()
      builder
        .stream('words', strings)
        .groupByKey()
        .count({ store: { name: 'counts', logging } })
      return builder
        .build()
        .internalTopics('app')
        .flatMap(({ kind, config }) => (kind === 'changelog' ? [config] : []))
    }
    expect(changelogs(false)).toEqual([])
    expect(changelogs({ 'delete.retention.ms': '1', 'segment.ms': '2' })).toEqual([
      { ...week, 'delete.retention.ms': '1', 'segment.ms': '2' },
    ])
  })

  it('have as many partitions as what writes to them, through any number of repartitions (S-38)', () => {
    const builder = new StreamsBuilder()
    builder
      .stream(['wide', 'narrow'], strings)
      .groupBy((_key, value) => value, { ...strings, name: 'first' })
      .count({ store: 'one' })
      .toStream()
      .groupBy((_key, value) => value, { keySerde: Serdes.long, valueSerde: Serdes.long, name: 'second' })
      .count({ store: 'two' })
    const counts = builder.build().partitionCounts(
      'app',
      new Map([
        ['wide', 6],
        ['narrow', 2],
      ]),
    )
    expect(Object.fromEntries(counts)).toEqual({
      ...{ 'app-first-repartition': 6, 'app-second-repartition': 6, 'app-one-changelog': 6, 'app-two-changelog': 6 },
      ...{ 'app-wide-commits': 6, 'app-first-repartition-commits': 6, 'app-second-repartition-commits': 6 },
    })
  })

  it('have as many partitions as the topics that they are joined with, which must be equal', () => {
    const builder = new StreamsBuilder()
    const moved = (topic: string, name: string) =>
      builder
        .stream(topic, strings)
        .selectKey((_key, value) => value)
        .repartition({ ...strings, name })
        .toTable()
    const table = builder.table('table', strings)
    moved('wide', 'one').join(table, (one) => one)
    moved('narrow', 'two').join(moved('other', 'three'), (two) => two)
    const counts = (given: number) =>
      builder.build().partitionCounts('app', new Map(Object.entries({ wide: 6, narrow: 2, other: given, table: 4 })))
    const of = (topics: ReadonlyMap<string, number>) => ['one', 'two', 'three'].map((name) => topics.get(`app-${name}-repartition`))
    expect(of(counts(3))).toEqual([4, 3, 3])
    const same = new StreamsBuilder()
    same.table('a', strings).join(same.table('b', strings), (a) => a)
    expect(() => same.build().partitionCounts('app', new Map(Object.entries({ a: 1, b: 2 })))).toThrow(
      expect.objectContaining({
        code: 'TOPIC_MISMATCH',
        message: 'Topics that are joined must have the same number of partitions: a has 1, b has 2',
      }),
    )
  })

  it('cannot be counted while a source topic is not there', () => {
    expect(() => wordCount().partitionCounts('app', new Map())).toThrow(
      expect.objectContaining({ code: 'TOPIC_MISSING', message: 'The topology reads topic "lines", which does not exist' }),
    )
  })

  it.each(['', 'my app', 'a/b', '.', '..', 'a'.repeat(151)])('are not named by the application id %j', (id) => {
    expect(() => wordCount().internalTopics(id)).toThrow(
      expect.objectContaining({
        code: 'CONFIG_INVALID',
        message: expect.stringContaining(`The application id "${id}" cannot be the prefix of topic names`),
      }),
    )
  })
})

describe('names', () => {
  it('share one counter, and a given name uses its number up', () => {
    const made = createNames()
    expect([
      made.processor('KSTREAM-MAP-'),
      made.processor('KSTREAM-MAP-', 'mine'),
      made.store('KSTREAM-REDUCE-'),
      made.processor('X-'),
    ]).toEqual([...['KSTREAM-MAP-0000000000', 'mine', 'KSTREAM-REDUCE-STATE-STORE-0000000002', 'X-0000000003']])
  })

  it.each([
    ['', "Name is illegal, it can't be empty"],
    ['.', 'Name cannot be "." or ".."'],
    ['..', 'Name cannot be "." or ".."'],
    ['a b', `Name "a b" is illegal, it contains a character other than ASCII alphanumerics, '.', '_' and '-'`],
    ['ü', `Name "ü" is illegal, it contains a character other than ASCII alphanumerics, '.', '_' and '-'`],
    ['n'.repeat(250), `Name is illegal, it can't be longer than 249 characters, name: ${'n'.repeat(250)}`],
  ])('like %j are refused', (name, message) => {
    expect(() => checkName(name)).toThrow(expect.objectContaining({ code: 'TOPOLOGY_INVALID', message: `Invalid topology: ${message}` }))
  })

  it('of 249 letters, digits, dots, dashes and underscores are taken', () => {
    expect([checkName('n'.repeat(249)), checkName('a.B_9-')]).toEqual(['n'.repeat(249), 'a.B_9-'])
  })

  it('that were generated are told from those that were given', () => {
    const made = ['KSTREAM-AGGREGATE-STATE-STORE-0000000001', 'KSTREAM-REDUCE-0000000001-repartition', 'counts', 'KSTREAM-mine']
    expect(made.map(isGenerated)).toEqual([true, true, false, false])
  })
})

describe('optimisation', () => {
  it('reads none, all, and lists', () => {
    const everything = ['reuse.ktable.source.topics', 'merge.repartition.topics', 'single.store.self.join']
    expect(
      [parseOptimization('none'), parseOptimization('all'), parseOptimization(`${everything[1]}, ${everything[0]}`)].map((it) => [...it]),
    ).toEqual([...[[], everything, [everything[1], everything[0]]]])
    expect(() => parseOptimization('some')).toThrow(
      expect.objectContaining({
        code: 'CONFIG_INVALID',
        message: `"some" is not a topology.optimization: it is "none", "all" or a comma-separated list of ${everything.join(', ')}`,
      }),
    )
  })

  it('makes one repartition of those below one change of key, only if it is asked for', () => {
    expect(twoGroupings('none').subTopologies.map(({ name }) => name)).toEqual(['in', 'a-repartition', 'b-repartition'])
    expect(twoGroupings('all').subTopologies.map(({ name }) => name)).toEqual(['in', 'a-repartition'])
    expect(twoGroupings('merge.repartition.topics').describe()).toBe(twoGroupings('all').describe())
  })

  it('leaves a repartition where a value changed after the key: what it would move is not the same', () => {
    const builder = new StreamsBuilder({ 'topology.optimization': 'all' })
    const keyed = builder.stream('in', strings).selectKey((_key, value) => value)
    for (const name of ['a', 'b'])
      keyed
        .mapValues((value) => value)
        .groupByKey(strings)
        .count({ store: name })
    expect(builder.build().subTopologies.map(({ name }) => name)).toEqual(['in', 'a-repartition', 'b-repartition'])
  })
})

describe('compression', () => {
  const compressionOf = (config: StreamsConfig) => new StreamsBuilder(config).build().compression

  it('is none, or what the producer property says, with or without its prefix, which goes first', () => {
    const zstd = { 'compression.type': 'zstd' } as const
    const gzip = { 'producer.compression.type': 'gzip' } as const
    expect([{}, zstd, gzip, { ...gzip, ...zstd }].map(compressionOf)).toEqual(['none', 'zstd', 'gzip', 'gzip'])
  })

  it('cannot be one that nothing is written with, which says what there is', () => {
    // @ts-expect-error it is read, not written
    const lz4: StreamsConfig = { 'producer.compression.type': 'lz4' }
    expect(() => compressionOf(lz4)).toThrow(
      expect.objectContaining({
        code: 'CONFIG_INVALID',
        message: 'producer.compression.type is "lz4", which nothing can be written with',
        remedy: 'Choose one of none, gzip, zstd.',
      }),
    )
  })
})
