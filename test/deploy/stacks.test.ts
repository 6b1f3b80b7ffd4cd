import { join } from 'node:path'
import { type App, Stack, Validations } from 'aws-cdk-lib'
import { Template } from 'aws-cdk-lib/assertions'
import { Topic } from 'aws-cdk-lib/aws-sns'
import { AwsSolutionsChecks } from 'cdk-nag'
import { beforeAll, describe, expect, it } from 'vitest'
import cdk from '../../cdk.json' with { type: 'json' }
import { lintTemplates } from '../../scripts/cfn-lint.ts'
import { resourcesOf } from '../infra/fixture.ts'
import { root } from '../source-files.ts'

const folder = join(root, '.cache', 'synth-stacks')
const clusterArn = 'arn:aws:kafka:eu-west-1:111122223333:cluster/demo/0a1b2c3d-0000-1111-2222-333344445555-7'
const network = { vpcId: 'vpc-1', subnetIds: 'subnet-1,subnet-2', securityGroupId: 'sg-1' }

/** The app of the project as the CDK's command line starts it: with context in an environment variable. What is in bundles makes no difference. */
const appWith = async (context: Readonly<Record<string, string>>, outdir?: string): Promise<App> => {
  process.env.CDK_CONTEXT_JSON = JSON.stringify({ ...cdk.context, ...context, 'aws:cdk:bundling-stacks': [] })
  if (outdir !== undefined) process.env.CDK_OUTDIR = outdir
  try {
    const { app }: { readonly app: App } = await import(/* @vite-ignore */ `../../infra/app.ts?${JSON.stringify(context)}${outdir ?? ''}`)
    return app
  } finally {
    delete process.env.CDK_CONTEXT_JSON
    delete process.env.CDK_OUTDIR
  }
}
const stacksOf = (app: App): readonly Stack[] => app.node.children.filter((child) => child instanceof Stack)
const errorsOf = (app: App): readonly string[] => [
  ...new Set(
    app.node
      .findAll()
      .flatMap(({ node }) => node.metadata)
      .flatMap(({ type, data }) => (type === 'aws:cdk:error' ? [String(data)] : [])),
  ),
]

describe('the stacks of the project', { timeout: 240_000 }, () => {
  let app: App
  beforeAll(async () => {
    app = await appWith({}, folder)
  }, 120_000)

  it('are one for each example, and one that brings its cluster', () => {
    const names = ['WordCount', 'PaymentFilter', 'StockStats', 'TopStocks', 'ClickStream', 'OrdersAndCustomers', 'LateReadings', 'ChatBot']
    expect(stacksOf(app).map(({ stackName }) => stackName)).toEqual([...names, 'Sessions', 'FirstTry'])
  })

  it('bring a network without a way out, a cluster and the topics of the user for a first try, and leave nothing behind', () => {
    const stack = stacksOf(app).find(({ stackName }) => stackName === 'FirstTry') ?? expect.fail('there is no stack FirstTry')
    const template = Template.fromStack(stack)
    const services = Object.values(resourcesOf(template, 'AWS::EC2::VPCEndpoint')).map((endpoint) => JSON.stringify(endpoint))
    expect(services.map((text) => /(dynamodb|lambda|sts)"/.exec(text)?.[1]).sort()).toEqual(['dynamodb', 'lambda', 'sts'])
    for (const type of ['AWS::EC2::NatGateway', 'AWS::EC2::InternetGateway']) expect(resourcesOf(template, type)).toEqual({})
    template.hasResource('AWS::DynamoDB::GlobalTable', { DeletionPolicy: 'Delete' })
    const [cluster] = Object.values(resourcesOf(template, 'AWS::MSK::ServerlessCluster'))
    expect(cluster).toMatchObject({
      ClientAuthentication: { Sasl: { Iam: { Enabled: true } } },
      VpcConfigs: [{ SecurityGroups: ['<Inside.GroupId>'] }],
    })
    const [topics] = Object.values(resourcesOf(template, 'Custom::KafkaInternalTopics')) as readonly { readonly plan: string }[]
    expect(JSON.parse(topics?.plan ?? '')).toMatchObject({
      serverless: true,
      createTopics: [
        { topic: 'lines', partitions: 4 },
        { topic: 'word-counts', partitions: 4 },
      ],
    })
  })

  it('keep the rules of AWS Solutions, but where a reason is given', () => {
    Validations.of(app).addPlugins(new AwsSolutionsChecks(app))
    expect(() => app.synth()).not.toThrow()
  })

  it('have templates without findings of cfn-lint', ({ task, skip }) => {
    const result = lintTemplates(stacksOf(app).map(({ stackName }) => join(folder, `${stackName}.template.json`)))
    if (result.kind === 'linted') return expect(result.failing).toEqual([])
    if (result.prerequisite) Object.assign(task.meta, { missing: result.what })
    skip(`${result.what} is missing here`)
  })

  it('are held against rules that find something', async () => {
    const other = await appWith({}, join(root, '.cache', 'synth-faulty'))
    new Topic(new Stack(other, 'Faulty'), 'NotEncryptedInTransit')
    Validations.of(other).addPlugins(new AwsSolutionsChecks(other))
    expect(() => other.synth()).toThrow('AwsSolutions-SNS3')
  })
})

describe('the cluster is what the context names', { timeout: 240_000 }, () => {
  const secretArn = 'arn:aws:secretsmanager:eu-west-1:111122223333:secret:login-AbCdEf'
  const known: readonly (readonly [string, Readonly<Record<string, string>>])[] = [
    ['MSK', { clusterArn, ...network }],
    ['MSK with SCRAM', { clusterArn, auth: 'scram', secretArn, ...network }],
    ['MSK Serverless', { clusterType: 'serverless', clusterArn, ...network }],
    ['a hosted one', { brokers: 'a.example:9092,b.example:9092', auth: 'plain', secretArn }],
    ['one in a network', { brokers: 'a.example:9092', auth: 'none', ...network }],
  ]
  it.each(known)('%s', async (_what, context) => {
    expect(errorsOf(await appWith(context))).toEqual([])
  })

  it('MSK Serverless, without what other applications have taken', async () => {
    const errors = errorsOf(await appWith({ clusterType: 'serverless', clusterArn, compactedPartitionsTaken: '119', ...network }))
    const unfit = errors.filter((error) => error.includes('per cluster, 119 are taken by others, and the changelogs and commit topics'))
    expect(unfit).not.toEqual([])
    expect(errors).toEqual(unfit)
  })

  const wrong: readonly (readonly [RegExp, Readonly<Record<string, string>>])[] = [
    [/^vpcId is missing/, { clusterArn }],
    [/^subnetIds or securityGroupId is missing/, { clusterArn, vpcId: 'vpc-1' }],
    [/^auth=scram needs secretArn/, { clusterArn, auth: 'scram', ...network }],
    [/^auth=kerberos needs secretArn, or is none of/, { clusterArn, auth: 'kerberos', ...network }],
    [/^MSK does not take auth=none/, { clusterArn, auth: 'none', ...network }],
    [/^auth=iam is for MSK clusters/, { brokers: 'a.example:9092', auth: 'iam', ...network }],
  ]
  it.each(wrong)('or the reason why it cannot be: %s', async (reason, context) => {
    expect(errorsOf(await appWith(context))).toEqual([expect.stringMatching(reason)])
  })
})
