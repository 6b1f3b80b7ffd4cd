import { CreateTableCommand, DescribeTableCommand, DynamoDBClient } from '@aws-sdk/client-dynamodb'
import {
  type EventSourceMappingConfiguration,
  GetFunctionConfigurationCommand,
  InvokeCommand,
  LambdaClient,
  ListEventSourceMappingsCommand,
} from '@aws-sdk/client-lambda'
import { createDynamoDb } from '../../src/adapters/dynamodb/dynamodb.ts'
import { createKafkaJs } from '../../src/adapters/kafkajs/kafkajs.ts'
import { kafkaSecurity } from '../../src/lambda/kafka-security.ts'
import { createEventSourceMapping, type EventSourceMapping } from '../../src/local/event-source-mapping.ts'
import type { InvokeReply } from '../../src/local/invoke-reply.ts'
import type { KafkaPorts } from '../../src/runtime/ports.ts'
import type { TableBackend } from '../../src/state/backend.ts'
import { credentials, unfinishedTasks } from '../broker/deployed-app.ts'
import type { Inventory, LocalAws } from './local-aws.ts'
import { region } from './local-aws.ts'

export interface ChainOptions {
  readonly aws: LocalAws
  /** DynamoDB Local: moto keeps the table's description, this its items. */
  readonly dynamodb: string
  /** Whom the brokers' certificate is from. */
  readonly certificate: string
}

/** What the service does by itself once a stack is deployed: it polls for the mappings and ticks for the schedules. */
export interface DeployedChain {
  readonly kafka: KafkaPorts
  readonly table: TableBackend
  /** Resolves when everything in the source topics was processed. */
  drained(): Promise<void>
  /** GET of a path at the function URL, for somebody who may call it: status and what it answers. */
  ask(path: string): Promise<{ readonly status: number; readonly answer: unknown }>
  /** Each schedule's input to its target; what they answer, by schedule. */
  tick(): Promise<Readonly<Record<string, InvokeReply>>>
  stop(): Promise<void>
}

const soon = () => Date.now() + 30_000
/** Its physical id is the function behind it. */
const urlType = 'AWS::Lambda::Url'

/** Reads mappings, schedules, functions and the table from the account, and nothing from the code that has deployed them. */
export async function startChain({ aws, dynamodb, certificate }: ChainOptions): Promise<DeployedChain> {
  const lambda = new LambdaClient({ endpoint: aws.endpoint, region, credentials })
  const { EventSourceMappings: deployed = [] } = await lambda.send(new ListEventSourceMappingsCommand({}))
  const [first = raise('no mapping was deployed')] = deployed
  const security = await kafkaSecurity({ kind: 'scram', mechanism: 'scram-sha-512', secretArn: secretOf(first) }, aws.environment)
  const kafka = createKafkaJs({ brokers: brokersOf(first), ...security, ssl: { ca: certificate } })
  const table = await openTable(aws, dynamodb, await settingOf(lambda, first, 'MILLRACE_TABLE'))
  const topics = await kafka.admin.describe(deployed.map(topicOf), soon())
  const counts = new Map(topics.map(({ topic, partitions }) => [topic, partitions]))
  const partitionsOf = (topic: string) => counts.get(topic) ?? raise(`${topic} does not exist`)

  const invoke = async (name: string, event: string): Promise<InvokeReply> => {
    const reply = await lambda.send(new InvokeCommand({ FunctionName: name, Payload: Buffer.from(event) }))
    const payload = Buffer.from(reply.Payload ?? []).toString()
    return { status: reply.StatusCode ?? 0, payload, ...(reply.FunctionError === undefined ? {} : { error: 'Unhandled' }) }
  }

  const mappings = deployed.map((mapping) => startMapping(mapping, { kafka, partitionsOf, invoke }))
  await Promise.all(mappings.map((mapping) => mapping.start()))
  const sources = await Promise.all(
    deployed.map(async (mapping) => ({
      subTopology: await settingOf(lambda, mapping, 'MILLRACE_SUB_TOPOLOGY'),
      topic: topicOf(mapping),
    })),
  )
  let asked: Promise<Inventory> | undefined
  return {
    kafka,
    table,
    async drained() {
      do for (const mapping of mappings) await mapping.idle()
      while ((await unfinishedTasks({ kafka, table, sources, partitionsOf })).length > 0)
    },
    async ask(path) {
      asked ??= aws.inventory()
      const { stacks } = await asked
      const [url] = Object.values(stacks).flatMap(({ resources }) => Object.values(resources).filter(([type]) => type === urlType))
      const event = { rawPath: path, rawQueryString: '', requestContext: { http: { method: 'GET' } } }
      const { payload } = await invoke(url?.[1] ?? raise('no function URL was deployed'), JSON.stringify(event))
      const { statusCode, body }: { readonly statusCode: number; readonly body: string } = JSON.parse(payload)
      return { status: statusCode, answer: JSON.parse(body) }
    },
    async tick() {
      const { schedules } = await aws.inventory()
      const answers = schedules.map(async ({ Name, Target }) => [Name, await invoke(Target.Arn, Target.Input)] as const)
      return Object.fromEntries(await Promise.all(answers))
    },
    async stop() {
      await Promise.all(mappings.map((mapping) => mapping.stop()))
      await Promise.all([kafka.txnLog.close(), kafka.reader.close(), kafka.admin.close(), table.close()])
      lambda.destroy()
    },
  }
}

