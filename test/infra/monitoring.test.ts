import { Match } from 'aws-cdk-lib/assertions'
import { Topic } from 'aws-cdk-lib/aws-sns'
import { Serdes, StreamsBuilder } from 'millrace'
import { streamsHandler } from 'millrace/lambda'
import { describe, expect, it } from 'vitest'
import { KafkaCluster } from '../../infra/constructs/kafka-cluster.ts'
import { linePatterns } from '../../infra/constructs/task-metrics.ts'
import { createMemoryKafka } from '../../src/adapters/memory/log.ts'
import { createMemoryTable } from '../../src/adapters/memory/table.ts'
import { eventRecord, mskEvent } from '../lambda/events.ts'
import { record, strings } from '../runtime/scene.ts'
import { clusterArn, counting, resourcesOf, templateOf, vpcIn } from './fixture.ts'

const soon = () => Date.now() + 60_000
const cluster = (stack: Parameters<typeof vpcIn>[0]) => KafkaCluster.msk(clusterArn, { vpc: vpcIn(stack) })

/** Counts numbers; what is no number ends as a dead letter. */
const withDeadLetters = () => {
  const builder = new StreamsBuilder({
    'errors.dead.letter.queue.topic.name': 'dead',
    'deserialization.exception.handler': 'LogAndContinue',
  })
  builder
    .stream('in', { ...strings, valueSerde: Serdes.json<number>() })
    .groupByKey()
    .count({ store: 'counts' })
    .toStream()
    .to('out')
  return builder.build()
}

/** What the function really writes to its standard output while it reads two good records and one that is no JSON. */
const writtenLines = async (): Promise<readonly Record<string, unknown>[]> => {
  const [kafka, table, topology] = [createMemoryKafka(), createMemoryTable(), withDeadLetters()]
  const counts = new Map([['in', 1], ['out', 1], ['dead', 1], ...topology.partitionCounts('demo', new Map([['in', 1]]))])
  await kafka.admin.create(
    [...counts].map(([topic, partitions]) => ({ topic, partitions, config: {} })),
    soon(),
  )
  kafka.produce([{ topic: 'in', partition: 0, records: [record('a', '1'), record('b', 'no json'), record('c', '2')] }])
  const handler = streamsHandler(topology, { identity: { applicationId: 'demo', subTopology: 'in' }, adapters: () => ({ kafka, table }) })
  const { write } = process.stdout
  let text = ''
  process.stdout.write = (chunk: string | Uint8Array) => {
    text += chunk
    return true
  }
  try {
    await handler(mskEvent(eventRecord('in', 0, 2)), { getRemainingTimeInMillis: () => 60_000 })
  } finally {
    process.stdout.write = write
  }
  return text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
}

/** The part of CloudWatch's filter patterns for JSON that is used here: one comparison of one field. */
const matches = ({ logPatternString }: { readonly logPatternString: string }, line: Record<string, unknown>): boolean => {
  const [, field = '', operator, operand = ''] = /^\{ \$\.(\w+) (>=|=) (.*) \}$/.exec(logPatternString) ?? expect.fail(logPatternString)
  const value = line[field]
  return operator === '>=' ? typeof value === 'number' && value >= Number(operand) : value === JSON.parse(operand)
}

describe('metrics', () => {
  it('are made of lines that the handler writes', async () => {
    const lines = await writtenLines()
    const of = (pattern: { readonly logPatternString: string }) => lines.filter((line) => matches(pattern, line))
    const where = { applicationId: 'demo', subTopology: 'in', partition: 0 }
    expect(of(linePatterns.recordsRead)).toMatchObject([{ ...where, message: 'done', recordsRead: 3 }])
    expect(of(linePatterns.deadLetters)).toMatchObject([{ ...where, level: 'warn', topic: 'dead', records: 1 }])
  })
})

