import { createMemoryKafka } from '../../src/adapters/memory/log.ts'
import { createMemoryTable } from '../../src/adapters/memory/table.ts'
import { isStreamsError, StreamsError } from '../../src/errors.ts'
import { runInvocation } from '../../src/runtime/invocation.ts'
import type { InvocationPorts, Trigger } from '../../src/runtime/invocation-request.ts'
import { planOf } from '../../src/runtime/plan.ts'
import type { PartitionReader } from '../../src/runtime/ports.ts'
import { needsTick } from '../../src/runtime/sweep.ts'
import { createTaskMemory } from '../../src/runtime/task-memory.ts'
import type { Topology } from '../../src/topology/topology.ts'
import { type Around, aroundPorts, died, type PortCall } from './faults.ts'
import { applicationId, startMs } from './scene.ts'

export interface Turn {
  readonly fault: 'none' | 'lost request' | 'lost answer' | 'death'
  readonly call: number
}

/** One fault at the nth call, as the ports may fail. */
export const failing = ({ fault, call }: Turn): Around => {
  let calls = 0
  let dead = false
  return async (at, run) => {
    const now = fault !== 'none' && calls++ === call
    if (now && fault === 'death') dead = true
    if (dead) throw new Error(died)
    if (now && fault === 'lost request') throw lost(at)
    const answer = await run()
    if (now && fault === 'lost answer') throw lost(at)
    return answer
  }
}

const lost = (call: PortCall): StreamsError => {
  if (call === 'append') return new StreamsError('TRANSACTION_ABORTED', 'append was lost')
  if (call === 'commit') return new StreamsError('OUTCOME_UNKNOWN', 'EndTxn was lost')
  const kafka: readonly PortCall[] = ['open', 'abort', 'bounds', 'fetch']
  return new StreamsError(kafka.includes(call) ? 'BROKER_UNREACHABLE' : 'TABLE_UNREACHABLE', `${call} was lost`)
}

/** All tasks of the topology over one cluster and one table; each has a process of its own. */
export const cluster = async (topology: Topology, partitions: Readonly<Record<string, number>>, chunkBytesMax?: number) => {
  const clock = { nowMs: startMs }
  const kafka = createMemoryKafka({ now: () => clock.nowMs })
  const table = createMemoryTable()
  const counts = new Map([...Object.entries(partitions), ...topology.partitionCounts(applicationId, new Map(Object.entries(partitions)))])
  await kafka.admin.create(
    [...counts].map(([topic, count]) => ({ topic, partitions: count, config: {} })),
    clock.nowMs,
  )
  let tokens = 0
  const ports: InvocationPorts = {
    txnLog: kafka.txnLog,
    reader: neverWaits(kafka.reader, clock),
    table,
    clock: { nowMs: () => clock.nowMs },
    token: () => `token-${++tokens}`,
    partitionsOf: (topic) => counts.get(topic) ?? 0,
    log: () => undefined,
  }
  const plans = topology.subTopologies.map((sub) => planOf(topology, applicationId, sub))
  const tasks = plans.flatMap((plan) =>
    Array.from({ length: Math.max(...[...plan.sources.keys()].map((topic) => counts.get(topic) ?? 0)) }, (_, partition) => ({
      ...{ plan, partition, memory: createTaskMemory() },
    })),
  )
  const invoke = async (task: (typeof tasks)[number], trigger: Trigger, around?: Around): Promise<boolean> => {
    try {
      const through = around ? aroundPorts(ports, around) : ports
      const chunks = chunkBytesMax === undefined ? {} : { chunkBytesMax }
      await runInvocation({ ...task, ports: through, trigger, deadlineMs: clock.nowMs + 60_000, ...chunks })
      return true
    } catch (error) {
      if (!isStreamsError(error) && !(error instanceof Error && error.message === died)) throw error
      task.memory.forget()
      clock.nowMs += 1_000
      return false
    }
  }
  const end = async (topic: string, partition: number): Promise<number> =>
    (await kafka.reader.bounds([{ topic, partition }], clock.nowMs))[0]?.highWatermark ?? 0
  /** A delivery of each of its topics that has something. */
  const deliver = async ({ plan, partition, memory }: (typeof tasks)[number], around?: Around): Promise<boolean> => {
    let done = true
    for (const topic of plan.sources.keys()) {
      const target = await end(topic, partition)
      if (target > 0 && !(await invoke({ plan, partition, memory }, { kind: 'delivery', topic, target }, around))) done = false
    }
    return done
  }
  const idle = async (): Promise<boolean> => {
    for (const task of tasks) {
      const item = await table.readTask({ subTopology: task.plan.subTopology, partition: task.partition }, clock.nowMs)
      if (needsTick(item, { nowMs: clock.nowMs, partition: task.partition })) return false
      for (const topic of task.plan.sources.keys())
        if ((item?.checkpoint?.positions[topic] ?? 0) < (await end(topic, task.partition))) return false
    }
    return true
  }
  /** Runs every task without faults until nothing is left to do. */
  const settle = async (): Promise<void> => {
    for (let round = 0; !(await idle()); round++) {
      if (round > 30) throw new Error('the tasks do not come to rest')
      clock.nowMs += 60_000
      for (const task of tasks) {
        await deliver(task)
        await invoke(task, { kind: 'tick' })
      }
    }
  }
  /** What was committed to partition 0 of a topic. */
  const committed = async (topic: string) => {
    const [answer] = await kafka.reader.fetch([{ topic, partition: 0, offset: 0, bytesMax: 1e9 }], { waitMs: 0, deadlineMs: clock.nowMs })
    return answer?.records ?? []
  }
  return { kafka, table, ports, clock, tasks, deliver, invoke, end, settle, committed }
}

const neverWaits = (reader: PartitionReader, clock: { nowMs: number }): PartitionReader => ({
  ...reader,
  fetch: async (requests, { waitMs, deadlineMs }) => {
    const answers = await reader.fetch(requests, { waitMs: 0, deadlineMs })
    if (answers.every((answer, at) => answer.nextOffset <= (requests[at]?.offset ?? 0))) clock.nowMs += waitMs
    return answers
  },
})
