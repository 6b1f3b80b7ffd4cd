import { setTimeout as delay } from 'node:timers/promises'
import { type Api, metadata } from '../../src/adapters/kafkajs/apis.ts'
import { Cluster } from '../../src/adapters/kafkajs/cluster.ts'
import { type RunningKafka, startKafka } from '../broker/kafka.ts'
import type { Schedule } from './schedule.ts'

/** A cluster whose brokers fail, at most one at a time. */
export interface Brokers {
  readonly kafka: RunningKafka
  /** One broker away for a while; resolves when it is back and every partition has all of its replicas. */
  fail(fault: Pick<Schedule['brokers'][number], 'kind' | 'broker' | 'lengthMs'>): Promise<void>
  stop(): Promise<void>
}

export const brokerCount = 3
/** For JVMs that run for minutes: what pays off later only costs. */
export const shortLived = ['-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC']

export const startBrokers = async (): Promise<Brokers> => {
  const settings = {
    // leaders go back to where they were, soon: a move more after each failure
    'auto.leader.rebalance.enable': 'true',
    'leader.imbalance.check.interval.seconds': '5',
  }
  const kafka = await startKafka({ brokers: brokerCount, settings, jvm: shortLived, startMsMax: patienceMs })
  const cluster = new Cluster(kafka.bootstrap.map(addressOf), { clientId: 'chaos', ssl: null, sasl: null })
  return {
    kafka,
    async fail({ kind, broker, lengthMs }) {
      if (kind === 'broker freeze') {
        kafka.freeze(broker)
        await delay(lengthMs)
        kafka.thaw(broker)
      } else {
        await (kind === 'broker kill' ? kafka.kill(broker) : kafka.shutDown(broker))
        await delay(lengthMs)
        await kafka.start(broker)
      }
      await inSync(cluster)
    },
    async stop() {
      cluster.close('all')
      await kafka.stop()
    },
  }
}

const addressOf = (address: string) => {
  const [host = '', port] = address.split(':')
  return { host, port: Number(port) }
}

const patienceMs = 600_000

const inSync = async (cluster: Cluster): Promise<void> => {
  const untilMs = Date.now() + patienceMs
  for (;;) {
    const late = await lagging(cluster).catch((error: unknown) => [String(error)])
    if (late.length === 0) return
    if (Date.now() > untilMs) throw new Error(`Replicas are not in sync after ${patienceMs} ms: ${late.slice(0, 5).join(', ')}`)
    await delay(250)
  }
}

const lagging = async (cluster: Cluster): Promise<readonly string[]> => {
  const found = await cluster.ask(replicas, { topics: null }, Date.now() + 10_000)
  return found.filter(({ inSync }) => inSync < brokerCount).map(({ place }) => place)
}

/** Metadata of all topics, of which the number of replicas in sync is read. */
const replicas: Api<{ readonly topics: null }, readonly { readonly place: string; readonly inSync: number }[]> = {
  ...metadata,
  write(writer) {
    writer.nullArray()
    writer.boolean(false).boolean(false).noTags()
  },
  read(reader) {
    reader.int32()
    reader.array(() => {
      reader.int32()
      reader.string()
      reader.int32()
      reader.nullableString()
      reader.tags()
    })
    reader.nullableString()
    reader.int32()
    return reader
      .array(() => {
        reader.int16()
        const topic = reader.string()
        reader.uuid()
        reader.boolean()
        const partitions = reader.array(() => {
          reader.int16()
          const partition = reader.int32()
          reader.int32()
          reader.int32()
          const [, inSync = []] = [0, 1, 2].map(() => reader.array(() => reader.int32()))
          reader.tags()
          return { place: `${topic}/${partition}`, inSync: inSync.length }
        })
        reader.int32()
        reader.tags()
        return partitions
      })
      .flat()
  },
}
