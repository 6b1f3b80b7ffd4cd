import type { Random } from '../conformance/fuzz/random.ts'
import { startMs } from './apps.ts'
import type { Process } from './process.ts'
import type { Profile } from './profile.ts'
import { Trace } from './trace.ts'

/** Something that waits to happen. */
export interface Moment {
  readonly kind: 'request' | 'answer' | 'wait' | 'marker' | 'late request' | 'input'
  readonly process?: Process
  /** A request that a frozen process is only about to send. */
  readonly unsent?: boolean
  run(): void
}

/** A moment that no process waits for, with its weight. */
export interface Alternative {
  readonly weight: number
  run(): void
}

/** A frozen process gets no answers and sends nothing; what it has sent goes its way. */
const isReady = ({ kind, process, unsent }: Moment): boolean => !process?.frozen || (kind === 'request' && unsent !== true)

/** Everything that waits, the clock, and the choice of what is next. */
export class Schedule {
  readonly trace = new Trace()
  nowMs = startMs
  step = 0
  /** Nothing fails any more. */
  calm = false
  readonly #profile: Profile
  readonly #choices: Random
  #moments: Moment[] = []
  #last: Process | undefined

  constructor(profile: Profile, choices: Random) {
    this.#profile = profile
    this.#choices = choices
  }

  get isEmpty(): boolean {
    return this.#moments.length === 0
  }

  park(moment: Moment): void {
    this.#moments.push(moment)
  }

  /** What a process has sent and waits for; the schedule forgets it. */
  takeAllOf(process: Process): readonly Moment[] {
    const all = this.#moments.filter((moment) => moment.process === process)
    this.#moments = this.#moments.filter((moment) => moment.process !== process)
    return all
  }

  tell(who: string, what: () => string): void {
    this.trace.add(this.step, this.nowMs - startMs, who, what)
  }

  /** Lets one thing happen; false where nothing can. An alternative without weight only happens if nothing else can. */
  next(alternatives: readonly Alternative[]): boolean {
    const ready = this.#moments.filter(isReady)
    const own = ready.filter(({ process }) => process !== undefined && process === this.#last)
    if (this.#profile.policy === 'sticky' && own.length > 0 && this.#choices.chance(0.93)) return this.#take(this.#choices.pick(own))
    if (ready.length === 0) {
      const other = alternatives.find(({ weight }) => weight > 0) ?? alternatives[0]
      other?.run()
      return other !== undefined
    }
    const total = ready.reduce((sum, moment) => sum + this.#weight(moment), 0)
    let at = this.#choices.next() * alternatives.reduce((sum, { weight }) => sum + weight, total)
    if (at < total) return this.#take(this.#oneOf(ready, at))
    at -= total
    for (const { weight, run } of alternatives) {
      at -= weight
      if (at >= 0) continue
      run()
      break
    }
    return true
  }

  #oneOf(ready: readonly Moment[], at: number): Moment {
    if (this.#profile.policy === 'oldest') {
      const isOwn = ({ kind }: Moment): boolean => kind === 'request' || kind === 'answer'
      const oldest = ready.find(isOwn)
      const others = ready.filter((moment) => !isOwn(moment))
      if (oldest && (others.length === 0 || this.#choices.chance(0.9))) return oldest
      return this.#choices.pick(others)
    }
    let left = at
    for (const moment of ready) {
      left -= this.#weight(moment)
      if (left < 0) return moment
    }
    return ready[ready.length - 1] as Moment
  }

  #take(moment: Moment): boolean {
    this.#moments.splice(this.#moments.indexOf(moment), 1)
    this.#last = moment.process
    moment.run()
    return true
  }

  #weight({ kind }: Moment): number {
    const { markers, lateRequests } = this.#profile
    switch (kind) {
      case 'request':
      case 'answer':
        return 1
      case 'marker':
        return markers
      case 'late request':
        return this.calm ? 1 : lateRequests
      case 'wait':
      case 'input':
        return 0.03
      default:
        return kind satisfies never
    }
  }
}