describe('a deployment watches', { timeout: 120_000 }, () => {
  it('errors, throttles, time, growing lag, standstill and dead letters of each function, and tells a topic', () => {
    const topic = (stack: Parameters<typeof vpcIn>[0]) => Topic.fromTopicArn(stack, 'Told', 'arn:aws:sns:eu-west-1:111122223333:told')
    const template = templateOf(cluster, (stack) => ({ topology: withDeadLetters(), alarms: { topic: topic(stack), lag: 500 } }))
    const alarms = Object.values(resourcesOf(template, 'AWS::CloudWatch::Alarm')) as readonly {
      readonly AlarmActions: unknown
      readonly OKActions: unknown
      readonly AlarmDescription: string
      readonly MetricName?: string
      readonly Metrics?: readonly { readonly Expression?: string }[]
      readonly Threshold: number
      readonly DatapointsToAlarm: number
      readonly EvaluationPeriods: number
    }[]
    expect(
      alarms.map(({ MetricName, Metrics, Threshold, DatapointsToAlarm, EvaluationPeriods }) => [
        MetricName ?? Metrics?.find(({ Expression }) => Expression !== undefined)?.Expression,
        Threshold,
        `${DatapointsToAlarm} of ${EvaluationPeriods}`,
      ]),
    ).toEqual([
      ['Errors', 1, '2 of 3'],
      ['Throttles', 1, '3 of 3'],
      ['Duration', 119_000, '2 of 3'],
      ['IF(DIFF(lag) > 0 AND lag > 500, 1, 0)', 1, '6 of 6'],
      ['IF(lag > 500 AND FILL(read, 0) == 0, 1, 0)', 1, '3 of 3'],
      ['DeadLetters', 1, '1 of 1'],
    ])
    for (const { AlarmActions, OKActions, AlarmDescription } of alarms) {
      expect([AlarmActions, OKActions]).toEqual([['arn:aws:sns:eu-west-1:111122223333:told'], ['arn:aws:sns:eu-west-1:111122223333:told']])
      expect(AlarmDescription).toMatch(/^demo, sub-topology in: .*\.$/)
    }
    expect(Object.values(resourcesOf(template, 'AWS::Logs::MetricFilter'))).toMatchObject([
      { FilterPattern: '{ $.recordsRead >= 0 }', MetricTransformations: [{ MetricName: 'RecordsRead', MetricValue: '$.recordsRead' }] },
      { FilterPattern: '{ $.message = "dead letters" }', MetricTransformations: [{ MetricName: 'DeadLetters', MetricValue: '$.records' }] },
    ])
  })

  it('on a dashboard that has the topology in words', () => {
    const template = templateOf(cluster, { topology: counting('counts') })
    const [dashboard] = Object.values(resourcesOf(template, 'AWS::CloudWatch::Dashboard')) as readonly { readonly DashboardBody: string }[]
    expect(dashboard?.DashboardBody).toContain('* **in** reads in; keeps counts; writes out')
    expect(dashboard?.DashboardBody).toContain('Sub-topology: 0')
    template.hasOutput('*', { Value: Match.objectLike({}), Description: 'The topology, and how each of its functions is doing' })
  })

  it('nothing where it is told so', () => {
    const template = templateOf(cluster, { alarms: false, dashboard: false })
    expect(resourcesOf(template, 'AWS::CloudWatch::Alarm')).toEqual({})
    expect(resourcesOf(template, 'AWS::CloudWatch::Dashboard')).toEqual({})
  })
})

describe('queries', { timeout: 120_000 }, () => {
  it('have a function that can only read, behind a URL that asks for IAM', () => {
    const template = templateOf(cluster, { topology: counting('counts'), entry: 'functions/word-count/handler.ts', queries: true })
    expect(Object.values(resourcesOf(template, 'AWS::Lambda::Url'))).toEqual([
      { AuthType: 'AWS_IAM', TargetFunctionArn: '<AppQueriesQueryFunction.Arn>' },
    ])
    expect(resourcesOf(template, 'AWS::Lambda::Function').AppQueriesQueryFunction).toMatchObject({
      Handler: 'index.queries',
      Timeout: 15,
      Environment: { Variables: { MILLRACE_APPLICATION_ID: 'demo', MILLRACE_TABLE: '<AppStateTable>', MILLRACE_AUTH: '{"kind":"iam"}' } },
    })
    const role = resourcesOf(template, 'AWS::IAM::Role').AppQueriesQueryRole as {
      readonly Policies: readonly [{ readonly PolicyDocument: { readonly Statement: readonly { readonly Action: string | string[] }[] } }]
    }
    expect(role.Policies[0].PolicyDocument.Statement.map(({ Action }) => [Action].flat())).toEqual([
      ['logs:CreateLogStream', 'logs:PutLogEvents'],
      ['kafka-cluster:Connect'],
      ['kafka-cluster:DescribeTopic', 'kafka-cluster:ReadData'],
      ['ec2:CreateNetworkInterface', 'ec2:DeleteNetworkInterface', 'ec2:DescribeNetworkInterfaces'],
      ['dynamodb:BatchGetItem', 'dynamodb:GetItem'],
    ])
  })
})
