import { Annotations, CfnOutput, Lazy, Stack } from 'aws-cdk-lib'
import type { IEventSourceDlq } from 'aws-cdk-lib/aws-lambda'
import { RetentionDays } from 'aws-cdk-lib/aws-logs'
import { Construct } from 'constructs'
import { topicName } from '../../src/topology/nodes.ts'
import type { Topology } from '../../src/topology/topology.ts'
import { type AlarmOptions, TaskAlarms } from './alarms.ts'
import { bootstrapBrokers } from './bootstrap-brokers.ts'
import { checkDestination, checkNames, checkPartitions, checkRecordBytes, checkSinks, checkSources } from './checks.ts'
import { appDashboard } from './dashboard.ts'
import { consumerGroupId, EventSource, windowOf } from './event-source.ts'
import { checkEventSource, checkPollers, type EventSourceOptions, type Pollers, pollersOf } from './event-source-options.ts'
import { type Finding, refuse } from './finding.ts'
import { checkFunction, type FunctionOptions, optionsFor, type PerSubTopology } from './function-options.ts'
import { checkTopics, InternalTopics, type TopicOptions } from './internal-topics.ts'
import type { KafkaCluster } from './kafka-cluster.ts'
import { defaultLockFile, holdAgainstLock } from './lock-file.ts'
import { checkQueries, QueryFunction } from './query-function.ts'
import { checkTable, type DynamoDbTable, isTable, type StateTableOptions, stateTable } from './state-table.ts'
import { TaskFunction } from './task-function.ts'
import { TaskMetrics } from './task-metrics.ts'
import { Tick } from './tick.ts'

export interface StreamsAppProps extends TopicOptions {
  readonly topology: Topology
  /** The file that exports `handler`, made from the same topology. */
  readonly entry: string
  readonly cluster: KafkaCluster
  /** Kafka's `application.id`: the prefix of internal topics, transactional ids and consumer groups. Never change it. */
  readonly applicationId: string
  /** Of the functions of sub-topologies: memory (1,024 MB), timeout (2 minutes; at most 14), tracing, layers, reserved concurrency ... */
  readonly taskFunction?: PerSubTopology<FunctionOptions>
  /** Of the event source mappings: batch size (1,000), batching window (1 second), metrics ... */
  readonly eventSource?: PerSubTopology<EventSourceOptions>
  /** Pollers of one's own. Default: those of Lambda, on demand. */
  readonly pollers?: Pollers
  /** A table that is there already, or the properties of the one that is created. */
  readonly table?: StateTableOptions | DynamoDbTable
  /** Partition counts of the user's topics, as far as they are known here: what they rule out is an error now, not at the deployment. */
  readonly partitions?: Readonly<Record<string, number>>
  /** The largest record of source topics, in bytes, where it is known: one that does not fit into an event of Lambda is an error now. */
  readonly recordBytes?: Readonly<Record<string, number>>
  /** Topics that callbacks of the topology choose: names, or prefixes that end in `*`. */
  readonly writesTo?: readonly string[]
  /** Only for an application without state: Lambda then gives up after ten tries, and tells of it there. */
  readonly onFailure?: IEventSourceDlq
  /** As `onFailure`, with state: records that Lambda gave up wait for the next record of their partition, or for a tick (10 minutes), and are then processed. */
  readonly onFailureStopsRedelivery?: IEventSourceDlq
  /** What was deployed, for a comparison without an account; written with `-c millrace:lock=write`, to be committed. Default: `millrace.lock.json`. */
  readonly lockFile?: string
  /** Default: one month. */
  readonly logRetention?: RetentionDays
  /** A function behind a URL (IAM) that answers from the stores; the entry must export `queries` (`queryHandler`). Default: none. */
  readonly queries?: boolean | FunctionOptions
  /** Default: alarms that tell nobody; name an SNS topic. */
  readonly alarms?: boolean | AlarmOptions
  /** Default: one. */
  readonly dashboard?: boolean
}

