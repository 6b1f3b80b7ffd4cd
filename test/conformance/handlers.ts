import type { ErrorHandlerContext, StreamsConfig } from 'millrace'
import { ScenarioError } from './expressions.ts'
import type { Scenario } from './scenario.ts'
import { show } from './values.ts'

type Handlers = Pick<
  StreamsConfig,
  | 'deserialization.exception.handler'
  | 'processing.exception.handler'
  | 'production.exception.handler'
  | 'errors.dead.letter.queue.topic.name'
  | 'processing.exception.handler.global.enabled'
>

/** The handlers of README section 1.1 by name; a name that is not here makes the scenario unsupported. */
export const handlersKnown: Readonly<Record<string, readonly string[]>> = {
  'deserialization.exception.handler': ['LogAndContinue', 'LogAndFail', 'ToCustomDlq'],
  'processing.exception.handler': ['LogAndContinue', 'LogAndFail', 'ByMessage'],
  'production.exception.handler': ['Default', 'Continue'],
}

export const handlersOf = ({ config = {} }: Scenario, log: string[]): Handlers => {
  const deadLetters = config['errors.dead.letter.queue.topic.name']
  return {
    'deserialization.exception.handler': deserialization(config['deserialization.exception.handler']),
    'processing.exception.handler': processing(config['processing.exception.handler'], log),
    'production.exception.handler': production(config['production.exception.handler'], log),
    'processing.exception.handler.global.enabled': config['processing.exception.handler.global.enabled'] === 'true',
    ...(deadLetters === undefined ? {} : { 'errors.dead.letter.queue.topic.name': deadLetters }),
  }
}

const builtIn = (name: string | undefined) => (name === 'LogAndContinue' ? name : 'LogAndFail')

const deserialization = (name: string | undefined): NonNullable<Handlers['deserialization.exception.handler']> =>
  name !== 'ToCustomDlq'
    ? builtIn(name)
    : ({ topic, offset, timestamp, sourceRawKey }) => {
        const value = Buffer.from(`${topic}@${offset}`)
        return { response: 'resume', deadLetters: [{ topic: 'custom-dlq', key: sourceRawKey, value, timestamp, headers: [] }] }
      }

const processing = (name: string | undefined, log: string[]): NonNullable<Handlers['processing.exception.handler']> =>
  name !== 'ByMessage'
    ? builtIn(name)
    : ({ node, topic, partition, offset, timestamp, taskId }: ErrorHandlerContext, record, error) => {
        const [type, message] = error instanceof ScenarioError ? ['IllegalStateException', error.message] : ['Error', String(error)]
        const where = `node=${node} topic=${topic} partition=${partition} offset=${offset} ts=${timestamp} task=${taskId}`
        log.push(
          `handler ${where} record=${record === null ? 'none' : `${show(record.key)}:${show(record.value)}`} error=${type}: ${message}`,
        )
        return message.startsWith('fatal') ? 'fail' : 'resume'
      }

const production = (name: string | undefined, log: string[]): NonNullable<Handlers['production.exception.handler']> =>
  name !== 'Continue'
    ? 'LogAndFail'
    : ({ node }, { topic, origin }) => {
        log.push(`serialization ${origin} topic=${topic} node=${node}`)
        return 'resume'
      }