interface Reach {
  readonly kafka: KafkaPorts
  partitionsOf(topic: string): number
  invoke(name: string, event: string): Promise<InvokeReply>
}

function startMapping(mapping: EventSourceMappingConfiguration, { kafka, partitionsOf, invoke }: Reach): EventSourceMapping {
  const topic = topicOf(mapping)
  const { BatchSize = 100, MaximumBatchingWindowInSeconds = 0.5, FunctionArn = '', StartingPosition } = mapping
  if (StartingPosition !== 'TRIM_HORIZON') raise(`${topic} is polled from ${StartingPosition}`)
  return createEventSourceMapping({
    ...{ reader: kafka.reader, admin: kafka.admin, topic, partitions: partitionsOf(topic) },
    groupId: mapping.SelfManagedKafkaEventSourceConfig?.ConsumerGroupId ?? raise(`the mapping of ${topic} has no group`),
    ...{ bootstrapServers: brokersOf(mapping), batchSize: BatchSize, windowMs: MaximumBatchingWindowInSeconds * 1000 },
    invoke: (event) => invoke(FunctionArn, JSON.stringify(event)),
  })
}

const topicOf = ({ Topics: [topic = raise('a mapping has no topic')] = [] }: EventSourceMappingConfiguration): string => topic

const brokersOf = ({ SelfManagedEventSource }: EventSourceMappingConfiguration): readonly string[] =>
  SelfManagedEventSource?.Endpoints?.KAFKA_BOOTSTRAP_SERVERS ?? raise('a mapping has no brokers')

const secretOf = ({ SourceAccessConfigurations = [] }: EventSourceMappingConfiguration): string =>
  SourceAccessConfigurations.find(({ Type }) => Type === 'SASL_SCRAM_512_AUTH')?.URI ?? raise('a mapping has no secret')

async function settingOf(lambda: LambdaClient, { FunctionArn }: EventSourceMappingConfiguration, name: string): Promise<string> {
  const { Environment } = await lambda.send(new GetFunctionConfigurationCommand({ FunctionName: FunctionArn }))
  return Environment?.Variables?.[name] ?? raise(`${FunctionArn} has no ${name}`)
}

/** The table as it was deployed, in DynamoDB Local. */
async function openTable(aws: LocalAws, endpoint: string, name: string): Promise<TableBackend> {
  const deployed = new DynamoDBClient({ endpoint: aws.endpoint, region, credentials })
  const local = new DynamoDBClient({ endpoint, region, credentials })
  const { Table } = await deployed.send(new DescribeTableCommand({ TableName: name }))
  const { AttributeDefinitions, KeySchema } = Table ?? raise(`the table ${name} was not deployed`)
  const exists = await local.send(new DescribeTableCommand({ TableName: name })).then(
    () => true,
    () => false,
  )
  if (!exists) {
    await local.send(new CreateTableCommand({ TableName: name, AttributeDefinitions, KeySchema, BillingMode: 'PAY_PER_REQUEST' }))
  }
  for (const client of [deployed, local]) client.destroy()
  return createDynamoDb({ table: name, endpoint, region, credentials })
}

function raise(what: string): never {
  throw new Error(what)
}
