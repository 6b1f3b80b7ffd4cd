import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { App } from 'aws-cdk-lib'
import { Template } from 'aws-cdk-lib/assertions'
import { beforeAll, describe, expect, it } from 'vitest'
import cdk from '../../cdk.json' with { type: 'json' }
import wordCount from '../../functions/word-count/topology.ts'
import { StreamsStack } from '../../infra/stacks/streams-stack.ts'
import { lintTemplates } from '../../scripts/cfn-lint.ts'
import { resourcesOf } from '../infra/fixture.ts'
import { root } from '../source-files.ts'

const folder = join(root, '.cache', 'synth')
const arn = (type: string, name = '') =>
  `arn:aws:kafka:us-east-1:111122223333:${type}/example/12345678-1234-1234-1234-123456789012-1${name}`
const topics = (...names: string[]) => names.map((name) => arn('topic', `/${name}`))
let template: Template

beforeAll(() => {
  const app = new App({ context: cdk.context, outdir: folder })
  const stack = new StreamsStack(app, 'WordCount', {
    topology: wordCount,
    entry: 'functions/word-count/handler.ts',
    applicationId: 'word-count',
  })
  template = Template.fromStack(stack)
}, 120_000)

const byType = (type: string) => resourcesOf(template, type)
const policyOf = (role: string) => {
  const { Policies } = byType('AWS::IAM::Role')[role] as { Policies: { PolicyDocument: unknown }[] }
  return Policies.map(({ PolicyDocument }) => PolicyDocument)
}

describe('the stack of the word count', () => {
  it('has these resources', () => {
    const counts: Record<string, number> = {}
    for (const { Type } of Object.values(template.toJSON().Resources as Record<string, { Type: string }>))
      counts[Type] = (counts[Type] ?? 0) + 1
    expect(counts).toEqual({
      'AWS::CloudWatch::Alarm': 10,
      'AWS::CloudWatch::Dashboard': 1,
      'AWS::DynamoDB::GlobalTable': 1,
      'AWS::IAM::Policy': 1,
      'AWS::IAM::Role': 8,
      'AWS::Lambda::EventInvokeConfig': 2,
      'AWS::Lambda::EventSourceMapping': 2,
      'AWS::Lambda::Function': 6,
      'AWS::Lambda::Url': 1,
      'AWS::Logs::LogGroup': 6,
      'AWS::Logs::MetricFilter': 2,
      'AWS::Scheduler::Schedule': 2,
      'Custom::KafkaInternalTopics': 1,
      'Custom::MskBootstrapBrokers': 1,
    })
  })

  it('polls each source topic with a consumer group of its own, once the internal topics are there', () => {
    const mapping = (task: string, topic: string, group: string) => ({
      AmazonManagedKafkaEventSourceConfig: { ConsumerGroupId: group },
      BatchSize: 1000,
      EventSourceArn: arn('cluster'),
      FunctionName: `<AppTask${task}TaskFunction>`,
      MaximumBatchingWindowInSeconds: 1,
      StartingPosition: 'TRIM_HORIZON',
      Tags: [{ Key: 'millrace:application', Value: 'word-count' }],
      Topics: [topic],
    })
    expect(byType('AWS::Lambda::EventSourceMapping')).toEqual({
      AppTasklinesFromlinesMapping: mapping('lines', 'lines', 'word-count-lines-lines'),
      AppTaskcountsrepartitionFromcountsrepartitionMapping: mapping(
        'countsrepartition',
        'word-count-counts-repartition',
        'word-count-counts-repartition-counts-repartition',
      ),
    })
    const [internal] = Object.keys(template.findResources('Custom::KafkaInternalTopics'))
    const mappings = Object.values(template.findResources('AWS::Lambda::EventSourceMapping'))
    expect(mappings.map(({ DependsOn }) => DependsOn)).toEqual([[internal], [internal]])
    const tasks = Object.entries(template.findResources('AWS::Lambda::Function')).filter(([id]) => id.startsWith('AppTask'))
    expect(tasks.map(([, { DependsOn }]) => DependsOn.includes(internal))).toEqual([true, true])
  })

  it('runs one bundle as one function per sub-topology, told by its environment which', () => {
    const task = byType('AWS::Lambda::Function').AppTaskcountsrepartitionTaskFunction as { Code: unknown }
    const other = byType('AWS::Lambda::Function').AppTasklinesTaskFunction as { Code: unknown }
    expect(task).toEqual({
      Architectures: ['arm64'],
      Code: other.Code,
      Description: 'word-count: sub-topology counts-repartition',
      Environment: {
        Variables: {
          NODE_OPTIONS: '--enable-source-maps',
          MILLRACE_APPLICATION_ID: 'word-count',
          MILLRACE_SUB_TOPOLOGY: 'counts-repartition',
          MILLRACE_TABLE: '<AppStateTable>',
          MILLRACE_BROKERS: '<AppBootstrapBrokers.BootstrapBrokerStringSaslIam>',
          MILLRACE_AUTH: '{"kind":"iam"}',
          MILLRACE_BATCHING_WINDOW: '1',
        },
      },
      Handler: 'index.handler',
      LoggingConfig: { LogFormat: 'JSON', LogGroup: '<AppTaskcountsrepartitionTaskLogs>' },
      MemorySize: 1024,
      Role: '<AppTaskcountsrepartitionTaskRole.Arn>',
      Runtime: 'nodejs24.x',
      Tags: [{ Key: 'millrace:application', Value: 'word-count' }],
      Timeout: 120,
      VpcConfig: { SecurityGroupIds: ['sg-0123456789abcdef0'], SubnetIds: ['subnet-0123456789abcdef0', 'subnet-0123456789abcdef1'] },
    })
  })

  it('keeps state in one table that outlives the stack', () => {
    const [table] = Object.values(template.findResources('AWS::DynamoDB::GlobalTable'))
    expect(table).toEqual({
      Type: 'AWS::DynamoDB::GlobalTable',
      DeletionPolicy: 'Retain',
      UpdateReplacePolicy: 'Retain',
      DependsOn: Object.keys(template.findResources('Custom::KafkaInternalTopics')),
      Properties: {
        AttributeDefinitions: [
          { AttributeName: 'pk', AttributeType: 'S' },
          { AttributeName: 'sk', AttributeType: 'B' },
        ],
        BillingMode: 'PAY_PER_REQUEST',
        KeySchema: [
          { AttributeName: 'pk', KeyType: 'HASH' },
          { AttributeName: 'sk', KeyType: 'RANGE' },
        ],
        Replicas: [
          {
            DeletionProtectionEnabled: true,
            PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true },
            Region: { Ref: 'AWS::Region' },
            Tags: [{ Key: 'millrace:application', Value: 'word-count' }],
          },
        ],
        TimeToLiveSpecification: { AttributeName: 'x', Enabled: true },
      },
    })
  })

  it('ticks every function once a minute', () => {
    expect(Object.values(byType('AWS::Scheduler::Schedule'))).toEqual(
      ['lines', 'countsrepartition'].map((task) => ({
        FlexibleTimeWindow: { Mode: 'OFF' },
        ScheduleExpression: 'rate(1 minute)',
        Target: {
          Arn: `<AppTask${task}TaskFunction.Arn>`,
          Input: '{"source":"millrace.tick"}',
          RetryPolicy: { MaximumEventAgeInSeconds: 60, MaximumRetryAttempts: 0 },
          RoleArn: `<AppTask${task}TickRole.Arn>`,
        },
      })),
    )
    expect(policyOf('AppTasklinesTickRole')).toEqual([
      {
        Version: '2012-10-17',
        Statement: [{ Action: 'lambda:InvokeFunction', Effect: 'Allow', Resource: '<AppTasklinesTaskFunction.Arn>' }],
      },
    ])
  })
})

