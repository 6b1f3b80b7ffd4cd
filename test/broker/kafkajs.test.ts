import { randomBytes } from 'node:crypto'
import { Kafka, logLevel } from 'kafkajs'
import { describe, expect, inject, test } from 'vitest'
import { fetch, metadata } from '../../src/adapters/kafkajs/apis.ts'
import { Cluster } from '../../src/adapters/kafkajs/cluster.ts'
import { createKafkaJs } from '../../src/adapters/kafkajs/kafkajs.ts'
import { commitValues, type MakeKafkaHarness, readTo, record, settle, soon, textOf, unique } from '../adapters/kafka-harness.ts'
import { partitionReaderConformance } from '../adapters/partition-reader.conformance.ts'
import { topicAdminConformance } from '../adapters/topic-admin.conformance.ts'
import { txnLogConformance } from '../adapters/txn-log.conformance.ts'

const brokers = inject('kafka')
const texts = Array.from({ length: 2000 }, (_, i) => `${i % 7} ${'repeated '.repeat(i % 50)}${(i * 7919) % 1009}`)

/** Codec numbers of the batches as the broker has them; without the marker, which is never compressed. */
const codecsOf = async (topic: string): Promise<readonly number[]> => {
  const cluster = new Cluster([], { clientId: 'codecs', ssl: null, sasl: null })
  const [host = '', port] = (brokers?.[0] ?? '').split(':')
  const request = { waitMs: 0, topics: [{ topic, partitions: [{ partition: 0, offset: 0, bytesMax: 10_000_000 }] }] }
  const { topics } = await cluster.send({ host, port: Number(port) }, fetch, request, soon())
  cluster.close('all')
  const set = topics[0]?.partitions[0]?.set ?? Buffer.of()
  const codecs: number[] = []
  for (let at = 0; at < set.length; at += 12 + set.readInt32BE(at + 8)) {
    const flags = set.readInt16BE(at + 21)
    if ((flags & 32) === 0) codecs.push(flags & 7)
  }
  return codecs
}

/** The first values of a topic, as somebody else's consumer reads them. */
const readByKafkaJs = async (topic: string, count: number): Promise<readonly (string | null)[]> => {
  const consumer = new Kafka({ brokers: [...(brokers ?? [])], logLevel: logLevel.NOTHING }).consumer({ groupId: topic })
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  const values: (string | null)[] = []
  try {
    await new Promise<void>((resolve, reject) => {
      consumer.on(consumer.events.CRASH, ({ payload }) => reject(payload.error))
      const eachMessage = async ({ message }: { readonly message: { readonly value: Buffer | null } }) => {
        if (values.push(textOf(message.value)) === count) resolve()
      }
      consumer.run({ autoCommit: false, eachMessage }).catch(reject)
    })
  } finally {
    await consumer.disconnect()
  }
  return values
}

describe.skipIf(brokers === null)('kafkajs', () => {
  const make: MakeKafkaHarness = async () => {
    const ports = createKafkaJs({ brokers: brokers ?? [] })
    return {
      ports,
      truncate: (at) => ports.admin.deleteRecords([at], soon()),
      async close() {
        await Promise.all([ports.txnLog.close(), ports.reader.close(), ports.admin.close()])
      },
    }
  }

  test('one broker lists itself', async () => {
    const cluster = new Cluster([], { clientId: 'list', ssl: null, sasl: null })
    const [host = '', port] = (brokers?.[0] ?? '').split(':')
    const answer = await cluster.send({ host, port: Number(port) }, metadata, { topics: [] }, soon())
    expect(answer.brokers.map((broker) => `${broker.host}:${broker.port}`)).toEqual(brokers)
    cluster.close('all')
  })

  txnLogConformance('Kafka', make)
  partitionReaderConformance('Kafka', make)
  topicAdminConformance('Kafka', make)

  describe('batches that a broker has compressed', () => {
    test.for(['gzip', 'snappy', 'lz4', 'zstd'])('are read with %s', async (codec) => {
      const harness = await make()
      const at = { topic: unique(codec), partition: 0 }
      await harness.ports.admin.create([{ topic: at.topic, partitions: 1, config: { 'compression.type': codec } }], soon())
      const values = [...texts, randomBytes(90_000).toString('hex')]
      await commitValues(harness, at, values)
      expect((await readTo(harness.ports.reader, at, values.length + 1)).map(({ value }) => textOf(value))).toEqual(values)
      await harness.close()
    })
  })

  describe('batches that were compressed here', () => {
    const own = { none: 0, gzip: 1, zstd: 4 }
    const kinds = ['none', 'gzip', 'zstd'] as const
    /** What a topic asks for, and what its log then has: where that differs, the broker has read our batches and written its own. */
    const asked = { producer: undefined, uncompressed: 0, gzip: 1, snappy: 2, lz4: 3, zstd: 4 }
    const cases = kinds.flatMap((kind) => Object.entries(asked).map(([type, codec]) => [kind, type, codec ?? own[kind]] as const))
    test.for(cases)('with %s are taken by a topic with compression.type=%s', async ([compression, type, codec]) => {
      const harness = await make()
      const at = { topic: unique(`${compression}-${type}`), partition: 0 }
      await harness.ports.admin.create([{ topic: at.topic, partitions: 1, config: { 'compression.type': type } }], soon())
      const session = await harness.ports.txnLog.open({
        ...{ transactionalId: at.topic, transactionTimeoutMs: 30_000, deadlineMs: soon(), compression },
      })
      await session.append([{ ...at, records: texts.map((text) => record(text)) }], soon())
      await session.commit(soon())
      await settle(harness, at.topic)
      expect((await readTo(harness.ports.reader, at, texts.length + 1)).map(({ value }) => textOf(value))).toEqual(texts)
      expect(await codecsOf(at.topic)).toEqual([codec])
      // kafkajs has no codec but these
      if (codec < 2) expect(await readByKafkaJs(at.topic, texts.length)).toEqual(texts)
      await harness.close()
    })
  })
})
