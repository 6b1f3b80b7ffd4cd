import { Annotations } from 'aws-cdk-lib'
import { type ISecurityGroup, type IVpc, SecurityGroup, Vpc } from 'aws-cdk-lib/aws-ec2'
import { Key } from 'aws-cdk-lib/aws-kms'
import { type ISecret, Secret } from 'aws-cdk-lib/aws-secretsmanager'
import type { Construct } from 'constructs'
import { iam, KafkaCluster, none, plain, scram, tls } from '../constructs/kafka-cluster.ts'

/** Stands for a cluster until the context names a real one: the template can be made without an account. */
const placeholder = {
  clusterArn: 'arn:aws:kafka:us-east-1:111122223333:cluster/example/12345678-1234-1234-1234-123456789012-1',
  vpcId: 'vpc-0123456789abcdef0',
  subnetIds: 'subnet-0123456789abcdef0,subnet-0123456789abcdef1',
  securityGroupId: 'sg-0123456789abcdef0',
}

/**
 * The cluster that the context names (`-c name=value`, or cdk.json), and where functions stand to reach it: `vpcId`, `subnetIds` (with
 * commas), `securityGroupId`.
 *
 * | cluster | context |
 * |---|---|
 * | MSK | `clusterArn`; `auth`: `iam` (default), `scram` or `tls`, the last two with `secretArn` and, if it has one, `secretKeyArn` |
 * | MSK Serverless | `clusterType=serverless`, `clusterArn`; `compactedPartitionsTaken`: those of other applications |
 * | any other | `brokers` (with commas); `auth`: `plain`, `scram` or `tls` with `secretArn`, or `none`; outside of a VPC without `vpcId` |
 */
export function clusterFromContext(scope: Construct): KafkaCluster {
  const given = (name: string): string | undefined => {
    const value: unknown = scope.node.tryGetContext(name)
    if (typeof value === 'number') return String(value)
    return typeof value === 'string' && value !== '' ? value : undefined
  }
  const [clusterArn, brokers] = [given('clusterArn'), given('brokers')]
  if (clusterArn === undefined && brokers === undefined) {
    Annotations.of(scope).addInfo(
      'Made for a placeholder: name your cluster with -c clusterArn=... -c vpcId=... -c subnetIds=a,b -c securityGroupId=... (docs/deploying.md has the other kinds)',
    )
    return KafkaCluster.msk(placeholder.clusterArn, network(scope, placeholder))
  }
  const place = { vpcId: given('vpcId'), subnetIds: given('subnetIds') ?? '', securityGroupId: given('securityGroupId') }
  if (clusterArn !== undefined && place.vpcId === undefined) {
    Annotations.of(scope).addError(
      'vpcId is missing: functions must stand in the VPC of the MSK cluster. Add -c vpcId=... -c subnetIds=a,b -c securityGroupId=...',
    )
    return KafkaCluster.msk(placeholder.clusterArn, network(scope, placeholder))
  }
  const secret = (name: string): ISecret | undefined => {
    const arn = given(name)
    if (arn === undefined) return undefined
    const keyArn = given('secretKeyArn')
    const key = keyArn === undefined ? {} : { encryptionKey: Key.fromKeyArn(scope, `${name}Key`, keyArn) }
    return Secret.fromSecretAttributes(scope, name, { secretCompleteArn: arn, ...key })
  }
  return clusterOf(
    scope,
    {
      clusterArn,
      brokers,
      type: given('clusterType'),
      taken: Number(given('compactedPartitionsTaken') ?? 0),
      auth: given('auth'),
      secret: secret('secretArn'),
      rootCa: secret('rootCaSecretArn'),
    },
    place,
  )
}

interface Named {
  readonly clusterArn: string | undefined
  readonly brokers: string | undefined
  readonly type: string | undefined
  /** Partitions of compacted topics. */
  readonly taken: number
  readonly auth: string | undefined
  readonly secret: ISecret | undefined
  readonly rootCa: ISecret | undefined
}

interface Place {
  readonly vpcId: string | undefined
  readonly subnetIds: string
  readonly securityGroupId: string | undefined
}

function clusterOf(scope: Construct, { clusterArn, brokers = '', type, taken, auth, secret, rootCa }: Named, place: Place): KafkaCluster {
  if (clusterArn !== undefined && type === 'serverless')
    return KafkaCluster.mskServerless(clusterArn, { ...network(scope, place), compactedPartitionsTaken: taken })
  const kinds = { iam, none, ...(secret === undefined ? {} : { plain: plain(secret), scram: scram(secret), tls: tls(secret, rootCa) }) }
  const chosen = auth ?? (clusterArn === undefined ? 'none' : 'iam')
  const known = Object.entries(kinds).find(([kind]) => kind === chosen)?.[1]
  if (known === undefined) {
    Annotations.of(scope).addError(
      `auth=${chosen} needs secretArn, or is none of iam, scram, tls, plain and none. Name it, e.g. -c auth=scram -c secretArn=...`,
    )
  }
  if (clusterArn !== undefined) {
    const fits = known?.kind === 'scram' || known?.kind === 'tls' ? known : iam
    if (known !== undefined && fits.kind !== known.kind)
      Annotations.of(scope).addError(`MSK does not take auth=${chosen}. Choose iam, scram or tls.`)
    return KafkaCluster.msk(clusterArn, { auth: fits, ...network(scope, place) })
  }
  const fits = known === undefined || known.kind === 'iam' ? none : known
  if (known?.kind === 'iam')
    Annotations.of(scope).addError('auth=iam is for MSK clusters. Name the cluster by clusterArn, or choose plain, scram, tls or none.')
  return KafkaCluster.selfManaged(brokers.split(','), { auth: fits, ...(place.vpcId === undefined ? {} : network(scope, place)) })
}

function network(
  scope: Construct,
  { vpcId, subnetIds, securityGroupId }: Place,
): { readonly vpc: IVpc; readonly securityGroups: readonly ISecurityGroup[] } {
  const complete = subnetIds !== '' && securityGroupId !== undefined
  const subnets = (complete ? subnetIds : placeholder.subnetIds).split(',').filter((id) => id !== '')
  const vpc = Vpc.fromVpcAttributes(scope, 'Vpc', {
    vpcId: vpcId ?? placeholder.vpcId,
    availabilityZones: subnets.map((_, index) => `zone-${index}`),
    privateSubnetIds: subnets,
  })
  Annotations.of(vpc).acknowledgeWarning('@aws-cdk/aws-ec2:noSubnetRouteTableId', 'Nothing here changes routes')
  if (!complete)
    Annotations.of(scope).addError(
      'subnetIds or securityGroupId is missing: functions must reach the brokers. Add -c subnetIds=a,b -c securityGroupId=...',
    )
  return {
    vpc,
    securityGroups: [
      SecurityGroup.fromSecurityGroupId(scope, 'SecurityGroup', securityGroupId ?? placeholder.securityGroupId, { mutable: false }),
    ],
  }
}
