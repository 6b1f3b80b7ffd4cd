import { Duration } from 'aws-cdk-lib'
import { SqsDlq } from 'aws-cdk-lib/aws-lambda-event-sources'
import { Queue } from 'aws-cdk-lib/aws-sqs'
import { Serdes, StreamsBuilder } from 'millrace'
import { describe, expect, it } from 'vitest'
import { iam, KafkaCluster, none, scram } from '../../infra/constructs/kafka-cluster.ts'
import { StreamsApp, type StreamsAppProps } from '../../infra/constructs/streams-app.ts'
import { clusterArn, counting, emptyStack, stateless, vpcIn } from './fixture.ts'

const failure = (props: (stack: ReturnType<typeof emptyStack>) => Partial<StreamsAppProps>) => {
  const stack = emptyStack()
  const cluster = KafkaCluster.msk(clusterArn, { auth: iam, vpc: vpcIn(stack) })
  const base = { topology: stateless(), entry: 'infra/handlers/internal-topics.ts', applicationId: 'demo', cluster }
  try {
    new StreamsApp(stack, 'App', { ...base, ...props(stack) })
    return 'none'
  } catch (error) {
    const { code, message, remedy } = error as { code: string; message: string; remedy: string }
    return [code, message, remedy]
  }
}
const strings = { keySerde: Serdes.string, valueSerde: Serdes.string }

describe('a deployment refuses', { timeout: 60_000 }, () => {
  it('stores and repartition topics with generated names, and says whose they are', () => {
    expect(failure(() => ({ topology: counting() }))).toEqual([
      'TOPOLOGY_INVALID',
      'These names were generated and would not survive a changed topology: the store "KSTREAM-AGGREGATE-STATE-STORE-0000000001" of KSTREAM-AGGREGATE-0000000002',
      'Name the store of the operator ({ store: "counts" }) and its repartition ({ name: "by-word" }).',
    ])
    expect(failure(() => ({ topology: counting('counts') }))).toBe('none')
  })

  it('application ids that cannot be part of a topic name', () => {
    expect(failure(() => ({ applicationId: 'word count' }))).toContain('CONFIG_INVALID')
  })

  it('timeouts over 14 minutes or under 10 seconds', () => {
    expect(failure(() => ({ timeout: Duration.seconds(3) }))).toContain(
      'The timeout of 3 s is under 10 s: an invocation keeps 2.5 s of it to flush and to give its lease back',
    )
    expect(failure(() => ({ timeout: Duration.minutes(14) }))).toBe('none')
    expect(failure(() => ({ timeout: Duration.minutes(15) }))).toContain(
      'The timeout of 900 s is over the 14 minutes of functions behind a Kafka event source',
    )
  })

  it('on-failure destinations where there is state', () => {
    const onFailure = (stack: ReturnType<typeof emptyStack>) => new SqsDlq(new Queue(stack, 'Lost'))
    expect(failure((stack) => ({ onFailure: onFailure(stack) }))).toBe('none')
    expect(failure((stack) => ({ topology: counting('counts'), onFailure: onFailure(stack) }))).toContain(
      'An on-failure destination would skip records that the state of in counts on',
    )
  })

  it('topics by pattern, and topics that a callback chooses without being told which', () => {
    const pattern = new StreamsBuilder()
    pattern.stream(/in-.*/, strings).to('out')
    expect(failure(() => ({ topology: pattern.build() }))).toContain(
      'The source KSTREAM-SOURCE-0000000000 subscribes to topics by the pattern /in-.*/',
    )
    const chosen = new StreamsBuilder()
    chosen.stream('in', strings).to((key) => `out-${key}`)
    const topology = chosen.build()
    expect(failure(() => ({ topology }))).toContain(
      'The topics of KSTREAM-SINK-0000000001 are chosen by a callback, so the permission to write to them is unknown',
    )
    expect(failure(() => ({ topology, writesTo: ['out-*'] }))).toBe('none')
  })

  it('entries that are not there', () => {
    expect(failure(() => ({ entry: 'nowhere/handler.ts' }))).toContain('The entry "nowhere/handler.ts" of the function does not exist')
  })

  it('addresses that are none', () => {
    expect(() => KafkaCluster.mskServerless('arn:aws:s3:::bucket', { vpc: vpcIn(emptyStack()) })).toThrow(
      'is not the ARN of an MSK cluster',
    )
    expect(() => KafkaCluster.selfManaged(['broker'], { auth: none })).toThrow('Bootstrap servers are a list of host:port, not "broker"')
    expect(() => KafkaCluster.selfManaged(['broker:9092'], { auth: none })).toThrow('needs its vpc')
    const vpc = vpcIn(emptyStack())
    expect(() => KafkaCluster.selfManaged(['broker:9092'], { auth: none, vpc })).toThrow('name them in securityGroups')
    const secret = undefined as never
    expect(() => KafkaCluster.msk(clusterArn, { auth: scram(secret, 'scram-sha-256'), vpc: vpcIn(emptyStack()) })).toThrow('SHA-512 only')
  })
})
