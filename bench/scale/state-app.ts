/**
 * A process that counts by key in a store of so many rows, an invocation per batch: the log in memory, the table generated. It tells
 * what the batches after a warm-up took. Arguments: keys, `uniform` or `zipf`.
 */
import { Serdes, StreamsBuilder } from 'millrace'
import { createMemoryKafka } from '../../src/adapters/memory/log.ts'
import { noHeaders } from '../../src/processor/record.ts'
import { runInvocation } from '../../src/runtime/invocation.ts'
import { planOf } from '../../src/runtime/plan.ts'
import { createTaskMemory } from '../../src/runtime/task-memory.ts'
import { portsOver } from '../engine/ports.ts'
import { createGeneratedTable, keyOf, valueText } from './generated-table.ts'
import { fractionsOf, logNormal, pickers } from './random.ts'
import { batches, latency, recordsPerBatch, seed, warmUpBatches } from './state-settings.ts'

export interface StateRun {
  readonly ms: readonly number[]
  readonly rowsRead: number
  readonly rowsWritten: number
  readonly requests: number
  readonly cpuMs: number
  /** What is reachable at the end, after a collection. */
  readonly heapMb: number
}

const [keysText, distribution] = process.argv.slice(2)
const keys = Number(keysText)
const random = fractionsOf(seed)
const nextKey = pickers[distribution === 'zipf' ? 'zipf' : 'uniform'](random, keys)

const builder = new StreamsBuilder()
const texts = { keySerde: Serdes.string, valueSerde: Serdes.string }
builder
  .stream('in', texts)
  .groupByKey()
  .aggregate(
    () => valueText(0),
    (_key, _value, count) => valueText(Number(count) + 1),
    { store: { name: 'counts', valueSerde: Serdes.string } },
  )
  .toStream()
  .to('out')
const topology = builder.build()
const [sub] = topology.subTopologies
if (!sub) throw new Error('the topology is empty')
const plan = planOf(topology, 'scale', sub)

const forEver = Number.MAX_SAFE_INTEGER
const kafka = createMemoryKafka({ now: () => Date.now() })
// what was written is deleted again, which a compacted topic refuses
const config = { 'cleanup.policy': 'delete' }
const internal = topology.internalTopics('scale').map(({ name: topic }) => ({ topic, partitions: 1, config }))
await kafka.admin.create([...['in', 'out'].map((topic) => ({ topic, partitions: 1, config: {} })), ...internal], forEver)
const table = createGeneratedTable({ keys, store: 'counts', latencyMs: logNormal(random, latency) })
const ports = portsOver(kafka, table)
let memory = createTaskMemory()
let fed = 0

const invoke = async (records: number): Promise<void> => {
  const batch = Array.from({ length: records }, () => ({
    key: keyOf(nextKey()),
    value: Buffer.from('x'),
    timestamp: fed,
    headers: noHeaders,
  }))
  kafka.produce([{ topic: 'in', partition: 0, records: batch }])
  fed += records
  await runInvocation({
    ports,
    plan,
    partition: 0,
    memory,
    trigger: { kind: 'delivery', topic: 'in', target: fed },
    deadlineMs: Date.now() + 60_000,
  })
}

/** The log of a real cluster is not in this process; but the commit topic is read by a task that starts cold. */
const logs = ['in', 'out', ...internal.map(({ topic }) => topic)].filter((topic) => topic !== plan.commitTopic)
const forgetLog = async (): Promise<void> => {
  const bounds = await kafka.reader.bounds(
    logs.map((topic) => ({ topic, partition: 0 })),
    forEver,
  )
  await kafka.admin.deleteRecords(
    bounds.map(({ topic, partition, highWatermark }) => ({ topic, partition, offset: highWatermark })),
    forEver,
  )
}

// a task that never ran knows that its table is empty: the next process does not
await invoke(1)
memory.forget()
memory = createTaskMemory()

for (let batch = 0; batch < warmUpBatches; batch++) {
  await invoke(recordsPerBatch)
  await forgetLog()
}
table.taken()
const ms: number[] = []
let cpuMs = 0
for (let batch = 0; batch < batches; batch++) {
  const began = process.cpuUsage()
  const beganMs = performance.now()
  await invoke(recordsPerBatch)
  ms.push(performance.now() - beganMs)
  const { user, system } = process.cpuUsage(began)
  cpuMs += (user + system) / 1_000
  await forgetLog()
}
const { rows, requests, written } = table.taken()
globalThis.gc?.()
const run: StateRun = {
  ...{ ms, rowsRead: rows / batches, rowsWritten: written / batches, requests: requests / batches },
  cpuMs: cpuMs / batches,
  heapMb: process.memoryUsage().heapUsed / 2 ** 20,
}
process.send?.(run)
process.disconnect?.()
