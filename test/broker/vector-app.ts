import { createDynamoDb } from '../../src/adapters/dynamodb/dynamodb.ts'
import { createKafkaJs } from '../../src/adapters/kafkajs/kafkajs.ts'
import { changelogStamp, withoutStamp } from '../../src/runtime/commit-record.ts'
import { createGlobalStores } from '../../src/runtime/global-stores.ts'
import { runInvocation } from '../../src/runtime/invocation.ts'
import type { InvocationPorts } from '../../src/runtime/invocation-request.ts'
import { planOf, type TaskPlan } from '../../src/runtime/plan.ts'
import type { FetchedRecord, KafkaPorts, LogRecord, PartitionReader, TopicPartition, TxnLog } from '../../src/runtime/ports.ts'
import { createTaskMemory } from '../../src/runtime/task-memory.ts'
import { loggedRow } from '../../src/runtime/task-stores.ts'
import type { Row } from '../../src/state/rows.ts'
import type { StoreSpec } from '../../src/topology/nodes.ts'
import type { Topology } from '../../src/topology/topology.ts'
import { unique } from '../adapters/kafka-harness.ts'
import { type Around, aroundPorts } from '../runtime/faults.ts'

export interface VectorAppOptions {
  readonly topology: Topology
  readonly kafka: readonly string[]
  readonly dynamodb: string
  /** Topics of the user, beside those that the topology names. */
  readonly userTopics: readonly string[]
  /** Whether the next invocation has a process of its own. */
  readonly isCold: () => boolean
  readonly around?: Around
}

export type VectorApp = Awaited<ReturnType<typeof deployVector>>

/** As in the vectors; on the broker every name begins with what no other run has. */
const applicationId = 'app'
const forMs = 60_000
const soon = (): number => Date.now() + forMs

