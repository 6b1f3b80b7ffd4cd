import { AsyncLocalStorage } from 'node:async_hooks'
import { DynamoDBClient } from '@aws-sdk/client-dynamodb'
import { vi } from 'vitest'
import type { Api } from '../../src/adapters/kafkajs/apis.ts'
import { Connection } from '../../src/adapters/kafkajs/connection.ts'

/** `<action> <resource>`; of Kafka the resource is `cluster`, `topic/<name>`, `group/<id>` or `transactional-id/<id>`. */
export type Right = string

/** What code that runs in this process would need rights for, by who runs it. */
export interface Recorder {
  of(who: string): ReadonlySet<Right>
  run<T>(who: string, code: () => Promise<T>): Promise<T>
  /** Lets the next request of this action fail, as on a connection that is lost. */
  failNext(action: string): void
}

/** Watches every request that leaves the adapters: those of the Kafka connections and those of the DynamoDB client. */
export function recordRights(): Recorder {
  const running = new AsyncLocalStorage<string>()
  const used = new Map<string, Set<Right>>()
  const failing = new Set<string>()
  const record = (rightsOf: () => readonly Right[]): void => {
    const who = running.getStore()
    if (who === undefined) return
    for (const right of rightsOf()) {
      used.set(who, (used.get(who) ?? new Set()).add(right))
      const [action = ''] = right.split(' ')
      if (failing.delete(action)) throw Object.assign(new Error('refused by the test'), { $metadata: { httpStatusCode: 400 } })
    }
  }
  const { send: sendKafka } = Connection.prototype
  vi.spyOn(Connection.prototype, 'send').mockImplementation(function <Q, A>(
    this: Connection,
    api: Api<Q, A>,
    request: Q,
    deadlineMs: number,
  ) {
    record(() => ['kafka-cluster:Connect cluster', ...kafkaRights(api.name, request as KafkaRequest)])
    return sendKafka.call(this, api, request, deadlineMs) as Promise<A>
  } as typeof sendKafka)
  const { send: sendTable } = DynamoDBClient.prototype
  vi.spyOn(DynamoDBClient.prototype, 'send').mockImplementation(function (this: DynamoDBClient, command, ...rest) {
    record(() => tableRights(command.constructor.name.replace(/Command$/, ''), command.input as TableRequest))
    return Reflect.apply(sendTable, this, [command, ...rest])
  })
  return {
    of: (who) => used.get(who) ?? new Set(),
    run: (who, code) => running.run(who, code),
    failNext: (action) => void failing.add(action),
  }
}

interface KafkaRequest {
  readonly topics?: readonly (string | { readonly topic: string })[] | null
  readonly transactionalId?: string
  readonly type?: 'group' | 'transaction'
  readonly key?: string
}

/**
 * Which of MSK's actions a request needs: the operation that Kafka's authorizer asks for (its documentation, "Operations and
 * Resources on Protocols"), and the action that MSK names for that operation ("Semantics of IAM authorization policy actions and
 * resources", docs.aws.amazon.com/msk/latest/developerguide/kafka-actions.html). A request that is not known here is an error.
 */
function kafkaRights(api: string, { topics, transactionalId, type, key }: KafkaRequest): readonly Right[] {
  const onTopics = (action: string) => (topics ?? []).map((it) => `kafka-cluster:${action} topic/${typeof it === 'string' ? it : it.topic}`)
  const transaction = [
    `kafka-cluster:DescribeTransactionalId transactional-id/${transactionalId}`,
    `kafka-cluster:AlterTransactionalId transactional-id/${transactionalId}`,
  ]
  switch (api) {
    // Without names it lists what may be described, be it nothing.
    case 'Metadata':
    case 'ListOffsets':
      return onTopics('DescribeTopic')
    case 'Fetch':
      return onTopics('ReadData')
    case 'Produce':
      return [...onTopics('WriteData'), ...transaction, 'kafka-cluster:WriteDataIdempotently cluster']
    case 'AddPartitionsToTxn':
      return [...onTopics('WriteData'), ...transaction]
    case 'InitProducerId':
      return [...transaction, 'kafka-cluster:WriteDataIdempotently cluster']
    case 'EndTxn':
      return transaction
    case 'FindCoordinator':
      return type === 'group'
        ? [`kafka-cluster:DescribeGroup group/${key}`]
        : [`kafka-cluster:DescribeTransactionalId transactional-id/${key}`]
    // The settings of a new topic are in the answer only for those who may describe them; nobody here reads them.
    case 'CreateTopics':
      return onTopics('CreateTopic')
    case 'DescribeConfigs':
      return onTopics('DescribeTopicDynamicConfiguration')
    default:
      throw new Error(`Which rights does ${api} need?`)
  }
}

interface TableRequest {
  readonly TableName?: string
  readonly RequestItems?: Readonly<Record<string, unknown>>
  readonly Statements?: readonly { readonly Statement?: string }[]
}

/** PartiQL has actions of its own, by the statement (docs.aws.amazon.com/amazondynamodb/latest/developerguide/ql-iam.html). */
function tableRights(operation: string, { TableName, RequestItems, Statements }: TableRequest): readonly Right[] {
  if (Statements !== undefined) {
    return Statements.map(({ Statement = '' }) => {
      const [, verb = '', table] = /^(\w+)[^"]*"([^"]+)"/.exec(Statement) ?? []
      const action = `${verb.slice(0, 1).toUpperCase()}${verb.slice(1).toLowerCase()}`
      return `dynamodb:PartiQL${action} ${table}`
    })
  }
  const tables = RequestItems === undefined ? [TableName] : Object.keys(RequestItems)
  return tables.map((table) => `dynamodb:${operation} ${table}`)
}
