import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { metadata } from '../../src/adapters/kafkajs/apis.ts'
import { Cluster } from '../../src/adapters/kafkajs/cluster.ts'
import { freePorts, type JavaProcess, startJava, untilReady } from './java-process.ts'
import { jarsOf } from './real-parts.ts'

export interface KafkaOptions {
  /** Default 1. With several, topics are replicated to all of them and one may fail. */
  readonly brokers?: number
  /** Added to, or in place of, the lines of server.properties. */
  readonly settings?: Readonly<Record<string, string>>
  readonly jvm?: readonly string[]
  /** How long a broker may take to start. Default: a minute. */
  readonly startMsMax?: number
  /** A second listener of each broker, for clients that come another way, e.g. authenticated or through a proxy. */
  readonly clients?: {
    readonly protocol: 'PLAINTEXT' | 'SASL_PLAINTEXT' | 'SSL' | 'SASL_SSL'
    /** The loopback ports that clients are sent to, one per broker; default: the listeners' own. */
    readonly advertisedPorts?: readonly number[]
  }
  /** Passwords by user, for SCRAM-SHA-512. */
  readonly scramUsers?: Readonly<Record<string, string>>
}

/** Settings of the listener for clients. */
export const forClients = (settings: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(settings).map(([name, value]) => [`listener.name.clients.${name}`, value]))

export interface RunningKafka {
  readonly bootstrap: readonly string[]
  /** The addresses of the listeners for `clients`, by broker; empty without them. */
  readonly clientsAddresses: readonly string[]
  /** kill -9 of one broker, or of all of them; the data stays until `stop`. */
  kill(broker?: number): Promise<void>
  /** One broker ends in order: it hands over what it leads and coordinates first. */
  shutDown(broker: number): Promise<void>
  /** Starts a broker again that was killed or shut down, with its data and its ports. */
  start(broker: number): Promise<void>
  /** It stands still, with its sockets open, until `thaw`. */
  freeze(broker: number): void
  thaw(broker: number): void
  /** Kills all brokers and removes their data. */
  stop(): Promise<void>
}

const clusterId = 'MkU3OEVBNTcwNTJENDM2Qg'

/** A Kafka cluster on free loopback ports: KRaft, each broker is a controller too, data in a temporary folder. */
export const startKafka = async ({
  brokers = 1,
  settings = {},
  jvm = [],
  startMsMax = 60_000,
  clients,
  scramUsers = {},
}: KafkaOptions = {}): Promise<RunningKafka> => {
  const jars = await jarsOf('kafka')
  const folder = await mkdtemp(join(tmpdir(), 'millrace-kafka-'))
  const ports = await freePorts(3 * brokers)
  const ids = Array.from({ length: brokers }, (_, id) => id)
  const fileOf = (id: number) => join(folder, `server-${id}.properties`)
  const classPath = ['-cp', join(jars, '*')]
  const running = new Map<number, JavaProcess>()
  const stop = async () => {
    await Promise.all([...running.values()].map((java) => java.signal('SIGKILL')))
    await rm(folder, { recursive: true, force: true })
  }
  const listenerSettings = (id: number) => (clients === undefined ? {} : clientsListener(id, brokers, ports, clients))
  const bootstrap = ids.map((id) => `127.0.0.1:${ports[id]}`)
  const launch = (id: number) => {
    const java = startJava(['-Xmx512m', ...jvm, ...classPath, 'kafka.Kafka', fileOf(id)], join(folder, `broker-${id}.log`))
    running.set(id, java)
    return java
  }
  try {
    await Promise.all(
      ids.map(async (id) => {
        const own = { ...listenerSettings(id), ...settings }
        await writeFile(fileOf(id), propertiesOf(id, brokers, ports, join(folder, `data-${id}`), own))
        const users = Object.entries(scramUsers).flatMap(([name, password]) => [
          '--add-scram',
          `SCRAM-SHA-512=[name=${name},password=${password}]`,
        ])
        const format = ['-XX:TieredStopAtLevel=1', ...classPath, 'kafka.tools.StorageTool', 'format', '-t', clusterId, '-c', fileOf(id)]
        await promisify(execFile)('java', [...format, ...users])
      }),
    )
    await Promise.all(
      ids.map((id) => untilReady(`Kafka broker ${id}`, launch(id), () => assertListed(bootstrap[id] ?? '', brokers), startMsMax)),
    )
  } catch (error) {
    await stop()
    throw error
  }
  return {
    bootstrap,
    clientsAddresses: clients === undefined ? [] : ids.map((id) => `127.0.0.1:${ports[2 * brokers + id]}`),
    stop,
    async kill(broker) {
      const killed = broker === undefined ? [...running.values()] : [running.get(broker)]
      await Promise.all(killed.map((java) => java?.signal('SIGKILL')))
    },
    shutDown: async (broker) => running.get(broker)?.signal('SIGTERM'),
    freeze: (broker) => running.get(broker)?.freeze(),
    thaw: (broker) => running.get(broker)?.thaw(),
    start: (broker) => untilReady(`Kafka broker ${broker}`, launch(broker), () => assertListed(bootstrap[broker] ?? '', 1), startMsMax),
  }
}