describe('the rights', () => {
  const allow = (Action: string | readonly string[], Resource: unknown) => ({ Action, Effect: 'Allow', Resource })
  const vpc = (...more: string[]) =>
    allow(['ec2:CreateNetworkInterface', 'ec2:DeleteNetworkInterface', 'ec2:DescribeNetworkInterfaces', ...more], '*')

  it('of a task are those on its own topics, its groups, its transactional ids and the table', () => {
    const log = ['word-count-counts-changelog', 'word-count-counts-repartition-commits']
    const read = ['word-count-counts-changelog', 'word-count-counts-repartition', 'word-count-counts-repartition-commits']
    const statements = [
      allow(['logs:CreateLogStream', 'logs:PutLogEvents'], '<AppTaskcountsrepartitionTaskLogs.Arn>'),
      allow(
        [
          'kafka-cluster:Connect',
          'kafka-cluster:DescribeClusterDynamicConfiguration',
          'kafka-cluster:WriteDataIdempotently',
          'kafka:DescribeCluster',
          'kafka:DescribeClusterV2',
        ],
        arn('cluster'),
      ),
      allow('kafka-cluster:DescribeTopic', topics(...read, 'word-counts')),
      allow('kafka-cluster:ReadData', topics(...read)),
      allow('kafka-cluster:WriteData', topics(...log, 'word-counts')),
      allow(['kafka-cluster:AlterGroup', 'kafka-cluster:DescribeGroup'], arn('group', '/word-count-counts-repartition-counts-repartition')),
      allow(
        ['kafka-cluster:AlterTransactionalId', 'kafka-cluster:DescribeTransactionalId'],
        arn('transactional-id', '/word-count.counts-repartition.*'),
      ),
      allow(
        [
          'ec2:CreateNetworkInterface',
          'ec2:DeleteNetworkInterface',
          'ec2:DescribeNetworkInterfaces',
          'ec2:DescribeSecurityGroups',
          'ec2:DescribeSubnets',
          'ec2:DescribeVpcs',
          'kafka:GetBootstrapBrokers',
        ],
        '*',
      ),
      allow(
        ['BatchGetItem', 'GetItem', 'PartiQLInsert', 'PartiQLUpdate', 'Query', 'UpdateItem'].map((action) => `dynamodb:${action}`),
        '<AppStateTable.Arn>',
      ),
    ]
    expect(policyOf('AppTaskcountsrepartitionTaskRole')).toEqual([{ Version: '2012-10-17', Statement: statements }])
  })

  it('of the handler of internal topics are to create those, to look at the topics of the user, and to read what an older deployment has committed', () => {
    const internal = ['counts-changelog', 'counts-repartition', 'counts-repartition-commits', 'lines-commits'].map(
      (name) => `word-count-${name}`,
    )
    expect(policyOf('AppInternalTopicsHandlerRole')).toEqual([
      {
        Version: '2012-10-17',
        Statement: [
          allow(['logs:CreateLogStream', 'logs:PutLogEvents'], '<AppInternalTopicsHandlerLogs.Arn>'),
          allow('kafka-cluster:Connect', arn('cluster')),
          allow('kafka-cluster:DescribeTopic', topics('lines', 'word-count-*', ...internal, 'word-counts')),
          allow('kafka-cluster:ReadData', topics('word-count-*')[0]),
          allow(['kafka-cluster:CreateTopic', 'kafka-cluster:DescribeTopicDynamicConfiguration'], topics(...internal)),
          vpc(),
        ],
      },
    ])
  })

  it('reach everything only where AWS knows no resource, and come from no managed policy', () => {
    const roles = Object.values(byType('AWS::IAM::Role')) as {
      ManagedPolicyArns?: unknown
      Policies: { PolicyDocument: { Statement: unknown[] } }[]
    }[]
    expect(roles.filter(({ ManagedPolicyArns }) => ManagedPolicyArns !== undefined)).toEqual([])
    const statements = roles.flatMap(({ Policies }) => Policies.flatMap(({ PolicyDocument }) => PolicyDocument.Statement)) as {
      Action: string | string[]
      Resource: unknown
    }[]
    const onAll = statements.filter(({ Resource }) => Resource === '*').flatMap(({ Action }) => Action)
    expect([...new Set(onAll)].sort()).toEqual([
      'ec2:CreateNetworkInterface',
      'ec2:DeleteNetworkInterface',
      'ec2:DescribeNetworkInterfaces',
      'ec2:DescribeSecurityGroups',
      'ec2:DescribeSubnets',
      'ec2:DescribeVpcs',
      'kafka:GetBootstrapBrokers',
    ])
  })
})

