import { createDynamoDb } from '../adapters/dynamodb/dynamodb.ts'
import { createKafkaJs } from '../adapters/kafkajs/kafkajs.ts'
import { StreamsError } from '../errors.ts'
import type { KafkaPorts } from '../runtime/ports.ts'
import type { TableBackend } from '../state/backend.ts'
import { type KafkaAuthSetting, kafkaSecurity } from './kafka-security.ts'

/** The cluster and the table of one application. */
export interface Adapters {
  readonly kafka: KafkaPorts
  readonly table: TableBackend
}

/** Who the function is, as its environment variables say. */
export interface Identity {
  readonly applicationId: string
  /** Stable name of the sub-topology. */
  readonly subTopology: string
}

const required = (name: string): string => {
  const value = process.env[name]
  if (value) return value
  throw new StreamsError('CONFIG_INVALID', `The environment variable ${name} is not set`, {
    remedy: 'The deployed stack sets it; outside of it pass the option of streamsHandler instead.',
  })
}

export const identityFromEnvironment = (): Identity => ({
  applicationId: required('MILLRACE_APPLICATION_ID'),
  subTopology: required('MILLRACE_SUB_TOPOLOGY'),
})

/**
 * Adapters by `MILLRACE_BROKERS` (comma-separated), `MILLRACE_AUTH` (JSON: the kind, and the ARN of a secret, never the
 * secret), `MILLRACE_TABLE`, and the SDK's own `AWS_REGION` and `AWS_ENDPOINT_URL_DYNAMODB`. Without `MILLRACE_AUTH` the
 * brokers must be on this machine.
 */
export const adaptersFromEnvironment = async (): Promise<Adapters> => {
  const brokers = required('MILLRACE_BROKERS').split(',')
  const kafka = createKafkaJs({ brokers, ...(await kafkaSecurity(authSetting(brokers), process.env)) })
  return { kafka, table: createDynamoDb({ table: required('MILLRACE_TABLE') }) }
}

const authSetting = (brokers: readonly string[]): KafkaAuthSetting => {
  const text = process.env.MILLRACE_AUTH
  if (text) return JSON.parse(text) as KafkaAuthSetting
  if (brokers.every((broker) => /^(localhost|127\.|\[::1\])/.test(broker))) return { kind: 'none' }
  throw new StreamsError('CONFIG_INVALID', `MILLRACE_AUTH is not set and ${brokers.join(', ')} is not on this machine`, {
    remedy: 'Set MILLRACE_AUTH, e.g. {"kind":"iam"}; {"kind":"none"} allows an open cluster.',
  })
}
