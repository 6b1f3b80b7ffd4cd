import { randomBytes } from 'node:crypto'
import { describe, expect, inject, test } from 'vitest'
import { metadata } from '../../src/adapters/kafkajs/apis.ts'
import { Cluster } from '../../src/adapters/kafkajs/cluster.ts'
import { createKafkaJs } from '../../src/adapters/kafkajs/kafkajs.ts'
import { commitValues, type MakeKafkaHarness, readTo, soon, textOf, unique } from '../adapters/kafka-harness.ts'
import { partitionReaderConformance } from '../adapters/partition-reader.conformance.ts'
import { topicAdminConformance } from '../adapters/topic-admin.conformance.ts'
import { txnLogConformance } from '../adapters/txn-log.conformance.ts'

const brokers = inject('kafka')

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
      const texts = Array.from({ length: 2000 }, (_, i) => `${i % 7} ${'repeated '.repeat(i % 50)}${(i * 7919) % 1009}`)
      const values = [...texts, randomBytes(90_000).toString('hex')]
      await commitValues(harness, at, values)
      expect((await readTo(harness.ports.reader, at, values.length + 1)).map(({ value }) => textOf(value))).toEqual(values)
      await harness.close()
    })
  })
})
