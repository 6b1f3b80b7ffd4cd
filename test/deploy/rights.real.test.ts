import { Template } from 'aws-cdk-lib/assertions'
import { Serdes, StreamsBuilder, session } from 'millrace'
import { afterAll, beforeAll, describe, expect, inject, it, vi } from 'vitest'
import { iam, KafkaCluster } from '../../infra/constructs/kafka-cluster.ts'
import { StreamsApp } from '../../infra/constructs/streams-app.ts'
import { type TopicsEvent, handler as topicsHandler } from '../../infra/handlers/internal-topics.ts'
import { createKafkaJs } from '../../src/adapters/kafkajs/kafkajs.ts'
import { type KafkaEvent, queryHandler, type StreamsHandler, streamsHandler } from '../../src/lambda/index.ts'
import type { InvokeReply } from '../../src/local/invoke-reply.ts'
import { partitionOfKey } from '../../src/runtime/partitioner.ts'
import { queriedStores } from '../../src/runtime/row-query.ts'
import { bytesOf, commitValues, soon, unique } from '../adapters/kafka-harness.ts'
import { type DeployedApp, deployApp, environmentOf } from '../broker/deployed-app.ts'
import { clusterArn, emptyStack, vpcIn } from '../infra/fixture.ts'
import { nameOf, readable } from '../infra/readable.ts'
import { type Recorder, type Right, recordRights } from './used-rights.ts'

const [kafka, dynamodb] = [inject('kafka'), inject('dynamodb')]
const strings = { keySerde: Serdes.string, valueSerde: Serdes.string }
const id = unique('rights')
const topic = (name: string) => `${id}.${name}`

/** A sub-topology without state, which reads a global table, and one with state: rows by key, and sessions, which are read in ranges. */
const topology = (() => {
  const builder = new StreamsBuilder()
  const names = builder.globalTable(topic('names'), { ...strings, store: 'names' })
  const words = builder
    .stream(topic('lines'), strings)
    .join(
      names,
      (key) => key,
      (line, name) => `${line} ${name}`,
    )
    .groupBy((_key, line) => line, { ...strings, name: 'by-line' })
  // of a store that may be read whole, a small one is never read row by row
  words
    .count({ store: { name: 'counts', resident: { bytesMax: 0 } } })
    .toStream()
    .to(topic('counts'))
  words.windowedBy(session({ inactivityGapMs: 60_000, graceMs: 0 })).count({ store: 'visits' })
  return builder.build()
})()

interface Resource {
  readonly Type: string
  readonly Properties: Readonly<Record<string, unknown>>
}

interface FunctionProperties {
  readonly Description?: string
  readonly Environment?: { readonly Variables?: Readonly<Record<string, unknown>> }
}

interface Statement {
  readonly Action: string | readonly string[]
  readonly Resource: string | readonly string[]
}

interface PolicyDocument {
  readonly Statement: readonly Statement[]
}

/** What roles and policies have of it. */
interface Policies {
  readonly Roles?: readonly string[]
  readonly Policies?: readonly { readonly PolicyDocument: PolicyDocument }[]
  readonly PolicyDocument?: PolicyDocument
}

const listOf = <T>(value: T | readonly T[]): readonly T[] => (Array.isArray(value) ? value : [value as T])

/** What the role of a function grants. Resources of the cluster are named without its ARN, the table by its name here. */
const grantsOf = (resources: Readonly<Record<string, Resource>>, functionId: string): readonly Right[] => {
  const role = String(readable(resources[functionId]?.Properties.Role)).replace('.Arn', '')
  const [head = '', tail = ''] = clusterArn.split(':cluster/')
  const short = (arn: string): string =>
    arn === clusterArn ? 'cluster' : arn.replace(`${head}:`, '').replace(`/${tail}/`, '/').replace('<AppStateTable.Arn>', id)
  return Object.entries(resources)
    .flatMap(([key, { Properties }]) => {
      const { Roles = [], Policies = [], PolicyDocument } = readable(Properties) as Policies
      if (`<${nameOf(key)}>` === role) return Policies.map((policy) => policy.PolicyDocument)
      return Roles.includes(role) && PolicyDocument !== undefined ? [PolicyDocument] : []
    })
    .flatMap(({ Statement }) => Statement)
    .flatMap(({ Action, Resource }) => listOf(Action).flatMap((action) => listOf(Resource).map((arn) => `${action} ${short(arn)}`)))
}

const matches = (grant: Right, right: Right): boolean =>
  grant.endsWith('*') && !grant.endsWith(' *') ? right.startsWith(grant.slice(0, -1)) : grant === right

