import { describe, expect, it } from 'vitest'
import { topicPlan } from '../../infra/constructs/internal-topics.ts'
import { handler } from '../../infra/handlers/internal-topics.ts'
import { createInternalTopics } from '../../infra/handlers/topic-plan.ts'
import { createMemoryKafka } from '../../src/adapters/memory/log.ts'
import { iamToken } from '../../src/lambda/kafka-security.ts'
import { presignedUrl, signedHeaders } from '../../src/lambda/sigv4.ts'
import { clusterArn, counting } from './fixture.ts'

const soon = () => Date.now() + 1000
const provisioned = { address: { kind: 'msk', clusterArn, serverless: false } } as const
const serverless = { address: { kind: 'msk', clusterArn, serverless: true } } as const
const plan = JSON.parse(JSON.stringify(topicPlan('demo', counting('counts'), provisioned)))
const internal = ['demo-counts-changelog', 'demo-in-commits']

describe('the internal topics', () => {
  it('get the partitions of the topics that the user made', async () => {
    const { admin } = createMemoryKafka()
    await admin.create(
      [
        { topic: 'in', partitions: 6, config: {} },
        { topic: 'out', partitions: 1, config: {} },
      ],
      soon(),
    )
    const { counts } = await createInternalTopics(admin, plan, soon())
    expect([...counts].sort()).toEqual([
      ['demo-counts-changelog', 6],
      ['demo-in-commits', 6],
    ])
    expect(await admin.describe(internal, soon())).toEqual(internal.map((topic) => ({ topic, partitions: 6 })))
  })

  it('are the same as the topology computes from itself', async () => {
    const topology = counting('counts')
    const { admin } = createMemoryKafka()
    await admin.create(
      [
        { topic: 'in', partitions: 3, config: {} },
        { topic: 'out', partitions: 1, config: {} },
      ],
      soon(),
    )
    const expected = topology.partitionCounts('demo', new Map([['in', 3]]))
    expect(await createInternalTopics(admin, plan, soon())).toEqual({ counts: expected, warnings: [] })
  })

  it('may be there already, with the same number of partitions', async () => {
    const { admin } = createMemoryKafka()
    const user = [
      { topic: 'in', partitions: 2, config: {} },
      { topic: 'out', partitions: 1, config: {} },
    ]
    await admin.create([...user, { topic: 'demo-in-commits', partitions: 2, config: { 'cleanup.policy': 'compact' } }], soon())
    await createInternalTopics(admin, plan, soon())
    await createInternalTopics(admin, plan, soon())
    const other = createMemoryKafka().admin
    await other.create([...user, { topic: 'demo-in-commits', partitions: 1, config: { 'cleanup.policy': 'compact' } }], soon())
    await expect(createInternalTopics(other, plan, soon())).rejects.toMatchObject({
      ...{ code: 'TOPIC_MISMATCH', message: 'topic demo-in-commits has 1 partitions and 2 were asked for' },
      remedy: expect.stringMatching(/^A topic that the application reads has another number of partitions.*millrace reset/),
    })
  })

  it('wait for the topics of the user', async () => {
    await expect(createInternalTopics(createMemoryKafka().admin, plan, soon())).rejects.toMatchObject({
      code: 'TOPIC_MISSING',
      message: 'The application "demo" uses topics that do not exist: in, out',
    })
  })

  it('set on MSK Serverless only what it lets them set', () => {
    const compacted = { 'cleanup.policy': 'compact', 'message.timestamp.type': 'CreateTime' }
    const { internalTopics } = topicPlan('demo', counting('counts'), serverless)
    expect(internalTopics.map(({ name, config }) => [name, config])).toEqual([
      ['demo-counts-changelog', compacted],
      ['demo-in-commits', compacted],
    ])
  })

  it('of the user are created where the deployment is told to', async () => {
    const { admin } = createMemoryKafka()
    await admin.create([{ topic: 'out', partitions: 1, config: {} }], soon())
    const createTopics = { in: { partitions: 2, config: { 'retention.ms': '1000' } }, out: { partitions: 5 } }
    await createInternalTopics(admin, topicPlan('demo', counting('counts'), provisioned, { createTopics }), soon())
    expect(await admin.describe(['in', 'out', ...internal], soon())).toEqual([
      { topic: 'in', partitions: 2 },
      { topic: 'out', partitions: 1 },
      ...internal.map((topic) => ({ topic, partitions: 2 })),
    ])
  })

  it('are only looked at where somebody else creates them, and all that is wrong is said', async () => {
    const { admin } = createMemoryKafka()
    const verifying = topicPlan('demo', counting('counts'), provisioned, { internalTopics: 'verify' })
    const topics = (counts: Record<string, number>) =>
      Object.entries(counts).map(([topic, partitions]) => ({ topic, partitions, config: {} }))
    await admin.create(topics({ in: 2, out: 1, 'demo-in-commits': 3 }), soon())
    const settings = 'cleanup.policy=compact message.timestamp.type=CreateTime delete.retention.ms=604800000'
    await expect(createInternalTopics(admin, verifying, soon())).rejects.toMatchObject({
      code: 'TOPIC_MISSING',
      message: `These internal topics are not as they must be: demo-counts-changelog is missing (2 partitions, ${settings}); demo-in-commits has 3 partitions (2 partitions, ${settings})`,
    })
    const other = createMemoryKafka().admin
    await other.create(topics({ in: 2, out: 1 }), soon())
    await other.create(
      internal.map((topic) => ({ topic, partitions: 2, config: { 'cleanup.policy': 'compact' } })),
      soon(),
    )
    const { counts, warnings } = await createInternalTopics(other, verifying, soon())
    expect([...counts].sort()).toEqual(internal.map((topic) => [topic, 2]))
    const kept = 'has delete.retention.ms=86400000, it would be created with 604800000'
    expect(warnings.toSorted()).toEqual(internal.map((topic) => `topic ${topic} ${kept}`))
  })

  it('that exist with settings that would lose records are refused before anything is created', async () => {
    for (const internalTopics of ['create', 'verify'] as const) {
      const { admin } = createMemoryKafka()
      const made = { in: 2, out: 1, 'demo-in-commits': 2, ...(internalTopics === 'verify' ? { 'demo-counts-changelog': 2 } : {}) }
      const of = (topic: string) => (topic === 'demo-counts-changelog' ? { 'cleanup.policy': 'compact' } : {})
      await admin.create(
        Object.entries(made).map(([topic, partitions]) => ({ topic, partitions, config: of(topic) })),
        soon(),
      )
      const checked = topicPlan('demo', counting('counts'), provisioned, { internalTopics })
      await expect(createInternalTopics(admin, checked, soon())).rejects.toMatchObject({
        code: 'TOPIC_MISMATCH',
        message:
          'topic demo-in-commits has cleanup.policy=delete and needs cleanup.policy=compact: the last record of a key would be deleted with its age',
        remedy:
          'Correct the settings: kafka-configs.sh --bootstrap-server BROKERS --alter --entity-type topics --entity-name demo-in-commits --add-config cleanup.policy=compact',
      })
      expect((await admin.describe(internal, soon())).map(({ topic }) => topic)).toEqual(internal.filter((topic) => topic in made))
    }
  })

  it('are not begun where MSK Serverless would not take them all', async () => {
    const { admin } = createMemoryKafka()
    await admin.create(
      [
        { topic: 'in', partitions: 61, config: {} },
        { topic: 'out', partitions: 1, config: {} },
      ],
      soon(),
    )
    await expect(createInternalTopics(admin, topicPlan('demo', counting('counts'), serverless), soon())).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringMatching(/^MSK Serverless takes 120 partitions of compacted topics per cluster, .* have 122/),
    })
    const beside = { address: { ...serverless.address, compactedPartitionsTaken: 119 } }
    const other = createMemoryKafka().admin
    await other.create(
      ['in', 'out'].map((topic) => ({ topic, partitions: 1, config: {} })),
      soon(),
    )
    await expect(createInternalTopics(other, topicPlan('demo', counting('counts'), beside), soon())).rejects.toMatchObject({
      message: expect.stringMatching(/, 119 are taken by others, .* have 2 /),
    })
    for (const cluster of [admin, other]) expect(await cluster.describe(internal, soon())).toEqual([])
  })

  it('are not looked at again on the way back from an update that has failed', async () => {
    const properties = { brokers: '127.0.0.1:1', auth: '{"kind":"none"}', plan: JSON.stringify(plan), deployed: 'old.zip' }
    const { PhysicalResourceId: id } = await handler({ RequestType: 'Delete', ResourceProperties: properties })
    const event = { RequestType: 'Update', PhysicalResourceId: id, ResourceProperties: properties } as const
    expect(await handler(event)).toEqual({ PhysicalResourceId: id })
    const changed = { ...event, ResourceProperties: { ...properties, deployed: 'new.zip' } }
    await expect(handler(changed)).rejects.toThrow('The internal topics of "demo" are not in place. ')
  })

  it('are kept when the stack is deleted, without a connection', async () => {
    const properties = { brokers: 'nowhere:1', auth: '{"kind":"none"}', plan: JSON.stringify(plan) }
    expect(await handler({ RequestType: 'Delete', PhysicalResourceId: 'demo-internal-topics', ResourceProperties: properties })).toEqual({
      PhysicalResourceId: 'demo-internal-topics',
    })
  })
})

