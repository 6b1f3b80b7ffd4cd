import { describe, expect, it } from 'vitest'
import { type ErrorCode, isStreamsError, messageOf, StreamsError } from '../src/errors.ts'

const shown = ({ name, message, code, retryable, remedy, cause }: StreamsError) => ({ name, message, code, retryable, remedy, cause })

describe('an error', () => {
  it('has a code, what happened, whether the same may succeed later, and what to do', () => {
    expect(shown(new StreamsError('FENCED', 'somebody else has it'))).toEqual({
      ...{ name: 'StreamsError', message: 'somebody else has it', code: 'FENCED', retryable: true, cause: undefined },
      remedy: 'Another invocation has taken the task over; nothing is lost.',
    })
  })

  it('takes a remedy of its own, and keeps its cause', () => {
    const cause = new Error('below')
    expect(shown(new StreamsError('TOPIC_MISSING', 'no topic', { cause, remedy: 'Make it.' }))).toEqual({
      ...{ name: 'StreamsError', message: 'no topic', code: 'TOPIC_MISSING', retryable: false, remedy: 'Make it.', cause },
    })
    expect(Object.hasOwn(new StreamsError('TOPIC_MISSING', 'no topic'), 'cause')).toBe(false)
  })

  it.each<readonly [ErrorCode, boolean]>([
    ['TRANSACTION_ABORTED', true],
    ['OUTCOME_UNKNOWN', true],
    ['BROKER_UNREACHABLE', true],
    ['TABLE_UNREACHABLE', true],
    ['DEADLINE_EXCEEDED', true],
    ['PROCESSING_FAILED', false],
    ['SERDE_FAILED', false],
    ['STATE_TOO_LARGE', false],
    ['LOG_TRUNCATED', false],
    ['TOPOLOGY_INVALID', false],
  ])('%s may succeed later: %s', (code, retryable) => {
    expect(new StreamsError(code, '').retryable).toBe(retryable)
  })

  it('is known by its class and its code, never by its text', () => {
    const error = new StreamsError('FENCED', 'SERDE_FAILED')
    const asked = [isStreamsError(error), isStreamsError(error, 'FENCED'), isStreamsError(error, 'SERDE_FAILED')]
    expect(asked).toEqual([true, true, false])
    expect([new Error('FENCED'), { code: 'FENCED' }, 'FENCED', undefined].map((other) => isStreamsError(other, 'FENCED'))).toEqual([
      ...[false, false, false, false],
    ])
  })

  it('of any kind has a text', () => {
    expect([new Error('one'), 'two', 3, null, undefined, { a: 1 }].map(messageOf)).toEqual([
      'one',
      'two',
      '3',
      'null',
      'undefined',
      '[object Object]',
    ])
  })
})
