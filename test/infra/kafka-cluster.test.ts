import type { Stack } from 'aws-cdk-lib'
import { SecurityGroup } from 'aws-cdk-lib/aws-ec2'
import { Secret } from 'aws-cdk-lib/aws-secretsmanager'
import { describe, expect, it } from 'vitest'
import { consumerGroupId } from '../../infra/constructs/event-source.ts'
import { iam, KafkaCluster, none, plain, scram, tls } from '../../infra/constructs/kafka-cluster.ts'
import { clusterArn, resourcesOf, securityGroupId, subnetId, templateOf, vpcIn } from './fixture.ts'

const secretArn = (name: string) => `arn:aws:secretsmanager:eu-west-1:111122223333:secret:${name}-AbCdEf`
const secret = (stack: Stack, name: string) => Secret.fromSecretCompleteArn(stack, name, secretArn(name))
const groupsIn = (stack: Stack) => [SecurityGroup.fromSecurityGroupId(stack, 'Group', securityGroupId)]

function facts(clusterIn: (stack: Stack) => KafkaCluster) {
  const template = templateOf(clusterIn)
  const mapping = resourcesOf(template, 'AWS::Lambda::EventSourceMapping').AppTaskinFrominMapping as Record<string, unknown>
  const task = resourcesOf(template, 'AWS::Lambda::Function').AppTaskinTaskFunction as {
    Environment: { Variables: Record<string, string> }
  }
  const role = resourcesOf(template, 'AWS::IAM::Role').AppTaskinTaskRole as {
    Policies: { PolicyDocument: { Statement: { Action: string | string[]; Resource: unknown }[] } }[]
  }
  const statements = role.Policies.flatMap(({ PolicyDocument }) => PolicyDocument.Statement)
  const { EventSourceArn, SelfManagedEventSource, SourceAccessConfigurations } = mapping
  return {
    source: EventSourceArn ?? SelfManagedEventSource,
    access: SourceAccessConfigurations,
    brokers: task.Environment.Variables.MILLRACE_BROKERS,
    auth: JSON.parse(task.Environment.Variables.MILLRACE_AUTH ?? ''),
    secrets: statements.filter(({ Action }) => Action === 'secretsmanager:GetSecretValue').map(({ Resource }) => Resource),
    msk: statements.flatMap(({ Action }) => Action).filter((action) => action.startsWith('kafka')).length > 0,
  }
}

// A template takes a second or two, more on a busy machine.
describe('functions and event sources', { timeout: 60_000 }, () => {
  it('use IAM on MSK, provisioned and serverless', () => {
    const expected = {
      source: clusterArn,
      access: undefined,
      brokers: '<AppBootstrapBrokers.BootstrapBrokerStringSaslIam>',
      auth: { kind: 'iam' },
      secrets: [],
      msk: true,
    }
    expect(facts((stack) => KafkaCluster.msk(clusterArn, { auth: iam, vpc: vpcIn(stack) }))).toEqual(expected)
    expect(facts((stack) => KafkaCluster.mskServerless(clusterArn, { vpc: vpcIn(stack) }))).toEqual(expected)
  })

  it('use SCRAM on MSK', () => {
    expect(facts((stack) => KafkaCluster.msk(clusterArn, { auth: scram(secret(stack, 'login')), vpc: vpcIn(stack) }))).toEqual({
      source: clusterArn,
      access: [{ Type: 'SASL_SCRAM_512_AUTH', URI: secretArn('login') }],
      brokers: '<AppBootstrapBrokers.BootstrapBrokerStringSaslScram>',
      auth: { kind: 'scram', mechanism: 'scram-sha-512', secretArn: secretArn('login') },
      secrets: [secretArn('login')],
      msk: true,
    })
  })

  it('use client certificates on MSK', () => {
    expect(facts((stack) => KafkaCluster.msk(clusterArn, { auth: tls(secret(stack, 'client')), vpc: vpcIn(stack) }))).toEqual({
      source: clusterArn,
      access: [{ Type: 'CLIENT_CERTIFICATE_TLS_AUTH', URI: secretArn('client') }],
      brokers: '<AppBootstrapBrokers.BootstrapBrokerStringTls>',
      auth: { kind: 'tls', secretArn: secretArn('client') },
      secrets: [secretArn('client')],
      msk: true,
    })
  })

  it('use an API key on a hosted cluster, outside of any VPC', () => {
    expect(facts((stack) => KafkaCluster.selfManaged(['a:9092', 'b:9092'], { auth: plain(secret(stack, 'key')) }))).toEqual({
      source: { Endpoints: { KafkaBootstrapServers: ['a:9092', 'b:9092'] } },
      access: [{ Type: 'BASIC_AUTH', URI: secretArn('key') }],
      brokers: 'a:9092,b:9092',
      auth: { kind: 'plain', secretArn: secretArn('key') },
      secrets: [secretArn('key')],
      msk: false,
    })
  })

  it('use a private authority in a VPC', () => {
    const cluster = (stack: Stack) =>
      KafkaCluster.selfManaged(['a:9093'], {
        auth: tls(secret(stack, 'client'), secret(stack, 'root')),
        vpc: vpcIn(stack),
        securityGroups: groupsIn(stack),
      })
    expect(facts(cluster)).toEqual({
      source: { Endpoints: { KafkaBootstrapServers: ['a:9093'] } },
      access: [
        { Type: 'CLIENT_CERTIFICATE_TLS_AUTH', URI: secretArn('client') },
        { Type: 'SERVER_ROOT_CA_CERTIFICATE', URI: secretArn('root') },
        { Type: 'VPC_SUBNET', URI: `subnet:${subnetId}` },
        { Type: 'VPC_SECURITY_GROUP', URI: `security_group:${securityGroupId}` },
      ],
      brokers: 'a:9093',
      auth: { kind: 'tls', secretArn: secretArn('client'), rootCaSecretArn: secretArn('root') },
      secrets: [[secretArn('client'), secretArn('root')]],
      msk: false,
    })
  })

  it('use open brokers in a VPC', () => {
    expect(
      facts((stack) => KafkaCluster.selfManaged(['a:9092'], { auth: none, vpc: vpcIn(stack), securityGroups: groupsIn(stack) })),
    ).toEqual({
      source: { Endpoints: { KafkaBootstrapServers: ['a:9092'] } },
      access: [
        { Type: 'VPC_SUBNET', URI: `subnet:${subnetId}` },
        { Type: 'VPC_SECURITY_GROUP', URI: `security_group:${securityGroupId}` },
      ],
      brokers: 'a:9092',
      auth: { kind: 'none' },
      secrets: [],
      msk: false,
    })
  })
})

describe('a consumer group id', () => {
  it('says whose it is', () => {
    expect(consumerGroupId('word-count', 'lines', 'lines')).toBe('word-count-lines-lines')
  })

  it('keeps to 200 characters and stays its own', () => {
    const long = (last: string) => consumerGroupId('a'.repeat(100), 'b'.repeat(100), last)
    expect(long('c')).toMatch(/^a{100}-b{82}-[0-9a-f]{16}$/)
    expect(long('c')).not.toBe(long('d'))
  })
})
