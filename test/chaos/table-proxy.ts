import { once } from 'node:events'
import { Agent, createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import type { Random } from '../conformance/fuzz/random.ts'
import type { TableFault } from './schedule.ts'

export type ShareOfRequests = { readonly kind: TableFault; readonly share: number }

/** Stands between functions and DynamoDB and does what its fault says to a share of the requests. */
export interface TableProxy {
  readonly endpoint: string
  fault: ShareOfRequests | null
  /** Resolves when nothing is on its way any more. */
  settled(): Promise<void>
  close(): Promise<void>
}

interface Sent {
  readonly operation: string
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

interface Answer {
  readonly status: number
  readonly body: string
}

/** Above the time after which a client gives a request up. */
const delayMsMax = 6_500

export const startTableProxy = async (
  target: string,
  random: Random,
  onHit: (kind: TableFault) => void = () => {},
): Promise<TableProxy> => {
  const agent = new Agent({ keepAlive: true, maxSockets: 64 })
  const running = new Set<Promise<void>>()

  const forward = (sent: Sent): Promise<Answer> => forwarded(target, agent, sent)

  const handle = async (sent: Sent, response: ServerResponse): Promise<void> => {
    const { fault } = proxy
    const parts = fault?.kind === 'partly' ? partsOf(sent) : undefined
    const kind = fault && random.chance(fault.share) && (fault.kind !== 'partly' || parts) ? fault.kind : undefined
    if (kind) onHit(kind)
    switch (kind) {
      case 'throttle':
        return answer(response, throttled(random.pick(throttles)))
      case 'drop':
        response.destroy()
        return
      case 'delay':
        await delay(random.int(delayMsMax))
        return answer(response, await forward(sent))
      case 'cut':
        await forward(sent)
        response.destroy()
        return
      case 'partly':
        return answer(response, parts ? await parts(forward) : await forward(sent))
      case undefined:
        return answer(response, await forward(sent))
      default:
        return kind satisfies never
    }
  }

  const server = createServer(async (incoming, response) => {
    // what a stopped process has sent half is never complete
    const body = await textOf(incoming).catch(() => undefined)
    if (body === undefined) return
    const operation = String(incoming.headers['x-amz-target'] ?? '').replace(/^.*\./, '')
    const run = handle({ operation, headers: incoming.headers, body }, response).catch(() => void response.destroy())
    running.add(run)
    run.finally(() => running.delete(run))
  })
  Object.assign(server, { keepAliveTimeout: 0, requestTimeout: 0 })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('a listening HTTP server has an address')
  const proxy: TableProxy = {
    endpoint: `http://127.0.0.1:${address.port}`,
    fault: null,
    async settled() {
      while (running.size > 0) await Promise.all(running)
    },
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
      agent.destroy()
    },
  }
  return proxy
}

const throttles = ['ProvisionedThroughputExceededException', 'ThrottlingException'] as const

const throttled = (name: string): Answer => ({
  status: 400,
  body: JSON.stringify({ __type: `com.amazonaws.dynamodb.v20120810#${name}`, message: 'Rate exceeded, says the fault proxy' }),
})

const answer = (response: ServerResponse, { status, body }: Answer): void => {
  response.writeHead(status, { 'content-type': 'application/x-amz-json-1.0', 'content-length': Buffer.byteLength(body) })
  response.end(body)
}

const textOf = async (message: IncomingMessage): Promise<string> => {
  const chunks: Buffer[] = []
  for await (const chunk of message) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}

const forwarded = (target: string, agent: Agent, { headers, body }: Sent): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const { host: _host, connection: _connection, 'content-length': _length, 'transfer-encoding': _encoding, ...kept } = headers
    const sent = request(target, { method: 'POST', agent, headers: { ...kept, 'content-length': Buffer.byteLength(body) } }, (response) => {
      textOf(response).then((text) => resolve({ status: response.statusCode ?? 500, body: text }), reject)
    })
    sent.on('error', reject)
    sent.end(body)
  })

/** How a batch is done in part: its first half is sent on, the rest answered as DynamoDB does where it runs out of capacity. */
type InPart = (forward: (sent: Sent) => Promise<Answer>) => Promise<Answer>

const partsOf = (sent: Sent): InPart | undefined => {
  switch (sent.operation) {
    case 'BatchGetItem':
      return batchGet(sent)
    case 'BatchExecuteStatement':
      return batchStatements(sent)
    default:
      return undefined
  }
}

interface BatchGet {
  readonly RequestItems: Readonly<Record<string, { readonly Keys: readonly unknown[] }>>
}

const batchGet = (sent: Sent): InPart | undefined => {
  const { RequestItems, ...rest }: BatchGet = JSON.parse(sent.body)
  const [[table, { Keys, ...more }] = ['', { Keys: [] }]] = Object.entries(RequestItems)
  if (Keys.length < 2) return undefined
  const half = Keys.length >> 1
  return async (forward) => {
    const { status, body } = await forward({
      ...sent,
      body: JSON.stringify({ ...rest, RequestItems: { [table]: { Keys: Keys.slice(0, half), ...more } } }),
    })
    if (status !== 200) return { status, body }
    return { status, body: JSON.stringify({ ...JSON.parse(body), UnprocessedKeys: { [table]: { Keys: Keys.slice(half), ...more } } }) }
  }
}

const batchStatements = (sent: Sent): InPart | undefined => {
  const { Statements, ...rest }: { readonly Statements: readonly unknown[] } = JSON.parse(sent.body)
  if (Statements.length < 2) return undefined
  const half = Statements.length >> 1
  return async (forward) => {
    const { status, body } = await forward({ ...sent, body: JSON.stringify({ ...rest, Statements: Statements.slice(0, half) }) })
    if (status !== 200) return { status, body }
    const { Responses, ...answers }: { readonly Responses: readonly unknown[] } = JSON.parse(body)
    const error = { Code: 'ProvisionedThroughputExceeded', Message: 'Rate exceeded, says the fault proxy' }
    const refused = Statements.slice(half).map(() => ({ Error: error }))
    return { status, body: JSON.stringify({ ...answers, Responses: [...Responses, ...refused] }) }
  }
}
