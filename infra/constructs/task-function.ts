import { Duration } from 'aws-cdk-lib'
import type { IFunction } from 'aws-cdk-lib/aws-lambda'
import type { ILogGroup, RetentionDays } from 'aws-cdk-lib/aws-logs'
import { Construct } from 'constructs'
import type { InternalTopic } from '../../src/topology/internal-topics.ts'
import { topicName } from '../../src/topology/nodes.ts'
import type { SubTopology } from '../../src/topology/sub-topologies.ts'
import { BundledFunction } from './bundled-function.ts'
import { consumerGroupId } from './event-source.ts'
import type { FunctionOptions } from './function-options.ts'
import { authSetting, type KafkaCluster } from './kafka-cluster.ts'
import { clusterStatements, type KafkaUse, type TableAccess, tableStatements } from './permissions.ts'
import type { DynamoDbTable } from './state-table.ts'

export interface TaskFunctionProps {
  readonly applicationId: string
  readonly subTopology: SubTopology
  /** Those that fill the global stores of the application: any other may read what they read and write. */
  readonly globals: readonly SubTopology[]
  /** Those of the whole application; a function may use its own. */
  readonly internalTopics: readonly InternalTopic[]
  readonly entry: string
  readonly cluster: KafkaCluster
  readonly brokers: string
  readonly table: DynamoDbTable
  readonly logRetention: RetentionDays
  /** Written by every function: topics that callbacks of the topology choose (names, or prefixes that end in `*`), and of dead letters. */
  readonly writesTo: readonly string[]
  readonly deadLetterTopic: string | undefined
  /** Of its event sources. Without any, it goes on with what comes while it writes rows. */
  readonly batchingWindow: Duration
  readonly options: Partial<FunctionOptions>
}

/** It is also how long other triggers wait for an invocation that crashed. */
const defaultTimeout = Duration.minutes(2)

/** The function of one sub-topology: it runs all of its tasks, told which by what invokes it. */
export class TaskFunction extends Construct {
  readonly applicationId: string
  readonly subTopology: SubTopology
  readonly function: IFunction
  readonly logGroup: ILogGroup
  readonly timeout: Duration
  /** Another one whenever the code is another one. */
  readonly codeKey: string

  constructor(scope: Construct, id: string, props: TaskFunctionProps) {
    super(scope, id)
    const { applicationId, subTopology, cluster, table, options } = props
    this.applicationId = applicationId
    this.subTopology = subTopology
    this.timeout = options.timeout ?? defaultTimeout
    const bundled = new BundledFunction(this, 'Task', {
      entry: props.entry,
      description: `${applicationId}: sub-topology ${subTopology.name}`,
      environment: {
        MILLRACE_APPLICATION_ID: applicationId,
        MILLRACE_SUB_TOPOLOGY: subTopology.name,
        MILLRACE_TABLE: table.tableName,
        MILLRACE_BROKERS: props.brokers,
        MILLRACE_AUTH: authSetting(cluster.auth),
        MILLRACE_BATCHING_WINDOW: props.batchingWindow.isUnresolved() ? 'unknown' : String(props.batchingWindow.toSeconds()),
      },
      timeout: this.timeout,
      memoryMb: 1024,
      network: cluster.network,
      logRetention: props.logRetention,
      statements: [...clusterStatements(cluster, useOf(props)), ...tableStatements(table, accessOf(props))],
      // A tick that failed needs no second try: the next one is a minute away.
      options: { retryAttempts: 0, ...options },
    })
    this.function = bundled.function
    this.logGroup = bundled.logGroup
    this.codeKey = bundled.codeKey
  }
}

function accessOf({ subTopology, globals }: TaskFunctionProps): TableAccess {
  if (subTopology.stores.length > 0) return 'readWrite'
  return globals.length > 0 ? 'tasksAndGlobalStores' : 'tasks'
}

function useOf({ applicationId, subTopology, globals, internalTopics, writesTo, deadLetterTopic }: TaskFunctionProps): KafkaUse {
  const logOf = ({ name }: SubTopology): readonly string[] =>
    internalTopics.filter((topic) => topic.kind !== 'repartition' && topic.subTopology === name).map((topic) => topic.name)
  const sourcesOf = ({ sourceTopics }: SubTopology): readonly string[] => sourceTopics.map((topic) => topicName(topic, applicationId))
  const [log, sources] = [logOf(subTopology), sourcesOf(subTopology)]
  const changelogged = ({ name }: SubTopology) => internalTopics.some((topic) => topic.kind === 'changelog' && topic.subTopology === name)
  // The rows of a store without changelog are its topic's records: readers need nothing else of its materialiser.
  const readOf = (it: SubTopology): readonly string[] => (changelogged(it) ? logOf(it) : [])
  const shared = subTopology.globalStore ? [] : globals.flatMap((it) => [...sourcesOf(it), ...readOf(it)])
  const sinks = subTopology.sinks.flatMap(({ topic }) => (typeof topic === 'function' ? writesTo : [topicName(topic, applicationId)]))
  return {
    reads: [...sources, ...log, ...shared],
    writes: [...sinks, ...log, ...(deadLetterTopic === undefined ? [] : [deadLetterTopic])],
    groups: subTopology.sourceTopics.map((topic) => consumerGroupId(applicationId, subTopology.name, topic.name)),
    transactionalIds: [`${applicationId}.${subTopology.name}.*`],
    polled: true,
  }
}
