import { isStreamsError, messageOf, StreamsError } from '../errors.ts'
import type { LogEntry } from '../runtime/invocation-request.ts'
import { keyFromText, type QueriedStore, queriedStore, queriedStores, readRow } from '../runtime/row-query.ts'
import type { Topology } from '../topology/topology.ts'
import { type Adapters, adaptersFromEnvironment, applicationIdFromEnvironment } from './environment.ts'
import { type HandlerContext, logLine } from './streams-handler.ts'

/** What is used of the event of a function URL (payload format 2.0). */
export interface QueryEvent {
  /** As it was sent: percent-encoded. */
  readonly rawPath: string
  readonly rawQueryString?: string
  readonly requestContext: { readonly http: { readonly method: string } }
}

export interface QueryResponse {
  readonly statusCode: number
  readonly headers: Readonly<Record<string, string>>
  /** JSON. */
  readonly body: string
}

export interface QueryHandlerOptions {
  /** Default: `MILLRACE_APPLICATION_ID`. */
  readonly applicationId?: string
  /** Default: kafkajs and DynamoDB by the environment variables; opened at the first request. */
  readonly adapters?: () => Adapters | Promise<Adapters>
  /** Told of answers that are errors of ours. Default: one JSON line to standard output. */
  readonly log?: (entry: LogEntry) => void
}

export type QueryHandler = (event: unknown, context: HandlerContext) => Promise<QueryResponse>

/** Of Lambda's time, to leave room for the answer itself. */
const answerMs = 500
/** Whoever asks waits no longer, whatever the function's timeout is. */
const patienceMs = 10_000

/**
 * The Lambda handler behind a function URL that answers from the stores of an application; it only reads.
 *
 * | request | answer |
 * |---|---|
 * | `GET /stores` | the stores that can be asked, and what their keys are |
 * | `GET /stores/{store}/{key}`, `GET /stores/{store}?key={key}` | 200 `{ store, key, value, timestamp, seq }`, 404 `{ seq }` where there is no row |
 *
 * With `atLeast=SEQ`, the header `__millrace.seq` of an output, the answer is as of that transaction or a later one. Errors are
 * `{ error, code, remedy }`: 400 for a request that cannot be understood, 404 for a store that is not there, 405 for other methods,
 * 503 with `retry-after` where asking again helps (`atLeast` is not committed yet, brokers or table do not answer), else 500.
 */
export const queryHandler = (topology: Topology, options: QueryHandlerOptions = {}): QueryHandler => {
  const log = options.log ?? logLine
  let adapters: Promise<Adapters> | undefined
  const open = (): Promise<Adapters> => {
    adapters ??= Promise.resolve((options.adapters ?? adaptersFromEnvironment)()).catch((error: unknown) => {
      adapters = undefined
      throw error
    })
    return adapters
  }
  return async (event, context) => {
    const deadlineMs = Date.now() + Math.min(patienceMs, context.getRemainingTimeInMillis() - answerMs)
    try {
      const request = requestOf(event)
      if (request.method !== 'GET') return refusal(405, { error: `${request.method} is not possible here`, remedy: 'Send GET.' })
      if (request.store === undefined) return json(200, { stores: queriedStores(topology).map(described) })
      const from = storeOf(topology, request.store)
      if (from === undefined) return refusal(404, unknownStore(topology, request.store))
      const { key, atLeast } = request
      if (key === undefined) return refusal(400, { error: 'The key is missing', remedy: `Ask for /stores/${request.store}/KEY.` })
      const applicationId = options.applicationId ?? applicationIdFromEnvironment()
      const wanted = keyFromText(from, key)
      const { kafka, table } = await open()
      const ports = { admin: kafka.admin, reader: kafka.reader, table, clock: { nowMs: () => Date.now() } }
      const { seq, row } = await readRow({ topology, applicationId, from, key: wanted, atLeast, ports, deadlineMs })
      if (row === undefined) return json(404, { store: request.store, key: wanted, seq })
      const timestamp = new Date(row.timestamp).toISOString()
      return json(200, { store: request.store, key: wanted, value: row.value, timestamp, seq })
    } catch (error) {
      return failed(error, log)
    }
  }
}

