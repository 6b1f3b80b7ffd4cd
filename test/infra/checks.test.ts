import { Duration, type Stack } from 'aws-cdk-lib'
import { Match, Template } from 'aws-cdk-lib/assertions'
import { TableV2 } from 'aws-cdk-lib/aws-dynamodb'
import { Role } from 'aws-cdk-lib/aws-iam'
import { Key } from 'aws-cdk-lib/aws-kms'
import { SqsDlq } from 'aws-cdk-lib/aws-lambda-event-sources'
import { Secret, type SecretAttributes } from 'aws-cdk-lib/aws-secretsmanager'
import { Queue } from 'aws-cdk-lib/aws-sqs'
import { Serdes, StreamsBuilder } from 'millrace'
import { describe, expect, it } from 'vitest'
import { iam, KafkaCluster, none, scram } from '../../infra/constructs/kafka-cluster.ts'
import { StreamsApp, type StreamsAppProps } from '../../infra/constructs/streams-app.ts'
import { annotationsOf, clusterArn, counting, emptyStack, type PropsIn, stateless, vpcIn } from './fixture.ts'

const strings = { keySerde: Serdes.string, valueSerde: Serdes.string }
const entry = 'infra/handlers/internal-topics.ts'
type Props = Partial<StreamsAppProps>

const deployed = (props: PropsIn): Stack => {
  const stack = emptyStack()
  const cluster = KafkaCluster.msk(clusterArn, { vpc: vpcIn(stack) })
  const given = typeof props === 'function' ? props(stack) : props
  new StreamsApp(stack, 'App', { topology: stateless(), entry, applicationId: 'demo', cluster, ...given })
  return stack
}
/** All errors that `cdk synth` shows. */
const refusals = (props: PropsIn): readonly string[] => annotationsOf(deployed(props))
/** What is wrong in the user's words, written by somebody without types. */
const untyped = (props: Readonly<Record<string, unknown>>): readonly string[] => refusals(props as Props)

