import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { createDynamoDb } from '../../src/adapters/dynamodb/dynamodb.ts'
import type { StateRow, TableBackend } from '../../src/state/backend.ts'

type Body = { readonly [name: string]: unknown }
/** What the scripted server does with a request: answer, or let the connection die, or stay silent. */
type Step = readonly [status: number, body: Body] | 'hang up' | 'silence'

const stops: (() => void)[] = []
afterEach(() => {
  vi.useRealTimers()
  for (const stop of stops.splice(0)) stop()
})

/** A table whose endpoint follows the script, its last step for ever, and notes the requests. */
async function scripted(...steps: readonly Step[]) {
  let connections = 0
  const requests: { readonly action: string; readonly body: Body }[] = []
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    const step = steps[Math.min(requests.length, steps.length - 1)] as Step
    requests.push({
      action: String(request.headers['x-amz-target']).split('.')[1] ?? '',
      body: JSON.parse(Buffer.concat(chunks).toString()),
    })
    play(step, response)
  })
  server.on('connection', () => connections++)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const table = createDynamoDb({ table: 'app', endpoint, region: 'us-east-1', credentials: { accessKeyId: 'a', secretAccessKey: 'b' } })
  stops.push(() => {
    void table.close()
    server.closeAllConnections()
    server.close()
  })
  return { table, endpoint, requests, actions: () => requests.map(({ action }) => action), connections: () => connections }
}

function play(step: Step, response: ServerResponse): void {
  if (step === 'silence') return
  if (step === 'hang up') {
    response.socket?.destroy()
    return
  }
  response.writeHead(step[0], { 'content-type': 'application/x-amz-json-1.0' })
  response.end(JSON.stringify(step[1]))
}

const failure = (status: number, name: string, message = ''): Step => [
  status,
  { __type: `com.amazonaws.dynamodb.v20120810#${name}`, message },
]
const throttle = failure(400, 'ProvisionedThroughputExceededException', 'slow down')
const task = { subTopology: 'sub', partition: 0 }
const row = (key: number): StateRow => ({
  ...task,
  gen: 0,
  store: 'totals',
  key: Uint8Array.of(key),
  value: Uint8Array.of(9),
  timestamp: 5,
  seq: 1,
})
const read = (table: TableBackend, ms = 20_000) => table.readTask(task, Date.now() + ms)
const found: Step = [200, { Item: { q: { N: '3' }, g: { N: '0' }, o: { M: { log: { N: '4' } } }, 'p:orders': { N: '5' } } }]
const item = { checkpoint: { seq: 3, gen: 0, ends: { log: 4 }, positions: { orders: 5 } }, bells: {}, lease: undefined }

describe('a request to DynamoDB', () => {
  it.each([
    ['throttled', throttle],
    ['answered with a server error', failure(500, 'InternalServerError')],
    ['cut off', 'hang up' as const],
  ])('that is %s is sent again', async (_, step) => {
    const { table, actions } = await scripted(step, step, found)
    expect(await read(table)).toEqual(item)
    expect([actions(), table.metrics.requests]).toEqual([['GetItem', 'GetItem', 'GetItem'], 3])
  })

  it('that is throttled until its deadline ends with DEADLINE_EXCEEDED', async () => {
    const { table, endpoint } = await scripted(throttle)
    const message = `table 'app' at ${endpoint}: GetItem was throttled until the deadline: slow down`
    await expect(read(table, 300)).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED', message })
  })

  it.each(['hang up', 'silence'] as const)('that meets only %s until its deadline ends with TABLE_UNREACHABLE', async (step) => {
    const { table, endpoint } = await scripted(step)
    await expect(read(table, 300)).rejects.toMatchObject({
      code: 'TABLE_UNREACHABLE',
      message: expect.stringContaining(`table 'app' at ${endpoint}: no answer to GetItem: `),
    })
  })

  it('takes the socket of the one before, but none that was idle for more than 20 seconds', async () => {
    const { table, connections } = await scripted(found)
    vi.useFakeTimers({ toFake: ['Date'] })
    const seen: number[] = []
    for (const idleMs of [0, 0, 19_000, 21_000, 0]) {
      vi.setSystemTime(Date.now() + idleMs)
      await read(table)
      seen.push(connections())
    }
    expect(seen).toEqual([1, 1, 1, 2, 2])
  })

  it('that is denied is refused at once, with table, action and reason', async () => {
    const { table, endpoint, actions } = await scripted(
      failure(400, 'AccessDeniedException', 'not authorized to perform: dynamodb:GetItem'),
    )
    await expect(read(table)).rejects.toMatchObject({
      code: 'TABLE_REFUSED',
      message: `table 'app' at ${endpoint}: GetItem was refused: AccessDeniedException: not authorized to perform: dynamodb:GetItem`,
    })
    expect(actions()).toEqual(['GetItem'])
  })
})

