import { Annotations, Stack, Validations } from 'aws-cdk-lib'
import { Effect, type IRole, PolicyDocument, PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam'
import type { ISecret } from 'aws-cdk-lib/aws-secretsmanager'
import type { Construct } from 'constructs'
import { type KafkaCluster, kafkaArn } from './kafka-cluster.ts'
import type { DynamoDbTable } from './state-table.ts'

/** What a function does on the cluster. Names are exact, but for a trailing `*`. */
export interface KafkaUse {
  readonly reads: readonly string[]
  readonly writes: readonly string[]
  readonly creates?: readonly string[]
  /** Looked up, neither read nor written. */
  readonly describes?: readonly string[]
  /** Their settings are read. */
  readonly checks?: readonly string[]
  readonly groups?: readonly string[]
  readonly transactionalIds?: readonly string[]
  /** An event source mapping polls with this function's role. */
  readonly polled?: boolean
}

const allow = (actions: readonly string[], resources: readonly string[]): PolicyStatement =>
  new PolicyStatement({ effect: Effect.ALLOW, actions: [...actions], resources: [...new Set(resources)] })

/** Statements for the brokers of an MSK cluster with IAM; other kinds of authentication are authorized by the broker's own ACLs. */
function brokerStatements(clusterArn: string, use: KafkaUse): readonly PolicyStatement[] {
  const { reads, writes, creates = [], describes = [], checks = [], groups = [], transactionalIds = [], polled = false } = use
  const arns = (type: 'topic' | 'group' | 'transactional-id', names: readonly string[]) =>
    names.map((name) => kafkaArn(clusterArn, type, name))
  const onCluster = [
    'kafka-cluster:Connect',
    ...(transactionalIds.length > 0 ? ['kafka-cluster:WriteDataIdempotently'] : []),
    ...(polled ? ['kafka-cluster:DescribeClusterDynamicConfiguration'] : []),
  ]
  const statements: readonly (readonly [actions: readonly string[], resources: readonly string[]])[] = [
    [onCluster, [clusterArn]],
    [['kafka-cluster:DescribeTopic'], arns('topic', [...reads, ...writes, ...creates, ...describes])],
    [['kafka-cluster:ReadData'], arns('topic', reads)],
    [['kafka-cluster:WriteData'], arns('topic', writes)],
    [['kafka-cluster:DescribeTopicDynamicConfiguration'], arns('topic', checks)],
    [['kafka-cluster:CreateTopic'], arns('topic', creates)],
    [['kafka-cluster:DescribeGroup', 'kafka-cluster:AlterGroup'], arns('group', groups)],
    [['kafka-cluster:DescribeTransactionalId', 'kafka-cluster:AlterTransactionalId'], arns('transactional-id', transactionalIds)],
  ]
  return statements.filter(([, resources]) => resources.length > 0).map(([actions, resources]) => allow(actions, resources))
}

/** Everything that a function needs to be a client of the cluster, and no more. */
export function clusterStatements(cluster: KafkaCluster, use: KafkaUse): readonly PolicyStatement[] {
  const { address, auth, network } = cluster
  const statements: PolicyStatement[] = []
  if (address.kind === 'msk' && auth.kind === 'iam') statements.push(...brokerStatements(address.clusterArn, use))
  if (address.kind === 'msk' && use.polled === true) {
    const ofSecrets = auth.kind === 'scram' ? ['kafka:ListScramSecrets'] : []
    statements.push(allow(['kafka:DescribeCluster', 'kafka:DescribeClusterV2', ...ofSecrets], [address.clusterArn]), brokersStatement())
  }
  if (auth.kind === 'scram' || auth.kind === 'plain' || auth.kind === 'tls') {
    const secrets = auth.kind === 'tls' && auth.rootCa !== undefined ? [auth.secret, auth.rootCa] : [auth.secret]
    statements.push(...secrets.flatMap(secretStatements))
  }
  if (network !== undefined) statements.push(networkStatement(use.polled === true))
  return statements
}

function secretStatements(secret: ISecret): readonly PolicyStatement[] {
  // Secrets Manager appends six random characters to a secret's name: a secret that was named only is matched with them.
  const arn = secret.secretFullArn ?? `${secret.secretArn}-??????`
  const read = allow(['secretsmanager:GetSecretValue'], [arn])
  return secret.encryptionKey === undefined ? [read] : [read, allow(['kms:Decrypt'], [secret.encryptionKey.keyArn])]
}

/** IAM knows no resources for this action: AWS requires `*`. */
export const brokersStatement = (): PolicyStatement => allow(['kafka:GetBootstrapBrokers'], ['*'])

/** Lambda refuses a function in a VPC unless its role has these for any interface: there is none before it exists. */
const networkStatement = (polled: boolean): PolicyStatement =>
  allow(
    [
      'ec2:CreateNetworkInterface',
      'ec2:DeleteNetworkInterface',
      'ec2:DescribeNetworkInterfaces',
      ...(polled ? ['ec2:DescribeSecurityGroups', 'ec2:DescribeSubnets', 'ec2:DescribeVpcs'] : []),
    ],
    ['*'],
  )

/** What a function does with the table: every task has an item there, and only some have rows. */
export type TableAccess = 'read' | 'tasks' | 'tasksAndGlobalStores' | 'readWrite'

/** The requests of the DynamoDB adapter. */
const tableActions: Readonly<Record<TableAccess, readonly string[]>> = {
  read: ['BatchGetItem', 'GetItem'],
  tasks: ['GetItem', 'UpdateItem'],
  tasksAndGlobalStores: ['GetItem', 'Query', 'UpdateItem'],
  readWrite: ['BatchGetItem', 'GetItem', 'PartiQLInsert', 'PartiQLUpdate', 'Query', 'UpdateItem'],
}

/** A key of one's own is used through the table. */
export function tableStatements(table: DynamoDbTable, access: TableAccess): readonly PolicyStatement[] {
  const onTable = allow(
    tableActions[access].map((action) => `dynamodb:${action}`),
    [table.tableArn],
  )
  if (table.encryptionKey === undefined) return [onTable]
  const onKey = access === 'read' ? ['kms:Decrypt'] : ['kms:Decrypt', 'kms:Encrypt', 'kms:GenerateDataKey']
  return [onTable, allow(onKey, [table.encryptionKey.keyArn])]
}

export const logStatement = (logGroupArn: string): PolicyStatement => allow(['logs:CreateLogStream', 'logs:PutLogEvents'], [logGroupArn])

/** Actions for which AWS knows no narrower resource than all, or that Lambda must be allowed before there is one. */
const onlyOnAll: readonly string[] = [
  'ec2:CreateNetworkInterface',
  'ec2:DeleteNetworkInterface',
  'ec2:DescribeNetworkInterfaces',
  'ec2:DescribeSecurityGroups',
  'ec2:DescribeSubnets',
  'ec2:DescribeVpcs',
  'kafka:GetBootstrapBrokers',
]

/** Why a resource of a statement has an asterisk; undefined: for no reason that is known here, so that cdk-nag may complain. */
const reasonOf = (resource: string, { actions }: PolicyStatement): string | undefined => {
  if (resource === '*')
    return actions.every((action) => onlyOnAll.includes(action)) ? 'IAM knows no narrower resource for these actions' : undefined
  if (resource.includes(':transactional-id/')) return 'One for each task, and only the brokers know how many partitions there are'
  if (resource.includes(':topic/') && actions.every((action) => /:(DescribeTopic|ReadData)$/.test(action)))
    return 'Which topics an older deployment has left is seen by their prefix, the application id'
  return resource.includes(':topic/') ? 'The topology chooses topics by a callback; the prefix is what writesTo says' : undefined
}

/**
 * The role of a function. The statements are in the role itself, not in a policy beside it: an event source mapping that is
 * made before the policy would fail.
 */
export function functionRole(scope: Construct, id: string, statements: readonly PolicyStatement[]): Role {
  const role = new Role(scope, id, {
    assumedBy: new ServicePrincipal('lambda.amazonaws.com'),
    inlinePolicies: { Access: new PolicyDocument({ statements: [...statements], minimize: true }) },
  })
  const unexplained = new Set<string>()
  const reasons = new Map<string, string>()
  for (const statement of statements) {
    for (const resource of statement.resources.filter((it) => it.endsWith('*'))) {
      const reason = reasonOf(resource, statement)
      if (reason === undefined) unexplained.add(resource)
      else reasons.set(resource, reason)
    }
  }
  for (const [resource, reason] of reasons) if (!unexplained.has(resource)) acknowledgeWildcard(role, resource, reason)
  return role
}

/** Says to cdk-nag why a resource with an asterisk is as narrow as it can be. */
export function acknowledgeWildcard(scope: Construct, resource: string, reason: string): void {
  Validations.of(scope).acknowledge({ id: `AwsSolutions-IAM5[Resource::${flat(Stack.of(scope).resolve(resource))}]`, reason })
}

/** A resource as cdk-nag names it. */
const flat = (value: unknown): string => {
  if (typeof value !== 'object' || value === null) return String(value)
  const [[key, inner] = ['', undefined]] = Object.entries(value)
  if (key === 'Fn::Join' && Array.isArray(inner) && Array.isArray(inner[1])) return inner[1].map(flat).join('')
  if (key === 'Fn::GetAtt' && Array.isArray(inner)) return `<${inner.join('.')}>`
  return key === 'Ref' ? `<${inner}>` : JSON.stringify(value)
}

/** A role of the user's: what can be added to it is; what it may do already cannot be seen from here. */
export function givenRole(scope: Construct, role: IRole, statements: readonly PolicyStatement[]): IRole {
  for (const statement of statements) role.addToPrincipalPolicy(statement)
  if (!(role instanceof Role)) {
    const needs = statements.map((statement) => JSON.stringify(statement.toStatementJson())).join(', ')
    Annotations.of(scope).addWarningV2(
      'millrace:imported-role',
      `taskFunction.role was imported, so nobody can see here what it may do. Lambda must be able to assume it, and it needs: ${needs}`,
    )
  }
  return role
}
