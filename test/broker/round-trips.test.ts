import { type DeferredFlush, Serdes, StreamsBuilder } from 'millrace'
import { type StreamsHandler, streamsHandler } from 'millrace/lambda'
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest'
import { createDynamoDb } from '../../src/adapters/dynamodb/dynamodb.ts'
import { createKafkaJs } from '../../src/adapters/kafkajs/kafkajs.ts'
import type { Adapters } from '../../src/lambda/environment.ts'
import { partitionOfKey } from '../../src/runtime/partitioner.ts'
import { bytesOf, fetchOne, settle, soon, unique } from '../adapters/kafka-harness.ts'
import { credentials } from './deployed-app.ts'
import { type RunningKafka, startKafka } from './kafka.ts'
import { roundTrips, startWireTap, type WireTap } from './wire-tap.ts'

const dynamodb = inject('dynamodb')
const brokers = 2
/** One key for each partition of the output, and so one leader each. */
const keys = Array.from({ length: brokers }, (_, partition) => {
  const names = Array.from({ length: 20 }, (_, n) => `key ${n}`)
  return names.find((name) => partitionOfKey(bytesOf(name), brokers) === partition) ?? expect.fail('no key for it')
})

/** Requests of a transaction: partitions are added, then records go to both leaders at once, then it ends. */
const transaction = [['AddPartitionsToTxn'], ['Produce to 0', 'Produce to 1'], ['EndTxn']]

interface App {
  readonly sources: readonly string[]
  /** Writes all keys to the topic, once for each of these lengths of a value, each time as one transaction; answers the event that tells of the last. */
  write(topic: string, valueBytes?: readonly number[]): Promise<object>
  /** What an invocation with this event asked for. */
  traced(event: object): Promise<WireTap['exchanges']>
}

