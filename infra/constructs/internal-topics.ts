import { fileURLToPath } from 'node:url'
import { CustomResource, Duration, RemovalPolicy } from 'aws-cdk-lib'
import { LogGroup, type RetentionDays } from 'aws-cdk-lib/aws-logs'
import { Provider } from 'aws-cdk-lib/custom-resources'
import { Construct } from 'constructs'
import { StreamsError } from '../../src/errors.ts'
import type { InternalTopic } from '../../src/topology/internal-topics.ts'
import type { Topology } from '../../src/topology/topology.ts'
import type { TopicPlan } from '../handlers/topic-plan.ts'
import { BundledFunction } from './bundled-function.ts'
import { authSetting, type KafkaCluster } from './kafka-cluster.ts'
import { clusterStatements, functionRole, logStatement } from './permissions.ts'

export interface InternalTopicsProps {
  readonly applicationId: string
  readonly topology: Topology
  readonly cluster: KafkaCluster
  readonly brokers: string
  readonly logRetention: RetentionDays
}

/** The repartition, changelog and commit topics of an application, created with the stack and never deleted with it. */
export class InternalTopics extends Construct {
  readonly resource: CustomResource

  constructor(scope: Construct, id: string, props: InternalTopicsProps) {
    super(scope, id)
    const plan = topicPlan(props.applicationId, props.topology, props.cluster)
    const creates = plan.internalTopics.map(({ name }) => name)
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
        creates,
        describes: plan.userTopics,
      }),
    })
    const logGroup = new LogGroup(this, 'ProviderLogs', { retention: props.logRetention, removalPolicy: RemovalPolicy.DESTROY })
    // The framework answers CloudFormation from outside of the VPC: the handler needs no way to the internet. It lets its role
    // invoke the handler and its versions, `<arn>:*`, which is how AWS writes "with a qualifier".
    const provider = new Provider(this, 'Provider', {
      onEventHandler: onEvent.function,
      frameworkOnEventRole: functionRole(this, 'ProviderRole', [logStatement(logGroup.logGroupArn)]),
      logGroup,
    })
    this.resource = new CustomResource(this, 'Topics', {
      resourceType: 'Custom::KafkaInternalTopics',
      serviceToken: provider.serviceToken,
      properties: { brokers: props.brokers, auth: authSetting(props.cluster.auth), plan: JSON.stringify(plan) },
    })
  }
}

/** The plain data that decides names, counts and configuration of the topics. */
export function topicPlan(applicationId: string, topology: Topology, { address }: Pick<KafkaCluster, 'address'>): TopicPlan {
  const serverless = address.kind === 'msk' && address.serverless
  return {
    applicationId,
    subTopologies: topology.subTopologies.map(({ name, sourceTopics, sinks, copartitioned }) => ({
      name,
      sourceTopics,
      sinks: sinks.flatMap(({ topic }) => (typeof topic === 'function' ? [] : [{ topic }])),
      ...(copartitioned.length > 0 ? { copartitioned } : {}),
    })),
    internalTopics: topology.internalTopics(applicationId).map((topic) => (serverless ? onServerless(topic) : topic)),
    userTopics: [...new Set([...topology.sourceTopics, ...topology.sinkTopics])],
  }
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

function onServerless(topic: InternalTopic): InternalTopic {
  const refused = Object.keys(topic.config).find((name) => !serverlessSettings.includes(name) && !leftToServerless.includes(name))
  if (refused !== undefined) {
    throw new StreamsError('CONFIG_INVALID', `MSK Serverless does not let the topic "${topic.name}" set ${refused}`, {
      remedy: `Leave it out of the logging of the store. It takes ${serverlessSettings.join(', ')}.`,
    })
  }
  return { ...topic, config: Object.fromEntries(Object.entries(topic.config).filter(([name]) => serverlessSettings.includes(name))) }
}
