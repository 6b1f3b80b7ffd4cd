import { CfnOutput, RemovalPolicy, Stack, type StackProps, Tags, Validations } from 'aws-cdk-lib'
import {
  CfnSecurityGroup,
  CfnSecurityGroupIngress,
  GatewayVpcEndpointAwsService,
  InterfaceVpcEndpointAwsService,
  SecurityGroup,
  SubnetType,
  Vpc,
} from 'aws-cdk-lib/aws-ec2'
import { CfnServerlessCluster } from 'aws-cdk-lib/aws-msk'
import type { Construct } from 'constructs'
import type { Topology } from '../../src/topology/topology.ts'
import type { CreateTopics } from '../constructs/internal-topics.ts'
import { KafkaCluster } from '../constructs/kafka-cluster.ts'
import { StreamsApp } from '../constructs/streams-app.ts'
import { hasQueries } from './streams-stack.ts'

export interface FirstTryStackProps extends StackProps {
  readonly topology: Topology
  readonly entry: string
  readonly applicationId: string
  /** The topics that the application reads and writes. */
  readonly createTopics: CreateTopics
}

/**
 * Everything that one application needs, in an empty account: a network without a way to the internet, an MSK Serverless cluster, its
 * topics, and the application. All of it goes when the stack is deleted. The cluster and the endpoints are billed by the hour.
 */
export class FirstTryStack extends Stack {
  constructor(scope: Construct, id: string, { topology, entry, applicationId, createTopics, ...props }: FirstTryStackProps) {
    super(scope, id, props)
    const vpc = new Vpc(this, 'Vpc', {
      maxAzs: 2,
      natGateways: 0,
      subnetConfiguration: [{ name: 'Isolated', subnetType: SubnetType.PRIVATE_ISOLATED }],
      // One group is used by everything here; the default one by nothing.
      restrictDefaultSecurityGroup: false,
      gatewayEndpoints: { DynamoDb: { service: GatewayVpcEndpointAwsService.DYNAMODB } },
    })
    Validations.of(vpc).acknowledge({
      id: 'AwsSolutions-VPC7',
      reason: 'A network for a first try, without a way out: flow logs would cost more than they tell',
    })
    const { attrGroupId } = new CfnSecurityGroup(this, 'Inside', {
      vpcId: vpc.vpcId,
      groupDescription: 'Brokers, functions, pollers and endpoints, among themselves',
    })
    const rule = { groupId: attrGroupId, sourceSecurityGroupId: attrGroupId, ipProtocol: 'tcp' }
    const rules = [
      new CfnSecurityGroupIngress(this, 'Kafka', { ...rule, fromPort: 9098, toPort: 9098, description: 'Kafka with IAM' }),
      new CfnSecurityGroupIngress(this, 'Aws', { ...rule, fromPort: 443, toPort: 443, description: 'Endpoints of AWS' }),
    ]
    const group = SecurityGroup.fromSecurityGroupId(this, 'Group', attrGroupId, { mutable: false })
    // Pollers on demand stand in the network of the cluster and invoke the function from there (with-msk-cluster-network).
    for (const [name, service] of Object.entries({
      Lambda: InterfaceVpcEndpointAwsService.LAMBDA,
      Sts: InterfaceVpcEndpointAwsService.STS,
    }))
      vpc.addInterfaceEndpoint(name, { service, securityGroups: [group], open: false })
    const cluster = new CfnServerlessCluster(this, 'Cluster', {
      clusterName: this.stackName,
      clientAuthentication: { sasl: { iam: { enabled: true } } },
      vpcConfigs: [{ subnetIds: vpc.isolatedSubnets.map(({ subnetId }) => subnetId), securityGroups: [group.securityGroupId] }],
    })
    const app = new StreamsApp(this, 'App', {
      topology,
      entry,
      applicationId,
      cluster: KafkaCluster.mskServerless(cluster.attrArn, { vpc, securityGroups: [group] }),
      createTopics,
      queries: hasQueries(topology),
      table: { removalPolicy: RemovalPolicy.DESTROY, deletionProtection: false },
    })
    // The rules of the group and the endpoints must be there before anything connects.
    app.node.addDependency(vpc, ...rules)
    Tags.of(this).add('millrace:application', applicationId)
    new CfnOutput(this, 'Brokers', { value: `aws kafka get-bootstrap-brokers --cluster-arn ${cluster.attrArn}` })
    new CfnOutput(this, 'Network', {
      value: `${vpc.vpcId} ${vpc.isolatedSubnets.map(({ subnetId }) => subnetId).join(',')} ${group.securityGroupId}`,
      description: 'VPC, subnets and security group: for a client of the cluster, e.g. CloudShell in a VPC',
    })
  }
}
