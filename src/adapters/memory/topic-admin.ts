import { StreamsError } from '../../errors.ts'
import type { TopicAdmin } from '../../runtime/ports.ts'
import { assertInTime, createTopic, partitionOf, type Topics } from './topics.ts'

const byTopic = (one: { readonly topic: string }, other: { readonly topic: string }): number => (one.topic < other.topic ? -1 : 1)
const keyOf = (topic: string, partition: number) => `${topic}/${partition}`

/** Of Kafka 4 (its documentation, "Topic Configs"), as far as internal topics set them. */
const brokerDefaults: Readonly<Record<string, string>> = {
  'cleanup.policy': 'delete',
  'delete.retention.ms': '86400000',
  'max.message.bytes': '1048588',
  'message.timestamp.type': 'CreateTime',
  'min.compaction.lag.ms': '0',
  'min.insync.replicas': '1',
  'retention.ms': '604800000',
  'segment.bytes': '1073741824',
}

/** Topics and group offsets of an in-memory cluster. */
export const createMemoryTopicAdmin = (topics: Topics, now: () => number): TopicAdmin => {
  const groups = new Map<string, Map<string, number>>()
  return {
    async describe(names, deadlineMs) {
      assertInTime(now, deadlineMs, 'describe')
      return names.flatMap((topic) => {
        const partitions = topics.get(topic)?.partitions.length
        return partitions === undefined ? [] : [{ topic, partitions }]
      })
    },
    async settings(names, settings, deadlineMs) {
      assertInTime(now, deadlineMs, 'settings')
      return names.flatMap((topic) => {
        const config = topics.get(topic)?.config
        if (config === undefined) return []
        const inForce = { ...brokerDefaults, ...config }
        return [{ topic, settings: Object.fromEntries(Object.entries(inForce).filter(([name]) => settings.includes(name))) }]
      })
    },
    async create(specs, deadlineMs) {
      assertInTime(now, deadlineMs, 'create')
      for (const { topic, partitions } of specs) {
        const existing = topics.get(topic)?.partitions.length ?? partitions
        if (existing !== partitions) {
          throw new StreamsError('TOPIC_MISMATCH', `topic ${topic} has ${existing} partitions and ${partitions} were asked for`)
        }
      }
      for (const { topic, partitions, config } of specs) {
        if (!topics.has(topic)) topics.set(topic, createTopic(topic, partitions, config))
      }
    },
    async delete(names, deadlineMs) {
      assertInTime(now, deadlineMs, 'delete')
      for (const topic of names) {
        const partitions = topics.get(topic)?.partitions ?? []
        topics.delete(topic)
        for (const partition of partitions) partition.wake()
      }
    },
    async list(prefix, deadlineMs) {
      assertInTime(now, deadlineMs, 'list')
      const found = [...topics].filter(([topic]) => topic.startsWith(prefix))
      return found.map(([topic, { partitions }]) => ({ topic, partitions: partitions.length })).sort(byTopic)
    },
    async deleteRecords(below, deadlineMs) {
      assertInTime(now, deadlineMs, 'deleteRecords')
      for (const { topic, partition, offset } of below) {
        const log = partitionOf(topics, { topic, partition })
        if (topics.get(topic)?.config['cleanup.policy'] === 'compact')
          throw new StreamsError('BROKER_REFUSED', `DeleteRecords of ${topic}/${partition}: its topic is only compacted`)
        if (offset > log.highWatermark)
          throw new StreamsError('LOG_TRUNCATED', `offset ${offset} of ${topic}/${partition} is outside of its log`)
        log.truncate(offset)
      }
    },
    async offsetsAt(partitions, timestampMs, deadlineMs) {
      assertInTime(now, deadlineMs, 'offsetsAt')
      return partitions.map((at) => ({ ...at, offset: partitionOf(topics, at).offsetAt(timestampMs) }))
    },
    async groupOffsets(groupId, partitions, deadlineMs) {
      assertInTime(now, deadlineMs, 'groupOffsets')
      const committed = groups.get(groupId)
      return partitions.flatMap(({ topic, partition }) => {
        const offset = committed?.get(keyOf(topic, partition))
        return offset === undefined ? [] : [{ topic, partition, offset }]
      })
    },
    async commitGroupOffsets(groupId, offsets, deadlineMs) {
      assertInTime(now, deadlineMs, 'commitGroupOffsets')
      for (const offset of offsets) partitionOf(topics, offset)
      const committed = groups.get(groupId) ?? new Map<string, number>()
      groups.set(groupId, committed)
      for (const { topic, partition, offset } of offsets) committed.set(keyOf(topic, partition), offset)
    },
    async close() {},
  }
}
