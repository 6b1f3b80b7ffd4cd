import { isStreamsError } from '../errors.ts'
import type { ContextHolder } from '../processor/context.ts'
import { type DeadLetter, decide, type ErrorHandlerContext, type ExceptionHandlers } from '../processor/exception-handlers.ts'
import type { Record } from '../processor/record.ts'
import type { FetchedRecord } from './ports.ts'

/** What a task does about errors: asks the handlers, counts what is dropped, and keeps dead letters for the commit. */
export interface Failures {
  /** True: the record is dropped and the task goes on. */
  deserialization(at: { readonly node: string; readonly topic: string; readonly raw: FetchedRecord }, error: unknown): boolean
  /** `record` is null while punctuating. */
  processing(node: string, record: Record<unknown, unknown> | null, error: unknown): boolean
  production(
    node: string,
    output: { readonly topic: string; readonly record: Record<unknown, unknown>; readonly origin: 'KEY' | 'VALUE' },
    error: unknown,
  ): boolean
  /** Marks an error as decided: nodes further up do not ask again. */
  final(error: unknown): unknown
  takeDeadLetters(): readonly DeadLetter[]
}

export interface FailureScope {
  readonly handlers: ExceptionHandlers
  readonly holder: ContextHolder
  readonly taskId: string
  readonly partition: number
  dropped(node: string, why: string): void
}

const noLetters: readonly DeadLetter[] = Object.freeze([])

const codesOfRecords: ReadonlySet<string> = new Set(['PROCESSING_FAILED', 'SERDE_FAILED', 'RECORD_INVALID', 'STATE_TOO_LARGE'])

/** Only what the record or the code that handles it has done: a table that does not answer must never cost a record. */
const isOfRecord = (error: unknown): boolean => !isStreamsError(error) || codesOfRecords.has(error.code)

export const createFailures = ({ handlers, holder, taskId, partition, dropped }: FailureScope): Failures => {
  const decided = new WeakSet<object>()
  let letters: DeadLetter[] = []
  const contextAt = (node: string): ErrorHandlerContext => {
    const {
      topic = '',
      partition: from = -1,
      offset = -1,
      timestamp = -1,
      headers = [],
      rawKey = null,
      rawValue = null,
    } = holder.current ?? {}
    return {
      topic: topic === '' ? null : topic,
      partition: from,
      offset,
      timestamp,
      headers,
      node,
      taskId,
      sourceRawKey: rawKey,
      sourceRawValue: rawValue,
    }
  }
  const settle = (node: string, why: string, answer: readonly DeadLetter[] | undefined): boolean => {
    if (!answer) return false
    letters.push(...answer)
    dropped(node, why)
    return true
  }
  /** What a handler that failed itself throws is final. */
  const asked = (...of: Parameters<typeof decide>): ReturnType<typeof decide> => {
    try {
      return decide(...of)
    } catch (error) {
      decided.add(error as object)
      throw error
    }
  }
  return {
    deserialization: ({ node, topic, raw }, error) => {
      const { offset, timestamp, headers, key, value } = raw
      const context = { topic, partition, offset, timestamp, headers, node, taskId, sourceRawKey: key, sourceRawValue: value }
      const { deserialization: handler, deadLetterTopic } = handlers
      const ask = typeof handler === 'function' ? () => handler(context, error) : handler
      return settle(node, 'cannot be read', asked(ask, deadLetterTopic, { context, error }))
    },
    processing: (node, record, error) => {
      if ((typeof error === 'object' && error !== null && decided.has(error)) || !isOfRecord(error)) return false
      const context = contextAt(node)
      const { processing: handler, deadLetterTopic } = handlers
      const ask = typeof handler === 'function' ? () => handler(context, record, error) : handler
      return settle(node, 'failed', asked(ask, deadLetterTopic, { context, error }))
    },
    production: (node, output, error) => {
      const context = contextAt(node)
      const { production: handler, deadLetterTopic } = handlers
      const ask = typeof handler === 'function' ? () => handler(context, output, error) : handler
      return settle(node, 'cannot be written', asked(ask, deadLetterTopic, { context, error }))
    },
    final: (error) => {
      if (typeof error === 'object' && error !== null) decided.add(error)
      return error
    },
    takeDeadLetters: () => {
      if (letters.length === 0) return noLetters
      const taken = letters
      letters = []
      return taken
    },
  }
}
