import type { FetchedPartition, FetchedRecord, KafkaPorts, LogRecord, PartitionReader, TopicPartition } from '../../src/runtime/ports.ts'

/** What the conformance suites of the Kafka ports need: an adapter, and the one thing that no port does. */
export interface KafkaHarness {
  readonly ports: KafkaPorts
  /** DeleteRecords: the partition's log starts at `offset` afterwards. */
  truncate(at: TopicPartition & { readonly offset: number }): Promise<void>
  close(): Promise<void>
}

export type MakeKafkaHarness = () => Promise<KafkaHarness>

export const soon = (): number => Date.now() + 30_000

let names = 0
/** A name that no other test of any run uses. */
export const unique = (name: string): string => `${name}-${process.pid}-${Date.now().toString(36)}-${names++}`

export const newTopic = async ({ ports }: KafkaHarness, partitions = 1): Promise<string> => {
  const topic = unique('topic')
  await ports.admin.create([{ topic, partitions, config: {} }], soon())
  return topic
}

/** A record whose value is the text. */
export const record = (value: string, timestamp = 1_700_000_000_000): LogRecord => ({
  key: bytesOf(`key of ${value}`),
  value: bytesOf(value),
  timestamp,
  headers: [],
})

export const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text)
export const textOf = (bytes: Uint8Array | null): string | null => (bytes === null ? null : new TextDecoder().decode(bytes))

export const openSession = ({ ports }: KafkaHarness, transactionalId: string, transactionTimeoutMs = 30_000) =>
  ports.txnLog.open({ transactionalId, transactionTimeoutMs, deadlineMs: soon() })

/** Everything committed from the log's start up to `target`, which the marker of the last transaction may not have reached yet. */
export const readTo = async (reader: PartitionReader, at: TopicPartition, target: number): Promise<readonly FetchedRecord[]> => {
  const records: FetchedRecord[] = []
  const deadlineMs = soon()
  for (let offset = 0; offset < target; ) {
    const answer = await fetchOne(reader, at, offset, { waitMs: 1000, deadlineMs })
    records.push(...answer.records)
    offset = answer.nextOffset
  }
  return records
}

/** The values of {@link readTo}, with their offsets: `0 first`. */
export const linesTo = async (reader: PartitionReader, at: TopicPartition, target: number): Promise<readonly string[]> =>
  (await readTo(reader, at, target)).map(({ offset, value }) => `${offset} ${textOf(value)}`)

export const fetchOne = async (
  reader: PartitionReader,
  at: TopicPartition,
  offset: number,
  options: { readonly waitMs?: number; readonly deadlineMs?: number; readonly bytesMax?: number } = {},
): Promise<FetchedPartition> => {
  const { waitMs = 0, deadlineMs = soon(), bytesMax = 1_000_000 } = options
  const [answer] = await reader.fetch([{ ...at, offset, bytesMax }], { waitMs, deadlineMs })
  if (answer === undefined) throw new Error('a fetch of one partition has one answer')
  return answer
}

/** Appends the values as one committed transaction, and resolves when its marker is readable too. */
export const commitValues = async (harness: KafkaHarness, at: TopicPartition, values: readonly string[]): Promise<void> => {
  const transactionalId = unique('writer')
  const session = await openSession(harness, transactionalId)
  await session.append([{ ...at, records: values.map((value) => record(value)) }], soon())
  await session.commit(soon())
  await settle(harness, transactionalId)
}

/** Opening a transactional id again waits for the markers of its last transaction. */
export const settle = async (harness: KafkaHarness, transactionalId: string): Promise<void> => {
  const session = await openSession(harness, transactionalId)
  session.close()
}
