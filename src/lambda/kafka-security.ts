import type { ConnectionOptions } from 'node:tls'
import { StreamsError } from '../errors.ts'
import { type AwsCredentials, presignedUrl, signedHeaders } from './sigv4.ts'

/** `MILLRACE_AUTH`: the kind of authentication and where its secret is, never the secret. */
export type KafkaAuthSetting =
  | { readonly kind: 'iam' }
  | { readonly kind: 'scram'; readonly mechanism: 'scram-sha-512' | 'scram-sha-256'; readonly secretArn: string }
  | { readonly kind: 'plain'; readonly secretArn: string }
  | { readonly kind: 'tls'; readonly secretArn: string; readonly rootCaSecretArn?: string }
  | { readonly kind: 'none' }

/** Transport security and login, in the shape of kafkajs. */
export interface KafkaSecurity {
  readonly ssl?: true | ConnectionOptions
  readonly sasl?:
    | { readonly mechanism: 'plain'; readonly username: string; readonly password: string }
    | { readonly mechanism: 'scram-sha-256'; readonly username: string; readonly password: string }
    | { readonly mechanism: 'scram-sha-512'; readonly username: string; readonly password: string }
    | { readonly mechanism: 'oauthbearer'; readonly oauthBearerProvider: () => Promise<{ readonly value: string }> }
}

type Environment = Readonly<Record<string, string | undefined>>

/** Reads the secret, if there is one, and says how to connect. Secrets are read once; an IAM token is made for each connection. */
export async function kafkaSecurity(setting: KafkaAuthSetting, environment: Environment): Promise<KafkaSecurity> {
  switch (setting.kind) {
    case 'none':
      return {}
    case 'iam':
      return {
        ssl: true,
        sasl: { mechanism: 'oauthbearer', oauthBearerProvider: async () => ({ value: iamToken(environment, Date.now()) }) },
      }
    case 'plain':
    case 'scram': {
      const { username = '', password = '' } = await readSecret(setting.secretArn, ['username', 'password'], environment)
      return { ssl: true, sasl: { mechanism: setting.kind === 'plain' ? 'plain' : setting.mechanism, username, password } }
    }
    case 'tls': {
      const { certificate = '', privateKey = '' } = await readSecret(setting.secretArn, ['certificate', 'privateKey'], environment)
      const root = setting.rootCaSecretArn === undefined ? {} : await readSecret(setting.rootCaSecretArn, ['certificate'], environment)
      return { ssl: { cert: certificate, key: privateKey, ...(root.certificate === undefined ? {} : { ca: root.certificate }) } }
    }
    default:
      return setting satisfies never
  }
}

/** A token for IAM access control of MSK: a signed request to connect, good for 15 minutes. */
export function iamToken(environment: Environment, nowMs: number): string {
  const region = required(environment, 'AWS_REGION')
  const scope = { region, service: 'kafka-cluster', credentials: credentialsOf(environment), nowMs }
  const url = presignedUrl(`kafka.${region}.amazonaws.com`, { Action: 'kafka-cluster:Connect' }, 900, scope)
  return Buffer.from(`${url}&User-Agent=millrace`).toString('base64url')
}

/** GetSecretValue; the secret is a JSON object that holds `fields`. */
async function readSecret(arn: string, fields: readonly string[], environment: Environment): Promise<Record<string, string>> {
  const region = arn.split(':')[3] ?? ''
  const host = `secretsmanager.${region}.amazonaws.com`
  const body = JSON.stringify({ SecretId: arn })
  const headers = { 'content-type': 'application/x-amz-json-1.1', 'x-amz-target': 'secretsmanager.GetSecretValue' }
  const scope = { region, service: 'secretsmanager', credentials: credentialsOf(environment), nowMs: Date.now() }
  const endpoint = environment.AWS_ENDPOINT_URL_SECRETS_MANAGER ?? environment.AWS_ENDPOINT_URL ?? `https://${host}`
  const { host: _signedOnly, ...sent } = signedHeaders(new URL(endpoint).host, headers, body, scope)
  const refuse = (why: string): never => {
    throw new StreamsError('CONFIG_INVALID', `The Kafka secret ${arn} ${why}`, {
      remedy: `The secret must be a JSON object with ${fields.join(' and ')}, readable by this function.`,
    })
  }
  const response = await fetch(endpoint, { method: 'POST', headers: sent, body, signal: AbortSignal.timeout(10_000) })
  const text = await response.text()
  if (!response.ok) return refuse(`could not be read: HTTP ${response.status} ${text.slice(0, 300)}`)
  const { SecretString } = JSON.parse(text) as { SecretString?: string }
  const secret = parse(SecretString) ?? refuse('is not a JSON object')
  const missing = fields.filter((field) => typeof secret[field] !== 'string')
  return missing.length > 0 ? refuse(`has no ${missing.join(' and no ')}`) : (secret as Record<string, string>)
}

function parse(text: string | undefined): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text ?? '')
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}

function credentialsOf(environment: Environment): AwsCredentials {
  const sessionToken = environment.AWS_SESSION_TOKEN
  return {
    accessKeyId: required(environment, 'AWS_ACCESS_KEY_ID'),
    secretAccessKey: required(environment, 'AWS_SECRET_ACCESS_KEY'),
    ...(sessionToken === undefined ? {} : { sessionToken }),
  }
}

function required(environment: Environment, name: string): string {
  const value = environment[name]
  if (value !== undefined && value !== '') return value
  throw new StreamsError('CONFIG_INVALID', `The environment variable ${name} is not set: Lambda sets it`)
}
