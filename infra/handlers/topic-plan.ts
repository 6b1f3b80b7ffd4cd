import { isStreamsError, StreamsError } from '../../src/errors.ts'
import type { TopicAdmin } from '../../src/runtime/ports.ts'
import { type InternalTopic, partitionCountsOf } from '../../src/topology/internal-topics.ts'
import type { TopicRef } from '../../src/topology/nodes.ts'

/** What a deployment knows of the application's topics: plain data, as it travels through CloudFormation. */
export interface TopicPlan {
  readonly applicationId: string
  /** What decides partition counts (S-38): who reads and writes which topic. */
  readonly subTopologies: readonly {
    readonly name: string
    readonly sourceTopics: readonly TopicRef[]
    readonly sinks: readonly { readonly topic: TopicRef }[]
    readonly copartitioned?: readonly (readonly TopicRef[])[]
  }[]
  readonly internalTopics: readonly InternalTopic[]
  /** The user's topics that are read and written: they must exist, this library does not create them. */
  readonly userTopics: readonly string[]
}

/**
 * Creates the internal topics that are missing, with the partition counts that the user's topics call for, and checks
 * those that exist. Throws TOPIC_MISSING for a topic of the user's, TOPIC_MISMATCH for a count that cannot be changed.
 * @returns partition count by internal topic.
 */
export async function createInternalTopics(admin: TopicAdmin, plan: TopicPlan, deadlineMs: number): Promise<ReadonlyMap<string, number>> {
  const found = await admin.describe(plan.userTopics, deadlineMs)
  const userCounts = new Map(found.map(({ topic, partitions }) => [topic, partitions]))
  const missing = plan.userTopics.filter((topic) => !userCounts.has(topic))
  if (missing.length > 0) {
    throw new StreamsError('TOPIC_MISSING', `The application "${plan.applicationId}" uses topics that do not exist: ${missing.join(', ')}`)
  }
  const counts = partitionCountsOf(plan.subTopologies, plan.internalTopics, plan.applicationId, userCounts)
  const specs = plan.internalTopics.map(({ name, config }) => ({ topic: name, partitions: countOf(counts, name), config }))
  await admin.create(specs, deadlineMs).catch((error: unknown) => {
    if (!isStreamsError(error, 'TOPIC_MISMATCH')) throw error
    throw new StreamsError('TOPIC_MISMATCH', error.message, {
      cause: error,
      remedy:
        'A topic that the application reads has another number of partitions than before: its keys are in other tasks now. Delete the internal topics of the application, deploy, and begin anew: millrace reset (docs/operations.md).',
    })
  })
  return counts
}

function countOf(counts: ReadonlyMap<string, number>, topic: string): number {
  const count = counts.get(topic)
  if (count !== undefined) return count
  throw new StreamsError(
    'TOPOLOGY_INVALID',
    `Nothing decides the partition count of "${topic}": its writers read no topic with a known count`,
    {
      remedy: 'Give the repartition a number of partitions.',
    },
  )
}
