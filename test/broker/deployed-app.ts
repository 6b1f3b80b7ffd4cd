import { bundleNodeOptions } from '../../infra/constructs/bundle-options.ts'
import { createInternalTopics } from '../../infra/handlers/topic-plan.ts'
import { createDynamoDb } from '../../src/adapters/dynamodb/dynamodb.ts'
import { createKafkaJs } from '../../src/adapters/kafkajs/kafkajs.ts'
import type { KafkaEvent } from '../../src/lambda/index.ts'
import { createEventSourceMapping, type EventSourceMapping, type EventSourceMappingConfig } from '../../src/local/event-source-mapping.ts'
import type { InvokeReply } from '../../src/local/invoke-reply.ts'
import { createLambdaFunction, type LambdaFunction, type LambdaFunctionConfig } from '../../src/local/lambda-emulator.ts'
import type { KafkaPorts } from '../../src/runtime/ports.ts'
import type { TableBackend } from '../../src/state/backend.ts'
import { topicName } from '../../src/topology/nodes.ts'
import type { Topology } from '../../src/topology/topology.ts'

export interface DeployedAppOptions {
  readonly topology: Topology
  readonly applicationId: string
  /** Where `index.mjs` is. */
  readonly bundleFolder: string
  readonly kafka: readonly string[]
  readonly dynamodb: string
  /** Of the user's topics that do not exist yet. Default: 2. */
  readonly partitions?: number
}

/** What the cloud would hold of one application: its topics, its table, one function per sub-topology, one mapping per source topic. */
export interface DeployedApp {
  readonly kafka: KafkaPorts
  readonly table: TableBackend
  readonly partitionsOf: (topic: string) => number
  /** Every topic that it reads or writes, its internal ones too. */
  readonly topics: readonly string[]
  /** A function of its own for the sub-topology, i.e. environments of its own: as the deployed one but for `change`. */
  lambda(subTopology: string, change?: Partial<LambdaFunctionConfig>): LambdaFunction
  /** Starts the event source mappings; `invoke` is handed every event of theirs. */
  connect(
    invoke: (subTopology: string, event: KafkaEvent) => Promise<InvokeReply>,
    change?: Partial<EventSourceMappingConfig>,
  ): Promise<void>
  /** Resolves when everything in the source topics was delivered and is behind the tasks' checkpoints. */
  drained(): Promise<void>
  /** What a task still has to do, in words; empty when everything in the source topics is behind the tasks' checkpoints. */
  unfinished(): Promise<readonly string[]>
  close(): Promise<void>
}

export const credentials = { accessKeyId: 'local', secretAccessKey: 'local' }
const region = 'us-east-1'
const soon = () => Date.now() + 30_000

export const deployApp = async (options: DeployedAppOptions): Promise<DeployedApp> => {
  const { topology, applicationId, bundleFolder } = options
  const kafka = createKafkaJs({ brokers: options.kafka })
  const table = createDynamoDb({ table: applicationId, endpoint: options.dynamodb, region, credentials })
  const counts = new Map(await createTopics(kafka, options))
  await table.ensure(soon())
  const lambdas: LambdaFunction[] = []
  const mappings: EventSourceMapping[] = []
  const sources = topology.subTopologies.flatMap((sub) =>
    sub.sourceTopics.map((source) => ({ subTopology: sub.name, topic: topicName(source, applicationId) })),
  )
  const partitionsOf = (topic: string): number => counts.get(topic) ?? 0

  const unfinished = (): Promise<readonly string[]> => unfinishedTasks({ kafka, table, sources, partitionsOf })

  return {
    kafka,
    table,
    partitionsOf,
    topics: [...counts.keys()],
    unfinished,
    lambda(subTopology, change) {
      const lambda = createLambdaFunction({
        name: `${applicationId}-${subTopology}`,
        root: bundleFolder,
        handler: 'index.handler',
        timeoutMs: 30_000,
        memoryMb: 512,
        ...change,
        environment: { ...environmentOf(options, subTopology), ...change?.environment },
      })
      lambdas.push(lambda)
      return lambda
    },
    async connect(invoke, change) {
      for (const { subTopology, topic } of sources) {
        const mapping = createEventSourceMapping({
          ...{ reader: kafka.reader, admin: kafka.admin, topic, partitions: partitionsOf(topic) },
          ...{ groupId: `${applicationId}-${subTopology}-${topic}`, windowMs: 20, concurrencyMax: 1, retryDelayMs: () => 50 },
          ...change,
          invoke: (event) => invoke(subTopology, event),
        })
        mappings.push(mapping)
        await mapping.start()
      }
    },
    async drained() {
      do for (const mapping of mappings) await mapping.idle()
      while ((await unfinished()).length > 0)
    },
    async close() {
      // Kills what still runs, so that no mapping waits for it.
      await Promise.all(lambdas.map((lambda) => lambda.close()))
      await Promise.all(mappings.map((mapping) => mapping.stop()))
      await Promise.all([kafka.txnLog.close(), kafka.reader.close(), kafka.admin.close(), table.close()])
    },
  }
}

