import { subscribe } from 'node:diagnostics_channel'
import type { Socket } from 'node:net'
import { createMemoryTable } from '../../src/adapters/memory/table.ts'
import { connectKafka } from '../../src/lambda/index.ts'
import { runInvocation } from '../../src/runtime/invocation.ts'
import { planOf } from '../../src/runtime/plan.ts'
import { createTaskMemory } from '../../src/runtime/task-memory.ts'
import { type CompressionType, compressionOf } from '../../src/topology/config.ts'
import { portsOver } from '../engine/ports.ts'
import { workloads } from '../engine/workloads.ts'
import { measured } from './measured.ts'

/**
 * Runs a workload against a broker until it has processed so many records: its functions, each task told again and again up to where its
 * topic ends, as event sources would tell them; these run elsewhere. The table is in memory: what a table costs is another benchmark's.
 */
const [name, brokers = '', applicationId = '', expected, type = 'none'] = process.argv.slice(2)
const workload = workloads.find((it) => it.name === name)
if (!workload) throw new Error(`no workload is called ${name}`)
const topology = workload.topology()
const compression = compressionOf({ 'compression.type': type as CompressionType })
const sockets: Socket[] = []
subscribe('net.client.socket', (message) => sockets.push((message as { readonly socket: Socket }).socket))
const kafka = await connectKafka(brokers.split(','))
const soon = (): number => Date.now() + 60_000

const users = await kafka.admin.describe([...topology.sourceTopics, ...topology.sinkTopics], soon())
const counts = new Map(users.map(({ topic, partitions }) => [topic, partitions]))
for (const [topic, count] of topology.partitionCounts(applicationId, counts)) counts.set(topic, count)
const internal = topology.internalTopics(applicationId)
await kafka.admin.create(
  internal.map(({ name: topic, config }) => ({ topic, partitions: counts.get(topic) ?? 1, config })),
  soon(),
)
const ports = portsOver(kafka, createMemoryTable(), (topic) => counts.get(topic) ?? 1)
let [read, transactions] = [0, 0]

/** One task, until everything is processed. */
const work = async (plan: ReturnType<typeof planOf>, partition: number): Promise<void> => {
  const memory = createTaskMemory()
  const [topic = ''] = plan.sources.keys()
  for (let done = -1; read < Number(expected); ) {
    const [bounds] = await kafka.reader.bounds([{ topic, partition }], soon())
    const target = bounds?.highWatermark ?? 0
    if (target <= done) {
      await kafka.reader.fetch([{ topic, partition, offset: target, bytesMax: 1 }], { waitMs: 20, deadlineMs: soon() })
      continue
    }
    const trigger = { kind: 'delivery', topic, target } as const
    const outcome = await runInvocation({ ports, plan, partition, memory, trigger, deadlineMs: soon() })
    read += outcome.recordsRead
    transactions += outcome.transactions
    done = target
  }
}

const began = performance.now()
const tasks = topology.subTopologies.flatMap((sub) => {
  const plan = { ...planOf(topology, applicationId, sub), compression }
  const partitions = Math.max(...[...plan.sources.keys()].map((topic) => counts.get(topic) ?? 1))
  return Array.from({ length: partitions }, (_, partition) => work(plan, partition))
})
await Promise.all(tasks)
const ms = performance.now() - began
if (read !== Number(expected)) throw new Error(`${read} records were processed, not ${expected}`)
await Promise.all([kafka.txnLog.close(), kafka.reader.close(), kafka.admin.close()])
const sum = (of: (socket: Socket) => number): number => sockets.reduce((total, socket) => total + of(socket), 0)
measured({ ms, transactions, sentBytes: sum(({ bytesWritten }) => bytesWritten), receivedBytes: sum(({ bytesRead }) => bytesRead) })
