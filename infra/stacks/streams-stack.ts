import { Annotations, Stack, type StackProps, Tags } from 'aws-cdk-lib'
import { SecurityGroup, Vpc } from 'aws-cdk-lib/aws-ec2'
import type { Construct } from 'constructs'
import type { Topology } from '../../src/topology/topology.ts'
import { iam, KafkaCluster } from '../constructs/kafka-cluster.ts'
import { StreamsApp } from '../constructs/streams-app.ts'

export interface StreamsStackProps extends StackProps {
  readonly topology: Topology
  readonly entry: string
  readonly applicationId: string
}

/** Stands for a cluster until `-c clusterArn=...` and its network name a real one: the template can be made without an account. */
const placeholder = {
  clusterArn: 'arn:aws:kafka:us-east-1:111122223333:cluster/example/12345678-1234-1234-1234-123456789012-1',
  vpcId: 'vpc-0123456789abcdef0',
  subnetIds: 'subnet-0123456789abcdef0,subnet-0123456789abcdef1',
  securityGroupId: 'sg-0123456789abcdef0',
}

/** One application on an MSK cluster that the context names: `clusterArn`, `vpcId`, `subnetIds` (with commas) and `securityGroupId`. */
export class StreamsStack extends Stack {
  constructor(scope: Construct, id: string, { topology, entry, applicationId, ...props }: StreamsStackProps) {
    super(scope, id, props)
    const context = (key: keyof typeof placeholder): string => this.node.tryGetContext(key) ?? placeholder[key]
    const subnetIds = context('subnetIds').split(',')
    const vpc = Vpc.fromVpcAttributes(this, 'Vpc', {
      vpcId: context('vpcId'),
      availabilityZones: subnetIds.map((_, index) => `zone-${index}`),
      privateSubnetIds: subnetIds,
    })
    Annotations.of(vpc).acknowledgeWarning('@aws-cdk/aws-ec2:noSubnetRouteTableId', 'Nothing here changes routes')
    if (this.node.tryGetContext('clusterArn') === undefined) {
      Annotations.of(this).addInfo(
        'Made for a placeholder: name your cluster with -c clusterArn=... -c vpcId=... -c subnetIds=a,b -c securityGroupId=...',
      )
    }
    const securityGroups = [SecurityGroup.fromSecurityGroupId(this, 'SecurityGroup', context('securityGroupId'), { mutable: false })]
    const cluster = KafkaCluster.msk(context('clusterArn'), { auth: iam, vpc, securityGroups })
    new StreamsApp(this, 'App', { topology, entry, cluster, applicationId })
    Tags.of(this).add('millrace:application', applicationId)
  }
}
