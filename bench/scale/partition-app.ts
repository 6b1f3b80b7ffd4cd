/**
 * A process that works on one partition of an application, as one Lambda environment would: of each sub-topology the task of that
 * partition, until everything that its source held at the start is processed. It says `ready`, waits for any message, and tells what it cost.
 */
import { createMemoryTable } from '../../src/adapters/memory/table.ts'
import { connectKafka } from '../../src/lambda/index.ts'
import { runInvocation } from '../../src/runtime/invocation.ts'
import { planOf } from '../../src/runtime/plan.ts'
import { createTaskMemory } from '../../src/runtime/task-memory.ts'
import { portsOver } from '../engine/ports.ts'
import { workloads } from '../engine/workloads.ts'

/** What one process tells of its work; times are Unix milliseconds. */
export interface PartitionRun {
  readonly records: number
  readonly beganMs: number
  readonly endedMs: number
  readonly cpuMs: number
  readonly memoryMb: number
}

const [name, brokers = '', applicationId = '', partitionText = '0', count = '1'] = process.argv.slice(2)
const partition = Number(partitionText)
const workload = workloads.find((it) => it.name === name)
if (!workload) throw new Error(`no workload is called ${name}`)
const topology = workload.topology()
const [sub] = topology.subTopologies
if (!sub) throw new Error('the topology is empty')
const plan = planOf(topology, applicationId, sub)
const [topic = ''] = plan.sources.keys()
const kafka = await connectKafka(brokers.split(','))
const soon = (): number => Date.now() + 300_000
const ports = portsOver(kafka, createMemoryTable(), () => Number(count))
const [bounds] = await kafka.reader.bounds([{ topic, partition }], soon())

process.send?.('ready')
await new Promise((resolve) => process.once('message', resolve))

const began = process.cpuUsage()
const beganMs = Date.now()
const target = bounds?.highWatermark ?? 0
const trigger = { kind: 'delivery', topic, target } as const
const { recordsRead: records } = await runInvocation({ ports, plan, partition, memory: createTaskMemory(), trigger, deadlineMs: soon() })
const endedMs = Date.now()
const { user, system } = process.cpuUsage(began)
await Promise.all([kafka.txnLog.close(), kafka.reader.close(), kafka.admin.close()])
const run: PartitionRun = {
  ...{ records, beganMs, endedMs, cpuMs: (user + system) / 1_000 },
  memoryMb: Math.round(process.resourceUsage().maxRSS / 1_024),
}
process.send?.(run)
process.disconnect?.()
