import type { KafkaEvent, KafkaEventRecord } from '../lambda/kafka-event.ts'
import type { FetchedRecord } from '../runtime/ports.ts'

/** Records of one partition on their way to the function, in offset order. */
export interface BatchPart {
  readonly partition: number
  readonly records: readonly KafkaEventRecord[]
}

export type Batch = readonly BatchPart[]

export interface EventSource {
  readonly topic: string
  readonly bootstrapServers: readonly string[]
  readonly eventSourceArn?: string
}

export const countOf = (batch: Batch): number => batch.reduce((sum, { records }) => sum + records.length, 0)

export function eventOf({ topic, bootstrapServers, eventSourceArn }: EventSource, batch: Batch): KafkaEvent {
  const records: Record<string, readonly KafkaEventRecord[]> = {}
  for (const part of batch) records[`${topic}-${part.partition}`] = part.records
  const source =
    eventSourceArn === undefined ? { eventSource: 'SelfManagedKafka' as const } : { eventSource: 'aws:kafka' as const, eventSourceArn }
  return { ...source, bootstrapServers: bootstrapServers.join(','), records }
}

export function eventRecordOf(topic: string, partition: number, record: FetchedRecord): KafkaEventRecord {
  return {
    topic,
    partition,
    offset: record.offset,
    timestamp: record.timestamp,
    timestampType: 'CREATE_TIME',
    ...(record.key !== null && { key: base64(record.key) }),
    ...(record.value !== null && { value: base64(record.value) }),
    headers: record.headers.map(([name, value]) => ({ [name]: value === null ? null : [...value] })),
  }
}

/** The record without key, value and headers: enough for a function that reads the log itself. */
export const doorbellOf = (topic: string, partition: number, { offset, timestamp }: FetchedRecord): KafkaEventRecord => ({
  topic,
  partition,
  offset,
  timestamp,
  timestampType: 'CREATE_TIME',
  headers: noHeaders,
})

const noHeaders: KafkaEventRecord['headers'] = Object.freeze([])

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')

/** Everything of a record's JSON but topic, key, value and headers, numbers at their longest; and its comma. */
const recordJsonBytes = 150

/** An upper bound of what the record adds to the payload, in bytes. */
export function payloadBytesOf(topic: string, record: FetchedRecord): number {
  let bytes = recordJsonBytes + topic.length + base64Bytes(record.key) + base64Bytes(record.value)
  // JSON escapes take up to six bytes a character, a header's byte up to four.
  for (const [name, value] of record.headers) bytes += 16 + 6 * name.length + 4 * (value?.length ?? 0)
  return bytes
}

const base64Bytes = (bytes: Uint8Array | null): number => (bytes === null ? 0 : 4 * Math.ceil(bytes.length / 3))

/** First and second half of the records, in the order of the batch; a partition may be in both. */
export function halvesOf(batch: Batch): readonly [Batch, Batch] {
  let left = countOf(batch) >> 1
  const first: BatchPart[] = []
  const second: BatchPart[] = []
  for (const { partition, records } of batch) {
    const here = Math.min(left, records.length)
    left -= here
    if (here > 0) first.push({ partition, records: records.slice(0, here) })
    if (here < records.length) second.push({ partition, records: records.slice(here) })
  }
  return [first, second]
}

/**
 * What a partial batch response asks to have again: nothing where it lists nothing (or is no such response), the whole
 * batch where it names a record that was not in it or has another shape.
 */
export function failedOf(topic: string, batch: Batch, payload: string): Batch {
  let items: unknown
  try {
    items = payload === '' ? [] : (JSON.parse(payload)?.batchItemFailures ?? [])
  } catch {
    return batch
  }
  if (!Array.isArray(items)) return batch
  const wanted = new Set<string>(items.map((item) => `${item?.itemIdentifier?.partition}@${item?.itemIdentifier?.offset}`))
  const failed = batch
    .map(({ partition, records }) => ({
      partition,
      records: records.filter(({ offset }) => wanted.delete(`${topic}-${partition}@${offset}`)),
    }))
    .filter(({ records }) => records.length > 0)
  return wanted.size > 0 ? batch : failed
}
