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

type Feed = FeedOptions & { readonly partitionOf: (record: InputRecord, index: number) => number }

/**
 * Writes an input to its topic, each record exactly once, and returns how many there are: records and progress share
 * transactions. Two processes that feed the same input fence each other; one of them writes, the other waits. What may be
 * tried again is, from what the log says is written, for a minute.
 */
export const feedInput = async (input: LocalInput, options: Feed): Promise<number> => {
  const writer = createWriter(input, options)
  try {
    await writer.open()
    let index = 0
    let batch: InputRecord[] = []
    for await (const record of input.records) {
      if (options.stopped?.()) break
      if (index++ < writer.fed) continue
      batch.push(record)
      if (batch.length < batchRecords) continue
      await writer.write(batch, index - batch.length)
      batch = []
    }
    if (batch.length > 0) await writer.write(batch, index - batch.length)
    return writer.fed
  } finally {
    writer.close()
  }
}

const createWriter = (input: LocalInput, options: Feed) => {
  const { kafka, onFed } = options
  const id = input.id ?? crypto.randomUUID()
  let session: TxnSession | undefined
  let fed = 0
  const open = async (): Promise<void> => {
    session = await kafka.txnLog.open({
      transactionalId: `${inputProgressTopic(input.topic)}.${id}`,
      transactionTimeoutMs: requestMs,
      deadlineMs: Date.now() + requestMs,
    })
    fed = await fedSoFar(input.topic, id, options)
    onFed?.(fed)
  }
  const recover = async (error: unknown): Promise<void> => {
    session?.close()
    session = undefined
    if (!(error instanceof StreamsError) || !error.retryable) throw error
    if (isStreamsError(error, 'FENCED')) await watch(input.topic, id, options)
    else await new Promise((resolve) => setTimeout(resolve, 500))
    await open()
  }
  return {
    open,
    get fed() {
      return fed
    },
    /** Writes records from index `from` on; those that are written already, by this process or another, are left out. */
    write: async (batch: readonly InputRecord[], from: number): Promise<void> => {
      let failure: unknown
      for (const untilMs = Date.now() + requestMs; fed < from + batch.length; ) {
        try {
          if (failure !== undefined) await recover(failure)
          const left = batch.slice(fed - from)
          if (session === undefined || left.length === 0) continue
          await writeBatch(session, { input, id, from: fed, batch: left }, options)
          fed += left.length
          onFed?.(fed)
        } catch (error) {
          if (Date.now() > untilMs || !(error instanceof StreamsError) || !error.retryable) throw error
          failure = error
          continue
        }
        failure = undefined
      }
    },
    close: () => session?.close(),
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