/** Everything that the handler asks for goes through a tap; what the tests themselves do goes past it. */
describe.skipIf(dynamodb === null)('requests of a warm function', () => {
  let kafka: RunningKafka
  let tap: WireTap
  let users: Adapters
  let open: Adapters | undefined

  const adaptersOver = (bootstrap: readonly string[], endpoint: string, table: string): Adapters => ({
    kafka: createKafkaJs({ brokers: bootstrap }),
    table: createDynamoDb({ table, endpoint, region: 'us-east-1', credentials }),
  })
  const close = async (adapters: Adapters | undefined): Promise<void> => {
    const ports = adapters === undefined ? [] : [...Object.values(adapters.kafka), adapters.table]
    await Promise.all(ports.map((port) => port.close()))
  }

  beforeAll(async () => {
    tap = await startWireTap({ brokers, dynamodb: dynamodb ?? '' })
    kafka = await startKafka({ brokers, clients: { protocol: 'PLAINTEXT', advertisedPorts: tap.ports } })
    tap.connectTo(kafka.clientsAddresses)
    users = adaptersOver(kafka.bootstrap, dynamodb ?? '', 'unused')
  }, 120_000)
  afterEach(async () => {
    await close(open)
    open = undefined
  })
  afterAll(async () => {
    await close(users)
    await kafka?.stop()
    await tap?.close()
  })

  /** Counts by key what comes in on so many topics, and is warm: it has counted every key once. */
  const warmApp = async (
    sourceCount: number,
    { flush, goesOn = false }: { flush?: DeferredFlush; goesOn?: boolean } = {},
  ): Promise<App> => {
    const applicationId = unique('app')
    const sources = Array.from({ length: sourceCount }, (_, n) => `${applicationId}-in-${n}`)
    const builder = new StreamsBuilder()
    const texts = { keySerde: Serdes.string, valueSerde: Serdes.string }
    builder
      .stream(sources, texts)
      .groupByKey()
      .count({ store: { name: 'counts', ...(flush ? { flush } : {}) } })
      .toStream()
      .to(`${applicationId}-out`)
    const topology = builder.build()
    const internal = topology.internalTopics(applicationId).map(({ name, config }) => ({ topic: name, partitions: 1, config }))
    const inputs = sources.map((topic) => ({ topic, partitions: 1, config: {} }))
    await users.kafka.admin.create([...inputs, { topic: `${applicationId}-out`, partitions: brokers, config: {} }, ...internal], soon())
    const adapters = adaptersOver(
      tap.ports.map((port) => `127.0.0.1:${port}`),
      tap.endpoint,
      applicationId,
    )
    open = adapters
    await adapters.table.ensure(soon())
    const identity = { applicationId, subTopology: topology.subTopologies[0]?.name ?? '' }
    const handler = streamsHandler(topology, { identity, adapters: () => adapters, log: () => undefined, goesOn })
    const app = appOver(handler, sources)
    for (const topic of sources) await app.traced(await app.write(topic))
    return app
  }

  const appOver = (handler: StreamsHandler, sources: readonly string[]): App => ({
    sources,
    write: async (topic, valueBytes = [1]) => {
      const transactionalId = unique('user')
      const session = await users.kafka.txnLog.open({ transactionalId, transactionTimeoutMs: 30_000, deadlineMs: soon() })
      for (const bytes of valueBytes) {
        const value = new Uint8Array(bytes)
        const records = keys.map((key) => ({ key: bytesOf(key), value, timestamp: 1_700_000_000_000, headers: [] }))
        await session.append([{ topic, partition: 0, records }], soon())
        await session.commit(soon())
      }
      session.close()
      // opening it again waits for the markers: then everything is readable
      const ports = users.kafka
      await settle({ ports, truncate: async () => {}, close: async () => {} }, transactionalId)
      const { highWatermark } = await fetchOne(ports.reader, { topic, partition: 0 }, 0)
      return { eventSource: 'SelfManagedKafka', records: { [`${topic}-0`]: [{ topic, partition: 0, offset: highWatermark - 2 }] } }
    },
    traced: async (event) => {
      tap.exchanges.length = 0
      await handler(event, { getRemainingTimeInMillis: () => 30_000 })
      return tap.exchanges.filter(({ early }) => !early)
    },
  })

  it('are, with one source, its input, the three of a transaction, its rows and its checkpoint, each once', async () => {
    const app = await warmApp(1)
    const event = await app.write(app.sources[0] ?? '')
    expect(roundTrips(await app.traced(event))).toEqual([['Fetch'], ...transaction, ['BatchExecuteStatement'], ['UpdateItem']])
  })

  it('are, where it goes on with what comes while rows are written, the same, and looks for input meanwhile', async () => {
    const app = await warmApp(1, { goesOn: true })
    const exchanges = await app.traced(await app.write(app.sources[0] ?? ''))
    const looks = exchanges.filter(({ name }) => name === 'Fetch').slice(1)
    expect(looks.length).toBeGreaterThan(0)
    const others = exchanges.filter((it) => !looks.includes(it))
    expect(roundTrips(others)).toEqual([['Fetch'], ...transaction, ['BatchExecuteStatement'], ['UpdateItem']])
    const sentOf = (wanted: string): number => exchanges.find(({ name }) => name === wanted)?.sent ?? Number.NaN
    const committed = exchanges.find(({ name }) => name === 'EndTxn')?.answered ?? Number.NaN
    expect(looks.filter(({ sent }) => sent < committed || sent > sentOf('UpdateItem'))).toEqual([])
  })

  it('are, where rows are flushed later, its input and the three of a transaction', async () => {
    const app = await warmApp(1, { flush: { intervalMs: 600_000 } })
    for (const round of [1, 2, 3])
      expect([round, roundTrips(await app.traced(await app.write(app.sources[0] ?? '')))]).toEqual([round, [['Fetch'], ...transaction]])
  })

  it('are, with several chunks, those of one transaction after the other; input is read meanwhile, rows and checkpoint are written once', async () => {
    const app = await warmApp(1)
    // two values of so many bytes are all that a chunk takes
    const event = await app.write(app.sources[0] ?? '', [450_000, 450_000, 450_000])
    const exchanges = await app.traced(event)
    const [input, ...inputs] = exchanges.filter(({ name }) => name === 'Fetch')
    const others = exchanges.filter(({ name }) => name !== 'Fetch')
    expect(roundTrips(others)).toEqual([...transaction, ...transaction, ...transaction, ['BatchExecuteStatement'], ['UpdateItem']])
    expect(exchanges.indexOf(input ?? expect.fail('no input'))).toBe(0)
    const ends = others.filter(({ name }) => name === 'EndTxn')
    const meanwhile = inputs.map(({ sent }, chunk) => sent < (ends[chunk]?.answered ?? 0))
    expect(meanwhile).toEqual([true, true])
  })

  it('are, with several sources, those and the lease', async () => {
    const app = await warmApp(2)
    const event = await app.write(app.sources[0] ?? '')
    const [lease, input, ...others] = roundTrips(await app.traced(event))
    expect([lease, ...others]).toEqual([['UpdateItem'], ...transaction, ['BatchExecuteStatement'], ['UpdateItem']])
    // the sources may have one leader or two
    expect([['Fetch'], ['Fetch', 'Fetch']]).toContainEqual(input)
  })

  it('are none where the event comes again', async () => {
    const app = await warmApp(1)
    const event = await app.write(app.sources[0] ?? '')
    await app.traced(event)
    expect(roundTrips(await app.traced(event))).toEqual([])
  })
})
