import { Fn, Token } from 'aws-cdk-lib'
import type { ISecurityGroup, IVpc, SubnetSelection, Vpc } from 'aws-cdk-lib/aws-ec2'
import type { ISecret } from 'aws-cdk-lib/aws-secretsmanager'
import { StreamsError } from '../../src/errors.ts'
import type { KafkaAuthSetting } from '../../src/lambda/kafka-security.ts'

/** How clients prove who they are. Secrets stay in Secrets Manager: functions get their ARN. */
export type KafkaAuth =
  | { readonly kind: 'iam' }
  | { readonly kind: 'scram'; readonly secret: ISecret; readonly mechanism: 'scram-sha-512' | 'scram-sha-256' }
  | { readonly kind: 'plain'; readonly secret: ISecret }
  | { readonly kind: 'tls'; readonly secret: ISecret; readonly rootCa?: ISecret }
  | { readonly kind: 'none' }

/** SASL with a user name and a password in the secret (`username`, `password`). MSK takes SHA-512 only. */
export const scram = (secret: ISecret, mechanism: 'scram-sha-512' | 'scram-sha-256' = 'scram-sha-512'): KafkaAuth & { kind: 'scram' } => ({
  kind: 'scram',
  secret,
  mechanism,
})
/** SASL/PLAIN, e.g. an API key of a hosted cluster as `username` and its secret as `password`. */
export const plain = (secret: ISecret): KafkaAuth & { kind: 'plain' } => ({ kind: 'plain', secret })
/** A client certificate (`certificate`, `privateKey`); `rootCa` holds the authority of the brokers (`certificate`) where it is a private one. */
export const tls = (secret: ISecret, rootCa?: ISecret): KafkaAuth & { kind: 'tls' } => ({
  kind: 'tls',
  secret,
  ...(rootCa === undefined ? {} : { rootCa }),
})
/** IAM access control of MSK. */
export const iam: KafkaAuth & { kind: 'iam' } = { kind: 'iam' }
/** No authentication and no encryption: brokers in one's own network. */
export const none: KafkaAuth & { kind: 'none' } = { kind: 'none' }

/** Where functions must stand to reach the brokers. */
export interface KafkaNetwork {
  readonly vpc: IVpc | Vpc
  /** Default: the private subnets. */
  readonly vpcSubnets?: SubnetSelection
  readonly securityGroups?: readonly ISecurityGroup[]
}

/** The cluster's address: MSK is asked for its brokers at deployment, others are named. */
export type KafkaAddress =
  | {
      readonly kind: 'msk'
      readonly clusterArn: string
      readonly serverless: boolean
      /** On MSK Serverless: what compacted topics of other applications have. */
      readonly compactedPartitionsTaken?: number
    }
  | { readonly kind: 'brokers'; readonly brokers: readonly string[] }

/** A Kafka cluster that exists already: this library never creates or deletes one. */
export class KafkaCluster {
  readonly address: KafkaAddress
  readonly auth: KafkaAuth
  readonly network: KafkaNetwork | undefined

  private constructor(address: KafkaAddress, auth: KafkaAuth, network: KafkaNetwork | undefined) {
    this.address = address
    this.auth = auth
    this.network = network
  }

  /** A provisioned MSK cluster, by default with IAM. Its brokers are in a VPC, and so must be the functions. */
  static msk(clusterArn: string, options: { readonly auth?: KafkaAuth & { kind: 'iam' | 'scram' | 'tls' } } & KafkaNetwork): KafkaCluster {
    const { auth = iam } = options
    checkAuth('An MSK cluster', auth, ['iam', 'scram', 'tls'])
    if (auth.kind === 'scram' && auth.mechanism !== 'scram-sha-512') {
      throw new StreamsError('CONFIG_INVALID', `MSK knows SCRAM with SHA-512 only, not ${auth.mechanism}`)
    }
    return new KafkaCluster({ kind: 'msk', clusterArn: mskArn(clusterArn), serverless: false }, auth, networkOf(options))
  }

  /**
   * An MSK Serverless cluster: IAM only. It takes at most 120 partitions of compacted topics; `compactedPartitionsTaken` are those of
   * other applications (default: none).
   */
  static mskServerless(clusterArn: string, options: KafkaNetwork & { readonly compactedPartitionsTaken?: number }): KafkaCluster {
    const { compactedPartitionsTaken = 0 } = options
    if (!Number.isInteger(compactedPartitionsTaken) || compactedPartitionsTaken < 0) {
      throw new StreamsError('CONFIG_INVALID', `compactedPartitionsTaken is a number of partitions, not ${compactedPartitionsTaken}`)
    }
    const address = { kind: 'msk', clusterArn: mskArn(clusterArn), serverless: true, compactedPartitionsTaken } as const
    return new KafkaCluster(address, iam, networkOf(options))
  }

