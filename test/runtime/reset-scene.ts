import { StreamsBuilder } from '../../src/dsl/streams-builder.ts'
import { changelogStamp, readCommitRecord } from '../../src/runtime/commit-record.ts'
import type { ResetPorts, ResetRequest } from '../../src/runtime/reset-plan.ts'
import { Serdes } from '../../src/serde/serdes.ts'
import type { Topology } from '../../src/topology/topology.ts'
import { cluster } from './cluster.ts'
import { applicationId, numberOf, record, startMs, strings, textOf } from './scene.ts'

/** Lines of words, in two sub-topologies. */
export const wordCount = (): Topology => {
  const builder = new StreamsBuilder()
  builder
    .stream('lines', strings)
    .flatMapValues((line) => line.split(' '))
    .groupBy((_key, word) => word, { name: 'words', ...strings })
    .count({ store: 'counts' })
    .toStream()
    .to('totals')
  return builder.build()
}

/** Stands around every call of every port that is a promise. */
export type AroundAll = <T>(call: string, run: () => Promise<T>) => Promise<T>

const around = <T extends object>(port: T, name: string, through: AroundAll): T =>
  new Proxy(port, {
    get: (target, property) => {
      const value: unknown = Reflect.get(target, property)
      if (typeof value !== 'function' || typeof property !== 'string' || property === 'query' || property === 'close')
        return typeof value === 'function' ? value.bind(target) : value
      return (...args: unknown[]) =>
        through(`${name}.${property}`, async () => {
          const answer: unknown = await Reflect.apply(value, target, args)
          return property === 'open' && typeof answer === 'object' && answer !== null ? around(answer, 'session', through) : answer
        })
    },
  })

/** The word count over memory, with `partitions` of each topic, and whoever resets it. */
export const resetScene = async (lines: readonly string[], { partitions = 2, topology = wordCount() } = {}) => {
  const it = await cluster(topology, { lines: partitions, totals: 1 })
  const feed = (more: readonly string[]) =>
    it.kafka.produce(more.map((line, at) => ({ topic: 'lines', partition: at % partitions, records: [record(null, line)] })))
  feed(lines)
  for (const task of it.tasks) await it.deliver(task)
  const request = (change: Partial<ResetRequest> = {}, through?: AroundAll): ResetRequest => {
    const ports: ResetPorts = { ...it.kafka, reader: it.ports.reader, table: it.table, clock: it.ports.clock, token: it.ports.token }
    return {
      ports: through
        ? {
            ...ports,
            txnLog: around(ports.txnLog, 'txnLog', through),
            reader: around(ports.reader, 'reader', through),
            admin: around(ports.admin, 'admin', through),
            table: around(ports.table, 'table', through),
          }
        : ports,
      ...{ topology, applicationId, to: { kind: 'earliest' as const } },
      ...change,
    }
  }
  const read = async (topic: string, partition: number) => {
    const [bounds] = await it.kafka.reader.bounds([{ topic, partition }], it.clock.nowMs)
    const at = { topic, partition, offset: bounds?.logStartOffset ?? 0, bytesMax: 1e9 }
    return (await it.kafka.reader.fetch([at], { waitMs: 0, deadlineMs: it.clock.nowMs }))[0]?.records ?? []
  }
  const all = Array.from({ length: partitions }, (_, partition) => partition)
  return {
    ...it,
    feed,
    request,
    /** `word=count` per output, in the order of the output topic. */
    totals: async () => (await it.committed('totals')).map(({ key, value }) => `${textOf(key)}=${numberOf(value)}`),
    /** Live rows of a generation: word to count. */
    rows: async (gen: number): Promise<Readonly<Record<string, number | null>>> => {
      const found: [string, number | null][] = []
      for (const partition of all)
        for await (const page of it.table.query({ subTopology: 'words-repartition', partition, gen, store: 'counts' }, startMs))
          for (const { key, value } of page) found.push([`${textOf(key)}`, numberOf(value)])
      return Object.fromEntries(found.sort(([a], [b]) => (a < b ? -1 : 1)))
    },
    /** The fold of the changelog's records of a generation. */
    fold: async (gen: number): Promise<Readonly<Record<string, number | null>>> => {
      const found = new Map<string, number | null>()
      for (const partition of all)
        for (const { key, value, headers } of await read('app-counts-changelog', partition))
          if (changelogStamp(headers)?.gen === gen) found.set(`${textOf(key)}`, numberOf(value))
      return Object.fromEntries([...found].sort(([a], [b]) => (a < b ? -1 : 1)))
    },
    /** Per task: what its last commits were, e.g. `gen 1 seq 4 paused lines@0`. */
    commits: async (subTopology: string, partition = 0): Promise<readonly string[]> =>
      (await read(`app-${subTopology}-commits`, partition)).map((it) => {
        const { gen, seq, paused, positions } = readCommitRecord(it.value, 'commits')
        const at = Object.entries(positions).map(([topic, offset]) => `${topic}@${offset}`)
        return [`gen ${gen} seq ${seq}`, ...(paused ? ['paused'] : []), ...at].join(' ')
      }),
    item: (subTopology: string, partition = 0) => it.table.readTask({ subTopology, partition }, startMs),
  }
}

/** Counts of the words in these lines. */
export const countsOf = (lines: readonly string[]): Readonly<Record<string, number>> => {
  const counts: Record<string, number> = {}
  for (const word of lines.flatMap((line) => line.split(' '))) counts[word] = (counts[word] ?? 0) + 1
  return Object.fromEntries(Object.entries(counts).sort(([a], [b]) => (a < b ? -1 : 1)))
}

/** Bytes of a count, as a row holds it. */
export const long = (count: number): Uint8Array => Serdes.long.serialize(count, '')
