import { type Consumer, type EachBatchPayload, Kafka, logLevel, type Message, type Producer } from 'kafkajs'
import { measured } from './measured.ts'

/**
 * What one would write by hand: kafkajs with a consumer and a transactional producer per stage, a transaction for each batch, counts in a
 * Map whose changes go to a changelog. It does the same work as the topology of that name; it does not restore, and survives no failure.
 * Its batches are a quarter of the default size: what kafkajs takes to send one grows with its square, and the default takes minutes.
 */
const [name = '', brokers = '', applicationId = '', expected] = process.argv.slice(2)
const kafka = new Kafka({ clientId: applicationId, brokers: brokers.split(','), logLevel: logLevel.NOTHING })
const partitions = 4
const repartition = `${applicationId}-by-word`
const changelog = `${applicationId}-changelog`

type Step = (messages: EachBatchPayload['batch']['messages'], partition: number) => readonly { topic: string; messages: Message[] }[]

const text = (bytes: Buffer | null): string => bytes?.toString('utf8') ?? ''
const long = (value: number): Buffer => {
  const bytes = Buffer.allocUnsafe(8)
  bytes.writeBigInt64BE(BigInt(value))
  return bytes
}

const filterMap: Step = (messages) => {
  const kept = messages.filter(({ value }) => text(value).length > 3)
  return [{ topic: 'out', messages: kept.map(({ key, value, timestamp }) => ({ key, value: text(value).toUpperCase(), timestamp })) }]
}

const split: Step = (messages) => {
  const words = messages.flatMap(({ value, timestamp }) =>
    text(value)
      .split(' ')
      .map((word) => ({ key: word, value: word, timestamp })),
  )
  return [{ topic: repartition, messages: words }]
}

/** Counts by a name; what a batch has changed is written once. */
const counting = (nameOf: (message: { key: Buffer | null; timestamp: string }) => Buffer): Step => {
  const counts = new Map<string, number>()
  return (messages, partition) => {
    const changed = new Map<string, Message>()
    for (const message of messages) {
      const key = nameOf(message)
      const id = key.toString('latin1')
      const count = (counts.get(id) ?? 0) + 1
      counts.set(id, count)
      changed.set(id, { key, value: long(count), timestamp: message.timestamp })
    }
    const all = [...changed.values()]
    return [
      { topic: 'out', messages: all },
      { topic: changelog, messages: all.map((message) => ({ ...message, partition })) },
    ]
  }
}

const windowMs = 10_000
const windowed = ({ key, timestamp }: { key: Buffer | null; timestamp: string }): Buffer =>
  Buffer.concat([key ?? Buffer.alloc(0), long(Math.floor(Number(timestamp) / windowMs) * windowMs)])

const stages: Readonly<Record<string, readonly (readonly [topic: string, step: Step])[]>> = {
  'filter-map': [['in', filterMap]],
  'word-count': [
    ['in', split],
    [repartition, counting(({ key }) => key ?? Buffer.alloc(0))],
  ],
  'tumbling-count': [['in', counting(windowed)]],
}

const admin = kafka.admin()
await admin.connect()
await admin.createTopics({ topics: [repartition, changelog].map((topic) => ({ topic, numPartitions: partitions, replicationFactor: 1 })) })
await admin.disconnect()

let [began, processed] = [0, 0]
const done = Promise.withResolvers<void>()
const clients: (Consumer | Producer)[] = []
for (const [topic, step] of stages[name] ?? []) {
  const groupId = `${applicationId}-${topic}`
  const consumer = kafka.consumer({ groupId, maxBytesPerPartition: 262_144, readUncommitted: false })
  const producer = kafka.producer({ transactionalId: groupId, maxInFlightRequests: 1, idempotent: true })
  await Promise.all([consumer.connect(), producer.connect()])
  clients.push(consumer, producer)
  await consumer.subscribe({ topic, fromBeginning: true })
  await consumer.run({
    autoCommit: false,
    eachBatch: async ({ batch, resolveOffset, heartbeat }) => {
      began ||= performance.now()
      const transaction = await producer.transaction()
      await transaction.sendBatch({ topicMessages: [...step(batch.messages, batch.partition)] })
      const offset = String(BigInt(batch.lastOffset()) + 1n)
      await transaction.sendOffsets({ consumerGroupId: groupId, topics: [{ topic, partitions: [{ partition: batch.partition, offset }] }] })
      await transaction.commit()
      resolveOffset(batch.lastOffset())
      await heartbeat()
      processed += batch.messages.length
      if (processed >= Number(expected)) done.resolve()
    },
  })
}
await done.promise
const ms = performance.now() - began
measured({ ms })
await Promise.all(clients.map((client) => client.disconnect()))
