import { randomBytes } from 'node:crypto'
import { Kafka, logLevel } from 'kafkajs'
import { describe, expect, inject, test } from 'vitest'
import { createKafkaJs } from '../../src/adapters/kafkajs/kafkajs.ts'
import { commitValues, type MakeKafkaHarness, readTo, soon, textOf, unique } from '../adapters/kafka-harness.ts'
import { partitionReaderConformance } from '../adapters/partition-reader.conformance.ts'
import { topicAdminConformance } from '../adapters/topic-admin.conformance.ts'
import { txnLogConformance } from '../adapters/txn-log.conformance.ts'

const brokers = inject('kafka')

describe.skipIf(brokers === null)('kafkajs', () => {
  const make: MakeKafkaHarness = async () => {
    const ports = createKafkaJs({ brokers: brokers ?? [] })
    const admin = new Kafka({ brokers: [...(brokers ?? [])], logLevel: logLevel.NOTHING }).admin()
    await admin.connect()
    return {
      ports,
      async truncate({ topic, partition, offset }) {
        // kafkajs deletes records only from topics that it has asked about before.
        await admin.fetchTopicOffsets(topic)
        await admin.deleteTopicRecords({ topic, partitions: [{ partition, offset: String(offset) }] })
      },
      async close() {
        await Promise.all([ports.txnLog.close(), ports.reader.close(), ports.admin.close(), admin.disconnect()])
      },
    }
  }

  txnLogConformance('Kafka', make)
  partitionReaderConformance('Kafka', make)
  topicAdminConformance('Kafka', make)

  describe('batches that a broker has compressed', () => {
    test.for(['gzip', 'snappy', 'lz4', 'zstd'])('are read with %s', async (codec) => {
      const harness = await make()
      const at = { topic: unique(codec), partition: 0 }
      await harness.ports.admin.create([{ topic: at.topic, partitions: 1, config: { 'compression.type': codec } }], soon())
      const values = [
        ...Array.from({ length: 2000 }, (_, i) => `${i % 7} ${'repeated '.repeat(i % 50)}${(i * 7919) % 1009}`),
        randomBytes(90_000).toString('hex'),
      ]
      await commitValues(harness, at, values)
      expect((await readTo(harness.ports.reader, at, values.length + 1)).map(({ value }) => textOf(value))).toEqual(values)
      await harness.close()
    })
  })
})
