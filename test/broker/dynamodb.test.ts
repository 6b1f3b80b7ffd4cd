import { describe, expect, inject, it } from 'vitest'
import { createDynamoDb } from '../../src/adapters/dynamodb/dynamodb.ts'
import { tableBackendConformance } from '../adapters/table-backend.conformance.ts'

const endpoint = inject('dynamodb')
const credentials = { accessKeyId: 'local', secretAccessKey: 'local' }
const tableOf = (table: string, at = endpoint ?? '') => createDynamoDb({ table, endpoint: at, region: 'us-east-1', credentials })
const within = (ms: number) => Date.now() + ms

describe.skipIf(endpoint === null)('DynamoDB', () => {
  tableBackendConformance('dynamodb', () => tableOf(`conformance-${process.pid}`), { runs: 8 })

  it('gets one table from several processes that ensure it at once', async () => {
    const tables = Array.from({ length: 4 }, () => tableOf(`ensured-${process.pid}`))
    await Promise.all(tables.map((table) => table.ensure(within(20_000))))
    expect(await tables[3]?.readTask({ subTopology: 'sub', partition: 0 }, within(5_000))).toBeUndefined()
  })

  it('refuses a missing table by its name and the action', async () => {
    const table = tableOf('nowhere')
    const refused = (action: string) => ({
      code: 'TABLE_REFUSED',
      message: `table 'nowhere' at ${endpoint}: ${action} was refused: ResourceNotFoundException: Cannot do operations on a non-existent table`,
    })
    const task = { subTopology: 'sub', partition: 0 }
    const row = { ...task, gen: 0, store: 'totals', key: Uint8Array.of(1), value: Uint8Array.of(1), timestamp: 0, seq: 1 }
    await expect(table.readTask(task, within(5_000))).rejects.toMatchObject(refused('GetItem'))
    await expect(table.get([row], within(5_000))).rejects.toMatchObject(refused('BatchGetItem'))
    await expect(table.put([row], within(5_000))).rejects.toMatchObject({
      code: 'TABLE_REFUSED',
      message: expect.stringMatching(/^table 'nowhere' at .*: PartiQLInsert was refused: ResourceNotFound/),
    })
  })

  it('writes 1,000 rows with 40 requests, new or known, and repairs wrong beliefs with as many again', async () => {
    const writer = tableOf(`requests-${process.pid}`)
    await writer.ensure(within(20_000))
    const rows = (seq: number) =>
      Array.from({ length: 1_000 }, (_, i) => ({
        ...{ subTopology: 'sub', partition: 0, gen: 0, store: 'totals', timestamp: 0, seq },
        ...{ key: Uint8Array.of(i >> 8, i), value: Uint8Array.of(seq) },
      }))
    const requestsOf = async (table: typeof writer, seq: number) => {
      const before = table.metrics.requests
      await table.put(rows(seq), within(60_000))
      return table.metrics.requests - before
    }
    const stranger = tableOf(`requests-${process.pid}`)
    const counts = [await requestsOf(writer, 1), await requestsOf(writer, 2), await requestsOf(stranger, 3), await requestsOf(writer, 1)]
    expect(counts).toEqual([40, 40, 80, 40])
  })
})

it('is unreachable where nobody listens, and the message names the endpoint', async () => {
  const table = tableOf('orders', 'http://127.0.0.1:9')
  await expect(table.readTask({ subTopology: 'sub', partition: 0 }, within(60_000))).rejects.toMatchObject({
    code: 'TABLE_UNREACHABLE',
    message: "table 'orders' at http://127.0.0.1:9: no answer to GetItem: connect ECONNREFUSED 127.0.0.1:9",
  })
})

it('sends nothing once the deadline has passed', async () => {
  const table = tableOf('orders', 'http://127.0.0.1:9')
  await expect(table.readTask({ subTopology: 'sub', partition: 0 }, within(-1))).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' })
  expect(table.metrics).toEqual({ requests: 0, rowsRead: 0, rowsWritten: 0 })
})