describe('signatures', () => {
  const credentials = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY' }
  const nowMs = Date.UTC(2015, 7, 30, 12, 36)
  const scope = { region: 'us-east-1', credentials, nowMs }

  it('agree with the test suite of AWS (post-vanilla)', () => {
    expect(signedHeaders('example.amazonaws.com', {}, '', { ...scope, service: 'service' }).authorization).toBe(
      'AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=host;x-amz-date, Signature=5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b',
    )
  })

  it('agree with the SDK for a signed URL with a session token', () => {
    const session = { ...scope, credentials: { ...credentials, sessionToken: 'token/with+signs==' }, service: 'kafka-cluster' }
    const url = presignedUrl('kafka.us-east-1.amazonaws.com', { Action: 'kafka-cluster:Connect' }, 900, session)
    expect(url).toContain('X-Amz-Security-Token=token%2Fwith%2Bsigns%3D%3D')
    expect(url).toMatch(/&X-Amz-Signature=c2969ce85974f08887bee0f1436efef79d76a95d636a88dbcb68d2cb57774c98$/)
  })

  it('make a token for MSK of the environment of a function', () => {
    const environment = { AWS_REGION: 'us-east-1', AWS_ACCESS_KEY_ID: 'AKIDEXAMPLE', AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey }
    const token = Buffer.from(iamToken(environment, nowMs), 'base64url').toString()
    expect(token).toMatch(
      /^https:\/\/kafka\.us-east-1\.amazonaws\.com\/\?Action=kafka-cluster%3AConnect&.*X-Amz-Signature=c413a83b[0-9a-f]{56}&User-Agent=millrace$/,
    )
    expect(() => iamToken({}, nowMs)).toThrow('AWS_REGION is not set')
  })
})
