import { StreamsError } from '../errors.ts'
import { type SinkNode, type StoreSpec, topicName } from './nodes.ts'
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
export type TopicFlow = Pick<SubTopology, 'name' | 'sourceTopics'> & { readonly sinks: readonly Pick<SinkNode, 'topic'>[] }

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

/** Rows that end with their window leave the changelog a day later than the store, as in Kafka Streams. */
const changelogConfigOf = ({ retentionMs }: StoreSpec): Readonly<Record<string, string>> => {
  if (retentionMs === undefined) return changelogConfig
  const kept = Number.isFinite(retentionMs) ? String(retentionMs + 86_400_000) : '9223372036854775807'
  return { ...changelogConfig, 'cleanup.policy': 'compact,delete', 'retention.ms': kept }
}

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
      config: { ...changelogConfig, 'delete.retention.ms': deleteRetentionMs },
    },
  ])

/**
 * S-38: a repartition topic has the partitions it was given, or as many as the widest sub-topology that writes to it reads;
 * changelogs and commit topics have one per task.
 */
export const partitionCountsOf = (
  subTopologies: readonly TopicFlow[],
  topics: readonly InternalTopic[],
  applicationId: string,
  userTopics: ReadonlyMap<string, number>,
): ReadonlyMap<string, number> => {
  const counts = new Map<string, number>()
  for (const topic of topics) if (topic.partitions !== undefined) counts.set(topic.name, topic.partitions)
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
        const fixed = topics.find((topic) => topic.name === name)?.partitions
        if (fixed !== undefined || (counts.get(name) ?? 0) >= tasks) continue
        counts.set(name, tasks)
        changed = true
      }
    }
  }
  for (const topic of topics) {
    if (topic.kind === 'repartition') continue
    const sub = subTopologies.find((it) => it.name === topic.subTopology)
    counts.set(topic.name, (sub && tasksOf(sub)) ?? 1)
  }
  return counts
}
