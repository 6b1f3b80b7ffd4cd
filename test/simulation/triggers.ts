import { isStreamsError } from '../../src/errors.ts'
import { runInvocation } from '../../src/runtime/invocation.ts'
import type { InvocationOutcome, InvocationPorts, Trigger } from '../../src/runtime/invocation-request.ts'
import { readSnapshot } from '../../src/runtime/snapshot.ts'
import { needsTick } from '../../src/runtime/sweep.ts'
import type { TableBackend } from '../../src/state/backend.ts'
import type { Random } from '../conformance/fuzz/random.ts'
import type { Auditor } from './auditor.ts'
import { type Process, planOf, type Running, type SimulatedTask } from './process.ts'
import type { Profile } from './profile.ts'
import type { Schedule } from './schedule.ts'
import { brief } from './trace.ts'

/** An event source: delivers until it succeeds, never skips. */
interface Source {
  readonly task: SimulatedTask
  readonly topic: string
  acknowledged: number
  /** It was refused, and tries again later. */
  notBeforeMs: number
}

export interface TriggersOptions {
  readonly schedule: Schedule
  readonly profile: Profile
  readonly choices: Random
  readonly auditor: Auditor
  readonly table: TableBackend
  readonly tasks: readonly SimulatedTask[]
  readonly partitions: ReadonlyMap<string, number>
  /** The processes that there are now. */
  readonly processes: readonly Process[]
  portsOf(process: Process): InvocationPorts
  endOf(topic: string, partition: number): number
  /** Whether anything went wrong so far that an invocation may fail of. */
  wasTroubled(): boolean
}

/** Event sources and sweeper, and the invocations that they start. */
export class Triggers {
  invocations = 0
  readonly #options: TriggersOptions
  readonly #sources: readonly Source[]

