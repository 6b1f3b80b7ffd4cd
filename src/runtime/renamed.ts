import { isStreamsError, StreamsError } from '../errors.ts'
import { commitTopic } from '../topology/internal-topics.ts'
import { type TopicRef, topicName } from '../topology/nodes.ts'
import { readLastCommit } from './last-commit.ts'
import type { KafkaPorts } from './ports.ts'

/** Who reads what, as far as a deployment knows. */
export interface ReadersOfTopics {
  readonly applicationId: string
  readonly subTopologies: readonly { readonly name: string; readonly sourceTopics: readonly TopicRef[] }[]
}

/**
 * A sub-topology has the name of its first source topic, and its state has that name too: with another one it would begin anew, and
 * read its topics a second time. TOPOLOGY_MISMATCH where one that has no commit topic yet reads what one that is not there any more
 * has read. To be asked before topics are created.
 */
export const checkRenamed = async (
  { admin, reader }: Pick<KafkaPorts, 'admin' | 'reader'>,
  { applicationId, subTopologies }: ReadersOfTopics,
  deadlineMs: number,
): Promise<void> => {
  const [prefix, suffix] = [`${applicationId}-`, '-commits']
  const existing = (await admin.list(prefix, deadlineMs)).filter(({ topic }) => topic.endsWith(suffix))
  const fresh = subTopologies.filter(({ name }) => existing.every(({ topic }) => topic !== commitTopic(applicationId, name)))
  if (fresh.length === 0) return
  for (const { topic, partitions } of existing) {
    const name = topic.slice(prefix.length, -suffix.length)
    if (subTopologies.some((sub) => sub.name === name)) continue
    for (let partition = 0; partition < partitions; partition++) {
      const positions = await positionsOf(reader, { topic, partition }, deadlineMs)
      // of an application whose id begins as this one's
      if (positions[name] === undefined && positions[prefix + name] === undefined) continue
      for (const sub of fresh)
        for (const source of sub.sourceTopics.map((it) => topicName(it, applicationId)))
          if (positions[source] !== undefined) throw renamed(sub.name, name, `${source}/${partition} up to ${positions[source]}`)
    }
  }
}

const positionsOf = async (
  reader: KafkaPorts['reader'],
  at: { readonly topic: string; readonly partition: number },
  deadlineMs: number,
): Promise<Readonly<Record<string, number>>> => {
  try {
    return (await readLastCommit(reader, at, { fenced: false, deadlineMs }))?.positions ?? {}
  } catch (error) {
    // not one of ours
    if (isStreamsError(error, 'LOG_TRUNCATED')) return {}
    throw error
  }
}

const renamed = (now: string, before: string, read: string): StreamsError =>
  new StreamsError(
    'TOPOLOGY_MISMATCH',
    `Sub-topology "${now}" is new, but "${before}", which is no more, has read ${read}: it was renamed`,
    {
      remedy: `Keep the name: "${before}" must be its first source topic. Or let the old code finish its input, then say with the new code where to begin: millrace reset (docs/operations.md).`,
    },
  )
