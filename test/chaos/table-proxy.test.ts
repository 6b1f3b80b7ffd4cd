import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { randomOf } from '../conformance/fuzz/random.ts'
import { startTableProxy, type TableProxy } from './table-proxy.ts'
import { startTableProxyThread } from './table-proxy-thread.ts'

let server: Server
let target: string
let proxy: TableProxy
let received: unknown[]
let hits: string[]

/** Answers as DynamoDB would if every row and statement were fine. */
const answerTo = (operation: string, body: { readonly Statements?: readonly unknown[]; readonly RequestItems?: unknown }): object =>
  operation === 'BatchExecuteStatement' ? { Responses: body.Statements?.map(() => ({})) } : { Responses: { t: [] } }

beforeEach(async () => {
  received = []
  hits = []
  server = createServer(async (request, response) => {
    let text = ''
    for await (const chunk of request) text += chunk
    received.push(JSON.parse(text))
    response.end(JSON.stringify(answerTo(String(request.headers['x-amz-target']).split('.')[1] ?? '', JSON.parse(text))))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  target = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`
  proxy = await startTableProxy(target, randomOf('1'), (kind) => hits.push(kind))
})

afterEach(async () => {
  await proxy.close()
  await new Promise((resolve) => server.close(resolve))
})

const ask = async (operation: string, body: object, { endpoint } = proxy) => {
  const headers = { 'x-amz-target': `DynamoDB_20120810.${operation}` }
  const response = await fetch(endpoint, { method: 'POST', headers, body: JSON.stringify(body) }).catch(() => undefined)
  return response && { status: response.status, body: JSON.parse(await response.text()) }
}

it('without a fault a request and its answer go through', async () => {
  expect(await ask('GetItem', { Key: 1 })).toEqual({ status: 200, body: { Responses: { t: [] } } })
  expect([received, hits]).toEqual([[{ Key: 1 }], []])
})

it('a throttled request is refused as DynamoDB does, and not sent on', async () => {
  proxy.fault = { kind: 'throttle', share: 1 }
  const answer = await ask('GetItem', { Key: 1 })
  expect(answer?.status).toBe(400)
  expect(answer?.body.__type).toMatch(/#(ProvisionedThroughputExceeded|Throttling)Exception$/)
  expect([received, hits]).toEqual([[], ['throttle']])
})

it('a dropped request has no answer and no effect; a cut one has no answer, and its effect', async () => {
  proxy.fault = { kind: 'drop', share: 1 }
  expect([await ask('GetItem', { Key: 1 }), received]).toEqual([undefined, []])
  proxy.fault = { kind: 'cut', share: 1 }
  expect([await ask('GetItem', { Key: 2 }), received]).toEqual([undefined, [{ Key: 2 }]])
})

it('half of a batch of keys is left unprocessed', async () => {
  proxy.fault = { kind: 'partly', share: 1 }
  expect((await ask('BatchGetItem', { RequestItems: { t: { Keys: [1, 2, 3], ConsistentRead: true } } }))?.body).toEqual({
    Responses: { t: [] },
    UnprocessedKeys: { t: { Keys: [2, 3], ConsistentRead: true } },
  })
  expect(received).toEqual([{ RequestItems: { t: { Keys: [1], ConsistentRead: true } } }])
})

it('half of a batch of statements is refused for want of capacity', async () => {
  proxy.fault = { kind: 'partly', share: 1 }
  const refused = { Error: { Code: 'ProvisionedThroughputExceeded', Message: 'Rate exceeded, says the fault proxy' } }
  expect((await ask('BatchExecuteStatement', { Statements: [1, 2, 3] }))?.body).toEqual({ Responses: [{}, refused, refused] })
  expect(received).toEqual([{ Statements: [1] }])
})

it('in a thread of its own it does the same, and counts', async () => {
  const thread = await startTableProxyThread(target, '1')
  expect(await ask('GetItem', { Key: 1 }, thread)).toEqual({ status: 200, body: { Responses: { t: [] } } })
  thread.fault = { kind: 'cut', share: 1 }
  await thread.settled()
  expect(await ask('GetItem', { Key: 2 }, thread)).toBeUndefined()
  await thread.settled()
  expect([received, [...thread.hits]]).toEqual([[{ Key: 1 }, { Key: 2 }], [['cut', 1]]])
  await thread.close()
})