describe('a batch to DynamoDB', () => {
  it('of reads asks again for what was left unprocessed', async () => {
    const key = (n: number) => ({ pk: { S: 'sub/0/0/totals' }, sk: { B: Buffer.from([1, n]).toString('base64') } })
    const stored = (n: number) => ({ ...key(n), v: { B: 'CQ==' }, t: { N: '5' }, q: { N: '1' } })
    const { table, requests } = await scripted(
      [200, { Responses: { app: [stored(2)] }, UnprocessedKeys: { app: { Keys: [key(1)], ConsistentRead: true } } }],
      [200, { Responses: { app: [stored(1)] }, UnprocessedKeys: {} }],
    )
    expect(await table.get([row(1), row(2), row(3)], Date.now() + 20_000)).toEqual([row(1), row(2), undefined])
    expect(requests.map(({ body }) => body.RequestItems)).toEqual([
      { app: { Keys: [key(1), key(2), key(3)], ConsistentRead: true } },
      { app: { Keys: [key(1)], ConsistentRead: true } },
    ])
  })

  it('of writes repeats the throttled statements alone', async () => {
    const statement = (n: number) => ({
      Statement: `INSERT INTO "app" VALUE {'pk':?,'sk':?,'v':?,'t':?,'q':?}`,
      Parameters: [{ S: 'sub/0/0/totals' }, { B: Buffer.from([1, n]).toString('base64') }, { B: 'CQ==' }, { N: '5' }, { N: '1' }],
    })
    const throttled = { Error: { Code: 'ThrottlingError', Message: 'slow down' } }
    const { table, requests } = await scripted([200, { Responses: [{}, throttled, {}] }], [200, { Responses: [{}] }])
    await table.put([row(1), row(2), row(3)], Date.now() + 20_000)
    expect(requests.map(({ body }) => body.Statements)).toEqual([[statement(1), statement(2), statement(3)], [statement(2)]])
  })

  it('of writes corrects what it believed of a row, and takes a newer row for an answer', async () => {
    const answers = (Code: string, Item?: Body): Step => [200, { Responses: [{ Error: { Code, Message: '', ...(Item && { Item }) } }] }]
    const { table, requests } = await scripted(answers('DuplicateItem'), answers('ConditionalCheckFailed'), [200, { Responses: [{}] }])
    await table.put([row(1)], Date.now() + 20_000)
    await table.put([{ ...row(1), seq: 2, value: null, expiresAtSeconds: 60 }], Date.now() + 20_000)
    const statements = requests.map(({ body }) => (body.Statements as { Statement: string }[]).map(({ Statement }) => Statement))
    expect(statements).toEqual([
      [`INSERT INTO "app" VALUE {'pk':?,'sk':?,'v':?,'t':?,'q':?}`],
      ['UPDATE "app" SET v=? SET t=? SET q=? REMOVE x REMOVE h WHERE pk=? AND sk=? AND q<?'],
      ['UPDATE "app" REMOVE v SET t=? SET q=? SET x=? REMOVE h WHERE pk=? AND sk=? AND q<?'],
    ])
  })

  it('of writes is refused with the action of the statement', async () => {
    const denied = { Error: { Code: 'AccessDenied', Message: 'not authorized' } }
    const { table, endpoint } = await scripted([200, { Responses: [denied] }])
    await expect(table.put([row(1)], Date.now() + 20_000)).rejects.toMatchObject({
      code: 'TABLE_REFUSED',
      message: `table 'app' at ${endpoint}: PartiQLInsert was refused: AccessDenied: not authorized`,
    })
  })
})