/** The tasks of one topology over a broker and a table, every topic with one partition; invocations are made one at a time, by hand. */
export const deployVector = async ({ topology, kafka: brokers, dynamodb, userTopics, isCold, around }: VectorAppOptions) => {
  const prefix = `${unique('vector')}.`
  const cluster = createKafkaJs({ brokers })
  const kafka = named(cluster, prefix)
  const credentials = { accessKeyId: 'local', secretAccessKey: 'local' }
  const table = createDynamoDb({ table: `${prefix}app`, endpoint: dynamodb, region: 'us-east-1', credentials })
  const internal = topology.internalTopics(applicationId)
  const user = new Set([...topology.sourceTopics, ...topology.sinkTopics, ...userTopics])
  const topics = [...[...user].map((topic) => ({ topic, config: {} })), ...internal.map(({ name, config }) => ({ topic: name, config }))]
  await Promise.all([
    table.ensure(soon()),
    cluster.admin.create(
      topics.map(({ topic, config }) => ({ topic: prefix + topic, partitions: 1, config })),
      soon(),
    ),
  ])
  // a leader that is known may not take records yet; one that tells its offsets does
  await kafka.reader.bounds(partitionsOf(topics.map(({ topic }) => topic)), soon())
  let tokens = 0
  const made: InvocationPorts = {
    ...{ txnLog: kafka.txnLog, reader: kafka.reader, table },
    clock: { nowMs: () => Date.now() },
    token: () => `token-${++tokens}`,
    partitionsOf: () => 1,
    log: () => undefined,
  }
  const ports = around ? aroundPorts(made, around) : made
  const started = (plan: TaskPlan) => ({ memory: createTaskMemory(), globals: createGlobalStores(plan.globals, ports) })
  const tasks = topology.subTopologies.map((sub) => {
    const plan = planOf(topology, applicationId, sub)
    return { plan, process: started(plan), positions: {} as Readonly<Record<string, number>> }
  })
  const writer = await cluster.txnLog.open({ transactionalId: `${prefix}user`, transactionTimeoutMs: 60_000, deadlineMs: soon() })

  const invoke = async (task: (typeof tasks)[number], topic: string, target: number): Promise<void> => {
    if (isCold()) task.process = started(task.plan)
    const { plan, process } = task
    const trigger = { kind: 'delivery', topic, target } as const
    task.positions = (await runInvocation({ ports, plan, partition: 0, trigger, deadlineMs: soon(), ...process })).positions
  }
  /** One sub-topology after the other, until nothing is left. */
  const drain = async (): Promise<void> => {
    for (let isDone = false; !isDone; ) {
      isDone = true
      for (const task of tasks) {
        for (const { topic, highWatermark } of await kafka.reader.bounds(partitionsOf(task.plan.sources.keys()), soon())) {
          if ((task.positions[topic] ?? 0) >= highWatermark) continue
          await invoke(task, topic, highWatermark)
          isDone = false
        }
      }
    }
  }
  const offsets = new Map<string, number>()
  /** What was committed to these topics since the last call. */
  const committedSince = async (names: readonly string[]): Promise<ReadonlyMap<string, readonly FetchedRecord[]>> => {
    const bounds = await kafka.reader.bounds(partitionsOf(names), soon())
    const found = bounds.map(async ({ topic, highWatermark }) => {
      const records = await readFrom(kafka.reader, topic, { from: offsets.get(topic) ?? 0, to: highWatermark })
      offsets.set(topic, highWatermark)
      return [topic, records] as const
    })
    return new Map(await Promise.all(found))
  }
  const stores = tasks.flatMap(({ plan }) =>
    plan.stores.flatMap((spec) => {
      const changelog = plan.changelogs.get(spec.name)
      return changelog === undefined ? [] : [{ subTopology: plan.subTopology, spec, changelog }]
    }),
  )
  return {
    /** Stores that have a changelog. */
    stores,
    committedSince,
    /** Writes the records in one transaction, and processes what comes of them. */
    pipe: async (records: readonly { readonly topic: string; readonly record: LogRecord }[]): Promise<void> => {
      const batches = [...new Set(records.map(({ topic }) => topic))].map((topic) => ({
        topic: prefix + topic,
        partition: 0,
        records: records.flatMap((it) => (it.topic === topic ? [it.record] : [])),
      }))
      await writer.append(batches, soon())
      await writer.commit(soon())
      await drain()
    },
    /** Live rows of the table by key, and what the changelog comes to in the same form. */
    stored: async ({ subTopology, spec, changelog }: (typeof stores)[number]) => {
      const rows = new Map<string, string>()
      for await (const page of table.query({ subTopology, partition: 0, gen: 0, store: spec.name }, soon()))
        for (const row of page) rows.set(hex(row.key), shown(row, row.seq))
      const [bounds] = await kafka.reader.bounds([{ topic: changelog, partition: 0 }], soon())
      const fold = folded(spec, await readFrom(kafka.reader, changelog, { from: 0, to: bounds?.highWatermark ?? 0 }))
      const needed = spec.kind === 'versioned' ? neededOf(fold, spec.historyMs) : undefined
      const live = [...fold].filter(([key]) => rows.has(key) || needed?.has(key) !== false)
      return { rows: Object.fromEntries(rows), fold: Object.fromEntries(live.map(([key, { text }]) => [key, text])) }
    },
    close: async (): Promise<void> => {
      writer.close()
      await Promise.all([cluster.txnLog.close(), cluster.reader.close(), cluster.admin.close(), table.close()])
    },
  }
}

const partitionsOf = (topics: Iterable<string>): readonly TopicPartition[] => [...topics].map((topic) => ({ topic, partition: 0 }))

const readFrom = async (reader: PartitionReader, topic: string, { from, to }: { readonly from: number; readonly to: number }) => {
  const records: FetchedRecord[] = []
  for (let offset = from; offset < to; ) {
    const [answer] = await reader.fetch([{ topic, partition: 0, offset, bytesMax: 2 ** 20 }], { waitMs: 100, deadlineMs: soon() })
    records.push(...(answer?.records ?? []))
    offset = answer?.nextOffset ?? offset
  }
  return records
}

