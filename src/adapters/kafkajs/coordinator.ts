import { isStreamsError, messageOf, StreamsError } from '../../errors.ts'
import type { Api, CoordinatorType } from './apis.ts'
import { isConcurrentTransactions, isCoordinatorBusy, isCoordinatorMoved, nameOf } from './broker-errors.ts'
import { backOff, type Coordinators, within } from './cluster.ts'
import { Unanswered } from './connection.ts'

/** A repeatable request is given up on one socket after this time and sent again on another. */
const attemptMsMax = 5_000

export interface CoordinatorCall<Request, Answer> {
  readonly api: Api<Request, Answer>
  readonly request: Request
  readonly type: CoordinatorType
  readonly key: string
  readonly errorOf: (answer: Answer) => number
  /** Whether the request may be sent again after silence. */
  readonly repeatable: boolean
  readonly deadlineMs: number
}

/** `doubtful`: a try of this call may have taken effect although nobody said so. */
export type Verdict<Answer> =
  | { readonly kind: 'answered'; readonly answer: Answer; readonly error: number; readonly doubtful: boolean }
  | { readonly kind: 'silent'; readonly failure: StreamsError; readonly doubtful: boolean }

/**
 * One request to the coordinator of a transactional id or a group. Answers that say "not now" or "not here" are
 * followed until the deadline; any other error code is the caller's to judge.
 */
export const askCoordinator = async <Q, A>(cluster: Coordinators, call: CoordinatorCall<Q, A>): Promise<Verdict<A>> => {
  const { api, key, type, deadlineMs } = call
  let doubtful = false
  let answered = false
  for (let attempt = 0; ; attempt++) {
    let concurrent = false
    let reason: string
    try {
      const to = await cluster.coordinatorOf(type, key, deadlineMs)
      const answer = await cluster.send(to, api, call.request, call.repeatable ? within(deadlineMs, attemptMsMax) : deadlineMs)
      const error = call.errorOf(answer)
      answered = true
      concurrent = isConcurrentTransactions(error)
      if (!concurrent && !isCoordinatorBusy(error)) return { kind: 'answered', answer, error, doubtful }
      reason = nameOf(error)
      doubtful ||= !concurrent
      if (isCoordinatorMoved(error)) cluster.forgetCoordinator(type, key)
    } catch (error) {
      reason = messageOf(error)
      if (error instanceof Unanswered) {
        cluster.forgetCoordinator(type, key)
        doubtful ||= error.sent
        if (error.sent && !call.repeatable) return silent('BROKER_UNREACHABLE', `${api.name} of ${key}: ${reason}`, doubtful)
      } else if (!doubtful || !isStreamsError(error, 'BROKER_UNREACHABLE')) {
        if (!isStreamsError(error)) throw error
        return { kind: 'silent', failure: error, doubtful }
      }
    }
    if (Date.now() >= deadlineMs) {
      return silent(
        answered ? 'DEADLINE_EXCEEDED' : 'BROKER_UNREACHABLE',
        `${api.name} of ${key}: no time is left after ${reason}`,
        doubtful,
      )
    }
    await backOff(attempt, concurrent)
  }
}

const silent = (code: 'BROKER_UNREACHABLE' | 'DEADLINE_EXCEEDED', message: string, doubtful: boolean) =>
  ({ kind: 'silent', failure: new StreamsError(code, message), doubtful }) as const
