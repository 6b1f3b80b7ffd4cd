import { isStreamsError, StreamsError } from '../errors.ts'
import type { KafkaPorts, LogRecord, TxnSession } from '../runtime/ports.ts'

/** One record for the input topic, as bytes. */
export interface InputRecord {
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  /** Default: when it is written. */
  readonly timestamp?: number
}

export interface LocalInput {
  readonly topic: string
  /**
   * The same id is fed to a topic once: a run that was interrupted, and any other run, goes on behind what is written
   * already. Without an id every run feeds all of it.
   */
  readonly id?: string
  readonly records: Iterable<InputRecord> | AsyncIterable<InputRecord>
}

export interface FeedOptions {
  readonly kafka: KafkaPorts
  readonly onFed?: (records: number) => void
  readonly stopped?: () => boolean
}

const requestMs = 60_000
const batchRecords = 2_000
/** Another process that feeds the same input and has not written for this long is taken for dead. */
const patienceMs = 5_000

/** Keeps how far each input was fed to a topic, whatever application asked for it; one partition, compacted. */
export const inputProgressTopic = (topic: string): string => `${topic}-local-input`

/**
 * Writes an input to its topic, each record exactly once: records and progress share transactions, and two processes that
 * feed the same input fence each other, so one of them writes and the other waits. Records without a key go round the
 * partitions; those with one, too, unless the caller has bound them by `partition` of the key's hash.
 */
export const feedInput = async (
  input: LocalInput,
  options: FeedOptions & { readonly partitionOf: (record: InputRecord, index: number) => number },
): Promise<number> => {
  for (;;) {
    try {
      return await feedAll(input, options)
    } catch (error) {
      if (!isStreamsError(error, 'FENCED') || input.id === undefined) throw error
      await watch(input.topic, input.id, options)
    }
  }
}

type Feed = FeedOptions & { readonly partitionOf: (record: InputRecord, index: number) => number }

const feedAll = async (input: LocalInput, options: Feed): Promise<number> => {
  const { kafka, onFed, stopped } = options
  const id = input.id ?? crypto.randomUUID()
  const session = await kafka.txnLog.open({
    transactionalId: `${inputProgressTopic(input.topic)}.${id}`,
    transactionTimeoutMs: requestMs,
    deadlineMs: Date.now() + requestMs,
  })
  try {
    let next = await fedSoFar(input.topic, id, options)
    onFed?.(next)
    let index = 0
    let batch: InputRecord[] = []
    const write = async (): Promise<void> => {
      await writeBatch(session, { input, id, from: next, batch }, options)
      next += batch.length
      batch = []
      onFed?.(next)
    }
    for await (const record of input.records) {
      if (stopped?.()) break
      if (index++ < next) continue
      batch.push(record)
      if (batch.length === batchRecords) await write()
    }
    if (batch.length > 0) await write()
    return next
  } finally {
    session.close()
  }
}

const writeBatch = async (
  session: TxnSession,
  {
    input,
    id,
    from,
    batch,
  }: { readonly input: LocalInput; readonly id: string; readonly from: number; readonly batch: readonly InputRecord[] },
  { partitionOf }: Feed,
): Promise<void> => {
  const byPartition = new Map<number, LogRecord[]>()
  for (const [at, record] of batch.entries()) {
    const partition = partitionOf(record, from + at)
    const records = byPartition.get(partition) ?? []
    byPartition.set(partition, records)
    records.push({ key: record.key, value: record.value, timestamp: record.timestamp ?? Date.now(), headers: [] })
  }
  const progress = { key: Buffer.from(id), value: Buffer.from(String(from + batch.length)), timestamp: Date.now(), headers: [] }
  const deadlineMs = Date.now() + requestMs
  await session.append(
    [
      ...[...byPartition].map(([partition, records]) => ({ topic: input.topic, partition, records })),
      { topic: inputProgressTopic(input.topic), partition: 0, records: [progress] },
    ],
    deadlineMs,
  )
  await session.commit(deadlineMs)
}

/** How many records of the input are committed. */
const fedSoFar = async (inputTopic: string, id: string, { kafka }: FeedOptions): Promise<number> => {
  const topic = inputProgressTopic(inputTopic)
  const deadlineMs = Date.now() + requestMs
  const [bounds] = await kafka.reader.bounds([{ topic, partition: 0 }], deadlineMs)
  let offset = bounds?.logStartOffset ?? 0
  let fed = 0
  while (offset < (bounds?.highWatermark ?? 0)) {
    const [answer] = await kafka.reader.fetch([{ topic, partition: 0, offset, bytesMax: 4 * 2 ** 20 }], { waitMs: 0, deadlineMs })
    if (!answer || answer.nextOffset === offset) break
    for (const { key, value } of answer.records)
      if (key && value && Buffer.from(key).toString() === id) fed = Number(Buffer.from(value).toString())
    offset = answer.nextOffset
  }
  return fed
}

/** Waits while the process that fenced this one makes progress. */
const watch = async (topic: string, id: string, options: FeedOptions): Promise<void> => {
  let seen = await fedSoFar(topic, id, options)
  for (let quietSinceMs = Date.now(); Date.now() - quietSinceMs < patienceMs; ) {
    if (options.stopped?.()) throw new StreamsError('DEADLINE_EXCEEDED', 'Stopped while another process was feeding the same input')
    await new Promise((resolve) => setTimeout(resolve, 200))
    const now = await fedSoFar(topic, id, options)
    if (now === seen) continue
    seen = now
    quietSinceMs = Date.now()
    options.onFed?.(seen)
  }
}
