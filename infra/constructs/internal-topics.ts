import { fileURLToPath } from 'node:url'
import { CustomResource, Duration, RemovalPolicy } from 'aws-cdk-lib'
import { LogGroup, type RetentionDays } from 'aws-cdk-lib/aws-logs'
import { Provider } from 'aws-cdk-lib/custom-resources'
import { Construct } from 'constructs'
import type { InternalTopic } from '../../src/topology/internal-topics.ts'
import type { Topology } from '../../src/topology/topology.ts'
import type { TopicPlan } from '../handlers/topic-plan.ts'
import { BundledFunction } from './bundled-function.ts'
import type { Finding } from './finding.ts'
import { authSetting, type KafkaCluster } from './kafka-cluster.ts'
import { acknowledgeWildcard, clusterStatements, functionRole, logStatement } from './permissions.ts'

/** Topics of the user's that a deployment creates where they are missing. */
export type CreateTopics = Readonly<
  Record<string, { readonly partitions: number /** Kafka's topic configuration. */; readonly config?: Readonly<Record<string, string>> }>
>

export interface TopicOptions {
  /** `verify`: somebody else creates the internal topics, and the deployment fails until they are as they must be. Default: `create`. */
  readonly internalTopics?: 'create' | 'verify'
  readonly createTopics?: CreateTopics
}

export interface InternalTopicsProps extends TopicOptions {
  readonly applicationId: string
  readonly topology: Topology
  readonly cluster: KafkaCluster
  readonly brokers: string
  readonly logRetention: RetentionDays
  /** With another one the topics are looked at again, be the plan as it was: the user's topics may have changed since. */
  readonly deployed: string
}

/** The repartition, changelog and commit topics of an application, created with the stack and never deleted with it. */
export class InternalTopics extends Construct {
  readonly resource: CustomResource

  constructor(scope: Construct, id: string, props: InternalTopicsProps) {
    super(scope, id)
    const plan = topicPlan(props.applicationId, props.topology, props.cluster, props)
    const created = [
      ...(plan.createTopics ?? []).map(({ topic }) => topic),
      ...(plan.verifyOnly ? [] : plan.internalTopics.map(({ name }) => name)),
    ]
    const onEvent = new BundledFunction(this, 'Handler', {
      entry: fileURLToPath(new URL('../handlers/internal-topics.ts', import.meta.url)),
      description: `Creates and checks the internal topics of ${props.applicationId}`,
      environment: {},
      timeout: Duration.minutes(5),
      memoryMb: 512,
      network: props.cluster.network,
      logRetention: props.logRetention,
      statements: clusterStatements(props.cluster, {
        reads: [`${props.applicationId}-*`],
        writes: [],
        creates: created,
        describes: plan.userTopics,
        checks: plan.internalTopics.map(({ name }) => name),
      }),
    })
    const logGroup = new LogGroup(this, 'ProviderLogs', { retention: props.logRetention, removalPolicy: RemovalPolicy.DESTROY })
    const role = functionRole(this, 'ProviderRole', [logStatement(logGroup.logGroupArn)])
    // The framework answers CloudFormation from outside of the VPC: the handler needs no way to the internet.
    const provider = new Provider(this, 'Provider', { onEventHandler: onEvent.function, frameworkOnEventRole: role, logGroup })
    const versions = `${onEvent.function.functionArn}:*`
    acknowledgeWildcard(
      role,
      versions,
      'The framework lets its role invoke the handler and its versions: ARN:* is how AWS writes "with a qualifier"',
    )
    this.resource = new CustomResource(this, 'Topics', {
      resourceType: 'Custom::KafkaInternalTopics',
      serviceToken: provider.serviceToken,
      properties: { brokers: props.brokers, auth: authSetting(props.cluster.auth), plan: JSON.stringify(plan), deployed: props.deployed },
    })
  }
}

const isServerless = ({ address }: Pick<KafkaCluster, 'address'>): boolean => address.kind === 'msk' && address.serverless

