import { Socket } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, inject, test, vi } from 'vitest'
import { createKafkaJs } from '../../src/adapters/kafkajs/kafkajs.ts'
import type { KafkaPorts } from '../../src/runtime/ports.ts'
import { type KafkaHarness, linesTo, newTopic, openSession, record, settle, soon, unique } from '../adapters/kafka-harness.ts'
import { type FaultProxy, startFaultProxy } from './fault-proxy.ts'
import { type RunningKafka, startKafka } from './kafka.ts'

const apiKeys = {
  produce: 0,
  metadata: 3,
  findCoordinator: 10,
  saslHandshake: 17,
  apiVersions: 18,
  initProducerId: 22,
  addPartitions: 24,
  endTxn: 26,
  saslAuthenticate: 36,
}
const jaas = 'org.apache.kafka.common.security.plain.PlainLoginModule required user_miller="grain";'
const settings = { 'listener.name.clients.sasl.enabled.mechanisms': 'PLAIN', 'listener.name.clients.plain.sasl.jaas.config': jaas }

/** Every client of this suite authenticates and comes through a proxy that loses answers. */
describe.skipIf(inject('kafka') === null)('kafkajs, when things fail', () => {
  let kafka: RunningKafka
  let proxy: FaultProxy
  let harness: KafkaHarness

  const clientOf = (password: string): KafkaPorts =>
    createKafkaJs({ brokers: [`127.0.0.1:${proxy.port}`], sasl: { mechanism: 'plain', username: 'miller', password } })
  const closeAll = (ports: KafkaPorts) => Promise.all([ports.txnLog.close(), ports.reader.close(), ports.admin.close()])

  beforeAll(async () => {
    proxy = await startFaultProxy()
    kafka = await startKafka({ settings, clients: { protocol: 'SASL_PLAINTEXT', advertisedPorts: [proxy.port] } })
    proxy.target = Number(kafka.clientsAddresses[0]?.split(':')[1])
    const ports = clientOf('grain')
    harness = { ports, truncate: async () => {}, close: async () => void (await closeAll(ports)) }
    // The first transaction waits until the broker has made its internal topics.
    await settle(harness, unique('warm-up'))
  })
  afterEach(() => {
    proxy.fault = null
    vi.restoreAllMocks()
  })
  afterAll(async () => {
    await harness?.close()
    await proxy?.close()
    await kafka?.stop()
  })

  /** A topic with one open record of a session. */
  const openTransaction = async (value: string, transactionalId = unique('id')) => {
    const at = { topic: await newTopic(harness), partition: 0 }
    const session = await openSession(harness, transactionalId)
    await session.append([{ ...at, records: [record(value)] }], soon())
    return { at, session, transactionalId }
  }

  test('a first transaction asks for nothing twice, a further one sends three requests', async () => {
    const topic = await newTopic(harness)
    const ports = clientOf('grain')
    const client = { ...harness, ports }
    const transactionalId = unique('id')
    proxy.requests.length = 0
    const session = await openSession(client, transactionalId)
    await session.append([{ topic, partition: 0, records: [record('1')] }], soon())
    await session.commit(soon())
    const { apiVersions, saslHandshake, saslAuthenticate, findCoordinator, initProducerId, metadata, addPartitions, produce, endTxn } =
      apiKeys
    const handshake = [apiVersions, saslHandshake, saslAuthenticate]
    expect(proxy.requests).toEqual([...handshake, findCoordinator, initProducerId, metadata, addPartitions, produce, endTxn])
    await linesTo(ports.reader, { topic, partition: 0 }, 2)
    proxy.requests.length = 0
    await session.append([{ topic, partition: 0, records: [record('2')] }], soon())
    await session.commit(soon())
    expect(proxy.requests).toEqual([addPartitions, produce, endTxn])
    await closeAll(ports)
  })

  test('a commit whose answer is lost is sent again and takes effect once', async () => {
    const { at, session } = await openTransaction('once')
    proxy.fault = { apiKey: apiKeys.endTxn, action: 'cut', times: 1 }
    await session.commit(soon())
    await session.append([{ ...at, records: [record('next')] }], soon())
    await session.commit(soon())
    expect(await linesTo(harness.ports.reader, at, 4)).toEqual(['0 once', '2 next'])
  })

  test('a commit that is never answered is OUTCOME_UNKNOWN, and the log tells the outcome', async () => {
    const { at, session, transactionalId } = await openTransaction('committed')
    proxy.fault = { apiKey: apiKeys.endTxn, action: 'swallow', times: 100 }
    await expect(session.commit(Date.now() + 300)).rejects.toMatchObject({ code: 'OUTCOME_UNKNOWN' })
    expect(session.dead).toBe(true)
    proxy.fault = null
    await settle(harness, transactionalId)
    expect(await linesTo(harness.ports.reader, at, 2)).toEqual(['0 committed'])
  })

  test('an append whose answer is lost is TRANSACTION_ABORTED, and an abort makes it invisible', async () => {
    const at = { topic: await newTopic(harness), partition: 0 }
    const session = await openSession(harness, unique('id'))
    proxy.fault = { apiKey: apiKeys.produce, action: 'cut', times: 1 }
    await expect(session.append([{ ...at, records: [record('lost')] }], soon())).rejects.toMatchObject({ code: 'TRANSACTION_ABORTED' })
    expect(session.dead).toBe(true)
    await session.abort(soon())
    const other = await openSession(harness, unique('id'))
    const [appended] = await other.append([{ ...at, records: [record('other')] }], soon())
    await other.commit(soon())
    const { baseOffset = -1, nextOffset = -1 } = appended ?? {}
    expect(await linesTo(harness.ports.reader, at, nextOffset)).toEqual([`${baseOffset} other`])
  })

  test('an open whose answer is lost is sent again', async () => {
    const at = { topic: await newTopic(harness), partition: 0 }
    proxy.fault = { apiKey: apiKeys.initProducerId, action: 'cut', times: 2 }
    const session = await openSession(harness, unique('id'))
    await session.append([{ ...at, records: [record('a')] }], soon())
    await session.commit(soon())
    expect(await linesTo(harness.ports.reader, at, 2)).toEqual(['0 a'])
  })

  test('sockets that died in a freeze are not used again', async () => {
    const { at, session } = await openTransaction('before the freeze')
    await session.commit(soon())
    await linesTo(harness.ports.reader, at, 2)
    const accepted = proxy.accepted
    proxy.silence()
    const now = Date.now
    vi.spyOn(Date, 'now').mockImplementation(() => now() + 21_000)
    await session.append([{ ...at, records: [record('after')] }], soon())
    await session.commit(soon())
    expect(proxy.accepted).toBe(accepted + 1)
    expect(await linesTo(harness.ports.reader, at, 4)).toEqual(['0 before the freeze', '2 after'])
  })

  test('a socket on which a request timed out is not used again (K10)', async () => {
    const { session } = await openTransaction('x')
    proxy.fault = { apiKey: apiKeys.endTxn, action: 'swallow', times: 100 }
    await expect(session.commit(Date.now() + 300)).rejects.toMatchObject({ code: 'OUTCOME_UNKNOWN' })
    proxy.fault = null
    const accepted = proxy.accepted
    await openSession(harness, unique('id'))
    expect(proxy.accepted).toBe(accepted + 1)
  })

  test('an open socket wakes nobody while it is idle (K11), and holds no small request back (K12)', async () => {
    const noDelay = vi.spyOn(Socket.prototype, 'setNoDelay')
    const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length
    const before = timers()
    const ports = clientOf('grain')
    await ports.admin.describe(['x'], soon())
    expect(timers()).toBe(before)
    expect(noDelay).toHaveBeenCalledWith(true)
    await closeAll(ports)
  })

  test('a wrong password is BROKER_REFUSED', async () => {
    const ports = clientOf('chaff')
    await expect(ports.admin.describe(['x'], soon())).rejects.toMatchObject({ code: 'BROKER_REFUSED' })
    await closeAll(ports)
  })

  test('a broker that was killed is BROKER_UNREACHABLE until it is back, and its log is what it was', async () => {
    const { at, session } = await openTransaction('kept')
    await session.commit(soon())
    await linesTo(harness.ports.reader, at, 2)
    const { session: open, at: lost } = await openTransaction('open')
    await kafka.kill()
    const failure = await open.commit(Date.now() + 500).catch((error: unknown) => error)
    expect(failure).toMatchObject({ code: expect.stringMatching(/^(BROKER_UNREACHABLE|OUTCOME_UNKNOWN)$/) })
    await kafka.start(0)
    expect(await linesTo(harness.ports.reader, at, 2)).toEqual(['0 kept'])
    expect(open.dead).toBe(true)
    const next = await openSession(harness, unique('id'))
    await next.append([{ ...at, records: [record('next')] }], soon())
    await next.commit(soon())
    expect(await linesTo(harness.ports.reader, at, 4)).toEqual(['0 kept', '2 next'])
    expect((await harness.ports.reader.bounds([lost], soon()))[0]?.highWatermark).toBeGreaterThanOrEqual(1)
  })
})
