import { joinWindows, Serdes, StreamsBuilder, session, tumbling, untilWindowCloses } from 'millrace'
import { describe, expect, it } from 'vitest'
import { topicPlan } from '../../infra/constructs/internal-topics.ts'
import { iam, KafkaCluster } from '../../infra/constructs/kafka-cluster.ts'
import { createInternalTopics, type TopicPlan } from '../../infra/handlers/topic-plan.ts'
import { createMemoryKafka } from '../../src/adapters/memory/log.ts'
import { clusterArn, resourcesOf, templateOf, vpcIn } from './fixture.ts'

const strings = { keySerde: Serdes.string, valueSerde: Serdes.string }
const soon = () => Date.now() + 1000

/** A store of every kind. */
const everything = () => {
  const builder = new StreamsBuilder()
  const clicks = builder.stream('clicks', strings)
  const byKey = clicks.groupByKey()
  byKey
    .windowedBy(tumbling({ sizeMs: 1_000, graceMs: 500 }))
    .count({ store: 'minutes' })
    .suppress(untilWindowCloses({ name: 'closed' }))
    .toStream(({ key }) => key)
    .to('out', { ...strings, valueSerde: Serdes.long })
  byKey.windowedBy(session({ inactivityGapMs: 2_000, graceMs: 500 })).count({ store: 'visits' })
  clicks
    .leftJoin(builder.stream('views', strings), (click, view) => `${click} ${view}`, joinWindows({ timeDifferenceMs: 100, graceMs: 50 }), {
      ...strings,
      name: 'seen',
      storeName: 'seen',
    })
    .to('out', strings)
  const prices = builder.table('prices', { ...strings, store: { name: 'prices', versioned: { historyRetentionMs: 60_000 } } })
  clicks.join(prices, (click, price) => `${click} ${price}`, { ...strings, name: 'priced', graceMs: 1_000 }).to('out', strings)
  builder
    .table('orders', { ...strings, store: 'orders' })
    .join(
      prices,
      (order) => order,
      (order, price) => `${order} ${price}`,
      { name: 'ordered' },
    )
    .toStream()
    .to('out', strings)
  return builder.build()
}

const dayMs = 86_400_000
const time = { 'message.timestamp.type': 'CreateTime' }
const kept = { 'delete.retention.ms': String(7 * dayMs) }
const compacted = { ...time, 'cleanup.policy': 'compact', ...kept }
const expiring = (retentionMs: number) => ({
  ...time,
  'cleanup.policy': 'compact,delete',
  'retention.ms': String(retentionMs + dayMs),
  ...kept,
})
const duplicates = { ...time, 'cleanup.policy': 'delete', 'retention.ms': String(250 + dayMs), ...kept }
const ownTopic = { ...time, 'cleanup.policy': 'delete', 'retention.ms': '-1', 'segment.bytes': '52428800' }

describe('the internal topics of an application', () => {
  it('are told to the cluster with the configuration that their stores need', { timeout: 60_000 }, () => {
    const cluster = (stack: Parameters<typeof vpcIn>[0]) => KafkaCluster.msk(clusterArn, { auth: iam, vpc: vpcIn(stack) })
    const [topics] = Object.values(resourcesOf(templateOf(cluster, { topology: everything() }), 'Custom::KafkaInternalTopics'))
    const plan = JSON.parse((topics as { readonly plan: string }).plan) as TopicPlan
    expect(Object.fromEntries(plan.internalTopics.map(({ name, config }) => [name, config]))).toEqual({
      'demo-clicks-commits': compacted,
      'demo-orders-commits': compacted,
      'demo-minutes-changelog': expiring(1_500),
      'demo-visits-changelog': expiring(2_500),
      'demo-closed-store-changelog': compacted,
      'demo-seen-this-join-store-changelog': duplicates,
      'demo-seen-outer-other-join-store-changelog': duplicates,
      'demo-seen-left-shared-join-store-changelog': compacted,
      'demo-prices-changelog': { ...compacted, 'min.compaction.lag.ms': String(60_000 + dayMs) },
      'demo-priced-Buffer-changelog': compacted,
      'demo-orders-changelog': compacted,
      'demo-ordered-subscription-registration-topic': ownTopic,
      'demo-ordered-subscription-store-changelog': compacted,
      'demo-ordered-subscription-response-topic': ownTopic,
    })
  })

  it('have as many partitions as the topics that their tasks read', async () => {
    const { admin } = createMemoryKafka()
    const counts = { clicks: 3, views: 3, prices: 3, orders: 5, out: 1 }
    await admin.create(
      Object.entries(counts).map(([topic, partitions]) => ({ topic, partitions, config: {} })),
      soon(),
    )
    const plan = topicPlan('demo', everything(), { address: { kind: 'msk', clusterArn, serverless: false } })
    expect(Object.fromEntries((await createInternalTopics(admin, plan, soon())).counts)).toEqual({
      'demo-clicks-commits': 3,
      'demo-orders-commits': 5,
      'demo-minutes-changelog': 3,
      'demo-visits-changelog': 3,
      'demo-closed-store-changelog': 3,
      'demo-seen-this-join-store-changelog': 3,
      'demo-seen-outer-other-join-store-changelog': 3,
      'demo-seen-left-shared-join-store-changelog': 3,
      'demo-prices-changelog': 3,
      'demo-priced-Buffer-changelog': 3,
      'demo-orders-changelog': 5,
      // read by the tasks of the prices
      'demo-ordered-subscription-registration-topic': 3,
      'demo-ordered-subscription-store-changelog': 3,
      // read by those of the orders
      'demo-ordered-subscription-response-topic': 5,
    })
  })

  it('leave out on MSK Serverless what it does not let them set', () => {
    const { internalTopics } = topicPlan('demo', everything(), { address: { kind: 'msk', clusterArn, serverless: true } })
    const settings = new Set(internalTopics.flatMap(({ config }) => Object.keys(config)))
    expect([...settings].sort()).toEqual(['cleanup.policy', 'message.timestamp.type', 'retention.ms'])
  })
})