/** The plain data that decides names, counts and configuration of the topics. */
export function topicPlan(
  applicationId: string,
  topology: Topology,
  cluster: Pick<KafkaCluster, 'address'>,
  { internalTopics = 'create', createTopics = {} }: TopicOptions = {},
): TopicPlan {
  const userTopics = [...new Set([...topology.sourceTopics, ...topology.sinkTopics])]
  const create = Object.entries(createTopics).map(([topic, { partitions, config = {} }]) => ({ topic, partitions, config }))
  return {
    applicationId,
    subTopologies: topology.subTopologies.map(({ name, sourceTopics, sinks, copartitioned }) => ({
      name,
      sourceTopics,
      sinks: sinks.flatMap(({ topic }) => (typeof topic === 'function' ? [] : [{ topic }])),
      ...(copartitioned.length > 0 ? { copartitioned } : {}),
    })),
    internalTopics: topology.internalTopics(applicationId).map((topic) => (isServerless(cluster) ? onServerless(topic) : topic)),
    userTopics,
    ...(create.length > 0 ? { createTopics: create } : {}),
    ...(internalTopics === 'verify' ? { verifyOnly: true } : {}),
    ...serverlessPlan(cluster),
  }
}

const serverlessPlan = ({ address }: Pick<KafkaCluster, 'address'>): Pick<TopicPlan, 'serverless' | 'compactedPartitionsTaken'> => {
  if (address.kind !== 'msk' || !address.serverless) return {}
  const { compactedPartitionsTaken = 0 } = address
  return compactedPartitionsTaken === 0 ? { serverless: true } : { serverless: true, compactedPartitionsTaken }
}

/** What MSK Serverless lets a topic set; it refuses to create a topic with anything else. */
const serverlessSettings = [
  'cleanup.policy',
  'compression.type',
  'max.message.bytes',
  'message.timestamp.difference.max.ms',
  'message.timestamp.type',
  'retention.bytes',
  'retention.ms',
]
/**
 * Settings that this library would choose and that the cluster then chooses instead. Without a lag of compaction the changelog of a
 * versioned store may forget older versions: they are in the table.
 */
const leftToServerless = ['delete.retention.ms', 'min.compaction.lag.ms', 'segment.bytes']

const onServerless = (topic: InternalTopic): InternalTopic => ({
  ...topic,
  config: Object.fromEntries(Object.entries(topic.config).filter(([name]) => serverlessSettings.includes(name))),
})

/** Settings of stores that MSK Serverless would not take, topics that are created twice, or with no partitions. */
export function checkTopics(
  { topology, applicationId, cluster }: { readonly topology: Topology; readonly applicationId: string; readonly cluster: KafkaCluster },
  { createTopics = {} }: TopicOptions,
): readonly Finding[] {
  const internalTopics = topology.internalTopics(applicationId)
  const refused = !isServerless(cluster)
    ? []
    : internalTopics.flatMap(({ name, config }) =>
        Object.keys(config)
          .filter((setting) => !serverlessSettings.includes(setting) && !leftToServerless.includes(setting))
          .map((setting) => ({
            message: `MSK Serverless does not let the topic "${name}" set ${setting}`,
            remedy: `Leave it out of the logging of the store. It takes ${serverlessSettings.join(', ')}.`,
          })),
      )
  const known = [...topology.sourceTopics, ...topology.sinkTopics]
  const wrong = Object.entries(createTopics).flatMap(([topic, { partitions }]) => [
    ...(known.includes(topic)
      ? []
      : [
          {
            message: `createTopics names "${topic}", which the topology neither reads nor writes`,
            remedy: `It knows ${known.join(', ')}.`,
          },
        ]),
    ...(Number.isInteger(partitions) && partitions > 0
      ? []
      : [{ message: `createTopics: "${topic}" cannot have ${partitions} partitions`, remedy: 'Give it one or more.' }]),
  ])
  return [...refused, ...wrong]
}
