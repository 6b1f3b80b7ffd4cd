import type { Awaitable } from '../awaitable.ts'
import { StreamsError } from '../errors.ts'
import type { Cancellable, PunctuationType, Punctuator, Schedule } from '../processor/processor.ts'
import { JavaPriorityQueue } from './java-priority-queue.ts'

/** One schedule of one node. */
interface Scheduled {
  readonly node: string
  readonly intervalMs: number
  readonly punctuator: Punctuator
  readonly name: string
  dueMs: number
  cancelled: boolean
}

/** Kept instead of a time once a schedule is cancelled. */
const cancelledForGood = -1

/** Calls a node's punctuator in the right context, and asks the handlers where it throws. */
export type RunPunctuator = (node: string, punctuator: Punctuator, timestampMs: number) => Awaitable<void>

/**
 * The schedules of one task (Kafka's `PunctuationQueue`, S-12). When each is due next outlives the task under
 * `<node>/punctuation/<number>`, so that a rhythm goes on where the invocation before has left it.
 */
export class Punctuations {
  readonly #queues: { readonly [type in PunctuationType]: JavaPriorityQueue<Scheduled> } = {
    STREAM_TIME: new JavaPriorityQueue<Scheduled>((it) => it.dueMs),
    WALL_CLOCK_TIME: new JavaPriorityQueue<Scheduled>((it) => it.dueMs),
  }
  readonly #remembered: Map<string, number>
  readonly #run: RunPunctuator
  readonly #numbers = new Map<string, number>()
  #usesClock = false

  constructor(remembered: Map<string, number>, run: RunPunctuator) {
    this.#remembered = remembered
    this.#run = run
  }

  /** `nowMs` is the schedule's time now, by its type: from the clock's a first interval is counted. */
  add(
    node: string,
    { intervalMs, type, startMs }: Schedule,
    { punctuator, nowMs }: { punctuator: Punctuator; nowMs: number },
  ): Cancellable {
    if (!(intervalMs >= 1)) throw refused(node, `an interval of ${intervalMs} ms: the minimum is 1 millisecond`)
    if (startMs !== undefined && !(startMs >= 0)) throw refused(node, `a start at ${startMs}: it cannot be before 1970`)
    const number = this.#numbers.get(node) ?? 0
    this.#numbers.set(node, number + 1)
    const name = `${node}/punctuation/${number}`
    const dueMs = this.#remembered.get(name) ?? firstDue({ intervalMs, type, nowMs, ...(startMs === undefined ? {} : { startMs }) })
    const scheduled: Scheduled = { node, intervalMs, punctuator, name, dueMs, cancelled: dueMs === cancelledForGood }
    this.#remembered.set(name, dueMs)
    if (type === 'WALL_CLOCK_TIME') this.#usesClock = true
    if (!scheduled.cancelled) this.#queues[type].add(scheduled)
    return {
      cancel: () => {
        scheduled.cancelled = true
        this.#remembered.set(name, cancelledForGood)
      },
    }
  }

  /** When the clock next has something to do; 0 where nothing is left, undefined where nothing ever was. */
  get wakeMs(): number | undefined {
    return this.#usesClock ? (this.#queues.WALL_CLOCK_TIME.peek()?.dueMs ?? 0) : undefined
  }

  isDue(type: PunctuationType, timestampMs: number): boolean {
    const next = this.#queues[type].peek()
    return next !== undefined && next.dueMs <= timestampMs
  }

  /** Fires what is due, each schedule once; undefined where nothing was. */
  async punctuate(type: PunctuationType, timestampMs: number): Promise<void> {
    const queue = this.#queues[type]
    while (this.isDue(type, timestampMs)) {
      const due = queue.poll()
      if (!due || due.cancelled) continue
      await this.#run(due.node, due.punctuator, timestampMs)
      if (due.cancelled) continue
      due.dueMs = nextInRhythm(due.dueMs, due.intervalMs, timestampMs)
      this.#remembered.set(due.name, due.dueMs)
      queue.add(due)
    }
  }
}

/** A start that is over keeps its rhythm. */
const firstDue = ({ intervalMs, type, startMs, nowMs }: Schedule & { readonly nowMs: number }): number => {
  if (startMs === undefined) return type === 'STREAM_TIME' ? 0 : nowMs + intervalMs
  return startMs > nowMs ? startMs : nextInRhythm(startMs, intervalMs, nowMs)
}

/** The first time after `nowMs` that is a whole number of intervals after `startMs`. */
const nextInRhythm = (startMs: number, intervalMs: number, nowMs: number): number =>
  startMs + (Math.floor((nowMs - startMs) / intervalMs) + 1) * intervalMs

const refused = (node: string, why: string): StreamsError =>
  new StreamsError('CONFIG_INVALID', `Node ${node} schedules a punctuation with ${why}`)
