import { type ErrorCode, StreamsError } from '../../src/errors.ts'
import type { Random } from '../conformance/fuzz/random.ts'
import type { PortCall } from '../runtime/faults.ts'
import type { Request } from './network.ts'

/** What may happen to a request on its way, and to the process that sent it. */
export const callFaults = [
  // it never arrives, and its process is told that nobody answered
  'request lost',
  // the process is told so, and the request arrives later
  'request late',
  // it arrives, and its answer does not
  'answer lost',
  // the part that was asked refuses, without having done anything: an error of the table in protocol §12
  'refused',
  // it did what it was asked, and says that the session is dead
  'done but refused',
  // the client sends it again, as it heard nothing: it arrives twice
  'sent twice',
  // answered, and a copy of it arrives later
  'copied',
  'crash before',
  'crash, request late',
  'crash after',
  'freeze before',
  'freeze after',
  // the broker that answers has only just become the leader, and knows of less than there is
  'behind',
  // the broker that answers stood still, and does not know yet that it leads no more: it tells an old end of the log
  'stale',
] as const
export type CallFault = (typeof callFaults)[number]

/** What may happen beside the calls. */
export const events = ['duplicate', 'tick', 'query', 'crash', 'freeze', 'jump', 'drift'] as const
export type Event = (typeof events)[number]

/** What somebody does to the application while it works. */
export const operations = ['reset', 'deploy', 'silence'] as const
export type Operation = (typeof operations)[number]

export type Fault = CallFault | Event | Operation

const ofKafka: readonly PortCall[] = ['open', 'append', 'commit', 'abort', 'bounds', 'fetch', 'admin']
const ofItem: readonly PortCall[] = ['acquire', 'ring', 'release', 'checkpoint']

/** Whether this can happen to this call. */
export const applies = (fault: CallFault, call: PortCall): boolean => {
  if (fault === 'behind') return call === 'fetch'
  if (fault === 'stale') return call === 'bounds'
  if (fault === 'done but refused') return call === 'commit' || call === 'append'
  // clients repeat what is safe to repeat, and nothing of a transaction
  if (fault === 'sent twice') return ofItem.includes(call) || call === 'put' || call === 'open'
  if (fault === 'copied') return ofItem.includes(call) || call === 'put'
  if (fault === 'request late') return !['bounds', 'fetch', 'get', 'query'].includes(call)
  return true
}

/** What a port says when it hears nothing: the contracts of the ports, not more. */
export const unanswered = (call: PortCall): StreamsError => {
  const code: ErrorCode =
    call === 'append'
      ? 'TRANSACTION_ABORTED'
      : call === 'commit'
        ? 'OUTCOME_UNKNOWN'
        : ofKafka.includes(call)
          ? 'BROKER_UNREACHABLE'
          : 'TABLE_UNREACHABLE'
  return new StreamsError(code, `nobody answered ${call}`)
}

/** What it says when it is refused: throttled tables, dead sessions, coordinators that do not come back in time. */
export const refusal = (call: PortCall, random: Random): StreamsError => {
  const session = call === 'append' || call === 'commit'
  const codes: readonly ErrorCode[] = session
    ? ['FENCED', call === 'append' ? 'TRANSACTION_ABORTED' : 'OUTCOME_UNKNOWN']
    : [ofKafka.includes(call) ? 'BROKER_UNREACHABLE' : 'DEADLINE_EXCEEDED']
  return new StreamsError(random.pick(codes), `${call} was refused`)
}

/** What happens to a request, and right after it beside it. */
export interface Blow {
  readonly fault?: CallFault | undefined
  readonly events?: readonly Event[]
}

/** Decides what happens to each request. */
export interface Faults {
  at(request: Request): Blow | undefined
}

export const noFaults: Faults = { at: () => undefined }
