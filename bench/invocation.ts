import { createDynamoDb } from '../src/adapters/dynamodb/dynamodb.ts'
import { createKafkaJs } from '../src/adapters/kafkajs/kafkajs.ts'
import { StreamsBuilder } from '../src/dsl/streams-builder.ts'
import { runInvocation } from '../src/runtime/invocation.ts'
import type { InvocationPorts } from '../src/runtime/invocation-request.ts'
import { planOf, type TaskPlan } from '../src/runtime/plan.ts'
import type { KafkaPorts } from '../src/runtime/ports.ts'
import { createTaskMemory, type TaskMemory } from '../src/runtime/task-memory.ts'
import { Serdes } from '../src/serde/serdes.ts'
import type { TableBackend } from '../src/state/backend.ts'
import type { Topology } from '../src/topology/topology.ts'
import { credentials } from '../test/broker/deployed-app.ts'
import { startDynamoDbLocal } from '../test/broker/dynamodb.ts'
import { startKafka } from '../test/broker/kafka.ts'
import { type Around, aroundPorts, type PortCall } from '../test/runtime/faults.ts'
import { type Bench, type Findings, median, type Row, rounded } from './bench.ts'
import { portsOver } from './engine/ports.ts'

const samples = 40
const recordsPerEvent = 10
const chunks = 30
const soon = () => Date.now() + 60_000

/** Counts by key what comes in on these topics. */
const counting = (topics: readonly string[]): Topology => {
  const builder = new StreamsBuilder()
  builder
    .stream(topics, { keySerde: Serdes.string, valueSerde: Serdes.string })
    .groupByKey()
    .count({ store: 'counts' })
    .toStream()
    .to('totals')
  return builder.build()
}

/** What one invocation asked for. */
interface Sample {
  readonly ms: number
  /** Requests that had to wait for the answer of one before. */
  readonly roundTrips: number
  readonly transactions: number
}

/** Times the calls of the ports; what overlaps is one round trip, but an append is two: partitions are added before records are written. */
const timing = () => {
  let calls: { readonly call: PortCall; readonly beganMs: number; endedMs: number; readonly trips: number }[] = []
  const around: Around = async (call, run) => {
    // the wrapper halves a put, the table does not
    const trips = call === 'append' ? 2 : call === 'put' && calls.at(-1)?.call === 'put' ? 0 : 1
    const one = { call, beganMs: performance.now(), endedMs: Number.POSITIVE_INFINITY, trips }
    calls.push(one)
    try {
      return await run()
    } finally {
      one.endedMs = performance.now()
    }
  }
  const roundTrips = (): number => {
    let [trips, overMs] = [0, 0]
    for (const { beganMs, endedMs, trips: own } of calls) {
      if (beganMs >= overMs) trips += own
      overMs = Math.max(overMs, endedMs)
    }
    return trips
  }
  const forget = (): void => {
    calls = []
  }
  return { around, roundTrips, forget }
}

/** One for all: a warm session keeps the ports that it was opened with. */
const timed = timing()

interface Parts {
  readonly bootstrap: readonly string[]
  readonly kafka: KafkaPorts
  readonly table: TableBackend
}

/** Writes records and waits until they are readable; answers the offset after them. */
const feed = async ({ kafka }: Parts, topic: string, records: number): Promise<number> => {
  const session = await kafka.txnLog.open({ transactionalId: 'feeder', transactionTimeoutMs: 30_000, deadlineMs: soon() })
  const batch = Array.from({ length: records }, (_, i) => ({
    key: Buffer.from(`k${i}`),
    value: Buffer.from('x'),
    timestamp: Date.now(),
    headers: [],
  }))
  const [appended] = await session.append([{ topic, partition: 0, records: batch }], soon())
  await session.commit(soon())
  session.close()
  const end = appended?.nextOffset ?? 0
  for (;;) {
    const [answer] = await kafka.reader.fetch([{ topic, partition: 0, offset: end - 1, bytesMax: 1000 }], {
      waitMs: 10,
      deadlineMs: soon(),
    })
    if ((answer?.lastStableOffset ?? 0) >= end) return end
  }
}

interface Invoke {
  readonly ports: InvocationPorts
  readonly plan: TaskPlan
  readonly topic: string
  readonly target: number
  readonly memory: TaskMemory
  readonly chunkBytesMax?: number
}

const invoke = async ({ ports, topic, target, ...request }: Invoke): Promise<Sample> => {
  timed.forget()
  const beganMs = performance.now()
  const { transactions } = await runInvocation({
    ...{ ...request, ports: aroundPorts(ports, timed.around), partition: 0, deadlineMs: soon() },
    trigger: { kind: 'delivery', topic, target },
  })
  return { ms: performance.now() - beganMs, roundTrips: timed.roundTrips(), transactions }
}

