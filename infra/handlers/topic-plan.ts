import { isStreamsError, StreamsError } from '../../src/errors.ts'
import type { TopicAdmin, TopicSpec } from '../../src/runtime/ports.ts'
import { type InternalTopic, partitionCountsOf } from '../../src/topology/internal-topics.ts'
import type { TopicRef } from '../../src/topology/nodes.ts'
import { checkTopicSettings, settingNames } from '../../src/topology/topic-settings.ts'

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
  /** The user's topics that are read and written: they must exist, unless they are among `createTopics`. */
  readonly userTopics: readonly string[]
  /** Topics of the user's that are created where they are missing. */
  readonly createTopics?: readonly TopicSpec[]
  /** The internal topics are not created either: they must exist. */
  readonly verifyOnly?: boolean
  /** Partitions of compacted topics are counted: MSK Serverless takes a few only. */
  readonly serverless?: boolean
  /** Those that topics of other applications have there. */
  readonly compactedPartitionsTaken?: number
}

/** Of one MSK Serverless cluster (Amazon MSK Developer Guide, "Quota for MSK Serverless"). */
export const compactedPartitionsMax = 120

/** What stands against topics on MSK Serverless; a topic with an unknown count is taken to have one partition. */
export function tooManyCompacted(
  topics: readonly InternalTopic[],
  counts: ReadonlyMap<string, number>,
  taken = 0,
): { readonly message: string; readonly remedy: string } | undefined {
  const compacted = topics
    .filter(({ config }) => config['cleanup.policy']?.includes('compact'))
    .map(({ name }) => ({ name, partitions: counts.get(name) ?? 1 }))
  const all = compacted.reduce((sum, { partitions }) => sum + partitions, 0)
  if (taken + all <= compactedPartitionsMax) return undefined
  const others = taken === 0 ? '' : `${taken} are taken by others, `
  const [first, ...more] = compacted.sort((one, other) => other.partitions - one.partitions)
  return {
    message: `MSK Serverless takes ${compactedPartitionsMax} partitions of compacted topics per cluster, ${others}and the changelogs and commit topics of this application have ${all} (${first?.name}: ${first?.partitions}, and ${more.length} more)`,
    remedy:
      'Give the source topics fewer partitions, give stores no changelog ({ logging: false }) where they may be lost, or take a provisioned cluster.',
  }
}

export interface TopicsInPlace {
  /** By internal topic. */
  readonly counts: ReadonlyMap<string, number>
  /** Settings of existing topics that differ and break nothing: a sentence for each. */
  readonly warnings: readonly string[]
}

/**
 * Creates the internal topics that are missing, with the partition counts that the user's topics call for, and checks
 * those that exist. Throws TOPIC_MISSING for a topic of the user's, TOPIC_MISMATCH for a count that cannot be changed, or for
 * settings with which the application would compute something else.
 */
export async function createInternalTopics(admin: TopicAdmin, plan: TopicPlan, deadlineMs: number): Promise<TopicsInPlace> {
  const { createTopics = [] } = plan
  const users = await admin.describe(plan.userTopics, deadlineMs)
  const userCounts = new Map(users.map(({ topic, partitions }) => [topic, partitions]))
  const toCreate = createTopics.filter(({ topic }) => !userCounts.has(topic))
  for (const { topic, partitions } of toCreate) userCounts.set(topic, partitions)
  const missing = plan.userTopics.filter((topic) => !userCounts.has(topic))
  if (missing.length > 0) {
    throw new StreamsError('TOPIC_MISSING', `The application "${plan.applicationId}" uses topics that do not exist: ${missing.join(', ')}`)
  }
  const counts = partitionCountsOf(plan.subTopologies, plan.internalTopics, plan.applicationId, userCounts)
  const specs = plan.internalTopics.map(({ name, config }) => ({ topic: name, partitions: countOf(counts, name), config }))
  const tooMany = plan.serverless === true ? tooManyCompacted(plan.internalTopics, counts, plan.compactedPartitionsTaken) : undefined
  if (tooMany !== undefined) throw new StreamsError('CONFIG_INVALID', tooMany.message, { remedy: tooMany.remedy })
  if (plan.verifyOnly === true) await verify(admin, specs, deadlineMs)
  const names = plan.internalTopics.map(({ name }) => name)
  const found = await admin.settings(names, settingNames(plan.internalTopics), deadlineMs)
  const warnings = checkTopicSettings(plan.internalTopics, found)
  if (plan.verifyOnly === true) return { counts, warnings }
  if (toCreate.length > 0) await admin.create(toCreate, deadlineMs)
  await admin.create(specs, deadlineMs).catch((error: unknown) => {
    if (!isStreamsError(error, 'TOPIC_MISMATCH')) throw error
    throw new StreamsError('TOPIC_MISMATCH', error.message, {
      cause: error,
      remedy:
        'A topic that the application reads has another number of partitions than before: its keys are in other tasks now. Delete the internal topics of the application, deploy, and begin anew: millrace reset (docs/operations.md).',
    })
  })
  return { counts, warnings }
}

/** Topics that somebody else creates: all that is wrong with them at once, with what they should be. */
async function verify(admin: TopicAdmin, specs: readonly TopicSpec[], deadlineMs: number): Promise<void> {
  const found = await admin.describe(
    specs.map(({ topic }) => topic),
    deadlineMs,
  )
  const counts = new Map(found.map(({ topic, partitions }) => [topic, partitions]))
  const wrong = specs.flatMap(({ topic, partitions, config }) => {
    const is = counts.get(topic)
    if (is === partitions) return []
    const settings = Object.entries(config).map(([name, value]) => `${name}=${value}`)
    return [`${topic} ${is === undefined ? 'is missing' : `has ${is} partitions`} (${partitions} partitions, ${settings.join(' ')})`]
  })
  if (wrong.length === 0) return
  throw new StreamsError('TOPIC_MISSING', `These internal topics are not as they must be: ${wrong.join('; ')}`, {
    remedy: 'Create them so, or let the deployment do it: internalTopics: "create".',
  })
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
