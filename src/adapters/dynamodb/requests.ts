import { Agent } from 'node:http'
import { Agent as TlsAgent } from 'node:https'
import { setTimeout as sleep } from 'node:timers/promises'
import { DynamoDBClient, type DynamoDBClientConfig } from '@aws-sdk/client-dynamodb'
import { isStreamsError, messageOf, StreamsError } from '../../errors.ts'

export interface DynamoDbConfig {
  readonly table: string
  /** Default: AWS's endpoint of the region. */
  readonly endpoint?: string
  /** Default: from the environment. */
  readonly region?: string
  /** Default: the SDK's chain (a function's role). */
  readonly credentials?: DynamoDBClientConfig['credentials']
  /** Continuous backups for a table that `ensure` creates. Default: off. */
  readonly pointInTimeRecovery?: boolean
}

/** A request that may be repeated: `call` sends it once and is given the SDK's options for it. */
export type Call<T> = (client: DynamoDBClient, options: { readonly requestTimeout: number }) => Promise<T>

/**
 * One connection pool and one rule for failing requests: throttles and server errors are repeated with jitter until the
 * deadline (then DEADLINE_EXCEEDED), lost connections too (then TABLE_UNREACHABLE). An endpoint where nobody listens is
 * TABLE_UNREACHABLE after three seconds, also with time left. Refusals are TABLE_REFUSED; failed conditions pass through.
 */
export interface Requests {
  readonly table: string
  send<T>(action: string, call: Call<T>, deadlineMs: number): Promise<T>
  /** Waits before the `attempt`th repetition (from 0) of what was answered only in part; throws past the deadline. */
  pause(action: string, attempt: number, deadlineMs: number): Promise<void>
  refused(action: string, cause: unknown, message: string): StreamsError
  readonly sent: number
  close(): void
}

const requestTimeoutMs = 5_000
const connectionTimeoutMs = 1_000
const nobodyThereMs = 3_000
const backOffFirstMs = 25
const backOffMaxMs = 1_000
/** A function may have been frozen for hours: a socket unused for longer may be dead without a sign of it. */
const socketIdleMs = 20_000

export function createRequests(config: DynamoDbConfig): Requests {
  const where = `table '${config.table}' at ${config.endpoint ?? `DynamoDB${config.region ? ` in ${config.region}` : ''}`}`
  const agents = [new Agent({ keepAlive: true, maxSockets: 64 }), new TlsAgent({ keepAlive: true, maxSockets: 64 })] as const
  let client: DynamoDBClient | undefined
  let sent = 0
  let inFlight = 0
  let lastUsedMs = 0

  const late = (action: string, cause: unknown) =>
    failureOf(cause) === 'throttled'
      ? new StreamsError('DEADLINE_EXCEEDED', `${where}: ${action} was throttled until the deadline: ${messageOf(cause)}`, { cause })
      : new StreamsError('TABLE_UNREACHABLE', `${where}: no answer to ${action}: ${detailOf(cause)}`, { cause })
  const refused = (action: string, cause: unknown, message: string) =>
    new StreamsError('TABLE_REFUSED', `${where}: ${action} was refused: ${message}`, { cause })

  async function once<T>(call: Call<T>, leftMs: number): Promise<T> {
    client ??= createClient(config, agents)
    if (inFlight === 0 && Date.now() - lastUsedMs > socketIdleMs) for (const agent of agents) agent.destroy()
    sent++
    inFlight++
    try {
      return await call(client, { requestTimeout: Math.min(requestTimeoutMs, leftMs) })
    } finally {
      inFlight--
      lastUsedMs = Date.now()
    }
  }

  async function send<T>(action: string, call: Call<T>, deadlineMs: number): Promise<T> {
    const startMs = Date.now()
    let last: unknown
    for (let attempt = 0; ; attempt++) {
      const leftMs = deadlineMs - Date.now()
      if (leftMs <= 0) throw last ? late(action, last) : new StreamsError('DEADLINE_EXCEEDED', `${where}: no time left for ${action}`)
      try {
        return await once(call, leftMs)
      } catch (error) {
        const failure = failureOf(error)
        if (failure === 'condition') throw error
        if (failure === 'refused') throw refused(action, error, detailOf(error))
        if (failure === 'nobody' && Date.now() - startMs >= nobodyThereMs) throw late(action, error)
        last = error
        await sleep(Math.min(backOffMs(attempt), Math.max(0, deadlineMs - Date.now())))
      }
    }
  }

  async function pause(action: string, attempt: number, deadlineMs: number): Promise<void> {
    const waitMs = backOffMs(attempt)
    if (Date.now() + waitMs >= deadlineMs) {
      throw new StreamsError('DEADLINE_EXCEEDED', `${where}: ${action} was answered only in part until the deadline`)
    }
    await sleep(waitMs)
  }

  return {
    table: config.table,
    send,
    pause,
    refused,
    get sent() {
      return sent
    },
    close() {
      client?.destroy()
      client = undefined
    },
  }
}

// Full jitter: tasks that were throttled together come back apart.
const backOffMs = (attempt: number) => Math.random() * Math.min(backOffMaxMs, backOffFirstMs * 2 ** attempt)

const createClient = (config: DynamoDbConfig, [httpAgent, httpsAgent]: readonly [Agent, TlsAgent]) =>
  new DynamoDBClient({
    ...(config.endpoint !== undefined && { endpoint: config.endpoint }),
    ...(config.region !== undefined && { region: config.region }),
    ...(config.credentials !== undefined && { credentials: config.credentials }),
    maxAttempts: 1,
    requestHandler: {
      connectionTimeout: connectionTimeoutMs,
      requestTimeout: requestTimeoutMs,
      throwOnRequestTimeout: true,
      httpAgent,
      httpsAgent,
    },
  })

const throttles: ReadonlySet<string> = new Set([
  'ProvisionedThroughputExceededException',
  'ThrottlingException',
  'RequestLimitExceeded',
  'TransactionInProgressException',
  'LimitExceededException',
  'ReplicatedWriteConflictException',
])
const nobodyThere: ReadonlySet<string> = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH'])

interface SdkError {
  readonly name?: string
  readonly code?: string
  readonly message?: string
  readonly $metadata?: { readonly httpStatusCode?: number }
  readonly errors?: readonly SdkError[]
}

/** What a failed request means; `lost`: sent, or nearly, and not answered. */
function failureOf(error: unknown): 'condition' | 'throttled' | 'nobody' | 'lost' | 'refused' {
  if (isStreamsError(error)) return 'refused'
  const { name = '', code = '', message = '', $metadata, errors } = error as SdkError
  if (name === 'ConditionalCheckFailedException') return 'condition'
  const status = $metadata?.httpStatusCode
  if (throttles.has(name) || (status !== undefined && status >= 500)) return 'throttled'
  if (nobodyThere.has(code) || errors?.some((one) => nobodyThere.has(one.code ?? ''))) return 'nobody'
  if (name === 'TimeoutError') return message.includes('establish a connection') ? 'nobody' : 'lost'
  if (status === undefined && (code !== '' || message === 'socket hang up')) return 'lost'
  return 'refused'
}

// Node's error for several refused addresses has an empty message.
function detailOf(error: unknown): string {
  const { name, code, message } = error as SdkError
  return [name !== 'Error' && name !== 'AggregateError' ? name : undefined, message || code].filter(Boolean).join(': ')
}