/**
 * A topology as serverless functions: one function per sub-topology, polled from its topics and ticked once a minute, one
 * table for the state and the internal topics. Throws a StreamsError while the stack is made for what could not run.
 *
 * @example
 * ```ts no-run
 * import { App, Stack } from 'aws-cdk-lib'
 * import { Vpc } from 'aws-cdk-lib/aws-ec2'
 * import { StreamsBuilder } from 'millrace'
 * import { iam, KafkaCluster, StreamsApp } from 'millrace/cdk'
 *
 * const topology = new StreamsBuilder().build()
 * const stack = new Stack(new App(), 'WordCount')
 * const vpc = Vpc.fromVpcAttributes(stack, 'Vpc', { vpcId: 'vpc-1', availabilityZones: ['a'], privateSubnetIds: ['subnet-1'] })
 * const cluster = KafkaCluster.msk('arn:aws:kafka:eu-west-1:111122223333:cluster/demo/0a1b2c3d', { auth: iam, vpc })
 * new StreamsApp(stack, 'App', { topology, entry: 'functions/word-count/handler.ts', cluster, applicationId: 'word-count' })
 * ```
 */
export class StreamsApp extends Construct {
  readonly table: DynamoDbTable
  /** By the name of the sub-topology. */
  readonly functions: ReadonlyMap<string, TaskFunction>

  constructor(scope: Construct, id: string, props: StreamsAppProps) {
    super(scope, id)
    const { topology, applicationId, cluster, entry, writesTo = [], logRetention = RetentionDays.ONE_MONTH } = props
    const internalTopics = topology.internalTopics(applicationId)
    refuse(this, [...findingsOf(props), ...holdAgainstLock(this, props.lockFile ?? defaultLockFile, applicationId, topology)])
    warnOfSecret(this, cluster)
    const table = stateTable(this, 'State', props.table)
    const brokers = bootstrapBrokers(this, cluster, logRetention)
    const deployed = Lazy.string({ produce: () => [...new Set([...this.functions.values()].map(({ codeKey }) => codeKey))].join(' ') })
    const topics = new InternalTopics(this, 'InternalTopics', { ...props, brokers, logRetention, deployed })
    // A first deployment that is refused leaves no table behind, which nobody would delete.
    if (!isTable(props.table)) table.node.addDependency(topics.resource)
    const globals = topology.subTopologies.filter((it) => it.globalStore)
    const { deadLetterTopic } = topology.handlers
    const shared = { applicationId, globals, internalTopics, entry, cluster, brokers, table, logRetention, writesTo, deadLetterTopic }
    this.table = table
    this.functions = new Map(
      topology.subTopologies.map((subTopology) => {
        const { name } = subTopology
        const batchingWindow = windowOf(optionsFor(props.eventSource, name))
        const options = optionsFor(props.taskFunction, name)
        const task = new TaskFunction(this, `Task-${name}`, { ...shared, subTopology, batchingWindow, options })
        const sources = this.#poll(task, props)
        // New code may write to topics that old code did not have, and what invokes it may read them.
        const users = [task.function, ...sources, new Tick(task, 'Tick', task.function)]
        for (const user of users) user.node.addDependency(topics.resource)
        return [name, task]
      }),
    )
    this.#sayWhatNext(topology)
    this.#watch(props)
    if (props.queries !== undefined && props.queries !== false) {
      const options = props.queries === true ? {} : props.queries
      const { url } = new QueryFunction(this, 'Queries', { ...shared, topology, options })
      new CfnOutput(this, 'QueryUrl', { value: url.url, description: 'GET stores/STORE/KEY, signed with IAM' })
    }
  }

