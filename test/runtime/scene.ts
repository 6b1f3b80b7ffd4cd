import { createMemoryKafka } from '../../src/adapters/memory/log.ts'
import { createMemoryTable } from '../../src/adapters/memory/table.ts'
import { StreamsBuilder } from '../../src/dsl/streams-builder.ts'
import { type CommitRecord, changelogStamp, readCommitRecord } from '../../src/runtime/commit-record.ts'
import { runInvocation } from '../../src/runtime/invocation.ts'
import type { InvocationPorts, LogEntry, Trigger } from '../../src/runtime/invocation-request.ts'
import { planOf, type TaskPlan } from '../../src/runtime/plan.ts'
import type { FetchedRecord, LogRecord, PartitionReader } from '../../src/runtime/ports.ts'
import { createTaskMemory, type TaskMemory } from '../../src/runtime/task-memory.ts'
import { Serdes } from '../../src/serde/serdes.ts'
import type { TableBackend, TaskItem } from '../../src/state/backend.ts'
import type { Topology } from '../../src/topology/topology.ts'
import { type Around, aroundPorts } from './faults.ts'

export const applicationId = 'app'
export const strings = { keySerde: Serdes.string, valueSerde: Serdes.string }
export const startMs = 1_700_000_000_000
export const bytes = (text: string): Uint8Array => Buffer.from(text, 'utf8')
export const textOf = (value: Uint8Array | null | undefined): string | null => (value ? Buffer.from(value).toString('utf8') : null)

/** `words`, counted by key into store `counts` and topic `totals`. */
export const counting = (): Topology => {
  const builder = new StreamsBuilder()
  builder.stream('words', strings).groupByKey().count({ store: 'counts' }).toStream().to('totals')
  return builder.build()
}

/** A record whose time is the scene's start. */
export const record = (key: string | null, value: string | null = '', change: Partial<LogRecord> = {}): LogRecord => ({
  key: key === null ? null : bytes(key),
  value: value === null ? null : bytes(value),
  timestamp: startMs,
  headers: [],
  ...change,
})

export interface Run {
  /** Default: everything that `words` has. */
  readonly target?: number
  readonly topic?: string
  readonly tick?: boolean
  readonly memory?: TaskMemory
  readonly around?: Around
  /** Until the deadline; default 60 s. */
  readonly forMs?: number
  readonly chunkBytesMax?: number
  readonly storeBytesMax?: number
  readonly goOnMs?: number
}

export interface SceneOptions {
  readonly topology?: Topology
  /** Topics that the topology does not own, with their partitions. */
  readonly topics?: Readonly<Record<string, number>>
  /** Of the task that runs; default 0. */
  readonly partition?: number
  /** Default: one in memory. */
  readonly table?: TableBackend
  /** When it begins, Unix milliseconds. */
  readonly fromMs?: number
}

export type Scene = Awaited<ReturnType<typeof scene>>

/** One task of a topology (of its first sub-topology) over an in-memory cluster and table, with a clock that only moves by hand. */
export async function scene(options: SceneOptions = {}) {
  const { topology = counting(), topics = { words: 1, totals: 1 }, partition = 0, fromMs = startMs } = options
  const clock = { nowMs: fromMs }
  const now = (): number => clock.nowMs
  const kafka = createMemoryKafka({ now })
  const table = options.table ?? createMemoryTable()
  const counts = new Map([...Object.entries(topics), ...topology.partitionCounts(applicationId, new Map(Object.entries(topics)))])
  await kafka.admin.create(
    [...counts].map(([topic, partitions]) => ({ topic, partitions, config: {} })),
    now(),
  )
  const [sub] = topology.subTopologies
  if (!sub) throw new Error('the topology is empty')
  const plan = planOf(topology, applicationId, sub)
  const waiting: (() => unknown)[] = []
  const entries: LogEntry[] = []
  let tokens = 0
  const ports: InvocationPorts = {
    txnLog: kafka.txnLog,
    reader: impatient(kafka.reader, clock, waiting),
    table,
    clock: { nowMs: now },
    token: () => `token-${++tokens}`,
    partitionsOf: (topic) => counts.get(topic) ?? 0,
    log: (entry) => entries.push(entry),
  }
  const end = async (topic: string): Promise<number> => (await kafka.reader.bounds([{ topic, partition: 0 }], now()))[0]?.highWatermark ?? 0
  const run = async (how: Run = {}) => {
    const topic = how.topic ?? 'words'
    const trigger: Trigger = how.tick ? { kind: 'tick' } : { kind: 'delivery', topic, target: how.target ?? (await end(topic)) }
    return runInvocation({
      ports: how.around ? aroundPorts(ports, how.around) : ports,
      plan,
      partition,
      trigger,
      deadlineMs: now() + (how.forMs ?? 60_000),
      memory: how.memory ?? createTaskMemory(),
      ...(how.chunkBytesMax === undefined ? {} : { chunkBytesMax: how.chunkBytesMax }),
      ...(how.storeBytesMax === undefined ? {} : { storeBytesMax: how.storeBytesMax }),
      ...(how.goOnMs === undefined ? {} : { goOnMs: how.goOnMs }),
    })
  }
  return {
    ...{ kafka, table, clock, plan, ports, entries, run, end },
    /** Called in turn by fetches that would wait, instead of waiting. */
    whileWaiting: (action: () => unknown) => waiting.push(action),
    feed: (topic: string, ...records: readonly LogRecord[]) => kafka.produce([{ topic, partition: 0, records }]),
    committed: (topic: string, partition = 0) => committedOf(kafka.reader, topic, partition, now()),
    item: () => table.readTask({ subTopology: plan.subTopology, partition: 0 }, now()) as Promise<TaskItem>,
    ...views(kafka.reader, plan, ports),
  }
}