  /** Any other cluster, by its bootstrap servers (`host:port`). Without a VPC they must be reachable from the internet. */
  static selfManaged(
    brokers: readonly string[],
    options: { readonly auth: KafkaAuth & { kind: 'plain' | 'scram' | 'tls' | 'none' } } & Partial<KafkaNetwork>,
  ): KafkaCluster {
    checkAuth('A cluster of your own', options.auth, ['plain', 'scram', 'tls', 'none'])
    const wrong = brokers.find((broker) => !Token.isUnresolved(broker) && !/^[^\s,:]+:\d{1,5}$/.test(broker))
    if (wrong !== undefined || brokers.length === 0) {
      throw new StreamsError('CONFIG_INVALID', `Bootstrap servers are a list of host:port, not "${wrong ?? ''}"`)
    }
    if (options.auth.kind === 'none' && options.vpc === undefined) {
      throw new StreamsError(
        'CONFIG_INVALID',
        'A cluster without authentication needs its vpc: Lambda does not poll open brokers on the internet',
      )
    }
    if (options.vpc !== undefined && (options.securityGroups ?? []).length === 0) {
      throw new StreamsError('CONFIG_INVALID', 'Lambda polls brokers in a vpc with security groups of yours: name them in securityGroups')
    }
    return new KafkaCluster({ kind: 'brokers', brokers }, options.auth, networkOf(options))
  }
}

function checkAuth(what: string, { kind }: KafkaAuth, known: readonly KafkaAuth['kind'][]): void {
  if (known.includes(kind)) return
  throw new StreamsError('CONFIG_INVALID', `${what} does not take auth "${kind}"`, {
    remedy: `Choose one of ${known.join(', ')}. Lambda's event source and the functions must be able to use it.`,
  })
}

/** What functions are told in `MILLRACE_AUTH`: the kind, and the ARN of the secret. */
export function authSetting(auth: KafkaAuth): string {
  return JSON.stringify(settingOf(auth))
}

function settingOf(auth: KafkaAuth): KafkaAuthSetting {
  switch (auth.kind) {
    case 'iam':
    case 'none':
      return { kind: auth.kind }
    case 'plain':
      return { kind: 'plain', secretArn: auth.secret.secretArn }
    case 'scram':
      return { kind: 'scram', mechanism: auth.mechanism, secretArn: auth.secret.secretArn }
    case 'tls':
      return {
        kind: 'tls',
        secretArn: auth.secret.secretArn,
        ...(auth.rootCa === undefined ? {} : { rootCaSecretArn: auth.rootCa.secretArn }),
      }
    default:
      return auth satisfies never
  }
}

/** The ARN of a topic, group or transactional id of an MSK cluster; a trailing `*` in the name is a prefix. */
export function kafkaArn(clusterArn: string, type: 'topic' | 'group' | 'transactional-id', name: string): string {
  const [head, tail] = Token.isUnresolved(clusterArn)
    ? [Fn.select(0, Fn.split(':cluster/', clusterArn)), Fn.select(1, Fn.split(':cluster/', clusterArn))]
    : (clusterArn.split(':cluster/') as [string, string])
  return `${head}:${type}/${tail}/${name}`
}

function mskArn(clusterArn: string): string {
  if (Token.isUnresolved(clusterArn) || /^arn:[^:]+:kafka:[^:]+:\d{12}:cluster\/[^/]+\/[^/]+$/.test(clusterArn)) return clusterArn
  throw new StreamsError(
    'CONFIG_INVALID',
    `"${clusterArn}" is not the ARN of an MSK cluster (arn:aws:kafka:<region>:<account>:cluster/<name>/<uuid>)`,
  )
}

function networkOf({ vpc, vpcSubnets, securityGroups }: Partial<KafkaNetwork>): KafkaNetwork | undefined {
  if (vpc === undefined) return undefined
  return { vpc, ...(vpcSubnets === undefined ? {} : { vpcSubnets }), ...(securityGroups === undefined ? {} : { securityGroups }) }
}
