import { messageOf, StreamsError } from '../errors.ts'
import type { Headers, Record } from './record.ts'

/** Where an error happened (Kafka's `ErrorHandlerContext`). */
export interface ErrorHandlerContext {
  /** Of the input record; null where there is none. */
  readonly topic: string | null
  readonly partition: number
  readonly offset: number
  /** Event time, Unix milliseconds. */
  readonly timestamp: number
  readonly headers: Headers
  readonly node: string
  readonly taskId: string
  /** The input record as it was read. */
  readonly sourceRawKey: Uint8Array | null
  readonly sourceRawValue: Uint8Array | null
}

/** A record for a dead letter queue. Its partition follows its key. */
export interface DeadLetter {
  readonly topic: string
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly timestamp: number
  readonly headers: Headers
}

/**
 * `fail` stops the task at the record: nothing of the transaction is kept, and the record comes again. `resume` drops the
 * record at this node and goes on; dead letters are then written in the same transaction.
 */
export type HandlerResponse =
  | 'fail'
  | 'resume'
  | { readonly response: 'fail' }
  | { readonly response: 'resume'; readonly deadLetters: readonly DeadLetter[] }

/** Asked when an input record cannot be deserialized (S-42). */
export type DeserializationExceptionHandler = (context: ErrorHandlerContext, error: unknown) => HandlerResponse

/** Asked when a node throws while it processes a record (KIP-1033), or while it punctuates: then without a record. */
export type ProcessingExceptionHandler = (
  context: ErrorHandlerContext,
  record: Record<unknown, unknown> | null,
  error: unknown,
) => HandlerResponse

/** Asked when an output record cannot be serialized (KIP-399). A value of the wrong type is a mistake of the program and not asked for. */
export type ProductionExceptionHandler = (
  context: ErrorHandlerContext,
  output: { readonly topic: string; readonly record: Record<unknown, unknown>; readonly origin: 'KEY' | 'VALUE' },
  error: unknown,
) => HandlerResponse

/** Kafka's built-in handlers, by the name of their classes without `ExceptionHandler`. `LogAndContinue` counts what it drops. */
export type BuiltInHandler = 'LogAndFail' | 'LogAndContinue'

export interface ExceptionHandlers {
  readonly deserialization: DeserializationExceptionHandler | BuiltInHandler
  readonly processing: ProcessingExceptionHandler | BuiltInHandler
  readonly production: ProductionExceptionHandler | BuiltInHandler
  /** Where `LogAndContinue` sends what it drops (KIP-1034). */
  readonly deadLetterTopic: string | undefined
  /** Whether the processing handler is asked for nodes of global stores too (KIP-1270). */
  readonly alsoGlobal: boolean
}

export const defaultHandlers: ExceptionHandlers = Object.freeze({
  deserialization: 'LogAndFail',
  processing: 'LogAndFail',
  production: 'LogAndFail',
  deadLetterTopic: undefined,
  alsoGlobal: false,
})

/** What a handler decides: undefined to fail, else the dead letters to write. A handler that throws, or answers nothing of the kind, is PROCESSING_FAILED. */
export const decide = (
  handler: BuiltInHandler | (() => HandlerResponse),
  deadLetterTopic: string | undefined,
  failure: { readonly context: ErrorHandlerContext; readonly error: unknown },
): readonly DeadLetter[] | undefined => {
  if (handler === 'LogAndFail') return undefined
  if (handler === 'LogAndContinue') return deadLetterTopic === undefined ? [] : [deadLetterOf(deadLetterTopic, failure)]
  const answer = answerOf(handler, failure)
  if (answer === 'resume') return []
  return typeof answer === 'object' ? answer.deadLetters : undefined
}

type Answer = 'fail' | 'resume' | { readonly response: 'resume'; readonly deadLetters: readonly DeadLetter[] }

const answerOf = (
  handler: () => HandlerResponse,
  { context, error }: { readonly context: ErrorHandlerContext; readonly error: unknown },
): Answer => {
  const { node, topic, partition, offset } = context
  const place = topic === null ? '' : ` at ${topic}/${partition}@${offset}`
  const at = `The exception handler of node ${node}${place}, asked about "${messageOf(error)}",`
  let answer: HandlerResponse
  try {
    answer = handler()
  } catch (cause) {
    throw new StreamsError('PROCESSING_FAILED', `${at} threw: ${messageOf(cause)}`, { cause })
  }
  if (answer === 'fail' || answer === 'resume') return answer
  if (answer?.response === 'fail') return 'fail'
  if (answer?.response === 'resume' && Array.isArray(answer.deadLetters)) return answer
  throw new StreamsError('PROCESSING_FAILED', `${at} answered ${JSON.stringify(answer) ?? 'nothing'}`, {
    remedy: "Answer 'fail', 'resume', or { response: 'resume', deadLetters }.",
  })
}

const text = (value: unknown): Uint8Array => Buffer.from(String(value), 'utf8')

/** The input record as it came, with Kafka's headers about the error (S-43). */
const deadLetterOf = (
  topic: string,
  { context, error }: { readonly context: ErrorHandlerContext; readonly error: unknown },
): DeadLetter => ({
  topic,
  key: context.sourceRawKey,
  value: context.sourceRawValue,
  timestamp: context.timestamp,
  headers: [
    ...context.headers,
    ['__streams.errors.exception', text(error instanceof Error ? error.name : typeof error)],
    ['__streams.errors.message', text(error instanceof Error ? error.message : error)],
    ['__streams.errors.stacktrace', text(error instanceof Error ? error.stack : '')],
    ['__streams.errors.topic', text(context.topic)],
    ['__streams.errors.partition', text(context.partition)],
    ['__streams.errors.offset', text(context.offset)],
  ],
})
