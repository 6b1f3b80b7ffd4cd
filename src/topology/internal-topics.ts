import { StreamsError } from '../errors.ts'
import { type SinkNode, type StoreSpec, type TopicRef, topicName } from './nodes.ts'
import type { SubTopology } from './sub-topologies.ts'

export interface InternalTopic {
  /** As on the cluster, with the application id. */
  readonly name: string
  readonly kind: 'repartition' | 'changelog' | 'commits'
  /** The reader of a repartition topic, the writer of a changelog or commit topic. */
  readonly subTopology: string
  /** Fixed by the topology; otherwise see {@link partitionCountsOf}. */
  readonly partitions?: number
  readonly config: Readonly<Record<string, string>>
}

/** Of a sub-topology, what decides partition counts: who reads and who writes which topic. */
export type TopicFlow = Pick<SubTopology, 'name' | 'sourceTopics'> & {
  readonly sinks: readonly Pick<SinkNode, 'topic'>[]
  /** Absent where there are no joins. */
  readonly copartitioned?: SubTopology['copartitioned']
}

export const changelogTopic = (applicationId: string, store: string): string => `${applicationId}-${store}-changelog`
export const commitTopic = (applicationId: string, subTopology: string): string => `${applicationId}-${subTopology}-commits`

/** S-35. A commit topic is compacted: only the last commit record counts. */
const repartitionConfig = {
  'cleanup.policy': 'delete',
  'message.timestamp.type': 'CreateTime',
  'retention.ms': '-1',
  'segment.bytes': '52428800',
}
const changelogConfig = { 'cleanup.policy': 'compact', 'message.timestamp.type': 'CreateTime' }

/** Rows that end with their window leave the changelog a day later than the store, versions are merged a day after their history, as in Kafka Streams. */
const changelogConfigOf = (store: StoreSpec): Readonly<Record<string, string>> => {
  if (store.kind === 'versioned') return { ...changelogConfig, 'min.compaction.lag.ms': String(store.historyMs + 86_400_000) }
  const { retentionMs } = store
  if (retentionMs === undefined) return changelogConfig
  const kept = Number.isFinite(retentionMs) ? String(retentionMs + 86_400_000) : '9223372036854775807'
  return {
    ...changelogConfig,
    'cleanup.policy': store.kind === 'window' && store.retainDuplicates ? 'delete' : 'compact,delete',
    'retention.ms': kept,
  }
}

/** The order of use of an LRU store travels in every commit record: a broker's default of 1 MB holds some 20,000 entries of it. */
const commitBytesMax = String(8 * 1024 * 1024)
const commitConfigOf = ({ stores }: SubTopology): Readonly<Record<string, string>> => ({
  ...changelogConfig,
  'delete.retention.ms': deleteRetentionMs,
  ...(stores.some((store) => store.kind === 'key-value' && store.maxEntries !== undefined) ? { 'max.message.bytes': commitBytesMax } : {}),
})

/** Deletes stay readable this long, so that a checkpoint may lag (protocol §3). Java leaves the broker's default of one day. */
const deleteRetentionMs = String(7 * 24 * 3_600_000)

export const internalTopicsOf = (
  subTopologies: readonly SubTopology[],
  declared: ReadonlyMap<string, { readonly partitions?: number }>,
  applicationId: string,
): readonly InternalTopic[] =>
  subTopologies.flatMap((sub) => [
    ...sub.sourceTopics
      .filter((topic) => topic.internal)
      .map((topic): InternalTopic => {
        const partitions = declared.get(topic.name)?.partitions
        const base = {
          name: topicName(topic, applicationId),
          kind: 'repartition',
          subTopology: sub.name,
          config: repartitionConfig,
        } as const
        return partitions === undefined ? base : { ...base, partitions }
      }),
    ...sub.stores.flatMap((store): InternalTopic[] =>
      store.logging === false
        ? []
        : [
            {
              name: changelogTopic(applicationId, store.name),
              kind: 'changelog',
              subTopology: sub.name,
              config: { ...changelogConfigOf(store), 'delete.retention.ms': deleteRetentionMs, ...store.logging },
            },
          ],
    ),
    {
      name: commitTopic(applicationId, sub.name),
      kind: 'commits',
      subTopology: sub.name,
      config: commitConfigOf(sub),
    },
  ])

