import { StreamsError } from '../errors.ts'
import type { Headers } from '../processor/record.ts'
import type { Row } from '../state/rows.ts'
import { type CommitRecord, changelogHeaders, timeHeaderOf, writeCommitRecord } from './commit-record.ts'
import type { Effects } from './effects.ts'
import type { InvocationRequest } from './invocation-request.ts'
import type { TaskPlan } from './plan.ts'
import { type Appended, type PartitionBatch, recordCount, type TxnSession } from './ports.ts'
import { PackedBatch, type RecordBlocks } from './record-block.ts'

export interface Chunk {
  readonly effects: Effects
  readonly commit: CommitRecord
  /** Of the log, behind the commit before: what is written now must be further on. */
  readonly ends: Readonly<Record<string, number>>
  /** Where commit topic and changelogs were said to end when the log was read; undefined once this session has written behind it. */
  readonly listed: Readonly<Record<string, number>> | undefined
}

export interface WrittenChunk {
  readonly commit: CommitRecord
  readonly ends: Readonly<Record<string, number>>
  /** Of the outputs. */
  readonly records: number
  readonly commitBytes: number
}

/**
 * TXN and COMMIT: outputs, changelogs and the commit record in one transaction (protocol D1 to D3). Resolves when EndTxn is
 * answered; `ends` has the offset after the records on the commit topic and on each changelog that was written, `commit` is as it was written.
 */
export const writeChunk = async (
  { ports, plan, partition, deadlineMs }: InvocationRequest,
  session: TxnSession,
  { effects, commit: next, ends, listed }: Chunk,
): Promise<WrittenChunk> => {
  const headers = changelogHeaders(next.gen, next.seq)
  const nowMs = ports.clock.nowMs()
  const changelogs = effects.changes.flatMap(({ store, rows, log = rows }): PartitionBatch[] => {
    const topic = plan.changelogs.get(store)
    if (topic === undefined || log.length === 0) return []
    const { retentionMs = Number.POSITIVE_INFINITY } = plan.stores.find(({ name }) => name === store) ?? {}
    const batch = new PackedBatch(topic, partition)
    for (const row of log) addToChangelog(batch.packed, row, { stamp: headers, nowMs, retentionMs })
    return [batch]
  })
  const commit = { ...next, logEnds: logEndsOf(plan, changelogs, [next.logEnds, ends, listed]) }
  const record = writeCommitRecord(commit, nowMs)
  const progress = { topic: plan.commitTopic, partition, records: [record] }
  const appended = await session.append([...effects.outputs, ...changelogs, progress], deadlineMs)
  checkFurtherOn(appended, ends)
  checkWasTheEnd(appended.at(-1), listed?.[plan.commitTopic])
  await session.commit(deadlineMs)
  const log = new Set([...changelogs.map((batch) => batch.topic), plan.commitTopic])
  return {
    commit,
    ends: Object.fromEntries(appended.filter(({ topic }) => log.has(topic)).map(({ topic, nextOffset }) => [topic, nextOffset])),
    records: effects.outputs.reduce((sum, batch) => sum + recordCount(batch), 0),
    commitBytes: record.value?.length ?? 0,
  }
}

/** Behind what is known of each changelog come its records, and their marker. */
const logEndsOf = (
  { changelogs }: TaskPlan,
  written: readonly PartitionBatch[],
  known: readonly (Readonly<Record<string, number>> | undefined)[],
): Readonly<Record<string, number>> => {
  const counts = new Map(written.map((batch) => [batch.topic, recordCount(batch) + 1]))
  const endOf = (topic: string): number => Math.max(...known.map((ends) => ends?.[topic] ?? 0)) + (counts.get(topic) ?? 0)
  return Object.fromEntries([...changelogs.values()].map((topic) => [topic, endOf(topic)]))
}

/** LOG_TRUNCATED where a topic of the log was deleted and made again since: a warm session has not asked for its end. */
const checkFurtherOn = (appended: readonly Appended[], ends: Chunk['ends']): void => {
  for (const { topic, partition, baseOffset } of appended) {
    if (baseOffset >= (ends[topic] ?? 0)) continue
    throw new StreamsError('LOG_TRUNCATED', `The log ${topic}/${partition} goes on at ${baseOffset}, but had come to ${ends[topic]}`, {
      remedy: 'The topic was made again: empty the stores and read the input again: millrace reset (docs/operations.md).',
    })
  }
}

/**
 * A broker that stood still may tell an old end of its log before it knows that it leads no more: then commits behind it were not seen.
 * FENCED: whoever was told so starts over.
 */
const checkWasTheEnd = (progress: Appended | undefined, listedEnd: number | undefined): void => {
  if (progress === undefined || listedEnd === undefined || progress.baseOffset === listedEnd) return
  const { topic, partition, baseOffset } = progress
  throw new StreamsError('FENCED', `The log ${topic}/${partition} was said to end at ${listedEnd}, but goes on at ${baseOffset}`)
}

/**
 * A row as Kafka Streams writes it to a changelog: time and headers are the record's (F-06); ours come last. A broker deletes what is older
 * than a changelog's retention by its own clock, and within seconds. Where stream time is behind the clock, as it is when old records are
 * processed, those are rows that are needed, and that may be nowhere else yet: their record has the clock's time, and theirs in a header.
 */
const addToChangelog = (
  records: RecordBlocks,
  { key, value, timestamp, headers: held }: Row,
  { stamp, nowMs, retentionMs }: { readonly stamp: Headers; readonly nowMs: number; readonly retentionMs: number },
): void => {
  const headers = held === undefined || held.length === 0 ? stamp : [...held, ...stamp]
  if (timestamp >= nowMs - retentionMs) records.appendBytes(key, value, timestamp, headers)
  else records.appendBytes(key, value, nowMs, [...headers, timeHeaderOf(timestamp)])
}