/** The bundles that the stack uploads: the folder may have those of earlier runs. */
const bundles = (): readonly string[] => {
  const assets = JSON.parse(readFileSync(join(folder, 'WordCount.assets.json'), 'utf8')) as {
    files: Record<string, { source: { path: string } }>
  }
  const files = Object.values(assets.files).flatMap(({ source }) =>
    source.path.startsWith('asset.') ? [join(folder, source.path, 'index.mjs')] : [],
  )
  return files.filter((file) => existsSync(file))
}

describe('what is deployed', () => {
  it('says what to do next', () => {
    const outputs = Object.values(template.toJSON().Outputs as Record<string, { Value: unknown }>).map(({ Value }) => JSON.stringify(Value))
    expect(outputs[0]).toBe('"Produce to: lines; read the results from: word-counts"')
    expect(outputs.filter((value) => value.includes('aws logs tail'))).toHaveLength(2)
  })

  it('are bundles that Node can load', { timeout: 60_000 }, async () => {
    const handlers = await Promise.all(bundles().map(async (file) => Object.keys((await import(/* @vite-ignore */ file)) as object)))
    expect(handlers).toEqual([['handler'], ['handler', 'queries']])
  })

  it("are bundles that do not load Node's fetch at a cold start, as ES imports of its HTTP modules would", () => {
    const texts = bundles().map((file) => readFileSync(file, 'utf8'))
    expect(texts.filter((text) => /getBuiltinModule\("node:http"\)/.test(text))).not.toEqual([])
    expect(texts.flatMap((text) => text.match(/from"(node:)?https?"/g) ?? [])).toEqual([])
  })

  it('is a template without findings of cfn-lint', { timeout: 240_000 }, ({ task, skip }) => {
    const faulty = join(folder, 'faulty.json')
    writeFileSync(faulty, JSON.stringify(faultyTemplate))
    const found = [faulty, join(folder, 'WordCount.template.json')].map((file) => lintTemplates([file]))
    const failing = found.map((result) => {
      if (result.kind === 'linted') return result.failing
      if (result.prerequisite) Object.assign(task.meta, { missing: result.what })
      return skip(`${result.what} is missing here`)
    })
    expect(failing).toEqual([[expect.stringMatching(/^W3037 /)], []])
  })
})

/** An IAM action that does not exist: proof that the check finds something. */
const faultyTemplate = {
  Resources: {
    Role: {
      Type: 'AWS::IAM::Role',
      Properties: {
        AssumeRolePolicyDocument: {
          Version: '2012-10-17',
          Statement: [{ Effect: 'Allow', Action: 'sts:AssumeRole', Principal: { Service: 'lambda.amazonaws.com' } }],
        },
        Policies: [
          {
            PolicyName: 'Access',
            PolicyDocument: { Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action: 'dynamodb:PutItems', Resource: '*' }] },
          },
        ],
      },
    },
  },
}
