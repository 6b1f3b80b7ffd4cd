import { createDynamoDb } from '../adapters/dynamodb/dynamodb.ts'
import { createKafkaJs } from '../adapters/kafkajs/kafkajs.ts'
import { messageOf, StreamsError } from '../errors.ts'
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

export const applicationIdFromEnvironment = (): string => required('MILLRACE_APPLICATION_ID')

export const identityFromEnvironment = (): Identity => ({
  applicationId: applicationIdFromEnvironment(),
  subTopology: required('MILLRACE_SUB_TOPOLOGY'),
})

/**
 * Adapters by `MILLRACE_BROKERS` (comma-separated), `MILLRACE_AUTH`, `MILLRACE_TABLE`, and the SDK's own `AWS_REGION` and
 * `AWS_ENDPOINT_URL_DYNAMODB`.
 */
export const adaptersFromEnvironment = async (): Promise<Adapters> => ({
  kafka: await connectKafka(required('MILLRACE_BROKERS').split(',')),
  table: createDynamoDb({ table: required('MILLRACE_TABLE') }),
})

/**
 * The ports of a cluster, secured as `MILLRACE_AUTH` says (JSON: the kind, and the ARN of a secret, never the secret).
 * Without it the brokers must be on this machine: CONFIG_INVALID for any other.
 */
export const connectKafka = async (brokers: readonly string[]): Promise<KafkaPorts> =>
  createKafkaJs({ brokers, ...(await kafkaSecurity(authSetting(brokers), process.env)) })

const authSetting = (brokers: readonly string[]): KafkaAuthSetting => {
  const text = process.env.MILLRACE_AUTH
  if (text) return parseSetting(text)
  if (brokers.every(isOnThisMachine)) return { kind: 'none' }
  throw new StreamsError('CONFIG_INVALID', `MILLRACE_AUTH is not set and ${brokers.join(', ')} is not on this machine`, {
    remedy:
      'Set MILLRACE_AUTH, e.g. {"kind":"iam"} or {"kind":"scram","mechanism":"scram-sha-512","secretArn":"..."}; {"kind":"none"} allows an open cluster.',
  })
}

const isOnThisMachine = (broker: string): boolean => /^(localhost|127(\.\d{1,3}){3}|\[::1\]):\d+$/.test(broker.trim())

const parseSetting = (text: string): KafkaAuthSetting => {
  try {
    const setting: unknown = JSON.parse(text)
    if (typeof setting === 'object' && setting !== null && 'kind' in setting) return setting as KafkaAuthSetting
    throw new Error('it has no "kind"')
  } catch (cause) {
    throw new StreamsError('CONFIG_INVALID', `MILLRACE_AUTH is not a setting: ${messageOf(cause)}`, {
      cause,
      remedy: 'Write JSON such as {"kind":"iam"}.',
    })
  }
}