describe('a deployment refuses', { timeout: 120_000 }, () => {
  it('stores and repartition topics with generated names, and says whose they are', () => {
    expect(refusals({ topology: counting() })).toEqual([
      'The name of the store "KSTREAM-AGGREGATE-STATE-STORE-0000000001" of KSTREAM-AGGREGATE-0000000002 was generated and would not survive a changed topology. Name the store of the operator: { store: "counts" }.',
    ])
    expect(refusals({ topology: counting('counts') })).toEqual([])
    const builder = new StreamsBuilder()
    builder
      .stream('in', strings)
      .selectKey((_key, value) => value)
      .groupByKey(strings)
      .count()
    expect(refusals({ topology: builder.build() })).toEqual([
      expect.stringMatching(
        /^The name of the store "KSTREAM-AGGREGATE-STATE-STORE-0000000002" of KSTREAM-AGGREGATE-0000000003 was generated/,
      ),
      expect.stringMatching(/^The name of the topic "KSTREAM-AGGREGATE-STATE-STORE-0000000002-repartition" behind .* was generated/),
    ])
  })

  it('application ids that cannot be part of a topic name', () => {
    expect(() => deployed({ applicationId: 'word count' })).toThrow('The application id "word count" cannot be the prefix of topic names')
  })

  it('timeouts over 14 minutes or under 10 seconds, and functions without memory', () => {
    expect(refusals({ taskFunction: { timeout: Duration.seconds(3), memorySize: 128 } })).toEqual([
      'taskFunction.timeout of 3 s is under 10 s: an invocation keeps 2.5 s of it to flush and to give its lease back. Two minutes are a good start.',
      'taskFunction.memorySize of 128 MB is too little: an event alone may have 6 MB of JSON, and a task reads and writes megabytes at a time. Give it 256 MB or more; CPU comes with memory.',
    ])
    expect(refusals({ taskFunction: { timeout: Duration.minutes(14) } })).toEqual([])
    expect(refusals({ taskFunction: { timeout: Duration.minutes(15) } })).toEqual([
      'taskFunction.timeout of 900 s is over the 14 minutes of functions behind a Kafka event source. Shorten it: a task that is not done goes on in the next invocation.',
    ])
  })

  it('properties that the application relies on, with the reason', () => {
    expect(
      untyped({
        taskFunction: {
          functionName: 'mine',
          bundling: { format: 'cjs' },
          environment: { MILLRACE_TABLE: 'other', MILLRACE_LOG: 'debug' },
        },
        eventSource: { startingPosition: 'LATEST', filters: [] },
        table: { sortKey: { name: 'mine', type: 'S' } },
      }),
    ).toEqual([
      'table.sortKey cannot be set. It is "sk" (binary).',
      'taskFunction.functionName cannot be set. Several functions cannot have one name: leave names to CloudFormation.',
      'taskFunction.bundling.format cannot be set. Bundles are ES modules.',
      'taskFunction.environment sets MILLRACE_TABLE. The application sets it: choose another name.',
      'eventSource.startingPosition cannot be set. A deployment misses nothing from TRIM_HORIZON; where a topic begins is said in the topology (offsetReset).',
      'eventSource.filters cannot be set. Lambda commits what it filters out, so that nobody would ring for it: filter in the topology.',
    ])
  })

  it('on-failure destinations where there is state, but by the name of what they break', () => {
    const onFailure = (stack: Stack) => new SqsDlq(new Queue(stack, 'Lost'))
    expect(refusals((stack) => ({ onFailure: onFailure(stack) }))).toEqual([])
    expect(refusals((stack) => ({ topology: counting('counts'), onFailure: onFailure(stack) }))).toEqual([
      expect.stringMatching(
        /^onFailure lets Lambda give up after ten tries, and the state of in needs every record in its turn\..*onFailureStopsRedelivery/,
      ),
    ])
    const stack = deployed((it) => ({ topology: counting('counts'), onFailureStopsRedelivery: onFailure(it) }))
    expect(annotationsOf(stack)).toEqual([])
    Template.fromStack(stack).hasResourceProperties('AWS::Lambda::EventSourceMapping', {
      DestinationConfig: { OnFailure: { Destination: Match.anyValue() } },
    })
  })

  it('what only provisioned pollers take, and what stops the event source from trying', () => {
    expect(refusals({ eventSource: { reportBatchItemFailures: true, bisectBatchOnError: true } })).toEqual([
      'eventSource.bisectBatchOnError, eventSource.reportBatchItemFailures: only provisioned pollers take this, and these are on demand. Leave it out, or set pollers: {} (billed by the hour).',
    ])
    expect(refusals({ pollers: {}, eventSource: { reportBatchItemFailures: true, retryAttempts: -1 } })).toEqual([])
    expect(refusals({ pollers: {}, eventSource: { retryAttempts: 3, maxRecordAge: Duration.hours(1) } })).toEqual([
      expect.stringMatching(/^eventSource.retryAttempts lets Lambda stop ringing/),
      expect.stringMatching(/^eventSource.maxRecordAge lets Lambda stop ringing/),
    ])
  })

  it('batches that Lambda does not take, and more pollers than a group has', () => {
    expect(refusals({ eventSource: { batchSize: 20_000 }, pollers: { maximum: 2000 } })).toEqual([
      'eventSource.batchSize of 20000 is not from 1 to 10,000. Lambda hands over at most 6 MB at a time anyway.',
    ])
    const window = (ms: number) => ({ eventSource: { maxBatchingWindow: Duration.millis(ms) } })
    expect([301_000, 500].flatMap((ms) => refusals(window(ms)))).toEqual(
      [301_000, 500].map(
        (ms) =>
          `eventSource.maxBatchingWindow of ${ms} ms is not a whole number of seconds from 0 to 300. Lambda counts it so. Records wait for it unless a batch is full before: one second is a good start, 0 does not wait.`,
      ),
    )
    expect([300_000, 0].flatMap((ms) => refusals(window(ms)))).toEqual([])
    const builder = new StreamsBuilder()
    for (const topic of ['one', 'two', 'three']) builder.stream(topic, strings).to('out', strings)
    expect(refusals({ topology: builder.build(), pollers: { maximum: 700 } })).toEqual([
      'pollers: 3 event source mappings with up to 700 pollers each are too many for the group "demo". A group has at most 100 mappings and 2,000 pollers: lower maximum, or give applications groups of their own.',
    ])
  })

  it('topics by pattern, and topics that a callback chooses without being told which', () => {
    const pattern = new StreamsBuilder()
    pattern.stream(/in-.*/, strings).to('out')
    expect(refusals({ topology: pattern.build() })).toEqual([
      'The source KSTREAM-SOURCE-0000000000 subscribes to topics by the pattern /in-.*/. Name its topics: an event source mapping polls one topic that is known at deployment.',
    ])
    const chosen = new StreamsBuilder()
    chosen.stream('in', strings).to((key) => `out-${key}`)
    const topology = chosen.build()
    expect(refusals({ topology })).toEqual([
      'The topics of KSTREAM-SINK-0000000001 are chosen by a callback, so the permission to write to them is unknown. Name the topics, or a prefix that ends in *, in writesTo.',
    ])
    expect(refusals({ topology, writesTo: ['out-*'] })).toEqual([])
  })

  it('joined topics with unequal counts, as soon as they are known', () => {
    const builder = new StreamsBuilder()
    const joined = builder
      .stream('clicks', strings)
      .join(builder.table('people', { ...strings, store: 'people' }), (click, who) => `${click} ${who}`)
    joined.to('out', strings)
    builder.stream('other', strings).to('out', strings)
    const topology = builder.build()
    const unequal = [
      expect.stringMatching(/^Topics that are joined must have the same number of partitions: clicks has 3, people has 4\. Repartition/),
    ]
    expect(refusals({ topology, partitions: { clicks: 3, people: 4, other: 1 } })).toEqual(unequal)
    expect(refusals({ topology, partitions: { clicks: 3, people: 4 } })).toEqual(unequal)
    expect(refusals({ topology, partitions: { clicks: 3 } })).toEqual([])
    expect(refusals({ topology, createTopics: { people: { partitions: 4 } }, partitions: { clicks: 3 } })).toEqual(unequal)
    expect(refusals({ topology, partitions: { clik: 3 }, createTopics: { peple: { partitions: 0 } } })).toEqual([
      'createTopics names "peple", which the topology neither reads nor writes. It knows clicks, people, other, out.',
      'createTopics: "peple" cannot have 0 partitions. Give it one or more.',
      'partitions names the topic "peple", which the topology neither reads nor writes. It knows clicks, people, other, out.',
      'partitions names the topic "clik", which the topology neither reads nor writes. It knows clicks, people, other, out.',
    ])
  })

  it('more compacted partitions than MSK Serverless takes, and settings that it does not know', () => {
    const onServerless = (props: Props) =>
      refusals((stack) => ({ ...props, cluster: KafkaCluster.mskServerless(clusterArn, { vpc: vpcIn(stack, 'Other') }) }))
    expect(onServerless({ topology: counting('counts'), partitions: { in: 60 } })).toEqual([])
    expect(onServerless({ topology: counting('counts'), partitions: { in: 61 } })).toEqual([
      expect.stringMatching(
        /^MSK Serverless takes 120 partitions of compacted topics per cluster, and the changelogs and commit topics of this application have 122 \(demo-counts-changelog: 61, and 1 more\)\. Give/,
      ),
    ])
    const builder = new StreamsBuilder()
    builder
      .stream('in', strings)
      .groupByKey()
      .count({ store: { name: 'counts', logging: { 'segment.ms': '1000' } } })
    expect(onServerless({ topology: builder.build() })).toEqual([
      expect.stringMatching(
        /^MSK Serverless does not let the topic "demo-counts-changelog" set segment.ms\. Leave it out of the logging of the store/,
      ),
    ])
  })

  it('compacted partitions that MSK Serverless has no room for beside those of other applications', () => {
    const beside = (compactedPartitionsTaken: number) =>
      refusals((stack) => ({
        topology: counting('counts'),
        partitions: { in: 12 },
        cluster: KafkaCluster.mskServerless(clusterArn, { vpc: vpcIn(stack, 'Other'), compactedPartitionsTaken }),
      }))
    expect(beside(96)).toEqual([])
    expect(beside(97)).toEqual([
      expect.stringMatching(
        /^MSK Serverless takes 120 partitions of compacted topics per cluster, 97 are taken by others, and the changelogs and commit topics of this application have 24 /,
      ),
    ])
    expect(() => beside(-1)).toThrow('compactedPartitionsTaken is a number of partitions, not -1')
  })

  it('records that do not fit into an event of Lambda', () => {
    const large = 'and Lambda hands over at most 6 MB as base64, which is 4717824 bytes of a record: for a larger one nobody would ring.'
    const remedy = 'Keep large values elsewhere, e.g. in S3, and put their address into the record.'
    const made = (bytes: string) => ({ partitions: 1, config: { 'max.message.bytes': bytes } })
    expect(refusals({ recordBytes: { in: 4_717_825, out: 1 }, createTopics: { in: made('8388608'), out: made('8388608') } })).toEqual([
      'recordBytes names the topic "out", which the topology does not read. It reads in.',
      `createTopics: max.message.bytes of "in" is 8388608, ${large} ${remedy}`,
      `recordBytes of "in" is 4717825, ${large} ${remedy}`,
    ])
    expect(refusals({ recordBytes: { in: 4_717_824 }, createTopics: { in: made('4000000') } })).toEqual([])
  })

  it('everything at once, and makes no template', () => {
    const stack = deployed({
      topology: counting(),
      taskFunction: { timeout: Duration.minutes(20) },
      eventSource: { retryAttempts: 2 },
      partitions: { typo: 1 },
    })
    expect(annotationsOf(stack)).toHaveLength(5)
    expect(() => Template.fromStack(stack)).toThrow('The name of the store "KSTREAM-AGGREGATE-STATE-STORE-0000000001"')
  })

  it('queries of an entry that answers none', () => {
    expect(refusals({ topology: counting('counts'), queries: true })).toEqual([
      'queries: the entry "infra/handlers/internal-topics.ts" does not export "queries". Add to it: export const queries = queryHandler(topology), with queryHandler from millrace/lambda.',
    ])
    expect(refusals({ topology: counting('counts'), queries: true, entry: 'functions/word-count/handler.ts' })).toEqual([])
  })

  it('entries that are not there', () => {
    expect(() => deployed({ entry: 'nowhere/handler.ts' })).toThrow('The entry "nowhere/handler.ts" of the function does not exist')
  })

  it('addresses that are none, and authentication that the cluster does not have', () => {
    const vpc = vpcIn(emptyStack())
    expect(() => KafkaCluster.mskServerless('arn:aws:s3:::bucket', { vpc })).toThrow('is not the ARN of an MSK cluster')
    expect(() => KafkaCluster.selfManaged(['broker'], { auth: none })).toThrow('Bootstrap servers are a list of host:port, not "broker"')
    expect(() => KafkaCluster.selfManaged(['broker:9092'], { auth: none })).toThrow('needs its vpc')
    expect(() => KafkaCluster.selfManaged(['broker:9092'], { auth: none, vpc })).toThrow('name them in securityGroups')
    const secret = undefined as never
    expect(() => KafkaCluster.msk(clusterArn, { auth: scram(secret, 'scram-sha-256'), vpc })).toThrow('SHA-512 only')
    expect(() => KafkaCluster.msk(clusterArn, { auth: none as never, vpc })).toThrow('An MSK cluster does not take auth "none"')
    expect(() => KafkaCluster.selfManaged(['broker:9092'], { auth: iam as never })).toThrow(
      'A cluster of your own does not take auth "iam"',
    )
  })
})

