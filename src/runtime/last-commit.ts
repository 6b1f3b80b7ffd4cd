import { isStreamsError, StreamsError } from '../errors.ts'
import { type CommitRecord, readCommitRecord } from './commit-record.ts'
import type { PartitionReader, TopicPartition } from './ports.ts'

const bytesMax = 8 * 1024 * 1024

/**
 * The last commit of a task, wherever its topic begins and ends; undefined where there is none, or no topic. `since` is where the table
 * knows of one. With `fenced` nobody else may commit any more: a transaction that is open is FENCED.
 */
export const readLastCommit = async (
  reader: PartitionReader,
  { topic, partition, since = 0 }: TopicPartition & { readonly since?: number | undefined },
  { fenced, deadlineMs }: { readonly fenced: boolean; readonly deadlineMs: number },
): Promise<CommitRecord | undefined> => {
  const [bounds] = await reader.bounds([{ topic, partition }], deadlineMs).catch((error: unknown) => {
    if (isStreamsError(error, 'TOPIC_MISSING')) return []
    throw error
  })
  const { logStartOffset: start, highWatermark: end } = bounds ?? { logStartOffset: 0, highWatermark: 0 }
  let last: CommitRecord | undefined
  for (let offset = since > start && since <= end ? since - 1 : start; offset < end; ) {
    const [answer] = await reader.fetch([{ topic, partition, offset, bytesMax }], { waitMs: 100, deadlineMs })
    if (!answer) break
    for (const record of answer.records) last = readCommitRecord(record.value, `${topic}/${partition}@${record.offset}`)
    const isOpen = answer.highWatermark >= end && answer.lastStableOffset < end
    if (isOpen && fenced) throw new StreamsError('FENCED', `A transaction is open on ${topic}/${partition}`)
    if (isOpen && answer.nextOffset >= answer.lastStableOffset) break
    offset = answer.nextOffset
  }
  return last
}
