import { createMemoryKafka, type MemoryKafka } from '../../src/adapters/memory/log.ts'
import { createMemoryTable } from '../../src/adapters/memory/table.ts'
import type { Marker } from '../../src/adapters/memory/transactions.ts'
import type { InvocationPorts } from '../../src/runtime/invocation-request.ts'
import { planOf, type TaskPlan } from '../../src/runtime/plan.ts'
import type { ResetPorts } from '../../src/runtime/reset-plan.ts'
import type { TableBackend } from '../../src/state/backend.ts'
import type { Topology } from '../../src/topology/topology.ts'
import type { Random } from '../conformance/fuzz/random.ts'
import { type AppName, applicationId, appNamed } from './apps.ts'
import { Auditor, type Violation } from './auditor.ts'
import type { Event, Fault, Faults } from './faults.ts'
import { type Request, remotePorts, type World } from './network.ts'
import { Operations } from './operations.ts'
import { memories, type Process, type SimulatedTask } from './process.ts'
import { type Profile, profileOf, randomFaults, streams } from './profile.ts'
import { Requests } from './requests.ts'
import { type Alternative, Schedule } from './schedule.ts'
import type { Trace } from './trace.ts'
import { Triggers } from './triggers.ts'

export interface RunOptions {
  readonly app: AppName
  readonly seed: string
  /** Default: what the seed says. */
  readonly profile?: Profile
  /** Default: random ones, as the profile says. */
  readonly faults?: Faults
}

export interface RunResult {
  readonly violation: Violation | undefined
  readonly trace: Trace
  readonly steps: number
  readonly calls: number
  readonly commits: number
  readonly invocations: number
  readonly faults: ReadonlyMap<Fault, number>
}

/** All that promises have to do is done. */
const drained = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

const troubledStepsMax = 2_000
const stepsMax = 6_000
const callsWithoutProgressMax = 1_500
const irregularSweeps = 20
const sweepsMax = 45
const minuteMs = 60_000
const never = Number.POSITIVE_INFINITY

/** One run of an application, from its first record until nothing moves any more. The same options make the same run. */
export const simulate = (options: RunOptions): Promise<RunResult> => new Simulation(options).run()

class Simulation implements World {
  readonly kafka: MemoryKafka
  readonly table: TableBackend
  readonly auditor: Auditor
  readonly rowsPerPut: number
  readonly fetchesApart: boolean
  readonly #app: AppName
  readonly #profile: Profile
  readonly #choices: Random
  readonly #faultChoices: Random
  readonly #inputChoices: Random
  readonly #partitions: ReadonlyMap<string, number>
  readonly #tasks: readonly SimulatedTask[]
  readonly #processes: Process[] = []
  /** They run no invocations. */
  readonly #readers: Process[] = []
  readonly #schedule: Schedule
  readonly #requests: Requests
  readonly #triggers: Triggers
  readonly #operations: Operations
  #calls = 0
  #tokens = 0
  #records = 0
  #commits = 0
  #callsAtCommit = 0

