import { StreamsError } from '../../errors.ts'
import type { PartitionOffset, TopicAdmin, TopicPartition, TopicSpec } from '../../runtime/ports.ts'
import { createTopics, deleteRecords, deleteTopics, describeConfigs, offsetCommit, offsetFetch, type TopicError } from './admin-apis.ts'
import { listOffsets, type OfTopic, type TopicMetadata } from './apis.ts'
import { nameOf, requestError } from './broker-errors.ts'
import { assertInTime, backOff, type Cluster, within } from './cluster.ts'
import { askCoordinator, type CoordinatorCall } from './coordinator.ts'
import { askLeaders } from './partition-reader.ts'

const unknownTopic = 3
const leaderMissing = 5
const alreadyExists = 36
/** Creating and deleting take a controller's round of replication. */
const changeMsMax = 30_000
const listMsMax = 5_000
const busy = new Set([7, 41, 89])

/** Topics and group offsets, asked of any broker: those of a KRaft cluster forward changes to the controller. */
export const createKafkaJsTopicAdmin = (cluster: Cluster, options: { readonly onClose: () => void }): TopicAdmin => {
  const change = async (
    what: string,
    deadlineMs: number,
    send: (timeoutMs: number) => Promise<readonly TopicError[]>,
    harmless: number,
  ): Promise<void> => {
    for (let attempt = 0; ; attempt++) {
      const answers = await send(Math.max(1, Math.min(changeMsMax, deadlineMs - Date.now())))
      const failed = answers.find(({ error }) => error !== 0 && error !== harmless)
      if (failed === undefined) return
      if (!busy.has(failed.error)) throw requestError(failed.error, `${what} ${failed.topic}`, failed.message)
      assertInTime(deadlineMs, `${what} ${failed.topic}: ${nameOf(failed.error)}`)
      await backOff(attempt)
    }
  }

  const untilLed = async (specs: readonly TopicSpec[], deadlineMs: number): Promise<void> => {
    const partitions = specs.flatMap(({ topic, partitions: count }) =>
      Array.from({ length: count }, (_, partition) => ({ topic, partition })),
    )
    for (let attempt = 0; ; attempt++) {
      const described = await existing(
        cluster,
        specs.map(({ topic }) => topic),
        deadlineMs,
      )
      assertMatch(specs, described)
      const led = new Set(
        described.flatMap(({ topic, partitions: all }) => all.filter(({ leader }) => leader >= 0).map((at) => `${topic}/${at.partition}`)),
      )
      const leaderless = partitions.find(({ topic, partition }) => !led.has(`${topic}/${partition}`))
      if (leaderless === undefined) return
      assertInTime(deadlineMs, `waiting for a leader of ${leaderless.topic}/${leaderless.partition}`)
      await backOff(attempt)
    }
  }

  const askGroup = async <Q, A>(call: Omit<CoordinatorCall<Q, A>, 'type' | 'repeatable'>): Promise<A> => {
    const verdict = await askCoordinator(cluster, { ...call, type: 'group', repeatable: true })
    if (verdict.kind === 'silent') throw verdict.failure
    if (verdict.error !== 0) throw requestError(verdict.error, `${call.api.name} of group ${call.key}`)
    return verdict.answer
  }

  return {
    async describe(topics, deadlineMs) {
      assertInTime(deadlineMs, 'describe')
      if (topics.length === 0) return []
      const found = new Map((await existing(cluster, topics, deadlineMs)).map((one) => [one.topic, one.partitions.length]))
      return topics.flatMap((topic) => {
        const partitions = found.get(topic)
        return partitions === undefined ? [] : [{ topic, partitions }]
      })
    },
    async settings(topics, names, deadlineMs) {
      assertInTime(deadlineMs, 'settings')
      if (topics.length === 0) return []
      const answers = await cluster.ask(describeConfigs, { topics, names }, deadlineMs)
      const refused = answers.find(({ error }) => error !== 0 && error !== unknownTopic)
      if (refused !== undefined) throw requestError(refused.error, `reading the settings of topic ${refused.topic}`, refused.message)
      const found = new Map(answers.flatMap(({ error, topic, settings }) => (error === 0 ? [[topic, settings]] : [])))
      return topics.flatMap((topic) => {
        const settings = found.get(topic)
        return settings === undefined ? [] : [{ topic, settings }]
      })
    },
    async create(specs, deadlineMs) {
      assertInTime(deadlineMs, 'create')
      if (specs.length === 0) return
      const described = await existing(
        cluster,
        specs.map(({ topic }) => topic),
        deadlineMs,
      )
      assertMatch(specs, described)
      const missing = specs.filter(({ topic }) => !described.some((one) => one.topic === topic))
      if (missing.length > 0) {
        const send = (timeoutMs: number) => cluster.ask(createTopics, { topics: missing, timeoutMs }, deadlineMs, timeoutMs)
        await change('creating', deadlineMs, send, alreadyExists)
      }
      await untilLed(specs, deadlineMs)
    },
    async delete(topics, deadlineMs) {
      assertInTime(deadlineMs, 'delete')
      if (topics.length === 0) return
      const send = (timeoutMs: number) => cluster.ask(deleteTopics, { topics, timeoutMs }, deadlineMs, timeoutMs)
      const gone = await cluster.describe(topics, deadlineMs)
      await change('deleting', deadlineMs, send, unknownTopic)
      for (const { topic, partitions } of gone) for (const { partition } of partitions) cluster.forgetLeader({ topic, partition })
      for (let attempt = 0; (await existing(cluster, topics, deadlineMs)).length > 0; attempt++) {
        assertInTime(deadlineMs, `waiting until ${topics.join(', ')} are gone`)
        await backOff(attempt)
      }
    },
    async list(prefix, deadlineMs) {
      assertInTime(deadlineMs, 'list')
      const all = await cluster.describe(null, deadlineMs)
      const found = all.filter(({ error, topic }) => error === 0 && topic.startsWith(prefix))
      return found
        .map(({ topic, partitions }) => ({ topic, partitions: partitions.length }))
        .sort((one, other) => (one.topic < other.topic ? -1 : 1))
    },
    async deleteRecords(below, deadlineMs) {
      assertInTime(deadlineMs, 'deleteRecords')
      if (below.length === 0) return
      await askLeaders(cluster, below, 'DeleteRecords', deadlineMs, async (to, topics: readonly OfTopic<PartitionOffset>[]) => {
        const timeoutMs = Math.max(1, Math.min(changeMsMax, deadlineMs - Date.now()))
        return cluster.send(to, deleteRecords, { topics, timeoutMs }, within(deadlineMs, timeoutMs))
      })
    },
    async offsetsAt(partitions, timestampMs, deadlineMs) {
      assertInTime(deadlineMs, 'offsetsAt')
      if (partitions.length === 0) return []
      const list = (at: 'latest' | number) =>
        askLeaders(cluster, partitions, 'ListOffsets', deadlineMs, async (to, topics: readonly OfTopic<TopicPartition>[]) => {
          const answer = await cluster.send(to, listOffsets, { at, topics }, within(deadlineMs, listMsMax))
          return answer.topics
        })
      const [ends, found] = await Promise.all([list('latest'), list(timestampMs)])
      return partitions.map(({ topic, partition }, i) => {
        const offset = found[i]?.offset ?? -1
        return { topic, partition, offset: offset >= 0 ? offset : (ends[i]?.offset ?? 0) }
      })
    },
    async groupOffsets(groupId, partitions, deadlineMs) {
      assertInTime(deadlineMs, 'groupOffsets')
      const request = { groupId, partitions }
      const { topics } = await askGroup({ api: offsetFetch, request, key: groupId, deadlineMs, errorOf: ({ error }) => error })
      const found = new Map(
        topics.flatMap(({ topic, partitions: all }) => all.map(({ partition, offset }) => [`${topic}/${partition}`, offset])),
      )
      return partitions.flatMap(({ topic, partition }: TopicPartition) => {
        const offset = found.get(`${topic}/${partition}`) ?? -1
        return offset < 0 ? [] : [{ topic, partition, offset }]
      })
    },
    async commitGroupOffsets(groupId, offsets, deadlineMs) {
      assertInTime(deadlineMs, 'commitGroupOffsets')
      if (offsets.length === 0) return
      const errorOf: CoordinatorCall<never, { topics: readonly { partitions: readonly { error: number }[] }[] }>['errorOf'] = ({
        topics,
      }) => topics.flatMap(({ partitions }) => partitions).find(({ error }) => error !== 0)?.error ?? 0
      await askGroup({ api: offsetCommit, request: { groupId, offsets }, key: groupId, deadlineMs, errorOf })
    },
    async close() {
      options.onClose()
    },
  }
}

const existing = async (cluster: Cluster, topics: readonly string[], deadlineMs: number): Promise<readonly TopicMetadata[]> => {
  const described = await cluster.describe(topics, deadlineMs)
  const refused = described.find(({ error }) => error !== 0 && error !== unknownTopic && error !== leaderMissing)
  if (refused !== undefined) throw requestError(refused.error, `looking for topic ${refused.topic}`)
  return described.filter(({ error }) => error !== unknownTopic)
}

const assertMatch = (specs: readonly TopicSpec[], described: readonly TopicMetadata[]): void => {
  for (const { topic, partitions } of specs) {
    const found = described.find((one) => one.topic === topic)?.partitions.length ?? partitions
    if (found === partitions || found === 0) continue
    throw new StreamsError('TOPIC_MISMATCH', `topic ${topic} has ${found} partitions and ${partitions} were asked for`)
  }
}
