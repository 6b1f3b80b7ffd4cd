import { isStreamsError } from '../../src/errors.ts'
import { runReset } from '../../src/runtime/reset.ts'
import type { ResetPorts, ResetTo } from '../../src/runtime/reset-plan.ts'
import type { Topology } from '../../src/topology/topology.ts'
import type { Random } from '../conformance/fuzz/random.ts'
import { applicationId } from './apps.ts'
import type { Auditor } from './auditor.ts'
import type { Operation } from './faults.ts'
import type { Process } from './process.ts'
import type { Alternative, Schedule } from './schedule.ts'
import { brief } from './trace.ts'

export interface OperationsOptions {
  readonly planned: readonly Operation[]
  readonly versions: readonly [Topology, ...Topology[]]
  readonly schedule: Schedule
  readonly choices: Random
  readonly auditor: Auditor
  portsOf(process: Process): ResetPorts
  /** Somebody who runs no invocations. */
  operator(name: string): Process
  /** Processes of the newest code come beside those that there are. */
  added(): void
  /** Processes of older code are no more. */
  retired(): void
  /** What nobody has used for a week is forgotten. */
  silent(): void
  count(operation: Operation): void
}

/** An invocation takes at most 15 minutes, and older code may go on 20 minutes after newer code was last at work. */
const overlapMs = 10 * 60_000
const triesMax = 40

/** What is done to the application while it works: deployments of the next version of its code, resets, run again until they succeed, and weeks without use. */
export class Operations {
  readonly #options: OperationsOptions
  readonly #planned: Operation[]
  #deployedMs: number | undefined
  /** The reset that is not finished. */
  #to: ResetTo | undefined
  #operator: Process | undefined
  #runs = 0
  #tries = 0

  constructor(options: OperationsOptions) {
    this.#options = options
    const deployments = options.versions.length - 1
    let deployed = 0
    this.#planned = options.planned.filter((operation) => operation !== 'deploy' || ++deployed <= deployments)
  }

  /** Whether something is planned, or not finished. */
  get isPending(): boolean {
    return this.#planned.length > 0 || this.#to !== undefined
  }

  /** What somebody may do now: the next operation, or the one again that has failed. */
  get alternatives(): readonly Alternative[] {
    if (this.#operator) return []
    if (this.#to) return [{ weight: 0.1, run: () => this.#reset() }]
    return this.#planned.length === 0 ? [] : [{ weight: 0.02, run: () => this.#next() }]
  }

  /** Time has passed. */
  stepped(): void {
    const { schedule } = this.#options
    if (this.#deployedMs === undefined || schedule.nowMs < this.#deployedMs + overlapMs) return
    this.retire()
  }

  /** The deployment is done. */
  retire(): void {
    if (this.#deployedMs === undefined) return
    this.#deployedMs = undefined
    this.#options.schedule.tell('', () => 'processes of older code are ended')
    this.#options.retired()
  }

  died(process: Process): void {
    if (process === this.#operator) this.#operator = undefined
  }

  #next(): void {
    const { choices, schedule, auditor, count } = this.#options
    const operation = this.#planned.shift()
    if (operation === undefined) return
    count(operation)
    if (operation === 'reset') {
      const kind = choices.pick<'earliest' | 'latest' | 'current'>(['earliest', 'earliest', 'latest', 'current'])
      this.#to = { kind }
      auditor.resetTo = kind
      this.#tries = 0
      this.#reset()
      return
    }
    if (operation === 'silence') {
      schedule.tell('', () => 'the broker forgets transactional ids, and offsets of the event sources')
      this.#options.silent()
      return
    }
    this.retire()
    auditor.deployed++
    this.#deployedMs = schedule.nowMs
    schedule.tell('', () => `version ${auditor.deployed} of the code is deployed`)
    this.#options.added()
  }

  #reset(): void {
    const { schedule, auditor, versions, portsOf, operator } = this.#options
    const [to, topology] = [this.#to, versions[auditor.deployed]]
    if (!to || !topology) return
    if (++this.#tries > triesMax) auditor.fail('L2', `a reset does not end: it was tried ${triesMax} times`)
    const process = operator(`R${++this.#runs}`)
    this.#operator = process
    schedule.tell(process.name, () => `--> reset to ${to.kind}`)
    runReset({ ports: portsOf(process), topology, applicationId, to }).then(
      ({ state }) => {
        if (process.gone) return
        schedule.tell(process.name, () => `<-- reset: ${state}`)
        this.#operator = undefined
        // it has only ended what another one had left
        if (state !== 'wiping') this.#to = undefined
      },
      (error: unknown) => {
        if (process.gone) return
        schedule.tell(process.name, () => `<-- reset: failed, ${brief(error)}`)
        this.#operator = undefined
        if (!isStreamsError(error) || !error.retryable)
          auditor.fail('L1', `a reset failed with ${error instanceof Error ? error.stack : String(error)}`)
      },
    )
  }
}
