import fc from 'fast-check'
import { expect, it } from 'vitest'
import { createMemoryKafka } from '../../src/adapters/memory/log.ts'
import { createMemoryTable } from '../../src/adapters/memory/table.ts'
import { StreamsBuilder } from '../../src/dsl/streams-builder.ts'
import { isStreamsError, StreamsError } from '../../src/errors.ts'
import { runInvocation } from '../../src/runtime/invocation.ts'
import type { InvocationPorts, Trigger } from '../../src/runtime/invocation-request.ts'
import { partitionOfKey } from '../../src/runtime/partitioner.ts'
import { planOf } from '../../src/runtime/plan.ts'
import type { PartitionReader } from '../../src/runtime/ports.ts'
import { needsTick } from '../../src/runtime/sweep.ts'
import { createTaskMemory } from '../../src/runtime/task-memory.ts'
import { type Around, aroundPorts, died, type PortCall } from './faults.ts'
import { applicationId, record, startMs, strings, textOf } from './scene.ts'

const partitions = { users: 3, cities: 2, out: 1 }
type Source = 'users' | 'cities'

interface Plot {
  readonly updates: readonly { readonly topic: Source; readonly key: number; readonly value: number }[]
  /** Which of the tasks runs next, and at which of its calls it fails, if it does. */
  readonly turns: readonly {
    readonly task: number
    readonly fault: 'none' | 'lost request' | 'lost answer' | 'death'
    readonly call: number
  }[]
}

const plot: fc.Arbitrary<Plot> = fc.record({
  updates: fc.array(fc.record({ topic: fc.constantFrom('users', 'users', 'cities'), key: fc.nat(4), value: fc.nat(3) }), {
    minLength: 5,
    maxLength: 25,
  }),
  turns: fc.array(
    fc.record({ task: fc.nat(4), fault: fc.constantFrom('none', 'lost request', 'lost answer', 'death'), call: fc.nat(12) }),
    { minLength: 5, maxLength: 40 },
  ),
})

const city = (number: number): string => `city-${number}`
const textFor = ({ topic, value }: Plot['updates'][number]): string | null => {
  if (value === 0) return null
  return topic === 'users' ? city(value) : `mayor-${value}`
}
const keyOf = ({ topic, key }: Plot['updates'][number]): string => (topic === 'users' ? `user-${key}` : city(key))

const topology = (() => {
  const builder = new StreamsBuilder()
  builder
    .table('users', { ...strings, store: 'users' })
    .leftJoin(
      builder.table('cities', { ...strings, store: 'cities' }),
      (name) => name,
      (name, mayor) => `${mayor} of ${name}`,
      { name: 'join' },
    )
    .toStream()
    .to('out', strings)
  return builder.build()
})()

/** One fault at the nth call, as the ports may fail. */
const failing = ({ fault, call }: Plot['turns'][number]): Around => {
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
const cluster = async () => {
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
      await runInvocation({ ...task, ports: through, trigger, deadlineMs: clock.nowMs + 60_000 })
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
  return { kafka, clock, tasks, counts, deliver, invoke, idle }
}

const neverWaits = (reader: PartitionReader, clock: { nowMs: number }): PartitionReader => ({
  ...reader,
  fetch: async (requests, { waitMs, deadlineMs }) => {
    const answers = await reader.fetch(requests, { waitMs: 0, deadlineMs })
    if (answers.every((answer, at) => answer.nextOffset <= (requests[at]?.offset ?? 0))) clock.nowMs += waitMs
    return answers
  },
})

/** Updates go in between the turns; then every task runs without faults until nothing is left to do. */
const play = async ({ updates, turns }: Plot) => {
  const it = await cluster()
  const left = [...updates]
  const feed = (update: Plot['updates'][number], time: number): void => {
    const key = keyOf(update)
    const partition = partitionOfKey(Buffer.from(key), partitions[update.topic])
    it.kafka.produce([{ topic: update.topic, partition, records: [record(key, textFor(update), { timestamp: startMs + time })] }])
  }
  let failures = 0
  let time = 0
  for (const turn of turns) {
    for (const update of left.splice(0, Math.ceil(updates.length / turns.length))) feed(update, time++)
    const task = it.tasks[turn.task % it.tasks.length]
    if (task && !(await it.deliver(task, failing(turn)))) failures++
  }
  for (const update of left) feed(update, time++)
  for (let round = 0; !(await it.idle()); round++) {
    if (round > 30) throw new Error('the tasks do not come to rest')
    it.clock.nowMs += 60_000
    for (const task of it.tasks) {
      await it.deliver(task)
      await it.invoke(task, { kind: 'tick' })
    }
  }
  const [answer] = await it.kafka.reader.fetch([{ topic: 'out', partition: 0, offset: 0, bytesMax: 1e9 }], {
    waitMs: 0,
    deadlineMs: it.clock.nowMs,
  })
  const found = new Map((answer?.records ?? []).map(({ key, value }) => [textOf(key), textOf(value)]))
  return { failures, found: Object.fromEntries([...found].filter(([, value]) => value !== null).sort()) }
}

const expectedOf = ({ updates }: Plot): Readonly<Record<string, string>> => {
  const rows = (topic: Source) => new Map(updates.filter((it) => it.topic === topic).map((it) => [keyOf(it), textFor(it)]))
  const cities = rows('cities')
  return Object.fromEntries(
    [...rows('users')].flatMap(([user, name]) => (name === null ? [] : [[user, `${cities.get(name) ?? null} of ${name}`]])).sort(),
  )
}

it('joins by foreign key over two sub-topologies and five tasks as if nothing had failed', { timeout: 60_000 }, async () => {
  let failures = 0
  await fc.assert(
    fc.asyncProperty(plot, async (story) => {
      const played = await play(story)
      expect(played.found).toEqual(expectedOf(story))
      failures += played.failures
    }),
    { seed: 213, numRuns: 200 },
  )
  expect(failures).toBeGreaterThan(100)
})
