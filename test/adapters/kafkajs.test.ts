import { createServer } from 'node:net'
import { describe, expect, test } from 'vitest'
import { createKafkaJs } from '../../src/adapters/kafkajs/kafkajs.ts'

/** A loopback port where nobody listens. */
const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0))
    })
  })

describe('createKafkaJs', () => {
  test('refuses an address without a port', () => {
    const wrong = () => createKafkaJs({ brokers: ['kafka.example'] })
    expect(wrong).toThrow('the bootstrap server "kafka.example" is not of the form host:port')
  })

  test('opens nothing before it is used, and closes without having been used', async () => {
    const ports = createKafkaJs({ brokers: [`127.0.0.1:${await freePort()}`] })
    await Promise.all([ports.txnLog.close(), ports.reader.close(), ports.admin.close()])
  })

  test('every port names the brokers that are not there: BROKER_UNREACHABLE', async () => {
    const broker = `127.0.0.1:${await freePort()}`
    const { txnLog, reader, admin } = createKafkaJs({ brokers: [broker] })
    const deadlineMs = Date.now() + 300
    const failures = await Promise.allSettled([
      txnLog.open({ transactionalId: 'id', transactionTimeoutMs: 1000, deadlineMs }),
      reader.bounds([{ topic: 'a', partition: 0 }], deadlineMs),
      reader.fetch([{ topic: 'a', partition: 0, offset: 0, bytesMax: 1 }], { waitMs: 0, deadlineMs }),
      admin.describe(['a'], deadlineMs),
      admin.groupOffsets('group', [{ topic: 'a', partition: 0 }], deadlineMs),
    ])
    const expected = expect.objectContaining({ code: 'BROKER_UNREACHABLE', message: expect.stringContaining(broker) })
    expect(failures).toEqual(failures.map(() => ({ status: 'rejected', reason: expected })))
  })
})
