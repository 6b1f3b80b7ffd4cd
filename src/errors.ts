/**
 * Every way Millrace can fail on purpose. A caller matches on `error.code`, never on the message.
 * `retryable` says whether the same call may succeed later without a change; `remedy` says what a person can do.
 */
const codes = {
  TOPOLOGY_INVALID: { retryable: false, remedy: 'Change the topology: the message names the operator.' },
  CONFIG_INVALID: { retryable: false, remedy: 'Correct the configuration value that the message names.' },
  SERDE_FAILED: { retryable: false, remedy: 'Check that the serde fits the bytes on the topic, or set a deserialization handler.' },
  RECORD_INVALID: {
    retryable: false,
    remedy: 'Correct the record or handle it in the topology: the message names topic, partition and offset.',
  },
  PROCESSING_FAILED: { retryable: false, remedy: 'Correct the callback that threw: the message names the node and the record.' },
  STATE_TOO_LARGE: {
    retryable: false,
    remedy: 'DynamoDB takes keys up to 1,023 bytes and items up to 400 KB: shorten the key or split the value.',
  },
  TOPIC_MISSING: { retryable: false, remedy: 'Create the topic, or correct its name in the topology.' },
  TOPIC_MISMATCH: { retryable: false, remedy: 'Give the topic the partition count and configuration that the message names.' },
  TOPOLOGY_MISMATCH: {
    retryable: false,
    remedy: 'Deploy code that fits what was committed, or reset the application (docs/operations.md).',
  },
  LOG_TRUNCATED: {
    retryable: false,
    remedy:
      'Records that were not processed are gone from the topic. Go on with the first that is there: millrace reset --skip-lost; or begin anew: millrace reset (docs/operations.md).',
  },
  FENCED: { retryable: true, remedy: 'Another invocation has taken the task over; nothing is lost.' },
  TRANSACTION_ABORTED: { retryable: true, remedy: 'The transaction was rolled back; the same records are processed again.' },
  OUTCOME_UNKNOWN: { retryable: true, remedy: 'The answer to EndTxn was lost; the next invocation reads the log to learn the outcome.' },
  BROKER_UNREACHABLE: { retryable: true, remedy: 'Check the bootstrap servers, the network path and the listener security.' },
  BROKER_REFUSED: { retryable: false, remedy: 'The broker refused the request: the message has its error code.' },
  TABLE_UNREACHABLE: { retryable: true, remedy: 'Check the table endpoint, the region and the network path.' },
  TABLE_REFUSED: { retryable: false, remedy: 'DynamoDB refused the request: the message has its error name.' },
  DEADLINE_EXCEEDED: { retryable: true, remedy: 'The time of the invocation ran out; the work goes on in the next one.' },
  EVENT_INVALID: { retryable: false, remedy: 'Invoke the function from a Kafka event source mapping or from its schedule.' },
  INPUT_INVALID: { retryable: false, remedy: 'Correct the input that the message names.' },
} as const

export type ErrorCode = keyof typeof codes

/** The one error class. The message says what happened and to what; `remedy` says what to do about it. */
export class StreamsError extends Error {
  override readonly name = 'StreamsError'
  readonly code: ErrorCode
  readonly retryable: boolean
  readonly remedy: string

  constructor(code: ErrorCode, message: string, options?: { readonly cause?: unknown; readonly remedy?: string }) {
    super(message, options?.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.retryable = codes[code].retryable
    this.remedy = options?.remedy ?? codes[code].remedy
  }
}

export const isStreamsError = (error: unknown, code?: ErrorCode): error is StreamsError =>
  error instanceof StreamsError && (code === undefined || error.code === code)

/** The text of anything that was thrown. */
export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))
