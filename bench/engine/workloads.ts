import { hopping, joinWindows, Serdes, StreamsBuilder, session, sliding, type Topology, tumbling, untilWindowCloses } from 'millrace'

/** A topology as a user would write it, and its input; the oracle's `Bench.java` has the same one in Java, by the same name. */
export interface Workload {
  readonly name: string
  readonly topology: () => Topology
  readonly records: number
  /** The nth record; times go up. */
  readonly record: (n: number) => WorkloadRecord
}

export interface WorkloadRecord {
  readonly topic: string
  /** Empty: none. */
  readonly key: string
  readonly value: string
  readonly timestamp: number
}

const texts = { keySerde: Serdes.string, valueSerde: Serdes.string }
/** As Java's default serdes. */
const withTexts = () => new StreamsBuilder({ 'default.key.serde': Serdes.string, 'default.value.serde': Serdes.string })
const counts = { store: 'counts' }
const syllables = ['mill', 'race', 'water', 'wheel', 'grain', 'stone', 'flour', 'river', 'weir', 'sluice', 'bread', 'sack']
const word = (n: number): string => `${syllables[n % syllables.length]}${n % 97}`

/** Keys that come back now and then, 100 records to the second. */
const keyed = (n: number): WorkloadRecord => ({ topic: 'in', key: word(n * 31), value: `value ${n}`, timestamp: n * 10 })

const grouped = (builder: ReturnType<typeof withTexts>) => builder.stream<string, string>('in').groupByKey()
const windowKeys = { keySerde: Serdes.timeWindowed(Serdes.string, 10_000) }

export const workloads: readonly Workload[] = [
  {
    name: 'filter-map',
    records: 100_000,
    record: keyed,
    topology: () => {
      const builder = withTexts()
      builder
        .stream('in', texts)
        .filter((_key, value) => value.length > 3)
        .mapValues((value) => value.toUpperCase())
        .to('out')
      return builder.build()
    },
  },
  {
    name: 'word-count',
    records: 25_000,
    record: (n) => ({ topic: 'in', key: '', value: [n, n * 3, n * 5, n * 11].map(word).join(' '), timestamp: n }),
    topology: () => {
      const builder = withTexts()
      builder
        .stream('in', texts)
        .flatMapValues((line) => line.split(' '))
        .groupBy((_key, word) => word, { name: 'by-word' })
        .count(counts)
        .toStream()
        .to('out')
      return builder.build()
    },
  },
  {
    name: 'tumbling-count',
    records: 50_000,
    record: keyed,
    topology: () => {
      const builder = withTexts()
      const windows = tumbling({ sizeMs: 10_000, graceMs: 1_000 })
      grouped(builder).windowedBy(windows).count(counts).toStream().to('out', windowKeys)
      return builder.build()
    },
  },
  {
    name: 'hopping-count',
    records: 10_000,
    record: keyed,
    topology: () => {
      const builder = withTexts()
      const windows = hopping({ sizeMs: 10_000, advanceMs: 1_000, graceMs: 1_000 })
      grouped(builder).windowedBy(windows).count(counts).toStream().to('out', windowKeys)
      return builder.build()
    },
  },
  {
    name: 'sliding-count',
    records: 10_000,
    record: keyed,
    topology: () => {
      const builder = withTexts()
      const windows = sliding({ timeDifferenceMs: 10_000, graceMs: 1_000 })
      grouped(builder).windowedBy(windows).count(counts).toStream().to('out', windowKeys)
      return builder.build()
    },
  },
  {
    name: 'session-count',
    records: 25_000,
    record: keyed,
    topology: () => {
      const builder = withTexts()
      const windows = session({ inactivityGapMs: 5_000, graceMs: 1_000 })
      grouped(builder)
        .windowedBy(windows)
        .count(counts)
        .toStream()
        .to('out', { keySerde: Serdes.sessionWindowed(Serdes.string) })
      return builder.build()
    },
  },
  {
    name: 'suppressed-count',
    records: 25_000,
    record: keyed,
    topology: () => {
      const builder = withTexts()
      const windows = tumbling({ sizeMs: 10_000, graceMs: 1_000 })
      grouped(builder).windowedBy(windows).count(counts).suppress(untilWindowCloses()).toStream().to('out', windowKeys)
      return builder.build()
    },
  },
  {
    name: 'stream-table-join',
    records: 50_000,
    record: (n) => ({ ...keyed(n), topic: n % 10 === 0 ? 'users' : 'in' }),
    topology: () => {
      const builder = withTexts()
      const users = builder.table('users', { ...texts, store: 'users' })
      builder
        .stream('in', texts)
        .join(users, (click, user) => `${click} by ${user}`)
        .to('out')
      return builder.build()
    },
  },
  {
    name: 'stream-stream-join',
    records: 25_000,
    record: (n) => ({ ...keyed(n), topic: n % 2 === 0 ? 'in' : 'other' }),
    topology: () => {
      const builder = withTexts()
      const windows = joinWindows({ timeDifferenceMs: 1_000, graceMs: 1_000 })
      builder
        .stream('in', texts)
        .join(builder.stream('other', texts), (one, two) => `${one} and ${two}`, windows, { name: 'pairs', storeName: 'pairs', ...texts })
        .to('out')
      return builder.build()
    },
  },
  {
    name: 'foreign-key-join',
    records: 10_000,
    record: (n) => {
      const isUser = n % 10 === 0
      return {
        topic: isUser ? 'users' : 'in',
        key: isUser ? word(n / 10) : `order ${n % 5_000}`,
        value: `${word(n)} buys ${n}`,
        timestamp: n,
      }
    },
    topology: () => {
      const builder = withTexts()
      const users = builder.table('users', { ...texts, store: 'users' })
      builder
        .table('in', { ...texts, store: 'orders' })
        .join(
          users,
          (order) => order.slice(0, order.indexOf(' ')),
          (order, user) => `${order} for ${user}`,
          { name: 'joined', store: 'joined' },
        )
        .toStream()
        .to('out')
      return builder.build()
    },
  },
]
