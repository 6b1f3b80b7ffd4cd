import type { KStream } from '../../src/dsl/k-stream.ts'
import { StreamsBuilder } from '../../src/dsl/streams-builder.ts'
import type { LogRecord } from '../../src/runtime/ports.ts'
import { Serdes } from '../../src/serde/serdes.ts'
import { untilWindowCloses } from '../../src/topology/suppressed.ts'
import type { Topology } from '../../src/topology/topology.ts'
import { joinWindows, tumbling } from '../../src/topology/windows.ts'
import type { Random } from '../conformance/fuzz/random.ts'

export const applicationId = 'app'
export const startMs = 1_700_000_000_000

/** What runs in a simulation, and the records that it is fed with. */
export interface App {
  /** Of its code, in the order in which they are deployed. */
  readonly versions: readonly [Topology, ...Topology[]]
  /** Topics that the topology does not own, with their partitions. */
  readonly topics: Readonly<Record<string, number>>
  readonly inputs: readonly [string, ...string[]]
  /** The next record of an input; `time` grows by one with every record. */
  record(topic: string, time: number, random: Random): LogRecord
}

const strings = { keySerde: Serdes.string, valueSerde: Serdes.string }
const bytes = (text: string): Uint8Array => Buffer.from(text, 'utf8')
const record = (key: string, value: string | null, time: number): LogRecord => ({
  key: bytes(key),
  value: value === null ? null : bytes(value),
  timestamp: startMs + time,
  headers: [],
})

/** Counts words of two topics; a `0` forgets its word. */
const counting = (): App => {
  const builder = new StreamsBuilder()
  builder
    .stream(['words', 'more'], strings)
    .groupByKey()
    .aggregate(
      () => 0,
      (_key, value, count) => (value === '0' ? null : count + 1),
      { store: { name: 'counts', valueSerde: Serdes.long } },
    )
    .toStream()
    .to('totals')
  return {
    versions: [builder.build()],
    topics: { words: 1, more: 1, totals: 1 },
    inputs: ['words', 'more'],
    record: (_topic, time, random) => record(random.pick(['a', 'b', 'c']), random.chance(0.25) ? '0' : '+', time),
  }
}

/** Counts words in windows of ten, and tells each count once, when its window closes: state that waits and times that decide. */
const windows = (): App => {
  const builder = new StreamsBuilder()
  builder
    .stream('words', strings)
    .groupByKey()
    .windowedBy(tumbling({ sizeMs: 10, graceMs: 3 }))
    .count({ store: 'counts' })
    .suppress(untilWindowCloses({ name: 'waiting' }))
    .toStream()
    .to('totals')
  return {
    versions: [builder.build()],
    topics: { words: 1, totals: 1 },
    inputs: ['words'],
    record: (_topic, time, random) => record(random.pick(['a', 'b', 'c']), '+', Math.max(0, 3 * time - (random.chance(0.3) ? 7 : 0))),
  }
}

/** Counts clicks per user, and joins the counts with the user's town's mayor: three sub-topologies, a repartition topic, a join by foreign key. */
const joined = (): App => {
  const builder = new StreamsBuilder()
  const clicks: KStream<string, string> = builder.stream('clicks', strings)
  const towns = clicks
    .selectKey((_key, value) => value)
    .groupByKey({ name: 'by-user', ...strings })
    .aggregate(
      () => '',
      (user, _value, count) => `town-${(user.length + Number(count.split(' ')[1] ?? 0)) % 3} ${Number(count.split(' ')[1] ?? 0) + 1}`,
      { store: { name: 'counts', ...strings } },
    )
  towns
    .leftJoin(
      builder.table('mayors', { ...strings, store: 'mayors' }),
      (value) => value.split(' ')[0] ?? '',
      (value, mayor) => `${value}, ${mayor}`,
      { name: 'mayor-of' },
    )
    .toStream()
    .to('out', strings)
  return {
    versions: [builder.build()],
    topics: { clicks: 2, mayors: 2, out: 1 },
    inputs: ['clicks', 'mayors'],
    record: (topic, time, random) =>
      topic === 'clicks'
        ? record(`click-${time}`, random.pick(['u', 'user', 'user-2', 'user-33']), time)
        : record(`town-${random.int(3)}`, random.chance(0.2) ? null : `mayor-${time}`, time),
  }
}

/** Joins both topics within some time, with all that waits for a partner, gives up and comes late. */
const outer = (): App => {
  const builder = new StreamsBuilder()
  const [words, more] = [builder.stream('words', strings), builder.stream('more', strings)]
  words
    .outerJoin(more, (left, right) => `${left} and ${right}`, joinWindows({ beforeMs: 3, afterMs: 6, graceMs: 4 }), { storeName: 'met' })
    .to('totals', strings)
  return {
    versions: [builder.build()],
    topics: { words: 1, more: 1, totals: 1 },
    inputs: ['words', 'more'],
    record: (_topic, time, random) => record(random.pick(['a', 'b', 'c']), `${time}`, Math.max(0, 2 * time - (random.chance(0.3) ? 7 : 0))),
  }
}

