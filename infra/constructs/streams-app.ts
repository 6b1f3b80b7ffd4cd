import { CfnOutput, Duration } from 'aws-cdk-lib'
import type { TableV2 } from 'aws-cdk-lib/aws-dynamodb'
import type { IEventSourceDlq } from 'aws-cdk-lib/aws-lambda'
import { RetentionDays } from 'aws-cdk-lib/aws-logs'
import { Construct } from 'constructs'
import { topicName } from '../../src/topology/nodes.ts'
import type { SubTopology } from '../../src/topology/sub-topologies.ts'
import type { Topology } from '../../src/topology/topology.ts'
import { bootstrapBrokers } from './bootstrap-brokers.ts'
import { checkDestination, checkNames, checkSinks, checkSources, checkTimeout } from './checks.ts'
import { consumerGroupId, EventSource } from './event-source.ts'
import { InternalTopics } from './internal-topics.ts'
import type { KafkaCluster } from './kafka-cluster.ts'
import { StateTable } from './state-table.ts'
import { TaskFunction } from './task-function.ts'
import { Tick } from './tick.ts'

export interface StreamsAppProps {
  readonly topology: Topology
  /** The file that exports `handler`, made from the same topology. */
  readonly entry: string
  readonly cluster: KafkaCluster
  /** Kafka's `application.id`: the prefix of internal topics, transactional ids and consumer groups. Never change it. */
  readonly applicationId: string
  /** Of one invocation, at most 14 minutes. It is also how long other triggers wait for a crashed one. Default: 2 minutes. */
  readonly timeout?: Duration
  /** Default: 1,024. CPU comes with memory. */
  readonly memoryMb?: number
  /** Records that one invocation gets at most, 1,000 to 10,000. Default: 1,000. */
  readonly batchSize?: number
  /** How long Lambda gathers records for one invocation. Default: 1 second. */
  readonly batchingWindow?: Duration
  /** Topics that callbacks of the topology choose: names, or prefixes that end in `*`. */
  readonly writesTo?: readonly string[]
  /** Only for an application without state: Lambda then gives up after ten tries. */
  readonly onFailure?: IEventSourceDlq
  /** Default: one month. */
  readonly logRetention?: RetentionDays
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
  readonly table: TableV2
  /** By the name of the sub-topology. */
  readonly functions: ReadonlyMap<string, TaskFunction>

  constructor(scope: Construct, id: string, props: StreamsAppProps) {
    super(scope, id)
    const { topology, applicationId, cluster, entry, memoryMb = 1024, writesTo = [], logRetention = RetentionDays.ONE_MONTH } = props
    const timeout = props.timeout ?? Duration.minutes(2)
    const internalTopics = topology.internalTopics(applicationId)
    checkNames(topology.subTopologies)
    checkSources(topology.subTopologies)
    checkSinks(topology.subTopologies, writesTo)
    checkTimeout(timeout)
    if (props.onFailure !== undefined) checkDestination(topology.subTopologies)

    const { table } = new StateTable(this, 'State')
    const brokers = bootstrapBrokers(this, cluster, logRetention)
    const topics = new InternalTopics(this, 'InternalTopics', { applicationId, topology, cluster, brokers, logRetention })
    const globals = topology.subTopologies.filter((it) => it.globalStore)
    const shared = { applicationId, globals, internalTopics, entry, cluster, brokers, table, timeout, memoryMb, logRetention, writesTo }
    this.table = table
    this.functions = new Map(
      topology.subTopologies.map((subTopology) => {
        const task = new TaskFunction(this, `Task-${subTopology.name}`, { ...shared, subTopology })
        const sources = this.#poll(task, subTopology, props)
        // New code may write to topics that old code did not have, and what invokes it may read them.
        const users = [task.function, ...sources, new Tick(task, 'Tick', task.function)]
        for (const user of users) user.node.addDependency(topics.resource)
        return [subTopology.name, task]
      }),
    )
    this.#sayWhatNext(topology)
  }

  #poll(task: TaskFunction, { name, sourceTopics }: SubTopology, props: StreamsAppProps): readonly EventSource[] {
    const { applicationId, cluster, batchSize = 1000, batchingWindow = Duration.seconds(1), onFailure } = props
    return sourceTopics.map(
      (topic) =>
        new EventSource(task, `From-${topic.name}`, {
          target: task.function,
          cluster,
          topic: topicName(topic, applicationId),
          consumerGroupId: consumerGroupId(applicationId, name, topic.name),
          batchSize,
          batchingWindow,
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