/** Rights that are not used by our code, and who uses them. */
const usedByOthers: readonly (readonly [by: string, rights: RegExp])[] = [
  ['the log of the runtime', /^logs:(CreateLogStream|PutLogEvents) /],
  ['Lambda, which puts the function into the VPC', /^ec2:(CreateNetworkInterface|DeleteNetworkInterface|DescribeNetworkInterfaces) \*$/],
]
const usedByPoller: typeof usedByOthers = [
  ...usedByOthers,
  ['the poller of the event source mapping, as a member of its group', /^kafka-cluster:(AlterGroup|DescribeGroup) group\//],
  ['the poller, when it begins', /^kafka-cluster:DescribeClusterDynamicConfiguration cluster$/],
  ['the poller, which looks for the brokers', /^kafka:(DescribeCluster|DescribeClusterV2) cluster$|^kafka:GetBootstrapBrokers \*$/],
  ['the poller, which looks for its network', /^ec2:(DescribeSecurityGroups|DescribeSubnets|DescribeVpcs) \*$/],
]

/** Rights that depend on what a processor does, which nobody can see in a topology. */
const usedOnOccasion: typeof usedByOthers = [
  ['a processor that asks for the global store: any may', new RegExp(`^kafka-cluster:(DescribeTopic|ReadData) topic/${topic('names')}$`)],
]
const usedByOtherProcessors: typeof usedByOthers = [
  ['a processor of addGlobalStore that reads its store: that of a global table does not', /^dynamodb:(BatchGetItem|Query) /],
]

describe.skipIf(kafka === null || dynamodb === null)('the rights of every function on MSK with IAM', () => {
  let resources: Readonly<Record<string, Resource>>
  let recorder: Recorder
  let app: DeployedApp | undefined

  const functionIds = (is: (properties: FunctionProperties) => boolean): readonly string[] =>
    Object.entries(resources).flatMap(([key, { Type, Properties }]) => (Type === 'AWS::Lambda::Function' && is(Properties) ? [key] : []))
  const unused = (who: string, functionId: string, others: typeof usedByOthers): readonly Right[] =>
    grantsOf(resources, functionId).filter(
      (grant) => ![...recorder.of(who)].some((right) => matches(grant, right)) && !others.some(([, rights]) => rights.test(grant)),
    )
  const outside = (who: string, functionId: string): readonly Right[] =>
    [...recorder.of(who)].filter((right) => !grantsOf(resources, functionId).some((grant) => matches(grant, right)))

  beforeAll(async () => {
    const stack = emptyStack()
    const cluster = KafkaCluster.msk(clusterArn, { auth: iam, vpc: vpcIn(stack) })
    new StreamsApp(stack, 'App', { topology, entry: 'functions/word-count/handler.ts', applicationId: id, cluster, queries: true })
    resources = Template.fromStack(stack).toJSON().Resources
    recorder = recordRights()
    for (const name of ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY']) vi.stubEnv(name, 'local')
    vi.stubEnv('AWS_REGION', 'us-east-1')
    vi.stubEnv('AWS_ENDPOINT_URL_DYNAMODB', dynamodb ?? '')
  })
  afterAll(async () => {
    await app?.close()
    vi.unstubAllEnvs()
    vi.restoreAllMocks()
  })

  it('are those that the function of the topics uses', async () => {
    const [resource] = Object.values(resources).filter(({ Type }) => Type === 'Custom::KafkaInternalTopics')
    const properties = {
      ...resource?.Properties,
      brokers: (kafka ?? []).join(','),
      auth: '{"kind":"none"}',
    } as unknown as TopicsEvent['ResourceProperties']
    const ports = createKafkaJs({ brokers: kafka ?? [] })
    const users = [topic('names'), topic('lines'), topic('counts')]
    // The last is one of a sub-topology that is no more: whether it was renamed can only be seen in it.
    await ports.admin.create(
      [...users, `${id}-gone-commits`].map((name) => ({ topic: name, partitions: 2, config: {} })),
      soon(),
    )
    await commitValues({ ports, truncate: async () => {}, close: async () => {} }, { topic: `${id}-gone-commits`, partition: 0 }, ['x'])
    await Promise.all([ports.admin.close(), ports.reader.close(), ports.txnLog.close()])
    await recorder.run('topics', () => topicsHandler({ RequestType: 'Create', ResourceProperties: properties }))
    const functionId = functionIds(({ Description }) => Description?.startsWith('Creates and checks') === true)[0] ?? ''
    expect({ outside: outside('topics', functionId), unused: unused('topics', functionId, usedByOthers) }).toEqual({
      outside: [],
      unused: [],
    })
  })

  it('are those that the functions of the sub-topologies use, cold and warm, and after a crash', { timeout: 120_000 }, async () => {
    const parts = { topology, applicationId: id, bundleFolder: '', kafka: kafka ?? [], dynamodb: dynamodb ?? '' }
    const deployed = await deployApp(parts)
    app = deployed
    let handlers = new Map<string, StreamsHandler>()
    const invoke = async (subTopology: string, event: unknown): Promise<InvokeReply> => {
      const known = handlers.get(subTopology)
      // Reads its environment with its first event.
      if (known === undefined) Object.assign(process.env, environmentOf(parts, subTopology))
      const handler = known ?? streamsHandler(topology, { log: () => {} })
      handlers.set(subTopology, handler)
      const deadlineMs = soon()
      try {
        const answer = await recorder.run(subTopology, () => handler(event, { getRemainingTimeInMillis: () => deadlineMs - Date.now() }))
        return { status: 200, payload: JSON.stringify(answer) }
      } catch (error) {
        await askAhead(subTopology, event)
        return { status: 200, error: 'Unhandled', payload: String(error) }
      }
    }
    const queries = queryHandler(topology)
    const askOne = async (path: string): Promise<number> => {
      const [rawPath = '', rawQueryString = ''] = `/stores/${path}`.split('?')
      const event = { rawPath, rawQueryString, requestContext: { http: { method: 'GET' } } }
      const deadlineMs = soon()
      const { statusCode, body } = await recorder.run('queries', () =>
        queries(event, { getRemainingTimeInMillis: () => deadlineMs - Date.now() }),
      )
      expect({ path, statusCode, body }).toEqual({ path, statusCode: expect.toBeOneOf([200, 404]), body: expect.any(String) })
      return Number(JSON.parse(body).seq)
    }
    const ask = async (): Promise<void> => {
      for (const store of ['counts', 'names']) for (const key of 'abcdef') await askOne(`${store}/${key}`)
    }
    /** What was committed, and is in no table as the invocation died, is asked for: an answer is in the log alone. */
    const askAhead = async (subTopology: string, event: unknown): Promise<void> => {
      const [{ partition } = { partition: -1 }] = Object.values((event as KafkaEvent).records).flat()
      const [key = ''] = [...'abcdef'].filter((it) => partitionOfKey(bytesOf(it), 2) === partition)
      const [from] = queriedStores(topology).filter(({ sub }) => sub.name === subTopology)
      const path = `${from?.store.name}/${key}`
      await askOne(`${path}?atLeast=${(await askOne(path)) + 1}`)
    }
    const names = topology.subTopologies.map(({ name }) => name)
    for (const name of names) expect(await invoke(name, { source: 'millrace.tick' })).toMatchObject({ status: 200 })
    // One after the other, as a function finds out who it is from the environment of the process.
    let last: Promise<unknown> = Promise.resolve()
    await deployed.connect((subTopology, event) => {
      const next = last.then(() => invoke(subTopology, event))
      last = next
      return next
    })
    const write = async (name: string, records: Readonly<Record<string, string>>): Promise<void> => {
      const session = await deployed.kafka.txnLog.open({
        transactionalId: unique('user'),
        transactionTimeoutMs: 30_000,
        deadlineMs: soon(),
      })
      const written = Object.entries(records).map(([key, value]) => ({
        key: bytesOf(key),
        value: bytesOf(value),
        timestamp: 1_000,
        headers: [],
      }))
      await session.append([{ topic: topic(name), partition: 0, records: written }], soon())
      await session.commit(soon())
      session.close()
      await deployed.drained()
      await ask()
    }
    await write('names', { a: 'Ida' })
    await write('names', { a: 'Ada' })
    await write('lines', { a: 'hello' })
    await write('names', { c: 'Cleo' })
    await write('lines', { a: 'hello', c: 'hello' })
    // Committed, and not in the table yet, when the process ends: the next one reads it in the log.
    for (const name of ['names', 'lines']) {
      recorder.failNext('dynamodb:PartiQLInsert')
      handlers = new Map()
      await write(name, { b: `Bob ${name}` })
    }
    handlers = new Map()
    await write('lines', { a: 'hello', b: 'again' })
    const found = names.map((name) => {
      const functionId = functionIds(({ Environment }) => Environment?.Variables?.MILLRACE_SUB_TOPOLOGY === name)[0] ?? ''
      const others = [...usedByPoller, ...(name === topic('names') ? usedByOtherProcessors : name === topic('lines') ? [] : usedOnOccasion)]
      return { name, outside: outside(name, functionId), unused: unused(name, functionId, others) }
    })
    expect(found).toEqual(names.map((name) => ({ name, outside: [], unused: [] })))
    const [asked = ''] = functionIds(({ Description }) => Description?.endsWith('answers queries') === true)
    expect({ outside: outside('queries', asked), unused: unused('queries', asked, usedByOthers) }).toEqual({ outside: [], unused: [] })
  })

  it('are for the functions of the CDK to log, to invoke the function of the topics, and to ask for the brokers', () => {
    const isOurs = ({ Description, Environment }: FunctionProperties) =>
      Description?.startsWith('Creates and checks') === true || Environment?.Variables?.MILLRACE_TABLE !== undefined
    const theirs = functionIds((properties) => !isOurs(properties))
    const log = (group: string) => ['CreateLogStream', 'PutLogEvents'].map((action) => `logs:${action} <${group}.Arn>`)
    const invoked = '<AppInternalTopicsHandlerFunction.Arn>'
    expect(Object.fromEntries(theirs.map((key) => [nameOf(key), grantsOf(resources, key)]))).toEqual({
      AWS679f53fac002430cb0da5b7982bd2287: [...log('AppBootstrapBrokersLogs'), 'kafka:GetBootstrapBrokers *'],
      AppInternalTopicsProviderframeworkonEvent: [
        ...log('AppInternalTopicsProviderLogs'),
        ...[`InvokeFunction ${invoked}`, `InvokeFunction ${invoked}:*`, `GetFunction ${invoked}`].map((right) => `lambda:${right}`),
      ],
    })
  })
})