interface Request {
  readonly method: string
  readonly store: string | undefined
  readonly key: string | undefined
  readonly atLeast: number
}

const requestOf = (event: unknown): Request => {
  if (!isQueryEvent(event))
    throw new StreamsError('EVENT_INVALID', 'This function answers requests to its URL', {
      remedy: 'Send GET /stores/STORE/KEY to its URL.',
    })
  const [root, store, ...rest] = event.rawPath.split('/').filter((part, at) => at > 0 || part !== '')
  if (root !== 'stores' && root !== undefined && root !== '') throw invalid(`There is nothing at ${event.rawPath}`)
  const query = new URLSearchParams(event.rawQueryString ?? '')
  const sequence = query.get('atLeast') ?? '0'
  if (!/^\d{1,15}$/.test(sequence)) throw invalid(`atLeast is the number of a transaction, not "${sequence.slice(0, 80)}"`)
  const inPath = rest.join('/')
  return {
    method: event.requestContext.http.method,
    store: store === undefined || store === '' ? undefined : decoded(store),
    key: query.get('key') ?? (inPath === '' ? undefined : decoded(inPath)),
    atLeast: Number(sequence),
  }
}

const isQueryEvent = (event: unknown): event is QueryEvent =>
  typeof event === 'object' &&
  event !== null &&
  'rawPath' in event &&
  typeof event.rawPath === 'string' &&
  'requestContext' in event &&
  typeof event.requestContext === 'object' &&
  event.requestContext !== null &&
  'http' in event.requestContext

const invalid = (message: string): StreamsError =>
  new StreamsError('INPUT_INVALID', message, { remedy: 'Ask for /stores, or /stores/STORE/KEY?atLeast=SEQ.' })

const decoded = (text: string): string => {
  try {
    return decodeURIComponent(text)
  } catch {
    throw invalid(`"${text.slice(0, 80)}" is not percent-encoded`)
  }
}

const storeOf = (topology: Topology, name: string): QueriedStore | undefined => {
  const exists = topology.subTopologies.some((sub) => sub.stores.some((store) => store.name === name))
  return exists ? queriedStore(topology, name) : undefined
}

const unknownStore = (topology: Topology, name: string) => ({
  error: `There is no store "${name}"`,
  remedy: `Choose one of: ${queriedStores(topology)
    .map(({ store }) => store.name)
    .join(', ')}`,
})

const described = ({ sub, store }: QueriedStore) => ({ store: store.name, subTopology: sub.name, key: store.keySerde.name })

const failed = (error: unknown, log: (entry: LogEntry) => void): QueryResponse => {
  const [code, remedy, retryable] =
    error instanceof StreamsError ? [error.code, error.remedy, error.retryable] : [undefined, undefined, false]
  const body = { error: messageOf(error), code, remedy }
  if (isStreamsError(error, 'INPUT_INVALID') || isStreamsError(error, 'EVENT_INVALID')) return refusal(400, body)
  if (retryable) return refusal(503, body, { 'retry-after': '1' })
  log({ level: 'error', message: messageOf(error), code, remedy, stack: error instanceof Error ? error.stack : undefined })
  return refusal(500, body)
}

const refusal = (statusCode: number, body: object, headers: Readonly<Record<string, string>> = {}): QueryResponse =>
  json(statusCode, body, headers)

const json = (statusCode: number, body: object, headers: Readonly<Record<string, string>> = {}): QueryResponse => ({
  statusCode,
  headers: { 'content-type': 'application/json', 'cache-control': 'no-store', ...headers },
  body: JSON.stringify(body, plain),
})

/** What JSON has no word for: integers beyond 2^53 as text, bytes as base64. */
const plain = (_key: string, value: unknown): unknown => {
  if (typeof value === 'bigint') return value.toString()
  return value instanceof Uint8Array ? Buffer.from(value).toString('base64') : value
}