/** Counts words, in code that changes: first a store and a topic are added, then a store and a topic are removed. */
const changing = (): App => {
  const version = (topics: readonly [string, ...string[]], stores: readonly string[]): Topology => {
    const builder = new StreamsBuilder()
    const words = builder.stream(topics, strings).groupByKey()
    for (const name of stores)
      words
        .count({ store: { name, valueSerde: Serdes.long } })
        .toStream()
        .to('totals')
    return builder.build()
  }
  return {
    versions: [
      version(['words', 'more'], ['counts']),
      version(['words', 'more', 'extra'], ['counts', 'others']),
      version(['words', 'extra'], ['others']),
    ],
    topics: { words: 1, more: 1, extra: 1, totals: 1 },
    inputs: ['words', 'more', 'extra'],
    record: (_topic, time, random) => record(random.pick(['a', 'b', 'c']), '+', time),
  }
}

/**
 * Counts words and their changes, in a store that is flushed later and one that is not, and words of two other topics: with a lease at
 * each invocation, and without.
 */
const deferred = (): App => {
  const builder = new StreamsBuilder()
  const flush = { intervalMs: 2_000, recordsMax: 12 }
  const words = builder.stream('words', strings).groupByKey()
  words
    .aggregate(
      () => 0,
      (_key, value, count) => (value === '0' ? null : count + 1),
      { store: { name: 'counts', valueSerde: Serdes.long, flush } },
    )
    .toStream()
    .to('totals')
  words
    .count({ store: { name: 'changes', valueSerde: Serdes.long } })
    .toStream()
    .to('totals')
  builder
    .stream(['more', 'extra'], strings)
    .groupByKey()
    .count({ store: { name: 'others', valueSerde: Serdes.long, flush } })
    .toStream()
    .to('totals')
  return {
    versions: [builder.build()],
    topics: { words: 1, more: 1, extra: 1, totals: 1 },
    inputs: ['words', 'words', 'more', 'extra'],
    record: (_topic, time, random) => record(random.pick(['a', 'b', 'c']), random.chance(0.25) ? '0' : '+', time),
  }
}

const tinyPages = { pageBytes: 64 }

/**
 * Counts many words in pages that are split again and again, flushed later, and words in windows that expire, in pages that are not: rows
 * come, change, go, and move from page to page.
 */
const packed = (): App => {
  const builder = new StreamsBuilder()
  const words = builder.stream(['words', 'more'], strings).groupByKey()
  words
    .aggregate(
      () => 0,
      (_key, value, count) => (value === '0' ? null : count + 1),
      { store: { name: 'counts', valueSerde: Serdes.long, packed: tinyPages, flush: { intervalMs: 2_000, recordsMax: 12 } } },
    )
    .toStream()
    .to('totals')
  words
    .windowedBy(tumbling({ sizeMs: 20, graceMs: 5 }))
    .count({ store: { name: 'windowed', valueSerde: Serdes.long, packed: tinyPages } })
    .toStream()
    .to('sums')
  return {
    versions: [builder.build()],
    topics: { words: 1, more: 1, totals: 1, sums: 1 },
    inputs: ['words', 'more'],
    record: (_topic, time, random) =>
      record(
        `word-${random.int(12)}`.padEnd(24, 'x'),
        random.chance(0.25) ? '0' : '+',
        Math.max(0, 2 * time - (random.chance(0.3) ? 7 : 0)),
      ),
  }
}

/** Counts words in code that changes: rows are packed, and then no longer are. */
const packing = (): App => {
  const version = (packed: boolean, stores: readonly string[]): Topology => {
    const builder = new StreamsBuilder()
    const words = builder.stream(['words', 'more'], strings).groupByKey()
    for (const name of stores)
      words
        .aggregate(
          () => 0,
          (_key, value, count) => (value === '0' ? null : count + 1),
          { store: { name, valueSerde: Serdes.long, ...(packed ? { packed: tinyPages } : {}) } },
        )
        .toStream()
        .to(packed ? 'totals' : 'sums')
    return builder.build()
  }
  return {
    versions: [version(false, ['counts']), version(true, ['counts']), version(false, ['counts', 'others'])],
    topics: { words: 1, more: 1, totals: 1, sums: 1 },
    inputs: ['words', 'more'],
    record: (_topic, time, random) => record(random.pick(['a', 'b', 'c', 'd', 'e']), random.chance(0.3) ? '0' : '+', time),
  }
}

const makers = { counting, windows, joined, outer, changing, deferred, packed, packing }
export type AppName = keyof typeof makers
export const appNames = Object.keys(makers) as readonly AppName[]

const made = new Map<AppName, App>()
/** Topologies are frozen: each is built once. */
export const appNamed = (name: AppName): App => {
  const app = made.get(name) ?? makers[name]()
  made.set(name, app)
  return app
}