  constructor(options: RunOptions) {
    const { profile, schedule, faults, input, operations } = streams(`${options.app} ${options.seed}`)
    const { versions, topics } = appNamed(options.app)
    this.#app = options.app
    this.#profile = options.profile ?? profileOf(profile)
    this.#choices = schedule
    this.#faultChoices = faults
    this.#inputChoices = input
    this.rowsPerPut = this.#profile.rowsPerPut
    this.fetchesApart = this.#profile.fetchesApart
    const external = new Map(Object.entries(topics))
    this.#partitions = new Map([...external, ...versions.flatMap((it) => [...it.partitionCounts(applicationId, external)])])
    this.#tasks = versions[0].subTopologies.flatMap(({ name: subTopology }, index) => {
      const plans = plansOf(versions, subTopology)
      const count = Math.max(...[...plans[0].sources.keys()].map((topic) => this.#countOf(topic)))
      return Array.from({ length: count }, (_, partition) => ({ subTopology, plans, partition, name: `${'ABC'[index]}/${partition}` }))
    })
    this.#schedule = new Schedule(this.#profile, this.#choices)
    const now = (): number => this.#schedule.nowMs
    this.kafka = createMemoryKafka({
      now,
      writeMarker: (marker, write) => this.#mark(marker, write),
      replicatedTo: ({ topic, partition, highWatermark }) =>
        this.#requests.behind.has(`${topic}/${partition}`) ? Math.max(0, highWatermark - 1 - this.#faultChoices.int(4)) : highWatermark,
    })
    this.table = createMemoryTable({ now })
    const partitionsOf = (topic: string): number => this.#countOf(topic)
    this.auditor = new Auditor({ kafka: this.kafka, table: this.table, tasks: this.#tasks, partitionsOf, nowMs: now })
    this.#requests = new Requests({
      schedule: this.#schedule,
      faults: options.faults ?? randomFaults(faults, this.#profile),
      faultsMax: options.faults ? never : this.#profile.faultsMax,
      answersAtOnce: this.#profile.policy !== 'oldest',
      choices: this.#choices,
      faultChoices: this.#faultChoices,
      crash: (process) => this.#replace(process),
      happen: (event, near) => this.#happen(event, near),
    })
    this.#addProcesses()
    this.#operations = new Operations({
      ...{ planned: this.#profile.operations, versions, schedule: this.#schedule, choices: operations, auditor: this.auditor },
      portsOf: (process) => this.#portsOf(process),
      operator: (name) => this.#outsider(name),
      added: () => this.#addProcesses(),
      retired: () => this.#retire(),
      silent: () => {
        this.kafka.forgetIds()
        this.#triggers.forget()
      },
      count: (operation) => this.#requests.injected.set(operation, (this.#requests.injected.get(operation) ?? 0) + 1),
    })
    this.#triggers = new Triggers({
      portsOf: (process) => this.#portsOf(process),
      schedule: this.#schedule,
      profile: this.#profile,
      choices: this.#choices,
      auditor: this.auditor,
      table: this.table,
      tasks: this.#tasks,
      partitions: this.#partitions,
      processes: this.#processes,
      endOf: (topic, partition) => this.#endOf(topic, partition),
      wasTroubled: () => this.#requests.injected.size > 0 || this.#profile.stepMs > 1,
    })
  }

  async run(): Promise<RunResult> {
    const topics = [...this.#partitions].map(([topic, partitions]) => ({ topic, partitions, config: {} }))
    await this.kafka.admin.create(topics, never)
    try {
      await this.#trouble()
      if (!this.auditor.violation) await this.#rest()
    } catch (error) {
      this.auditor.fail('S1', `the simulation failed: ${error instanceof Error ? error.stack : String(error)}`)
    }
    return {
      violation: this.auditor.violation,
      trace: this.#schedule.trace,
      steps: this.#schedule.step,
      calls: this.#calls,
      commits: this.auditor.commits,
      invocations: this.#triggers.invocations,
      faults: this.#requests.injected,
    }
  }

  nextCall(): number {
    return ++this.#calls
  }

  get isStale(): boolean {
    return this.#requests.stale
  }

  oldEnd(end: number): number {
    return Math.max(0, end - 1 - this.#faultChoices.int(6))
  }

  send(request: Request): void {
    this.#requests.send(request)
  }

  wait(process: Process, ms: number): Promise<void> {
    const untilMs = this.#schedule.nowMs + ms
    return new Promise((resolve) => {
      const run = (): void => {
        this.#schedule.nowMs = Math.max(this.#schedule.nowMs, untilMs)
        this.#schedule.tell(process.name, () => `has waited ${ms} ms`)
        resolve()
      }
      this.#schedule.park({ kind: 'wait', process, run })
    })
  }

  /** Feeds, delivers and fails until all input is there and was acknowledged, or for long enough. */
  async #trouble(): Promise<void> {
    const { perStep, events } = this.#profile
    for (let batches = this.#profile.batches; this.#schedule.step < troubledStepsMax; ) {
      if (this.auditor.violation) return
      if (this.#requests.mayFail && perStep > 0 && this.#faultChoices.chance(perStep)) this.#happen(this.#faultChoices.pick(events))
      else if (batches > 0 && (this.#schedule.isEmpty || this.#choices.chance(0.03))) {
        batches--
        await this.#feed()
      } else if (!this.#schedule.next(this.#alternatives()) && batches === 0) return
      await this.#stepped()
    }
  }

  /** Nothing fails any more, and the sweeper comes by: all must come to its end. */
  async #rest(): Promise<void> {
    this.#schedule.calm = true
    this.#operations.retire()
    this.#callsAtCommit = this.#calls
    for (const process of [...this.#processes, ...this.#readers]) {
      process.frozen = false
      process.driftMs = 0
    }
    this.#schedule.tell('', () => 'no more faults')
    for (let sweeps = 0; !this.auditor.violation; ) {
      if (!this.#schedule.next(this.#alternatives())) {
        if (this.auditor.leftToDo().length === 0 && !this.#operations.isPending) return this.auditor.atRest()
        sweeps++
        if (sweeps > irregularSweeps && this.auditor.isTold())
          return this.auditor.fail('L1', `${irregularSweeps} sweeps, and ${this.auditor.leftToDo().join(', ')}`)
        if (sweeps > sweepsMax) return this.auditor.fail('L1', `${sweepsMax} sweeps, and ${this.auditor.leftToDo().join(', ')}`)
        // the tick that comes every ten minutes must not be needed where the task item says that there is something to do
        do this.#schedule.nowMs += minuteMs
        while (sweeps <= irregularSweeps && Math.floor(this.#schedule.nowMs / minuteMs) % 10 < 2)
        await this.#triggers.sweep()
      }
      await this.#stepped()
    }
  }

  #alternatives(): readonly Alternative[] {
    const { sources, thaw } = this.#profile
    const { delivery } = this.#triggers
    const frozen = [...this.#processes, ...this.#readers].filter((process) => process.frozen && !process.gone)
    return [
      ...this.#operations.alternatives,
      ...(delivery ? [{ weight: sources, run: delivery }] : []),
      ...(frozen.length > 0 ? [{ weight: thaw, run: () => this.#thaw(this.#choices.pick(frozen)) }] : []),
    ]
  }

  async #stepped(): Promise<void> {
    this.#schedule.step++
    this.#schedule.nowMs += this.#schedule.calm ? 1 : this.#profile.stepMs
    await drained()
    this.#operations.stepped()
    if (this.auditor.commits > this.#commits) {
      this.#commits = this.auditor.commits
      this.#callsAtCommit = this.#calls
    }
    const quiet = this.#schedule.calm || this.#profile.faultsMax === 0
    if (quiet && this.#calls - this.#callsAtCommit > callsWithoutProgressMax)
      this.auditor.fail('L2', `${callsWithoutProgressMax} calls without a fault and without a commit`)
    if (this.#schedule.step > stepsMax) this.auditor.fail('L2', `no end after ${stepsMax} steps`)
  }

  #process(name: string, subTopology: string): Process {
    const nowMs = (): number => this.#schedule.nowMs + process.driftMs
    const process: Process = {
      name,
      subTopology,
      version: this.auditor.deployed,
      ...{ gone: false, frozen: false, driftMs: 0, running: undefined },
      memoryOf: memories(),
      nowMs,
    }
    return process
  }

  #addProcesses(): void {
    const { deployed } = this.auditor
    for (const [index, subTopology] of [...new Set(this.#tasks.map((task) => task.subTopology))].entries())
      for (let i = 1; i <= this.#profile.processes; i++)
        this.#processes.push(this.#process(`${'ABC'[index]}${deployed === 0 ? '' : `v${deployed}.`}${i}`, subTopology))
  }

  /** Processes of older code are ended where they stand. */
  #retire(): void {
    const { deployed } = this.auditor
    for (const process of this.#processes.filter(({ version }) => version < deployed)) {
      this.#processes.splice(this.#processes.indexOf(process), 1)
      this.#requests.crash(process)
    }
  }

  /** Somebody who runs no invocations. */
  #outsider(name: string): Process {
    const process = this.#process(name, '')
    this.#readers.push(process)
    return process
  }

  #portsOf(process: Process): InvocationPorts & ResetPorts {
    return {
      ...remotePorts(this, process),
      clock: { nowMs: process.nowMs },
      token: () => `t${++this.#tokens}`,
      partitionsOf: (topic) => this.#countOf(topic),
      log: () => undefined,
    }
  }

  /** A new process, which knows nothing, in the place of one that has crashed. */
  #replace(process: Process): void {
    this.#operations.died(process)
    const at = this.#processes.indexOf(process)
    if (at >= 0) this.#processes[at] = this.#process(`${process.name}'`, process.subTopology)
  }

  #thaw(process: Process): void {
    process.frozen = false
    this.#schedule.nowMs += this.#choices.pick([0, 0, 0, 20_000, 100_000])
    this.#schedule.tell(process.name, () => 'goes on')
  }

  #mark({ topic, partition, committed }: Marker, write: () => void): void {
    const run = (): void => {
      this.#schedule.tell('broker', () => `${committed ? 'commit' : 'abort'} marker of ${topic}/${partition}`)
      write()
    }
    if (this.#profile.markersAtOnce) write()
    else this.#schedule.park({ kind: 'marker', run })
  }

  /** Beside the calls; `near` the process that has just made one. */
  #happen(event: Event, near?: Process): void {
    const busy = this.#processes.filter(({ running }) => running)
    const process = near ?? (busy.length > 0 ? this.#faultChoices.pick(busy) : undefined)
    const task = near?.running?.task
    this.#requests.count(event)
    if (event === 'duplicate') this.#triggers.duplicate(this.#faultChoices, task)
    else if (event === 'tick') this.#triggers.tick(task ?? this.#faultChoices.pick(this.#tasks))
    else if (event === 'query') {
      this.#triggers.query(task ?? this.#faultChoices.pick(this.#tasks), this.#outsider(`Q${this.#readers.length + 1}`))
    } else if (event === 'jump') {
      const ms = this.#faultChoices.pick([3_000, 30_000, 75_000, 200_000])
      this.#schedule.nowMs += ms
      this.#schedule.tell('', () => `the clock jumps by ${ms} ms`)
    } else if (event === 'drift') {
      const one = near ?? this.#faultChoices.pick(this.#processes)
      one.driftMs = this.#faultChoices.pick([-90_000, -5_000, 5_000, 90_000])
      this.#schedule.tell(one.name, () => `its clock is off by ${one.driftMs} ms`)
    } else if (process) {
      this.#schedule.tell(process.name, () => (event === 'crash' ? 'crashes' : 'freezes'))
      if (event === 'crash') this.#requests.crash(process)
      else process.frozen = true
    }
  }

  async #feed(): Promise<void> {
    const app = appNamed(this.#app)
    const random = this.#inputChoices
    const topic = random.pick(app.inputs)
    const partition = random.int(this.#countOf(topic))
    const how = random.pick(['plain', 'plain', 'plain', 'committed', 'open', 'aborted'])
    const count = random.between(1, this.#profile.recordsPerBatch)
    const records = Array.from({ length: count }, () => app.record(topic, this.#records++, random))
    this.#schedule.tell('input', () => `${count} records to ${topic}/${partition}, ${how}`)
    if (how === 'plain') {
      this.kafka.produce([{ topic, partition, records }])
      return
    }
    const transactionalId = `producer-${this.#records}`
    const producer = await this.kafka.txnLog.open({ transactionalId, transactionTimeoutMs: 1e12, deadlineMs: never })
    await producer.append([{ topic, partition, records }], never)
    const end = (): Promise<void> => (how === 'aborted' ? producer.abort(never) : producer.commit(never))
    if (how !== 'open') return end()
    const run = (): void => {
      this.#schedule.tell('input', () => `commits in ${topic}/${partition}`)
      void end()
    }
    this.#schedule.park({ kind: 'input', run })
  }

  #countOf(topic: string): number {
    return this.#partitions.get(topic) ?? 0
  }

  #endOf(topic: string, partition: number): number {
    return this.auditor.logs.read({ topic, partition }).highWatermark
  }
}

/** Of a sub-topology that all versions have. */
const plansOf = (versions: readonly [Topology, ...Topology[]], name: string): readonly [TaskPlan, ...TaskPlan[]] => {
  const of = (topology: Topology): TaskPlan => {
    const sub = topology.subTopologies.find((it) => it.name === name)
    if (!sub) throw new Error(`a version has no sub-topology ${name}`)
    return planOf(topology, applicationId, sub)
  }
  const [first, ...rest] = versions
  return [of(first), ...rest.map(of)]
}