/** What an outsider sees: outputs, the log, and the table. */
const views = (reader: PartitionReader, plan: TaskPlan, { table, clock }: InvocationPorts) => ({
  /** `key=value` per record, values as longs. */
  totals: async (topic = 'totals'): Promise<readonly string[]> =>
    (await committedOf(reader, topic, 0, clock.nowMs())).map(({ key, value }) => `${textOf(key)}=${numberOf(value)}`),
  commits: async (): Promise<readonly CommitRecord[]> =>
    (await committedOf(reader, plan.commitTopic, 0, clock.nowMs())).map((it) => readCommitRecord(it.value, 'commit topic')),
  /** Live rows of the table: key to hex value and seq. */
  rows: async (store = 'counts', gen = 0): Promise<Readonly<Record<string, string>>> => {
    const found: Record<string, string> = {}
    for await (const page of table.query({ subTopology: plan.subTopology, partition: 0, gen, store }, clock.nowMs())) {
      for (const { key, value, seq } of page) found[`${textOf(key)}`] = `${hex(value)} seq ${seq}`
    }
    return found
  },
  /** The fold of the committed changelog, in the form of `rows`. */
  fold: async (store = 'counts', gen = 0): Promise<Readonly<Record<string, string>>> => {
    const live = new Map<string, string>()
    for (const { key, value, headers } of await committedOf(reader, plan.changelogs.get(store) ?? '', 0, clock.nowMs())) {
      const stamp = changelogStamp(headers)
      if (stamp?.gen !== gen) continue
      if (value === null) live.delete(`${textOf(key)}`)
      else live.set(`${textOf(key)}`, `${hex(value)} seq ${stamp.seq}`)
    }
    return Object.fromEntries([...live].sort(([a], [b]) => (a < b ? -1 : 1)))
  },
})

const hex = (value: Uint8Array | null): string => Buffer.from(value ?? []).toString('hex')
export const numberOf = (value: Uint8Array | null): number | null => (value === null ? null : Serdes.long.deserialize(value, ''))
/** A count as `rows` and `fold` show it. */
export const row = (count: number, seq: number): string => `${count.toString(16).padStart(16, '0')} seq ${seq}`

const committedOf = async (
  reader: PartitionReader,
  topic: string,
  partition: number,
  deadlineMs: number,
): Promise<readonly FetchedRecord[]> => {
  const [bounds] = await reader.bounds([{ topic, partition }], deadlineMs)
  const offset = bounds?.logStartOffset ?? 0
  const [answer] = await reader.fetch([{ topic, partition, offset, bytesMax: Number.MAX_SAFE_INTEGER }], { waitMs: 0, deadlineMs })
  return answer?.records ?? []
}

/** A fetch that would wait runs the next action instead; with none left the clock jumps to the end of the wait. */
const impatient = (reader: PartitionReader, clock: { nowMs: number }, waiting: (() => unknown)[]): PartitionReader => ({
  ...reader,
  fetch: async (requests, { waitMs, deadlineMs }) => {
    const answers = await reader.fetch(requests, { waitMs: 0, deadlineMs })
    if (waitMs <= 0 || answers.some((answer, at) => answer.nextOffset > (requests[at]?.offset ?? 0))) return answers
    const action = waiting.shift()
    if (action) await action()
    else clock.nowMs += waitMs
    return reader.fetch(requests, { waitMs: 0, deadlineMs })
  },
})
