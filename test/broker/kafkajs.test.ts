import { randomBytes } from 'node:crypto'
import { describe, expect, inject, test } from 'vitest'
import { type Api, metadata } from '../../src/adapters/kafkajs/apis.ts'
import { Cluster } from '../../src/adapters/kafkajs/cluster.ts'
import { createKafkaJs } from '../../src/adapters/kafkajs/kafkajs.ts'
import { commitValues, type KafkaHarness, type MakeKafkaHarness, readTo, soon, textOf, unique } from '../adapters/kafka-harness.ts'
import { partitionReaderConformance } from '../adapters/partition-reader.conformance.ts'
import { topicAdminConformance } from '../adapters/topic-admin.conformance.ts'
import { txnLogConformance } from '../adapters/txn-log.conformance.ts'

const brokers = inject('kafka')

const deleteRecords: Api<Parameters<KafkaHarness['truncate']>[0], readonly number[]> = {
  name: 'DeleteRecords',
  key: 21,
  versionMin: 2,
  versionMax: 2,
  write(writer, { topic, partition, offset }) {
    writer.array([topic], () => {
      writer
        .string(topic)
        .array([partition], () => writer.int32(partition).int64(offset).noTags())
        .noTags()
    })
    writer.int32(30_000).noTags()
  },
  read(reader) {
    reader.int32()
    const errors = reader.array(() => {
      reader.string()
      const partitions = reader.array(() => {
        reader.int32()
        reader.int64()
        const error = reader.int16()
        reader.tags()
        return error
      })
      reader.tags()
      return partitions
    })
    return errors.flat()
  },
}

describe.skipIf(brokers === null)('kafkajs', () => {
  const make: MakeKafkaHarness = async () => {
    const ports = createKafkaJs({ brokers: brokers ?? [] })
    const [host = '', port] = (brokers?.[0] ?? '').split(':')
    const address = { host, port: Number(port) }
    const cluster = new Cluster([address], { clientId: 'truncate', ssl: null, sasl: null })
    return {
      ports,
      async truncate(at) {
        expect(await cluster.send(address, deleteRecords, at, soon())).toEqual([0])
      },
      async close() {
        await Promise.all([ports.txnLog.close(), ports.reader.close(), ports.admin.close()])
        cluster.close('all')
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