  constructor(options: TriggersOptions) {
    this.#options = options
    this.#sources = options.tasks.flatMap((task) =>
      [...new Set(task.plans.flatMap((plan) => [...plan.sources.keys()]))]
        .filter((topic) => task.partition < (options.partitions.get(topic) ?? 0))
        .map((topic) => ({ task, topic, acknowledged: 0, notBeforeMs: 0 })),
    )
  }

  /** Starts what an event source has to deliver now, if there is something and a process for it. */
  get delivery(): (() => void) | undefined {
    const { choices, endOf, schedule } = this.#options
    const due = this.#sources.filter(
      ({ task, topic, acknowledged, notBeforeMs }) =>
        notBeforeMs <= schedule.nowMs &&
        endOf(topic, task.partition) > acknowledged &&
        !this.#isDelivering(task, topic) &&
        this.#free(task, topic).length > 0,
    )
    if (due.length === 0) return undefined
    return () => this.#deliver(choices.pick(due))
  }

  /** What was delivered comes again, whoever is at it. */
  duplicate(random: Random, near?: SimulatedTask): void {
    const sources = this.#sources.filter(
      ({ topic, task }) => this.#options.endOf(topic, task.partition) > 0 && (near === undefined || near === task),
    )
    if (sources.length > 0) this.#deliver({ ...random.pick(sources), acknowledged: 0 })
  }

  /** Offsets of consumer groups are gone: everything is delivered again. */
  forget(): void {
    for (const source of this.#sources) source.acknowledged = 0
  }

  tick(task: SimulatedTask): void {
    this.#start(task, { kind: 'tick' })
  }

  /** Somebody outside reads rows of several keys, while whatever goes on goes on. */
  query(task: SimulatedTask, reader: Process): void {
    const { auditor, schedule, portsOf } = this.#options
    const { version } = reader
    const keys = auditor.keysOf(task, version)
    schedule.tell(reader.name, () => `--> ${task.name}: query`)
    readSnapshot({
      ports: portsOf(reader),
      plan: planOf(task, version),
      partition: task.partition,
      keys,
      deadlineMs: reader.nowMs() + 60_000,
    }).then(
      (snapshot) => {
        schedule.tell(reader.name, () => `<-- ${task.name}: of transaction ${snapshot.seq}`)
        auditor.queried(task, keys, snapshot)
      },
      (error: unknown) => {
        schedule.tell(reader.name, () => `<-- ${task.name}: failed, ${brief(error)}`)
        if (!isStreamsError(error) || !error.retryable)
          auditor.fail('Q', `a query failed with ${error instanceof Error ? error.stack : error}`)
      },
    )
  }

  async sweep(): Promise<void> {
    const { tasks, table, schedule } = this.#options
    for (const task of tasks) {
      const item = await table.readTask(task, schedule.nowMs)
      if (needsTick(item, { nowMs: schedule.nowMs, partition: task.partition })) this.tick(task)
    }
  }

  /** Who does not answer for long is given up, and its batch comes again. */
  #isDelivering(task: SimulatedTask, topic: string): boolean {
    return this.#options.processes.some(
      ({ running, frozen }) => running?.task === task && running.trigger.kind === 'delivery' && running.trigger.topic === topic && !frozen,
    )
  }

  /** Who could run an invocation now: of code that reads the topic. */
  #free(task: SimulatedTask, topic?: string): readonly Process[] {
    return this.#options.processes.filter(
      (it) =>
        it.subTopology === task.subTopology &&
        !it.running &&
        !it.frozen &&
        (topic === undefined || planOf(task, it.version).sources.has(topic)),
    )
  }

  #deliver({ task, topic, acknowledged }: Source): void {
    const { choices, endOf } = this.#options
    const end = endOf(topic, task.partition)
    const target = choices.chance(0.25) && end > acknowledged + 1 ? choices.between(acknowledged + 1, end) : end
    this.#start(task, { kind: 'delivery', topic, target })
  }

  #start(task: SimulatedTask, trigger: Trigger): void {
    const { profile, choices, schedule, portsOf } = this.#options
    const free = this.#free(task, trigger.kind === 'delivery' ? trigger.topic : undefined)
    if (free.length === 0) return
    const process = choices.pick(free)
    process.running = { task, trigger }
    this.invocations++
    schedule.tell(process.name, () => `--> ${task.name}: ${trigger.kind === 'tick' ? 'tick' : `${trigger.topic} up to ${trigger.target}`}`)
    const forMs = trigger.kind === 'tick' ? Math.min(60_000, profile.invocationMs) : profile.invocationMs
    runInvocation({
      ports: portsOf(process),
      plan: planOf(task, process.version),
      partition: task.partition,
      trigger,
      deadlineMs: process.nowMs() + forMs,
      memory: process.memoryOf(task),
      chunkBytesMax: profile.chunkBytesMax,
      storeBytesMax: profile.storeBytesMax,
      goOnMs: profile.goOnMs,
    }).then(
      (outcome) => process.gone || this.#succeeded(process, { task, trigger }, outcome),
      (error: unknown) => process.gone || this.#failed(process, { task, trigger }, error),
    )
  }

  #succeeded(process: Process, { task, trigger }: Running, { result, seq, positions }: InvocationOutcome): void {
    process.running = undefined
    this.#options.schedule.tell(process.name, () => `<-- ${task.name}: ${result}, seq ${seq} ${JSON.stringify(positions)}`)
    if (trigger.kind === 'tick') return
    const source = this.#sources.find((it) => it.task === task && it.topic === trigger.topic)
    if (source) source.acknowledged = Math.max(source.acknowledged, trigger.target)
    this.#options.auditor.acknowledged(task, trigger)
  }

  #failed(process: Process, { task, trigger }: Running, error: unknown): void {
    const { schedule, auditor, wasTroubled } = this.#options
    process.running = undefined
    schedule.tell(process.name, () => `<-- ${task.name}: failed, ${brief(error)}`)
    if (isStreamsError(error) && error.retryable && wasTroubled()) return
    if (isStreamsError(error, 'TOPOLOGY_MISMATCH') && auditor.hasOther(task, process.version)) {
      const source = this.#sources.find((it) => it.task === task && trigger.kind === 'delivery' && it.topic === trigger.topic)
      if (source) source.notBeforeMs = schedule.nowMs + 60_000
      return
    }
    auditor.fail('L1', `an invocation of ${task.name} failed with ${error instanceof Error ? error.stack : String(error)}`)
  }
}