/** As the stack sets it, but for the endpoint of the table and the credentials. */
export const environmentOf = (
  { applicationId, kafka, dynamodb }: Pick<DeployedAppOptions, 'applicationId' | 'kafka' | 'dynamodb'>,
  subTopology: string,
): Record<string, string> => ({
  NODE_OPTIONS: bundleNodeOptions,
  MILLRACE_APPLICATION_ID: applicationId,
  MILLRACE_SUB_TOPOLOGY: subTopology,
  MILLRACE_TABLE: applicationId,
  MILLRACE_BROKERS: kafka.join(','),
  MILLRACE_AUTH: '{"kind":"none"}',
  AWS_REGION: region,
  AWS_ENDPOINT_URL_DYNAMODB: dynamodb,
  AWS_ACCESS_KEY_ID: credentials.accessKeyId,
  AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
})

/** The user's topics where they are missing, and the internal ones as the custom resource of the stack makes them. */
const createTopics = async (
  { admin }: KafkaPorts,
  { topology, applicationId, partitions = 2 }: DeployedAppOptions,
): Promise<ReadonlyMap<string, number>> => {
  const userTopics = [...new Set([...topology.sourceTopics, ...topology.sinkTopics])]
  await admin.create(
    userTopics.map((topic) => ({ topic, partitions, config: {} })),
    soon(),
  )
  const subTopologies = topology.subTopologies.map(({ name, sourceTopics, sinks, copartitioned }) => ({
    ...{ name, sourceTopics, copartitioned },
    sinks: sinks.flatMap(({ topic }) => (typeof topic === 'function' ? [] : [{ topic }])),
  }))
  const internalTopics = topology.internalTopics(applicationId)
  const { counts } = await createInternalTopics(admin, { applicationId, subTopologies, internalTopics, userTopics }, soon())
  return new Map([...counts, ...userTopics.map((topic) => [topic, partitions] as const)])
}

export interface Reach extends Pick<DeployedApp, 'kafka' | 'table' | 'partitionsOf'> {
  readonly sources: readonly { readonly subTopology: string; readonly topic: string }[]
}

/** Nothing is unread behind any checkpoint, no transaction is open in a source topic, no bell unanswered. */
export const unfinishedTasks = async ({ kafka, table, sources, partitionsOf }: Reach): Promise<readonly string[]> => {
  const left: string[] = []
  for (const { subTopology, topic } of sources) {
    for (let partition = 0; partition < partitionsOf(topic); partition++) {
      const item = await table.readTask({ subTopology, partition }, soon())
      const offset = item?.checkpoint?.positions[topic] ?? 0
      const where = `task ${subTopology}/${partition} at ${offset} of ${topic}`
      const bell = item?.bells[topic] ?? 0
      const [answer] = await kafka.reader.fetch([{ topic, partition, offset, bytesMax: 1 }], { waitMs: 0, deadlineMs: soon() })
      if (!answer || answer.records.length > 0 || answer.nextOffset < answer.highWatermark) {
        const { lastStableOffset, highWatermark } = answer ?? {}
        const held = item?.lease ? `, held by ${item.lease.source}` : ''
        left.push(`${where}, which is readable up to ${lastStableOffset} of ${highWatermark}${held}`)
      } else if (bell > offset) left.push(`${where}, promised up to ${bell}`)
    }
  }
  return left
}