/**
 * S-38: a repartition topic has the partitions it was given, or as many as the topics of the user that it is joined with, or as
 * many as the widest sub-topology that writes to it reads; two that are joined have as many as the wider one. Topics that are
 * joined with unequal counts are TOPIC_MISMATCH. Changelogs and commit topics have one per task.
 */
export const partitionCountsOf = (
  subTopologies: readonly TopicFlow[],
  topics: readonly InternalTopic[],
  applicationId: string,
  userTopics: ReadonlyMap<string, number>,
): ReadonlyMap<string, number> => {
  const counts = new Map<string, number>()
  for (const topic of topics) if (topic.partitions !== undefined) counts.set(topic.name, topic.partitions)
  const joins = subTopologies.flatMap((sub) => sub.copartitioned ?? [])
  const nameOf = (topic: TopicRef): string => topicName(topic, applicationId)
  const countOf = (topic: TopicRef): number | undefined => counts.get(nameOf(topic)) ?? userTopics.get(nameOf(topic))
  for (const group of joins) {
    const count = group
      .filter((topic) => !topic.internal)
      .map(countOf)
      .find((it) => it !== undefined)
    if (count !== undefined) for (const topic of group) if (countOf(topic) === undefined) counts.set(nameOf(topic), count)
  }
  const decided = new Set(counts.keys())
  const tasksOf = (sub: TopicFlow): number | undefined => {
    const known = sub.sourceTopics.map((topic) => {
      const name = topicName(topic, applicationId)
      const count = counts.get(name) ?? (topic.internal ? undefined : userTopics.get(name))
      if (count === undefined && !topic.internal) {
        throw new StreamsError('TOPIC_MISSING', `The topology reads topic "${name}", which does not exist`)
      }
      return count
    })
    return known.some((count) => count === undefined) ? undefined : Math.max(0, ...known.map((count) => count ?? 0))
  }
  for (let changed = true; changed; ) {
    changed = false
    for (const sub of subTopologies) {
      const tasks = tasksOf(sub)
      if (tasks === undefined) continue
      for (const sink of sub.sinks) {
        if (typeof sink.topic === 'function' || !sink.topic.internal) continue
        const name = topicName(sink.topic, applicationId)
        if (decided.has(name) || (counts.get(name) ?? 0) >= tasks) continue
        counts.set(name, tasks)
        changed = true
      }
    }
    for (const group of joins) {
      const widest = Math.max(0, ...group.map((topic) => countOf(topic) ?? 0))
      for (const topic of group) {
        if (!topic.internal || decided.has(nameOf(topic)) || (countOf(topic) ?? 0) >= widest) continue
        counts.set(nameOf(topic), widest)
        changed = true
      }
    }
  }
  for (const group of joins) checkEqual(group.map((topic) => [nameOf(topic), countOf(topic)]))
  for (const topic of topics) {
    if (topic.kind === 'repartition') continue
    const sub = subTopologies.find((it) => it.name === topic.subTopology)
    counts.set(topic.name, (sub && tasksOf(sub)) ?? 1)
  }
  return counts
}

/** Records of equal keys meet only where the topics have equal counts. */
const checkEqual = (counts: readonly (readonly [topic: string, partitions: number | undefined])[]): void => {
  if (new Set(counts.map(([, partitions]) => partitions)).size < 2) return
  const found = counts.map(([topic, partitions]) => `${topic} has ${partitions ?? 'an unknown number'}`).join(', ')
  throw new StreamsError('TOPIC_MISMATCH', `Topics that are joined must have the same number of partitions: ${found}`, {
    remedy: 'Repartition one of the streams, or give the topics the same number of partitions.',
  })
}