  #watch({ topology, applicationId, alarms = true, dashboard = true }: StreamsAppProps): void {
    const { deadLetterTopic } = topology.handlers
    const metrics = new Map(
      [...this.functions].map(([name, task]) => [name, new TaskMetrics(task, 'Metrics', task, deadLetterTopic)] as const),
    )
    for (const [name, task] of this.functions) {
      const of = metrics.get(name)
      if (alarms !== false && of !== undefined) new TaskAlarms(task, 'Alarms', { ...(alarms === true ? {} : alarms), task, metrics: of })
    }
    if (!dashboard) return
    const { dashboardName } = appDashboard(this, 'Dashboard', { topology, applicationId, metrics })
    const { region } = Stack.of(this)
    const address = `https://${region}.console.aws.amazon.com/cloudwatch/home?region=${region}#dashboards/dashboard/${dashboardName}`
    new CfnOutput(this, 'DashboardUrl', { value: address, description: 'The topology, and how each of its functions is doing' })
  }

  #poll(task: TaskFunction, props: StreamsAppProps): readonly EventSource[] {
    const { applicationId, cluster, pollers, partitions = {} } = props
    const { name, sourceTopics } = task.subTopology
    const onFailure = props.onFailure ?? props.onFailureStopsRedelivery
    return sourceTopics.map(
      (topic) =>
        new EventSource(task, `From-${topic.name}`, {
          target: task.function,
          cluster,
          topic: topicName(topic, applicationId),
          consumerGroupId: consumerGroupId(applicationId, name, topic.name),
          options: optionsFor(props.eventSource, name),
          ...(pollers === undefined ? {} : { pollers: pollersOf(pollers, applicationId, partitions[topic.name]) }),
          ...(onFailure === undefined ? {} : { onFailure }),
        }),
    )
  }

  #sayWhatNext({ sourceTopics, sinkTopics }: Topology): void {
    const results = sinkTopics.length > 0 ? `read the results from: ${sinkTopics.join(', ')}` : 'read the results from the table'
    new CfnOutput(this, 'Next', { value: `Produce to: ${sourceTopics.join(', ')}; ${results}` })
    new CfnOutput(this, 'StateTable', {
      value: this.table.tableName,
      description: 'State of the application; it stays when the stack is deleted',
    })
    for (const [name, { logGroup }] of this.functions) {
      new CfnOutput(this, `Logs-${name}`, {
        value: `aws logs tail ${logGroup.logGroupName} --follow`,
        description: `Watch sub-topology ${name} at work`,
      })
    }
  }
}

/** Everything that stands against the deployment and can be known without one. */
function findingsOf(props: StreamsAppProps): readonly Finding[] {
  const { topology, applicationId, writesTo = [], pollers } = props
  const { subTopologies } = topology
  const created = Object.entries(props.createTopics ?? {}).map(([topic, { partitions }]) => [topic, partitions] as const)
  const perFunction = subTopologies.flatMap(({ name }) => [
    ...checkFunction('taskFunction', optionsFor(props.taskFunction, name)),
    ...checkEventSource('eventSource', optionsFor(props.eventSource, name), pollers),
  ])
  const mappings = subTopologies.flatMap(({ sourceTopics }) => sourceTopics).length
  return [
    ...checkNames(subTopologies),
    ...checkSources(subTopologies),
    ...checkSinks(subTopologies, writesTo),
    ...(props.onFailure === undefined ? [] : checkDestination(subTopologies)),
    ...checkTopics(props, props),
    ...checkPartitions(props, { ...Object.fromEntries(created), ...props.partitions }),
    ...checkRecordBytes(props, props.recordBytes ?? {}),
    ...checkTable(props.table),
    ...(props.queries === undefined || props.queries === false ? [] : checkQueries(props.entry)),
    ...(typeof props.queries === 'object' ? checkFunction('queries', props.queries) : []),
    ...checkPollers(pollers, applicationId, mappings),
    ...new Map(perFunction.map((finding) => [finding.message, finding])).values(),
  ]
}

/** MSK takes no secret with the default key, and who reads one needs to decrypt with its key. */
function warnOfSecret(scope: Construct, { address, auth }: KafkaCluster): void {
  if (address.kind !== 'msk' || auth.kind !== 'scram' || auth.secret.encryptionKey !== undefined) return
  Annotations.of(scope).addWarningV2(
    'millrace:secret-key',
    'The secret for SCRAM on MSK must have a key of yours, and functions and pollers need kms:Decrypt on it, which is not granted as the key is not known here. Import the secret with its encryptionKey: Secret.fromSecretAttributes.',
  )
}
