import { createHash } from 'node:crypto'
import { Duration } from 'aws-cdk-lib'
import {
  EventSourceMapping,
  type EventSourceMappingOptions,
  type IEventSourceDlq,
  type IFunction,
  type ProvisionedPollerConfig,
  type SourceAccessConfiguration,
  SourceAccessConfigurationType,
  StartingPosition,
} from 'aws-cdk-lib/aws-lambda'
import { Construct } from 'constructs'
import { type EventSourceOptions, isWindow } from './event-source-options.ts'
import type { KafkaAuth, KafkaCluster } from './kafka-cluster.ts'

export interface EventSourceProps {
  readonly target: IFunction
  readonly cluster: KafkaCluster
  /** As on the cluster. */
  readonly topic: string
  readonly consumerGroupId: string
  /** Default: Lambda's, on demand. */
  readonly pollers?: ProvisionedPollerConfig
  /** Lambda then gives up after ten tries and tells of it here. */
  readonly onFailure?: IEventSourceDlq
  /** The user's, over the defaults. */
  readonly options?: Partial<EventSourceOptions>
}

const defaultWindow = Duration.seconds(1)

/** Lambda's batching window, where it is known and Lambda takes it. */
export const windowOf = ({ maxBatchingWindow = defaultWindow }: Partial<EventSourceOptions> = {}): Duration =>
  isWindow(maxBatchingWindow) ? maxBatchingWindow : defaultWindow

/**
 * Polls one topic for a function: from its beginning, without end of retries, as the protocol requires (its E4). The
 * starting position counts only until the consumer group has committed.
 */
export class EventSource extends Construct {
  readonly mapping: EventSourceMapping

  constructor(scope: Construct, id: string, props: EventSourceProps) {
    super(scope, id)
    this.mapping = new EventSourceMapping(this, 'Mapping', {
      batchSize: 1000,
      ...props.options,
      maxBatchingWindow: windowOf(props.options),
      target: props.target,
      ...addressOf(props.cluster),
      kafkaTopic: props.topic,
      kafkaConsumerGroupId: props.consumerGroupId,
      startingPosition: StartingPosition.TRIM_HORIZON,
      ...(props.pollers === undefined ? {} : { provisionedPollerConfig: props.pollers }),
      ...(props.onFailure === undefined ? {} : { onFailure: props.onFailure }),
    })
  }
}

/** `<application id>-<sub-topology>-<topic>`; beyond Lambda's 200 characters the end gives way to a digest of the whole. */
export function consumerGroupId(applicationId: string, subTopology: string, topic: string): string {
  const whole = `${applicationId}-${subTopology}-${topic}`
  if (whole.length <= 200) return whole
  const digest = createHash('sha256').update(whole).digest('hex').slice(0, 16)
  return `${whole.slice(0, 199 - digest.length)}-${digest}`
}

function addressOf({ address, auth, network }: KafkaCluster): EventSourceMappingOptions {
  const access = accessOf(auth)
  if (address.kind === 'msk')
    return { eventSourceArn: address.clusterArn, ...(access.length === 0 ? {} : { sourceAccessConfigurations: access }) }
  const subnets = network?.vpc.selectSubnets(network.vpcSubnets).subnetIds ?? []
  const sourceAccessConfigurations = [
    ...access,
    ...subnets.map((subnet) => ({ type: SourceAccessConfigurationType.VPC_SUBNET, uri: `subnet:${subnet}` })),
    ...(network?.securityGroups ?? []).map(({ securityGroupId }) => ({
      type: SourceAccessConfigurationType.VPC_SECURITY_GROUP,
      uri: `security_group:${securityGroupId}`,
    })),
  ]
  return { kafkaBootstrapServers: [...address.brokers], sourceAccessConfigurations }
}

function accessOf(auth: KafkaAuth): SourceAccessConfiguration[] {
  switch (auth.kind) {
    case 'iam':
    case 'none':
      return []
    case 'plain':
      return [{ type: SourceAccessConfigurationType.BASIC_AUTH, uri: auth.secret.secretArn }]
    case 'scram': {
      const { SASL_SCRAM_256_AUTH, SASL_SCRAM_512_AUTH } = SourceAccessConfigurationType
      return [{ type: auth.mechanism === 'scram-sha-256' ? SASL_SCRAM_256_AUTH : SASL_SCRAM_512_AUTH, uri: auth.secret.secretArn }]
    }
    case 'tls': {
      const client = { type: SourceAccessConfigurationType.CLIENT_CERTIFICATE_TLS_AUTH, uri: auth.secret.secretArn }
      if (auth.rootCa === undefined) return [client]
      return [client, { type: SourceAccessConfigurationType.SERVER_ROOT_CA_CERTIFICATE, uri: auth.rootCa.secretArn }]
    }
    default:
      return auth satisfies never
  }
}