describe('an application can be given', { timeout: 120_000 }, () => {
  it('a role of the user, and says what it needs', () => {
    const stack = deployed((it) => ({
      taskFunction: { role: Role.fromRoleArn(it, 'Mine', 'arn:aws:iam::111122223333:role/mine', { mutable: false }) },
    }))
    expect(annotationsOf(stack, 'aws:cdk:warning')).toEqual([
      expect.stringMatching(/taskFunction.role was imported.*kafka-cluster:WriteDataIdempotently/),
    ])
    const functions = Template.fromStack(stack).findResources('AWS::Lambda::Function', {
      Properties: { Role: 'arn:aws:iam::111122223333:role/mine' },
    })
    expect(Object.keys(functions)).toHaveLength(1)
  })

  it('a secret for SCRAM on MSK with its key, which functions may then use', () => {
    const secretCompleteArn = 'arn:aws:secretsmanager:eu-west-1:111122223333:secret:AmazonMSK_login-AbCdEf'
    const keyArn = 'arn:aws:kms:eu-west-1:111122223333:key/0a1b2c3d-0000-1111-2222-333344445555'
    const withSecret = (attributes: (stack: Stack) => Omit<SecretAttributes, 'secretCompleteArn'>) =>
      deployed((stack) => {
        const secret = Secret.fromSecretAttributes(stack, 'Login', { secretCompleteArn, ...attributes(stack) })
        return { cluster: KafkaCluster.msk(clusterArn, { auth: scram(secret), vpc: vpcIn(stack, 'Other') }) }
      })
    const unknown = withSecret(() => ({}))
    expect(annotationsOf(unknown, 'aws:cdk:warning')).toContainEqual(
      expect.stringMatching(/^The secret for SCRAM on MSK must have a key of yours/),
    )
    const known = withSecret((stack) => ({ encryptionKey: Key.fromKeyArn(stack, 'Key', keyArn) }))
    expect(annotationsOf(known, 'aws:cdk:warning')).not.toContainEqual(expect.stringContaining('SCRAM'))
    expect(JSON.stringify(Template.fromStack(known).findResources('AWS::IAM::Role'))).toContain(
      `"Action":"kms:Decrypt","Effect":"Allow","Resource":"${keyArn}"`,
    )
  })

  it('a table that is there', () => {
    const stack = deployed((it) => ({ table: TableV2.fromTableName(it, 'Mine', 'mine') }))
    const template = Template.fromStack(stack)
    expect(template.findResources('AWS::DynamoDB::GlobalTable')).toEqual({})
    template.hasResourceProperties('AWS::Lambda::Function', { Environment: { Variables: Match.objectLike({ MILLRACE_TABLE: 'mine' }) } })
  })

  it('other properties for its functions, event sources and table', () => {
    const stack = deployed({
      topology: counting('counts'),
      taskFunction: (name) => ({
        memorySize: name === 'in' ? 2048 : 512,
        reservedConcurrentExecutions: 12,
        environment: { NODE_OPTIONS: '--no-warnings', LEVEL: '7' },
      }),
      eventSource: { batchSize: 10_000, maxBatchingWindow: Duration.seconds(0) },
      pollers: { minimum: 2, group: 'shared' },
      partitions: { in: 6 },
      table: { tableName: 'mine', deletionProtection: false },
    })
    const template = Template.fromStack(stack)
    template.hasResourceProperties('AWS::Lambda::Function', {
      MemorySize: 2048,
      ReservedConcurrentExecutions: 12,
      Timeout: 120,
      Environment: {
        Variables: Match.objectLike({
          ...{ NODE_OPTIONS: '--enable-source-maps --no-warnings', LEVEL: '7' },
          ...{ MILLRACE_SUB_TOPOLOGY: 'in', MILLRACE_BATCHING_WINDOW: '0' },
        }),
      },
    })
    template.hasResourceProperties('AWS::Lambda::EventSourceMapping', {
      BatchSize: 10_000,
      MaximumBatchingWindowInSeconds: 0,
      ProvisionedPollerConfig: { MinimumPollers: 2, MaximumPollers: 6, PollerGroupName: 'shared' },
      StartingPosition: 'TRIM_HORIZON',
    })
    template.hasResourceProperties('AWS::DynamoDB::GlobalTable', {
      TableName: 'mine',
      Replicas: [Match.objectLike({ DeletionProtectionEnabled: false })],
    })
  })
})
