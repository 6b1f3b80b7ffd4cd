import { setTimeout as delay } from 'node:timers/promises'
import { messageOf } from '../../src/errors.ts'
import { partitionOfKey } from '../../src/runtime/partitioner.ts'
import type { FetchedRecord, KafkaPorts, PartitionBatch, TopicPartition, TxnSession } from '../../src/runtime/ports.ts'
import { bytesOf, soon, unique } from '../adapters/kafka-harness.ts'
import type { InputRecord } from './workloads.ts'

/** Writes input, each call one transaction that is there once in the end, whatever happens to the brokers. */
export interface Feeder {
  write(records: readonly InputRecord[]): Promise<void>
  /** Records written, and how often a transaction was not answered and had to be looked for. */
  readonly records: number
  readonly retries: number
  close(): void
}

const batchHeader = 'batch'

export const createFeeder = ({ txnLog, reader }: KafkaPorts, partitions: number): Feeder => {
  const transactionalId = unique('feeder')
  const ends = new Map<string, number>()
  let session: TxnSession | undefined
  let [batches, records, retries] = [0, 0, 0]

  /** Behind FENCE: is the batch there? */
  const isThere = async (at: TopicPartition, batch: number): Promise<boolean> => {
    const [bounds] = await reader.bounds([at], soon())
    for (let offset = ends.get(placeOf(at)) ?? 0; offset < (bounds?.highWatermark ?? 0); ) {
      const [answer] = await reader.fetch([{ ...at, offset, bytesMax: 2 ** 20 }], { waitMs: 100, deadlineMs: soon() })
      if (answer?.records.some((record) => batchOf(record) === batch)) return true
      offset = answer?.nextOffset ?? offset
    }
    return false
  }

  const attempt = async (parts: readonly PartitionBatch[], batch: number, again: boolean): Promise<void> => {
    if (session === undefined) {
      session = await txnLog.open({ transactionalId, transactionTimeoutMs: 30_000, deadlineMs: soon() })
      const [first] = parts
      if (again && first && (await isThere(first, batch))) return
    }
    const appended = await session.append(parts, soon())
    await session.commit(soon())
    for (const { nextOffset, ...at } of appended) ends.set(placeOf(at), nextOffset)
  }

  return {
    async write(given) {
      const batch = ++batches
      const parts = partsOf(given, partitions, batch)
      for (let tried = 0; ; tried++) {
        try {
          await attempt(parts, batch, tried > 0)
          records += given.length
          return
        } catch (error) {
          session?.close()
          session = undefined
          retries++
          if (tried > 100) throw new Error(`The input cannot be written: ${messageOf(error)}`, { cause: error })
          await delay(200)
        }
      }
    },
    get records() {
      return records
    },
    get retries() {
      return retries
    },
    close: () => session?.close(),
  }
}

const placeOf = ({ topic, partition }: TopicPartition): string => `${topic}/${partition}`

const batchOf = ({ headers }: FetchedRecord): number =>
  Number(Buffer.from(headers.find(([name]) => name === batchHeader)?.[1] ?? []).toString() || -1)

const partsOf = (records: readonly InputRecord[], partitions: number, batch: number): readonly PartitionBatch[] => {
  const headers = [[batchHeader, bytesOf(String(batch))]] as const
  const parts = new Map<string, { topic: string; partition: number; records: PartitionBatch['records'][number][] }>()
  for (const { topic, key, value, timestamp, partition = partitionOfKey(bytesOf(key), partitions) } of records) {
    const place = placeOf({ topic, partition })
    const part = parts.get(place) ?? { topic, partition, records: [] }
    parts.set(place, part)
    part.records.push({ key: bytesOf(key), value: value === null ? null : bytesOf(value), timestamp, headers })
  }
  return [...parts.values()]
}