interface Folded {
  readonly timestamp: number
  readonly text: string
}

const folded = (spec: StoreSpec, records: readonly LogRecord[]): ReadonlyMap<string, Folded> => {
  const live = new Map<string, Folded>()
  for (const record of records) {
    const row = loggedRow(spec, withoutStamp(record))
    if (row === undefined) continue
    if (row.value === null) live.delete(hex(row.key))
    else live.set(hex(row.key), { timestamp: row.timestamp, text: shown(row, changelogStamp(record.headers)?.seq) })
  }
  return new Map([...live].sort(([one], [other]) => (one < other ? -1 : 1)))
}

/** Of versions those that were not followed by another before the history began: the others leave the table when their key is put again. */
const neededOf = (versions: ReadonlyMap<string, Folded>, historyMs: number): ReadonlySet<string> => {
  const begin = Math.max(...[...versions.values()].map(({ timestamp }) => timestamp)) - historyMs
  const inOrder = [...versions]
  const isLeft = (key: string, next: readonly [string, Folded] | undefined): boolean =>
    next !== undefined && next[0].slice(0, -16) === key.slice(0, -16) && next[1].timestamp <= begin
  return new Set(inOrder.flatMap(([key], at) => (isLeft(key, inOrder[at + 1]) ? [] : [key])))
}

const hex = (bytes: Uint8Array | null): string => Buffer.from(bytes ?? []).toString('hex')

const shown = ({ value, timestamp, headers = [] }: Row, seq: number | undefined): string =>
  [hex(value), `at ${timestamp}`, `seq ${seq}`, ...headers.map(([name, text]) => `${name}=${text && hex(text)}`)].join(' ')

/**
 * A cluster on which every topic and every transactional id begins with `prefix`. Of topics that tasks read records have the offsets
 * that they would have without the markers of transactions: buffered rows and dead letters tell them, and Java's driver writes no markers.
 */
const named = ({ txnLog, reader }: KafkaPorts, prefix: string): Pick<KafkaPorts, 'txnLog' | 'reader'> => {
  const there = <T extends TopicPartition>(at: T): T => ({ ...at, topic: prefix + at.topic })
  const here = <T extends TopicPartition>(at: T): T => ({ ...at, topic: at.topic.slice(prefix.length) })
  const seen = new Map<string, Map<number, number>>()
  const placeOf = (topic: string, offset: number): number => {
    if (/-(commits|changelog)$/.test(topic)) return offset
    const places = seen.get(topic) ?? new Map<number, number>()
    seen.set(topic, places)
    const place = places.get(offset) ?? places.size
    places.set(offset, place)
    return place
  }
  const open: TxnLog['open'] = async (options) => {
    const session = await txnLog.open({ ...options, transactionalId: prefix + options.transactionalId })
    return {
      append: async (batches, deadlineMs) => {
        const renamed = batches.map(({ topic, partition, records }) => there({ topic, partition, records }))
        return (await session.append(renamed, deadlineMs)).map(here)
      },
      commit: (deadlineMs) => session.commit(deadlineMs),
      abort: (deadlineMs) => session.abort(deadlineMs),
      get dead() {
        return session.dead
      },
      get reusable() {
        return session.reusable
      },
      close: () => session.close(),
    }
  }
  return {
    txnLog: { open, close: () => txnLog.close() },
    reader: {
      bounds: async (partitions, deadlineMs) => (await reader.bounds(partitions.map(there), deadlineMs)).map(here),
      fetch: async (requests, options) =>
        (await reader.fetch(requests.map(there), options)).map((answer) => ({
          ...here(answer),
          records: answer.records.map(({ offset, key, value, timestamp, headers }) => ({
            offset: placeOf(answer.topic, offset),
            key,
            value,
            timestamp,
            headers,
          })),
        })),
      close: () => reader.close(),
    },
  }
}