const clientsListener = (
  id: number,
  brokers: number,
  ports: readonly number[],
  { protocol, advertisedPorts }: NonNullable<KafkaOptions['clients']>,
) => {
  const [own, controller, port] = [ports[id], ports[brokers + id], ports[2 * brokers + id]]
  return {
    listeners: `PLAINTEXT://127.0.0.1:${own},CONTROLLER://127.0.0.1:${controller},CLIENTS://127.0.0.1:${port}`,
    'advertised.listeners': `PLAINTEXT://127.0.0.1:${own},CLIENTS://127.0.0.1:${advertisedPorts?.[id] ?? port}`,
    'listener.security.protocol.map': `PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,CLIENTS:${protocol}`,
  }
}

const propertiesOf = (
  id: number,
  brokers: number,
  ports: readonly number[],
  dataFolder: string,
  settings: Readonly<Record<string, string>>,
) => {
  const controllers = ports.slice(brokers, 2 * brokers).map((port, node) => `${node}@127.0.0.1:${port}`)
  const replicas = String(brokers)
  const replicasMin = String(Math.min(brokers, 2))
  const properties = {
    'process.roles': 'broker,controller',
    'node.id': String(id),
    'controller.quorum.voters': controllers.join(','),
    listeners: `PLAINTEXT://127.0.0.1:${ports[id]},CONTROLLER://127.0.0.1:${ports[brokers + id]}`,
    'advertised.listeners': `PLAINTEXT://127.0.0.1:${ports[id]}`,
    'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT',
    'controller.listener.names': 'CONTROLLER',
    'inter.broker.listener.name': 'PLAINTEXT',
    'log.dirs': dataFolder,
    'auto.create.topics.enable': 'false',
    'default.replication.factor': replicas,
    'min.insync.replicas': replicasMin,
    // Tests write times of their own choice; a broker would soon delete what looks older than a week.
    'log.retention.ms': '-1',
    // what may be deleted, in changelogs of windows, is deleted soon
    'log.cleaner.backoff.ms': '500',
    'group.initial.rebalance.delay.ms': '0',
    'offsets.topic.num.partitions': '3',
    'offsets.topic.replication.factor': replicas,
    'transaction.state.log.num.partitions': '3',
    'transaction.state.log.replication.factor': replicas,
    'transaction.state.log.min.isr': replicasMin,
    'transaction.abort.timed.out.transaction.cleanup.interval.ms': '200',
    'share.coordinator.state.topic.num.partitions': '1',
    'share.coordinator.state.topic.replication.factor': replicas,
    'share.coordinator.state.topic.min.isr': replicasMin,
    'broker.session.timeout.ms': '3000',
    'broker.heartbeat.interval.ms': '500',
    ...settings,
  }
  return Object.entries(properties)
    .map(([name, value]) => `${name}=${value}\n`)
    .join('')
}

/** A broker answers long before it takes part: it is ready once the metadata that it gives out lists everybody. */
const assertListed = async (broker: string, count: number): Promise<void> => {
  const [host = '', port] = broker.split(':')
  const cluster = new Cluster([], { clientId: 'readiness', ssl: null, sasl: null })
  try {
    const { brokers } = await cluster.send({ host, port: Number(port) }, metadata, { topics: [] }, Date.now() + 1000)
    if (brokers.length < count) throw new Error(`${brokers.length} of ${count} brokers are registered`)
  } finally {
    cluster.close('all')
  }
}
