import { type ErrorCode, StreamsError } from '../../errors.ts'

const names: Readonly<Record<number, string>> = {
  1: 'OFFSET_OUT_OF_RANGE',
  2: 'CORRUPT_MESSAGE',
  3: 'UNKNOWN_TOPIC_OR_PARTITION',
  5: 'LEADER_NOT_AVAILABLE',
  6: 'NOT_LEADER_OR_FOLLOWER',
  7: 'REQUEST_TIMED_OUT',
  9: 'REPLICA_NOT_AVAILABLE',
  10: 'MESSAGE_TOO_LARGE',
  14: 'COORDINATOR_LOAD_IN_PROGRESS',
  15: 'COORDINATOR_NOT_AVAILABLE',
  16: 'NOT_COORDINATOR',
  17: 'INVALID_TOPIC_EXCEPTION',
  18: 'RECORD_LIST_TOO_LARGE',
  19: 'NOT_ENOUGH_REPLICAS',
  20: 'NOT_ENOUGH_REPLICAS_AFTER_APPEND',
  22: 'ILLEGAL_GENERATION',
  25: 'UNKNOWN_MEMBER_ID',
  29: 'TOPIC_AUTHORIZATION_FAILED',
  30: 'GROUP_AUTHORIZATION_FAILED',
  31: 'CLUSTER_AUTHORIZATION_FAILED',
  32: 'INVALID_TIMESTAMP',
  35: 'UNSUPPORTED_VERSION',
  36: 'TOPIC_ALREADY_EXISTS',
  37: 'INVALID_PARTITIONS',
  38: 'INVALID_REPLICATION_FACTOR',
  40: 'INVALID_CONFIG',
  41: 'NOT_CONTROLLER',
  42: 'INVALID_REQUEST',
  44: 'POLICY_VIOLATION',
  45: 'OUT_OF_ORDER_SEQUENCE_NUMBER',
  46: 'DUPLICATE_SEQUENCE_NUMBER',
  47: 'INVALID_PRODUCER_EPOCH',
  48: 'INVALID_TXN_STATE',
  49: 'INVALID_PRODUCER_ID_MAPPING',
  50: 'INVALID_TRANSACTION_TIMEOUT',
  51: 'CONCURRENT_TRANSACTIONS',
  52: 'TRANSACTION_COORDINATOR_FENCED',
  53: 'TRANSACTIONAL_ID_AUTHORIZATION_FAILED',
  55: 'OPERATION_NOT_ATTEMPTED',
  56: 'KAFKA_STORAGE_ERROR',
  59: 'UNKNOWN_PRODUCER_ID',
  74: 'FENCED_LEADER_EPOCH',
  75: 'UNKNOWN_LEADER_EPOCH',
  78: 'OFFSET_NOT_AVAILABLE',
  87: 'INVALID_RECORD',
  89: 'THROTTLING_QUOTA_EXCEEDED',
  90: 'PRODUCER_FENCED',
  120: 'TRANSACTION_ABORTABLE',
}

export const nameOf = (error: number): string => names[error] ?? `error ${error}`

const oneOf = (...errors: readonly number[]): ((error: number) => boolean) => {
  const set = new Set(errors)
  return (error) => set.has(error)
}

export const isConcurrentTransactions = oneOf(51)
/** The coordinator answered that it did nothing, for now. */
export const isCoordinatorBusy = oneOf(14, 15, 16)
export const isCoordinatorMoved = oneOf(15, 16)
/** The partition has, or gets, another leader; nothing was done. */
export const isLeaderMoved = oneOf(3, 5, 6, 9, 56, 74, 75, 78)
/** A produce that was refused before anything was appended, and may be repeated with the same bytes. */
export const isProduceRepeatable = oneOf(3, 5, 6, 19, 56, 74)

const isAuthorization = oneOf(29, 30, 31, 53)
const isMissing = oneOf(3, 17)
const isRecord = oneOf(2, 10, 18, 32, 87)
const isAborted = oneOf(7, 19, 20, 5, 6, 14, 15, 16, 51, 56, 74)
const isRefused = oneOf(35, 42, 50)

/** The code of an error that ends a transaction session; unknown ones count as fenced: the session is dead, the log tells the rest. */
const sessionCodeOf = (error: number): ErrorCode => {
  if (isAuthorization(error) || isRefused(error)) return 'BROKER_REFUSED'
  if (isMissing(error)) return 'TOPIC_MISSING'
  if (isRecord(error)) return 'RECORD_INVALID'
  return isAborted(error) ? 'TRANSACTION_ABORTED' : 'FENCED'
}

export const sessionError = (error: number, what: string, message: string | null = null): StreamsError =>
  new StreamsError(sessionCodeOf(error), `${what}: the broker answers ${nameOf(error)}${message ? ` (${message})` : ''}`)

/** The error of a read or an administrative request. */
export const requestError = (error: number, what: string, message: string | null = null): StreamsError =>
  new StreamsError(
    isMissing(error) ? 'TOPIC_MISSING' : 'BROKER_REFUSED',
    `${what}: the broker answers ${nameOf(error)}${message ? ` (${message})` : ''}`,
  )
