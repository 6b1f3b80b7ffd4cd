import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export const payloadBytesMax = 6 * 1024 * 1024

export interface Invocation {
  readonly requestId: string
  readonly payload: string
  readonly deadlineMs: number
}

export interface Answer {
  readonly payload: string
  readonly error?: 'Unhandled'
}

/** The Runtime API of one execution environment: what the runtime inside polls for work and posts its answers to. */
export interface RuntimeApi {
  /** `host:port`, the value of AWS_LAMBDA_RUNTIME_API. */
  readonly address: string
  /** What the runtime posted to `init/error` since the last `reset`. */
  readonly initError: string | undefined
  /** Resolves once the runtime waits for work. */
  idle(): Promise<void>
  /** Hands work to the waiting runtime; resolves with its answer, never rejects. */
  dispatch(invocation: Invocation): Promise<Answer>
  /** The runtime is gone: its open requests are forgotten. */
  reset(): void
  close(): void
}

/** `onIdle` runs each time when the runtime asks for work and none is there. */
export async function createRuntimeApi(functionArn: string, onIdle: () => void): Promise<RuntimeApi> {
  let waiting: ServerResponse | undefined
  let initError: string | undefined
  let current: { readonly requestId: string; readonly settle: (answer: Answer) => void } | undefined
  let listeners: (() => void)[] = []

  function parked(response: ServerResponse): void {
    waiting = response
    onIdle()
    for (const listener of listeners.splice(0)) listener()
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const route = (request.url ?? '').replace('/2018-06-01/runtime/', '')
    if (request.method === 'GET' && route === 'invocation/next') return parked(response)
    const body = await bodyOf(request)
    if (route === 'init/error') {
      initError = body.toString()
      return reply(response, 202, { status: 'OK' })
    }
    const [, requestId, outcome] = /^invocation\/([^/]+)\/(response|error)$/.exec(route) ?? []
    if (!outcome) return reply(response, 404, { errorMessage: 'unknown route' })
    if (current?.requestId !== requestId) return reply(response, 400, { errorType: 'InvalidRequestID', errorMessage: 'Invalid request ID' })
    const { settle } = current ?? {}
    current = undefined
    if (outcome === 'response' && body.length > payloadBytesMax) {
      reply(response, 413, { errorType: 'RequestEntityTooLarge', errorMessage: tooLarge })
      return settle?.({
        error: 'Unhandled',
        payload: JSON.stringify({ errorType: 'Function.ResponseSizeTooLarge', errorMessage: tooLarge }),
      })
    }
    reply(response, 202, { status: 'OK' })
    settle?.({ payload: body.toString(), ...(outcome === 'error' && { error: 'Unhandled' as const }) })
  }

  const server = createServer((request, response) => {
    // A runtime that dies while it posts breaks only its own connection.
    answer(request, response).catch(() => response.destroy())
  })
  Object.assign(server, { keepAliveTimeout: 0, requestTimeout: 0, headersTimeout: 0, timeout: 0 })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')

  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    get initError() {
      return initError
    },
    idle: () => (waiting ? Promise.resolve() : new Promise((resolve) => listeners.push(resolve))),
    dispatch(invocation) {
      const response = waiting
      waiting = undefined
      return new Promise((settle) => {
        current = { requestId: invocation.requestId, settle }
        response?.writeHead(200, headersOf(invocation, functionArn))
        response?.end(invocation.payload)
      })
    },
    reset() {
      waiting = undefined
      current = undefined
      initError = undefined
      listeners = []
    },
    close() {
      server.close()
      server.closeAllConnections()
    },
  }
}

const tooLarge = 'Response payload size exceeded maximum allowed payload size (6291456 bytes).'

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk)
  return Buffer.concat(chunks)
}

function reply(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(JSON.stringify(body))
}

const headersOf = ({ requestId, deadlineMs }: Invocation, functionArn: string) => ({
  'content-type': 'application/json',
  'Lambda-Runtime-Aws-Request-Id': requestId,
  'Lambda-Runtime-Deadline-Ms': String(deadlineMs),
  'Lambda-Runtime-Invoked-Function-Arn': functionArn,
  'Lambda-Runtime-Trace-Id': `Root=1-${Math.floor(Date.now() / 1000).toString(16)}-${requestId.replaceAll('-', '').slice(0, 24)};Sampled=0`,
})