const rowOf = (path: string, list: readonly Sample[]): Row => {
  const sorted = list.map(({ ms }) => ms).sort((one, other) => one - other)
  return {
    path,
    'round trips': median(list.map(({ roundTrips }) => roundTrips)),
    transactions: median(list.map(({ transactions }) => transactions)),
    'p50 ms': rounded(median(sorted)),
    'p99 ms': rounded(sorted[Math.ceil(sorted.length * 0.99) - 1] ?? Number.NaN),
  }
}

const repeated = async (run: () => Promise<Sample>): Promise<readonly Sample[]> => {
  const list: Sample[] = []
  for (let i = 0; i < samples; i++) list.push(await run())
  return list
}

/** One invocation of a task by the state that its process is in, one broker and DynamoDB Local on this machine. */
const bench: Bench = async (note) => {
  const [broker, dynamodb] = await Promise.all([startKafka(), startDynamoDbLocal()])
  const parts: Parts = {
    bootstrap: broker.bootstrap,
    kafka: createKafkaJs({ brokers: broker.bootstrap }),
    table: createDynamoDb({ table: 'bench', endpoint: dynamodb.endpoint, region: 'us-east-1', credentials }),
  }
  try {
    await parts.table.ensure(soon())
    const prepared = async (applicationId: string, topics: readonly string[]) => {
      const topology = counting(topics)
      const topicsOfUser = [...topics, 'totals'].map((topic) => ({ topic, partitions: 1, config: {} }))
      const internal = topology.internalTopics(applicationId).map(({ name, config }) => ({ topic: name, partitions: 1, config }))
      await parts.kafka.admin.create([...topicsOfUser, ...internal], soon())
      const [sub] = topology.subTopologies
      if (!sub) throw new Error('the topology is empty')
      return planOf(topology, applicationId, sub)
    }
    return await measure(parts, note, { one: await prepared('one', ['words']), two: await prepared('two', ['left', 'right']) })
  } finally {
    await Promise.all([parts.kafka.txnLog.close(), parts.kafka.reader.close(), parts.kafka.admin.close(), parts.table.close()])
    await Promise.all([broker.stop(), dynamodb.stop()])
  }
}

const measure = async (
  parts: Parts,
  note: (text: string) => void,
  plans: { readonly one: TaskPlan; readonly two: TaskPlan },
): Promise<Findings> => {
  const open = portsOver(parts.kafka, parts.table)
  const memories = new Map<TaskPlan, TaskMemory>()
  const event = async (plan: TaskPlan, topic: string, memory: TaskMemory, ports = open): Promise<Sample> => {
    const target = await feed(parts, topic, recordsPerEvent)
    return invoke({ ports, plan, topic, target, memory })
  }
  const warm = async (plan: TaskPlan, topic: string): Promise<Sample> => {
    const memory = memories.get(plan) ?? createTaskMemory()
    memories.set(plan, memory)
    return event(plan, topic, memory)
  }
  note('new process: no sockets, no task')
  const cold = await repeated(async () => {
    const kafka = createKafkaJs({ brokers: parts.bootstrap })
    try {
      return await event(plans.one, 'words', createTaskMemory(), portsOver(kafka, parts.table))
    } finally {
      await Promise.all([kafka.txnLog.close(), kafka.reader.close(), kafka.admin.close()])
    }
  })
  note('open sockets, no task')
  const fresh = await repeated(() => event(plans.one, 'words', createTaskMemory()))
  note('nothing new, no task')
  const target = await feed(parts, 'words', 1)
  await invoke({ ports: open, plan: plans.one, topic: 'words', target, memory: createTaskMemory() })
  const again = await repeated(() => invoke({ ports: open, plan: plans.one, topic: 'words', target, memory: createTaskMemory() }))
  note('warm, one source and two')
  await warm(plans.one, 'words')
  await warm(plans.two, 'left')
  const rows = [
    rowOf('new process', cold),
    rowOf('open sockets, no task', fresh),
    rowOf('delivered again, no task', again),
    rowOf('warm, several sources', await repeated(() => warm(plans.two, 'left'))),
    rowOf('warm, one source', await repeated(() => warm(plans.one, 'words'))),
  ]
  note(`${chunks} chunks in one invocation`)
  const memory = memories.get(plans.one) ?? createTaskMemory()
  const burst = await repeated(async () => {
    let end = 0
    for (let i = 0; i < chunks; i++) end = await feed(parts, 'words', recordsPerEvent)
    const sample = await invoke({ ports: open, plan: plans.one, topic: 'words', target: end, memory, chunkBytesMax: 1 })
    return { ...sample, ms: sample.ms / sample.transactions, roundTrips: sample.roundTrips / sample.transactions, transactions: 1 }
  })
  rows.push(rowOf('each chunk of many', burst))
  const p50 = (list: readonly Sample[]): number => median(list.map(({ ms }) => ms))
  return {
    rows,
    ratios: [],
    comparisons: [
      {
        name: 'a warm invocation against one without a task, p50',
        value: rounded(p50(fresh) / p50(await repeated(() => warm(plans.one, 'words'))), 2),
      },
    ],
  }
}

export default bench
