import { isStreamsError, StreamsError } from '../errors.ts'
import type { TaskItem } from '../state/backend.ts'
import { fence, holdTask } from './held-task.ts'
import { type InvocationOutcome, type InvocationRequest, type InvocationStats, taskIdOf } from './invocation-request.ts'
import type { Ended } from './release.ts'
import { isWarm } from './task-memory.ts'

/** The lease outlives the invocation by this: nobody takes it from a holder that is still writing. */
const leaseSlackMs = 10_000

/**
 * One run for one task (protocol §5): ACQUIRE, then under the lease FENCE, SYNC, and chunks of READ, COMPUTE, TXN, COMMIT,
 * FLUSH, then RELEASE; over a warm session only as much of it as is needed (§7, C and C'). It resolves only when all that it
 * owes is done or recorded as a bell; it throws only when neither Kafka nor the table could be reached, or at a record that
 * cannot be processed.
 */
export const runInvocation = async (request: InvocationRequest): Promise<InvocationOutcome> => {
  const stats: InvocationStats = { transactions: 0, recordsRead: 0, recordsWritten: 0, rowsWritten: 0 }
  const token = request.ports.token()
  let maySteal = request.trigger.kind === 'delivery'
  let alone = needsNoLease(request)
  const before = alone ? doneBefore(request) : undefined
  if (before) return { ...stats, ...before }
  let early = alone || !fencesEarly(request) ? undefined : fence(request)
  // told under the lease
  early?.catch(() => undefined)
  for (let attempt = 1; ; attempt++) {
    const lease = alone ? undefined : await acquire(request, token, maySteal).finally(() => early?.catch(() => undefined))
    if (lease && !lease.won) {
      await early?.then(
        (session) => session.close(),
        () => undefined,
      )
      return { ...stats, ...lease.ended }
    }
    if (lease) maySteal = false
    try {
      const ended = await holdTask({ ...request, token, item: lease?.item, stats, early })
      if (ended) return { ...stats, ...ended }
    } catch (error) {
      request.memory.forget()
      if (!goesOn(error) || outOfTime(request)) throw error
      request.ports.log({ level: 'warn', message: 'starting over', attempt, code: error.code, reason: error.message, ...taskIdOf(request) })
    }
    alone = false
    early = undefined
  }
}

/**
 * ACQUIRE and FENCE at once (protocol §6) where nobody but a tick could hold the task: whoever loses the lease has fenced its holder, which
 * is safe, but work done twice.
 */
const fencesEarly = ({ plan, trigger, memory: { kept }, ports }: InvocationRequest): boolean =>
  trigger.kind === 'delivery' && plan.sources.size === 1 && !(kept && isWarm(kept, { item: undefined, nowMs: ports.clock.nowMs() }))

/**
 * A warm session is enough (protocol §7, C') where no other source and no clock comes between: whoever else commits fences it, and then the
 * lease decides.
 */
const needsNoLease = ({ plan, trigger, memory: { kept }, ports }: InvocationRequest): boolean =>
  kept !== undefined &&
  trigger.kind === 'delivery' &&
  plan.sources.size === 1 &&
  !kept.task.wakeMs &&
  isWarm(kept, { item: undefined, nowMs: ports.clock.nowMs() })

/** A delivery that comes again is done as long as nobody rewinds: positions only grow, and a reset rings. */
const doneBefore = ({ trigger, memory: { kept } }: InvocationRequest): Ended | undefined => {
  if (!kept || trigger.kind === 'tick') return undefined
  const { seq, positions } = kept.commit
  return (positions[trigger.topic] ?? -1) >= trigger.target ? { result: 'done', seq, positions } : undefined
}

/** Errors after which the truth is in the log: acquire again and read it. */
const goesOn = (error: unknown): error is StreamsError =>
  isStreamsError(error, 'FENCED') || isStreamsError(error, 'TRANSACTION_ABORTED') || isStreamsError(error, 'OUTCOME_UNKNOWN')

const outOfTime = ({ ports, deadlineMs }: InvocationRequest): boolean => ports.clock.nowMs() > deadlineMs - 2_000

type Lease = { readonly won: true; readonly item: TaskItem } | { readonly won: false; readonly ended: Ended }

/** ACQUIRE, and RING where another holds the task. */
const acquire = async (request: InvocationRequest, token: string, steal: boolean): Promise<Lease> => {
  const { ports, trigger, deadlineMs } = request
  const task = taskIdOf(request)
  const source = trigger.kind === 'tick' ? 'tick' : `src:${trigger.topic}`
  for (;;) {
    const nowMs = ports.clock.nowMs()
    if (nowMs > deadlineMs)
      throw new StreamsError('DEADLINE_EXCEEDED', `No time left to take over task ${task.subTopology}/${task.partition}`)
    const { won, item } = await ports.table.acquire(
      task,
      { token, source, nowMs, expiresAtMs: deadlineMs + leaseSlackMs, steal },
      deadlineMs,
    )
    if (won) return { won, item }
    const seen = { seq: item.checkpoint?.seq ?? 0, positions: item.checkpoint?.positions ?? {} }
    if (trigger.kind === 'tick') return { won: false, ended: { result: 'held', ...seen } }
    const rung = await ports.table.ring(task, { token, topic: trigger.topic, target: trigger.target }, deadlineMs)
    if (rung === 'rung') return { won: false, ended: { result: 'rung', ...seen } }
  }
}
