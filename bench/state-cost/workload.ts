import { createMemoryKafka } from '../../src/adapters/memory/log.ts'
import { noHeaders } from '../../src/processor/record.ts'
import { runInvocation } from '../../src/runtime/invocation.ts'
import type { Trigger } from '../../src/runtime/invocation-request.ts'
import { planOf } from '../../src/runtime/plan.ts'
import { createTaskMemory } from '../../src/runtime/task-memory.ts'
import type { TableBackend } from '../../src/state/backend.ts'
import type { Topology } from '../../src/topology/topology.ts'
import { portsOver } from '../engine/ports.ts'

export const recordsPerSecond = 1_000
const valueBytes = 100
const hourMs = 3_600_000
const farFuture = Number.MAX_SAFE_INTEGER

export interface Workload {
  readonly applicationId: string
  /** Of one source, `clicks`. */
  readonly topology: Topology
  /** The number of the next record's key. */
  readonly key: () => number
}

/** A task with its input, by a clock that a run moves on: one invocation a second, each with the records of that second. */
export interface Running {
  seconds(count: number): Promise<void>
  /** The sweeper's: writes all that waits. */
  tick(): Promise<void>
  /** From now on as in a process that knows nothing of the task. */
  forget(): void
}

/** Kafka in memory, and a table. */
export const start = async ({ applicationId, topology, key }: Workload, table: TableBackend): Promise<Running> => {
  // windows of an hour hold all of it
  let nowMs = Math.floor(Date.now() / hourMs) * hourMs
  const now = (): number => nowMs
  const kafka = createMemoryKafka({ now })
  const topics = [...topology.sourceTopics, ...topology.sinkTopics].map((topic) => [topic, 1] as const)
  const counts = new Map([...topics, ...topology.partitionCounts(applicationId, new Map(topics))])
  await kafka.admin.create(
    [...counts].map(([topic, partitions]) => ({ topic, partitions, config: {} })),
    farFuture,
  )
  const [sub] = topology.subTopologies
  if (!sub) throw new Error('the topology is empty')
  const plan = planOf(topology, applicationId, sub)
  const ports = { ...portsOver(kafka, table), clock: { nowMs: now } }
  let memory = createTaskMemory()
  // the table's adapter has the system's clock, which is not ahead of this one
  const invoke = async (trigger: Trigger): Promise<void> => {
    const { result } = await runInvocation({
      ports,
      plan,
      partition: 0,
      memory,
      trigger,
      deadlineMs: Math.max(nowMs, Date.now()) + 600_000,
    })
    if (result !== 'done') throw new Error(`an invocation ended as ${result}`)
  }
  const value = Buffer.alloc(valueBytes, 'v')
  return {
    seconds: async (count) => {
      for (let second = 0; second < count; second++) {
        const records = Array.from({ length: recordsPerSecond }, () => ({
          key: Buffer.from(`key-${String(key()).padStart(6, '0')}`),
          value,
          timestamp: nowMs,
          headers: noHeaders,
        }))
        nowMs += 1_000
        const [appended] = kafka.produce([{ topic: 'clicks', partition: 0, records }])
        await invoke({ kind: 'delivery', topic: 'clicks', target: appended?.nextOffset ?? 0 })
      }
    },
    tick: () => invoke({ kind: 'tick' }),
    forget: () => {
      memory.forget()
      memory = createTaskMemory()
    },
  }
}
