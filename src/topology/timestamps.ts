import { StreamsError } from '../errors.ts'
import type { TimestampExtractor } from './nodes.ts'

/**
 * Kafka's timestamp extractors (P-13). A record's own time is invalid where it is negative: no producer set one.
 */
export const failOnInvalidTimestamp: TimestampExtractor = (record) => {
  if (record.timestamp >= 0) return record.timestamp
  throw new StreamsError(
    'RECORD_INVALID',
    `The record at ${record.topic}/${record.partition}@${record.offset} has the invalid timestamp ${record.timestamp}`,
    { remedy: 'Set a timestamp where the record is produced, or use another timestampExtractor.' },
  )
}

/** Drops records without a valid time; the runtime counts them. */
export const logAndSkipOnInvalidTimestamp: TimestampExtractor = (record) => record.timestamp

/** Uses the highest time seen on the partition instead; before the first valid one it fails. */
export const usePartitionTimeOnInvalidTimestamp: TimestampExtractor = (record, partitionTime) => {
  if (record.timestamp >= 0) return record.timestamp
  if (partitionTime >= 0) return partitionTime
  throw new StreamsError(
    'RECORD_INVALID',
    `The record at ${record.topic}/${record.partition}@${record.offset} has no valid timestamp, and its partition has none yet`,
  )
}
