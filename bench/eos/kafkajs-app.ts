import { type Consumer, type EachBatchPayload, Kafka, logLevel, type Message, type Producer } from 'kafkajs'
import { measured } from './measured.ts'

/**
 * What one would write by hand: kafkajs with a consumer and a transactional producer per stage, a transaction for each batch, counts in a
 * Map whose changes go to a changelog. It does the same work as the topology of that name; it does not restore, and survives no failure.
 */
const [name = '', brokers = '', applicationId = '', expected] = process.argv.slice(2)
const kafka = new Kafka({
  ...{ clientId: applicationId, brokers: brokers.split(','), logLevel: logLevel.NOTHING },
  // a transaction that follows another at once is refused while the markers of that one are written, and then waits 300 ms by default
  retry: { initialRetryTime: 20, retries: 12 },
})
const partitions = 4
const repartition = `${applicationId}-by-word`
const changelog = `${applicationId}-changelog`

interface Output {
  readonly topic: string
  readonly messages: Message[]
}
type Step = (messages: EachBatchPayload['batch']['messages'], partition: number) => readonly Output[]

/** kafkajs 2.2.4 sorts what it sends by partition in a time that grows with its square: 50,000 messages at once take it seconds. */
const messagesAtOnce = 1_000
const slicesOf = (outputs: readonly Output[]): readonly Output[][] =>
  Array.from({ length: Math.ceil(Math.max(0, ...outputs.map(({ messages }) => messages.length)) / messagesAtOnce) }, (_, n) =>
    outputs
      .map(({ topic, messages }) => ({ topic, messages: messages.slice(n * messagesAtOnce, (n + 1) * messagesAtOnce) }))
      .filter(({ messages }) => messages.length > 0),
  )

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
const [consumers, producers]: [Consumer[], Producer[]] = [[], []]
for (const [topic, step] of stages[name] ?? []) {
  const groupId = `${applicationId}-${topic}`
  const consumer = kafka.consumer({ groupId, readUncommitted: false })
  const producer = kafka.producer({ transactionalId: groupId, maxInFlightRequests: 1, idempotent: true })
  await Promise.all([consumer.connect(), producer.connect()])
  consumers.push(consumer)
  producers.push(producer)
  // kafkajs starts it again after what may be tried again, such as a coordinator that is not ready; after anything else it would stand still
  consumer.on(consumer.events.CRASH, ({ payload }) => payload.restart || done.reject(payload.error))
  await consumer.subscribe({ topic, fromBeginning: true })
  await consumer.run({
    autoCommit: false,
    eachBatch: async ({ batch, resolveOffset, heartbeat }) => {
      began ||= performance.now()
      const transaction = await producer.transaction()
      for (const topicMessages of slicesOf(step(batch.messages, batch.partition))) await transaction.sendBatch({ topicMessages })
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
// a batch that is under way needs its producer, and one that loses it opens new connections, which keep the process alive
for (const clients of [consumers, producers]) await Promise.all(clients.map((client) => client.disconnect()))
