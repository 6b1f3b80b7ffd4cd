import { TopologyTestDriver } from 'millrace/testing'
import { createMemoryKafka } from '../../src/adapters/memory/log.ts'
import { createMemoryTable } from '../../src/adapters/memory/table.ts'
import { noHeaders } from '../../src/processor/record.ts'
import { runInvocation } from '../../src/runtime/invocation.ts'
import { planOf } from '../../src/runtime/plan.ts'
import type { LogRecord } from '../../src/runtime/ports.ts'
import { createTaskMemory } from '../../src/runtime/task-memory.ts'
import type { Timing } from './java-driver.ts'
import { portsOver } from './ports.ts'
import type { Workload } from './workloads.ts'

const applicationId = 'bench'
const farFuture = Number.MAX_SAFE_INTEGER

interface Input {
  readonly topic: string
  readonly record: LogRecord
}

const made = new WeakMap<Workload, readonly Input[]>()

/** Made once: what every run would leave to the garbage collector is not what is measured. */
const inputsOf = (workload: Workload): readonly Input[] => {
  const known = made.get(workload)
  if (known) return known
  const inputs = Array.from({ length: workload.records }, (_, n) => {
    const { topic, key, value, timestamp } = workload.record(n)
    return { topic, record: { key: key === '' ? null : Buffer.from(key), value: Buffer.from(value), timestamp, headers: noHeaders } }
  })
  made.set(workload, inputs)
  return inputs
}

/** Runs what is to be measured. */
export type Measure<T> = (run: () => Promise<void>) => Promise<T>

export const timed: Measure<Timing> = async (run) => {
  const cpu = process.cpuUsage()
  const began = performance.now()
  await run()
  const ms = performance.now() - began
  const { user, system } = process.cpuUsage(cpu)
  return { ms, cpuMs: (user + system) / 1_000 }
}

/** Our TopologyTestDriver: as Java's it commits after every record. */
export const runDriver = async <T>(workload: Workload, measure: Measure<T>): Promise<T> => {
  const inputs = inputsOf(workload)
  await using driver = new TopologyTestDriver(workload.topology(), { applicationId })
  return await measure(async () => {
    for (const { topic, record } of inputs) await driver.pipe(topic, record)
  })
}

/** The tasks of a deployment over the memory adapters, one partition: a transaction for each megabyte that is read, up to the last of them. */
export const runTasks = async <T>(workload: Workload, measure: Measure<T>): Promise<T> => {
  const topology = workload.topology()
  const kafka = createMemoryKafka({ now: () => Date.now() })
  const topics = [...topology.sourceTopics, ...topology.sinkTopics].map((topic) => [topic, 1] as const)
  const counts = new Map([...topics, ...topology.partitionCounts(applicationId, new Map(topics))])
  const specs = [...counts].map(([topic, partitions]) => ({ topic, partitions, config: {} }))
  await kafka.admin.create(specs, farFuture)
  // the time of the first record, by which they are of today
  const ports = { ...portsOver(kafka, createMemoryTable()), clock: { nowMs: () => workload.record(0).timestamp } }
  const tasks = topology.subTopologies.map((sub) => {
    const plan = planOf(topology, applicationId, sub)
    const [topic = ''] = plan.sources.keys()
    return { plan, topic, memory: createTaskMemory() }
  })
  for (const [topic, inputs] of Map.groupBy(inputsOf(workload), (input) => input.topic))
    kafka.produce([{ topic, partition: 0, records: inputs.map(({ record }) => record) }])
  return await measure(async () => {
    for (let read = 1; read > 0; ) {
      read = 0
      for (const { plan, topic, memory } of tasks) {
        const [bounds] = await kafka.reader.bounds([{ topic, partition: 0 }], farFuture)
        const trigger = { kind: 'delivery', topic, target: bounds?.highWatermark ?? 0 } as const
        const { recordsRead } = await runInvocation({ ports, plan, partition: 0, memory, trigger, deadlineMs: Date.now() + 600_000 })
        read += recordsRead
      }
    }
  })
}
