import type { Random } from '../conformance/fuzz/random.ts'
import { type Blow, type CallFault, type Event, type Fault, type Faults, refusal, unanswered } from './faults.ts'
import type { Request } from './network.ts'
import type { Process } from './process.ts'
import type { Moment, Schedule } from './schedule.ts'
import { brief } from './trace.ts'

export interface RequestsOptions {
  readonly schedule: Schedule
  readonly faults: Faults
  readonly faultsMax: number
  /** Some answers need no step of their own. */
  readonly answersAtOnce: boolean
  /** Of the schedule, and of what fails. */
  readonly choices: Random
  readonly faultChoices: Random
  crash(process: Process, inFlight: readonly Moment[]): void
  /** Something happens beside the calls, near the process that made one. */
  happen(event: Event, near: Process): void
}

/** The way of each request to where it takes effect, and of its answer back. */
export class Requests {
  readonly injected = new Map<Fault, number>()
  /** Partitions that the broker which is being asked has not caught up on. */
  behind: ReadonlySet<string> = new Set()
  /** Whether that broker stood still. */
  stale = false
  readonly #options: RequestsOptions
  readonly #schedule: Schedule
  #left: number

  constructor(options: RequestsOptions) {
    this.#options = options
    this.#schedule = options.schedule
    this.#left = options.faultsMax
  }

  get mayFail(): boolean {
    return !this.#schedule.calm && this.#left > 0
  }

  count(fault: Fault): void {
    this.#left--
    this.injected.set(fault, (this.injected.get(fault) ?? 0) + 1)
  }

  send(request: Request, unsent = false): void {
    const { process } = request
    this.#schedule.park({ kind: 'request', process, unsent, run: () => this.#arrive(request, unsent) })
  }

  /** Its process is gone, and it is on its way all the same. */
  late(request: Request): void {
    const { process, apply } = request
    const run = (): void => {
      const outcome = this.#tell(`(${process.name})`, request, 'arrives late')
      apply().then(outcome, outcome)
    }
    this.#schedule.park({ kind: 'late request', run })
  }

  /** A line of the trace, whose end is known when what it returns is called. */
  #tell(who: string, { call }: Request, how: string): (outcome: unknown) => void {
    let words = 'under way'
    this.#schedule.tell(who, () => `${[call.name, call.about()].join(' ').trim()}: ${how}${how === '' ? '' : ', '}${words}`)
    return (outcome) => {
      words = brief(outcome)
    }
  }

  #arrive(request: Request, wasFrozen: boolean): void {
    const { process } = request
    const blow: Blow | undefined = this.mayFail && !wasFrozen && !process.gone ? this.#options.faults.at(request) : undefined
    if (blow?.fault) this.count(blow.fault)
    this.#meet(request, blow?.fault)
    for (const event of blow?.events ?? []) this.#options.happen(event, process)
  }

  #meet(request: Request, fault: CallFault | undefined): void {
    const { call, process } = request
    switch (fault) {
      case undefined:
      case 'answer lost':
      case 'done but refused':
      case 'sent twice':
        this.#apply(request, fault)
        break
      case 'copied':
        this.late(request)
        this.#apply(request, fault)
        break
      case 'behind':
        this.behind = new Set(
          call
            .about()
            .split(' ')
            .map((at) => at.split('@')[0] ?? ''),
        )
        this.#apply(request, fault)
        this.behind = new Set()
        break
      case 'stale':
        this.stale = true
        this.#apply(request, fault)
        this.stale = false
        break
      case 'crash after':
        this.#apply(request, fault)
        this.crash(process)
        break
      case 'freeze after':
        this.#apply(request, fault)
        process.frozen = true
        break
      default:
        this.#withhold(request, fault)
    }
  }

  /** Faults with which it does not arrive, or not now. */
  #withhold(
    request: Request,
    fault: 'request lost' | 'request late' | 'refused' | 'crash before' | 'crash, request late' | 'freeze before',
  ): void {
    const { call, process } = request
    this.#tell(process.name, request, fault)(new Error('not done'))
    switch (fault) {
      case 'request lost':
        this.#answer(request, { error: unanswered(call.name) })
        break
      case 'request late':
        this.late(request)
        this.#answer(request, { error: unanswered(call.name) })
        break
      case 'refused':
        this.#answer(request, { error: refusal(call.name, this.#options.faultChoices) })
        break
      case 'crash before':
        this.crash(process)
        break
      case 'crash, request late':
        this.crash(process)
        this.late(request)
        break
      case 'freeze before':
        process.frozen = true
        this.send(request, true)
        break
      default:
        fault satisfies never
    }
  }

  /** Does what was asked; the answer sets out when it is there, which for markers may be later. */
  #apply(request: Request, fault: CallFault | undefined): void {
    const { call, process } = request
    const tell = this.#tell(process.gone ? `(${process.name})` : process.name, request, fault ?? '')
    const once = request.apply()
    const done = fault === 'sent twice' ? once.then(() => request.apply()) : once
    done.then(
      (value) => {
        tell(value)
        if (fault === 'answer lost') this.#answer(request, { error: unanswered(call.name) })
        else if (fault === 'done but refused') this.#answer(request, { error: refusal(call.name, this.#options.faultChoices) })
        else this.#answer(request, { value })
      },
      (error: unknown) => {
        tell(error)
        this.#answer(request, { error })
      },
    )
  }

  #answer({ process, ...request }: Request, { value, error }: { readonly value?: unknown; readonly error?: unknown }): void {
    if (process.gone) return
    const run = (): void => {
      if (error === undefined) request.answer(value)
      else request.fail(error)
    }
    // every other answer comes at once: the requests alone decide who is slow, and a run has fewer steps
    if (!process.frozen && this.#options.answersAtOnce && this.#options.choices.chance(0.5)) run()
    else this.#schedule.park({ kind: 'answer', process, run })
  }

  crash(process: Process): void {
    process.gone = true
    const inFlight = this.#schedule.takeAllOf(process)
    for (const { kind, unsent, run } of inFlight)
      if (kind === 'request' && !unsent && this.#options.faultChoices.chance(0.5)) this.#schedule.park({ kind: 'late request', run })
    this.#options.crash(process, inFlight)
  }
}
