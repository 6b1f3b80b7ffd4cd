import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, inject, test, vi } from 'vitest'
import { createKafkaJs } from '../../src/adapters/kafkajs/kafkajs.ts'
import type { KafkaPorts } from '../../src/runtime/ports.ts'
import { type KafkaHarness, linesTo, newTopic, openSession, record, soon, unique } from '../adapters/kafka-harness.ts'
import { certify } from './certify.ts'
import { forClients, type RunningKafka, startKafka } from './kafka.ts'

const sessionMs = 60_000

describe.skipIf(inject('kafka') === null)('kafkajs, over TLS and SASL', () => {
  let folder: string
  let certificate: string
  let kafka: RunningKafka
  const opened: KafkaPorts[] = []

  const connect = (config: Partial<Parameters<typeof createKafkaJs>[0]>): KafkaHarness => {
    const sasl = { mechanism: 'plain', username: 'miller', password: 'grain' } as const
    const ports = createKafkaJs({ brokers: kafka.clientsAddresses, ssl: { ca: [certificate] }, sasl, ...config })
    opened.push(ports)
    return { ports, truncate: async () => {}, close: async () => {} }
  }

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'millrace-tls-'))
    const made = await certify(folder)
    certificate = made.certificate
    kafka = await startKafka({
      clients: { protocol: 'SASL_SSL' },
      settings: forClients({
        ...made.settings,
        'sasl.enabled.mechanisms': 'PLAIN',
        'plain.sasl.jaas.config': 'org.apache.kafka.common.security.plain.PlainLoginModule required user_miller="grain";',
        'plain.connections.max.reauth.ms': String(sessionMs),
      }),
    })
  })
  afterEach(() => {
    vi.restoreAllMocks()
  })
  afterAll(async () => {
    await Promise.all(opened.flatMap((ports) => [ports.txnLog.close(), ports.reader.close(), ports.admin.close()]))
    await kafka?.stop()
    await rm(folder, { recursive: true, force: true })
  })

  test('a session goes on across the end of its credentials on new connections', async () => {
    const client = connect({})
    const at = { topic: await newTopic(client), partition: 0 }
    const session = await openSession(client, unique('id'))
    const now = Date.now
    for (let step = 0; step < 6; step++) {
      vi.spyOn(Date, 'now').mockImplementation(() => now() + step * 15_000)
      await session.append([{ ...at, records: [record(`${step}`)] }], soon())
      await session.commit(soon())
    }
    expect(await linesTo(client.ports.reader, at, 12)).toEqual(['0 0', '2 1', '4 2', '6 3', '8 4', '10 5'])
  })

  test('a certificate that nobody vouches for is BROKER_UNREACHABLE with its address', async () => {
    const failure = await connect({ ssl: true })
      .ports.admin.describe(['x'], soon())
      .catch((error: unknown) => error)
    expect(failure).toMatchObject({ code: 'BROKER_UNREACHABLE', message: expect.stringContaining(kafka.clientsAddresses[0] ?? '') })
  })

  test('a mechanism that the broker does not offer is BROKER_REFUSED', async () => {
    const { ports } = connect({ sasl: { mechanism: 'scram-sha-512', username: 'miller', password: 'grain' } })
    await expect(ports.admin.describe(['x'], soon())).rejects.toMatchObject({ code: 'BROKER_REFUSED' })
  })
})
