import { StreamsError } from '../../errors.ts'
import type { TopicPartition } from '../../runtime/ports.ts'
import { PartitionLog } from './partition-log.ts'

export interface MemoryTopic {
  readonly partitions: readonly PartitionLog[]
  readonly config: Readonly<Record<string, string>>
}

/** The topics of one in-memory cluster, by name. */
export type Topics = Map<string, MemoryTopic>

export const createTopic = (topic: string, partitions: number, config: Readonly<Record<string, string>>): MemoryTopic => ({
  partitions: Array.from({ length: partitions }, (_, partition) => new PartitionLog(topic, partition)),
  config,
})

/** The partition's log, or TOPIC_MISSING. */
export const partitionOf = (topics: Topics, { topic, partition }: TopicPartition): PartitionLog => {
  const log = topics.get(topic)?.partitions[partition]
  if (log === undefined) throw new StreamsError('TOPIC_MISSING', missing(topics, topic, partition))
  return log
}

const missing = (topics: Topics, topic: string, partition: number): string => {
  const partitions = topics.get(topic)?.partitions.length
  return partitions === undefined
    ? `topic ${topic} does not exist`
    : `topic ${topic} has ${partitions} partitions, not a partition ${partition}`
}

/** DEADLINE_EXCEEDED once the deadline has passed. */
export const assertInTime = (now: () => number, deadlineMs: number, what: string): void => {
  if (now() > deadlineMs) throw new StreamsError('DEADLINE_EXCEEDED', `${what}: its deadline passed before it was sent`)
}
