import { createDynamoDb } from '../adapters/dynamodb/dynamodb.ts'
import { createMemoryKafka } from '../adapters/memory/log.ts'
import { createMemoryTable } from '../adapters/memory/table.ts'
import { StreamsError } from '../errors.ts'
import { type Adapters, connectKafka } from '../lambda/index.ts'
import type { KafkaPorts } from '../runtime/ports.ts'

export interface ClusterOptions {
  readonly brokers?: string
  readonly tableEndpoint?: string
  readonly table?: string
  readonly region?: string
  readonly applicationId?: string
}

export interface Connection extends Adapters {
  /** `embedded`, or where the parts are. */
  readonly description: string
  readonly embedded: boolean
  close(): Promise<void>
}

/** The embedded engine, or a real Kafka and a real table; one without the other is CONFIG_INVALID. */
export const connect = async (options: ClusterOptions, applicationId: string): Promise<Connection> => {
  const { brokers, tableEndpoint } = options
  if (brokers === undefined && tableEndpoint === undefined && options.table === undefined) {
    return opened(
      { kafka: withTurns(createMemoryKafka()), table: createMemoryTable() },
      { description: 'embedded Kafka and table, in memory', embedded: true },
    )
  }
  if (brokers === undefined) {
    throw new StreamsError('CONFIG_INVALID', 'A real table needs a real Kafka: --brokers is missing', {
      remedy: 'Add --brokers HOST:PORT, or leave out the table options.',
    })
  }
  if (tableEndpoint === undefined && options.table === undefined) {
    throw new StreamsError('CONFIG_INVALID', 'A real Kafka needs a real table: --table-endpoint is missing', {
      remedy: 'Add --table-endpoint URL (DynamoDB Local), or --table NAME for a table on AWS.',
    })
  }
  const table = options.table ?? applicationId
  const region = options.region ?? process.env.AWS_REGION ?? 'us-east-1'
  const adapters = {
    kafka: await connectKafka(brokers.split(',')),
    table: createDynamoDb({ table, region, ...endpointOf(tableEndpoint) }),
  }
  return opened(adapters, { description: `Kafka at ${brokers}, table ${table} at ${tableEndpoint ?? region}`, embedded: false })
}

/** An in-memory log answers within microtasks; a turn of the event loop per fetch lets progress be drawn. */
const withTurns = ({ txnLog, reader, admin }: KafkaPorts): KafkaPorts => ({
  txnLog,
  admin,
  reader: {
    bounds: (partitions, deadlineMs) => reader.bounds(partitions, deadlineMs),
    fetch: async (requests, options) => {
      await new Promise(setImmediate)
      return reader.fetch(requests, options)
    },
    close: () => reader.close(),
  },
})

/** DynamoDB Local takes any credentials; on this machine none need to be configured. */
const endpointOf = (endpoint: string | undefined) => {
  if (endpoint === undefined) return {}
  if (!URL.canParse(endpoint))
    throw new StreamsError('CONFIG_INVALID', `"${endpoint}" is not a URL`, { remedy: 'Write e.g. --table-endpoint http://localhost:8000' })
  const local = ['localhost', '127.0.0.1', '[::1]'].includes(new URL(endpoint).hostname)
  return local && process.env.AWS_ACCESS_KEY_ID === undefined
    ? { endpoint, credentials: { accessKeyId: 'local', secretAccessKey: 'local' } }
    : { endpoint }
}

const opened = ({ kafka, table }: Adapters, about: Pick<Connection, 'description' | 'embedded'>): Connection => ({
  kafka,
  table,
  ...about,
  close: async () => {
    await Promise.all([kafka.txnLog.close(), kafka.reader.close(), kafka.admin.close(), table.close()])
  },
})
