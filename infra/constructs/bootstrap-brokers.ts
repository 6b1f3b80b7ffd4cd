import { RemovalPolicy } from 'aws-cdk-lib'
import { LogGroup, type RetentionDays } from 'aws-cdk-lib/aws-logs'
import { AwsCustomResource, PhysicalResourceId } from 'aws-cdk-lib/custom-resources'
import type { Construct } from 'constructs'
import type { KafkaAuth, KafkaCluster } from './kafka-cluster.ts'
import { brokersStatement, functionRole, logStatement } from './permissions.ts'

/** The bootstrap servers as one comma-separated string; those of MSK are asked for while the stack is deployed. */
export function bootstrapBrokers(scope: Construct, { address, auth }: KafkaCluster, logRetention: RetentionDays): string {
  if (address.kind === 'brokers') return address.brokers.join(',')
  const field = fieldOf(auth)
  const ask = {
    service: 'Kafka',
    action: 'getBootstrapBrokers',
    parameters: { ClusterArn: address.clusterArn },
    outputPaths: [field],
    physicalResourceId: PhysicalResourceId.of(address.clusterArn),
  }
  const logGroup = new LogGroup(scope, 'BootstrapBrokersLogs', { retention: logRetention, removalPolicy: RemovalPolicy.DESTROY })
  const resource = new AwsCustomResource(scope, 'BootstrapBrokers', {
    resourceType: 'Custom::MskBootstrapBrokers',
    onUpdate: ask,
    role: functionRole(scope, 'BootstrapBrokersRole', [logStatement(logGroup.logGroupArn), brokersStatement()]),
    logGroup,
    installLatestAwsSdk: false,
  })
  return resource.getResponseField(field)
}

function fieldOf(auth: KafkaAuth): string {
  switch (auth.kind) {
    case 'iam':
      return 'BootstrapBrokerStringSaslIam'
    case 'scram':
    case 'plain':
      return 'BootstrapBrokerStringSaslScram'
    case 'tls':
      return 'BootstrapBrokerStringTls'
    case 'none':
      return 'BootstrapBrokerString'
    default:
      return auth satisfies never
  }
}
