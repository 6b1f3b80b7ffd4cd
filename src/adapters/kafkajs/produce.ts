import { setTimeout as delay } from 'node:timers/promises'
import { StreamsError } from '../../errors.ts'
import { invariant } from '../../invariant.ts'
import type { Appended, PartitionBatch, TopicPartition } from '../../runtime/ports.ts'
import { blocksOf, type RecordBlock } from '../../runtime/record-block.ts'
import { type BrokerAddress, byTopic, type Produced, produce } from './apis.ts'
import { isProduceRepeatable, nameOf, sessionError } from './broker-errors.ts'
import type { Leaders } from './cluster.ts'
import type { Codec } from './compression.ts'
import { addressText, Unanswered } from './connection.ts'
import { batchOf } from './record-batch.ts'

/** A request carries at most about this many bytes, well below the broker's socket.request.max.bytes (100 MB). */
const requestBytesMax = 16_000_000
/** How long a broker waits for its replicas before it gives up. */
const acknowledgeMsMax = 30_000
const repeatMs = [20, 100, 300] as const
const sequences = 0x8000_0000

export interface ProduceOptions {
  readonly transactionalId: string
  readonly producerId: number
  readonly epoch: number
  /** Next sequence by topic/partition of this epoch; moved on for every batch that is sent. */
  readonly sequences: Map<string, number>
  /** Of records before they are compressed. */
  readonly batchBytesMax: number
  readonly codec: Codec | undefined
  readonly deadlineMs: number
}

/** A part of a partition's records that fits into one record batch. */
interface Cut extends TopicPartition {
  readonly block: RecordBlock
  /** Encoded when its turn comes, and then never again: a repetition sends the same bytes with the same sequence. */
  bytes: Buffer | null
  repeats: number
  baseOffset: number
}

/**
 * Writes the batches, to all leaders in parallel, a partition's own batches one after the other; resolves when every one is acknowledged.
 * A leader that moved is followed three times. Silence rejects with TRANSACTION_ABORTED: nothing is repeated that may have been appended.
 */
export const produceAll = async (
  cluster: Leaders,
  batches: readonly PartitionBatch[],
  options: ProduceOptions,
): Promise<readonly Appended[]> => {
  const cuts = batches.map((batch) => cut(batch, options.batchBytesMax))
  const queues = new Map<string, Cut[]>()
  for (const one of cuts.flat()) {
    const key = `${one.topic}/${one.partition}`
    const queue = queues.get(key)
    if (queue === undefined) queues.set(key, [one])
    else queue.push(one)
  }
  while (queues.size > 0) {
    const round = takeRound(queues, options)
    const again = await sendRound(cluster, round, options)
    for (const [key, queue] of queues) {
      const [head] = queue
      if (head !== undefined && round.includes(head) && !again.includes(head)) queue.shift()
      if (queue.length === 0) queues.delete(key)
    }
    if (again.length > 0) await delay(repeatMs[Math.max(...again.map(({ repeats }) => repeats)) - 1] ?? 300)
  }
  return batches.map(({ topic, partition }, i) => {
    const first = cuts[i]?.[0]
    const last = cuts[i]?.at(-1)
    invariant(first !== undefined && last !== undefined, 'a batch has at least one cut')
    return { topic, partition, baseOffset: first.baseOffset, nextOffset: last.baseOffset + last.block.count }
  })
}

const cut = (batch: PartitionBatch, batchBytesMax: number): readonly Cut[] => {
  const { topic, partition } = batch
  const blocks = blocksOf(batch, batchBytesMax)
  invariant(blocks.length > 0, `a batch for ${topic}/${partition} has no records`)
  return blocks.map((block) => ({ topic, partition, block, bytes: null, repeats: 0, baseOffset: -1 }))
}

/** The first cut of every partition, as many as one request carries. */
const takeRound = (queues: ReadonlyMap<string, readonly Cut[]>, options: ProduceOptions): readonly Cut[] => {
  const round: Cut[] = []
  let bytes = 0
  for (const [key, [head]] of queues) {
    if (head === undefined) continue
    if (head.bytes === null) head.bytes = encodeNext(key, head, options)
    bytes += head.bytes.length
    round.push(head)
    if (bytes > requestBytesMax) break
  }
  return round
}

const encodeNext = (key: string, { block }: Cut, { producerId, epoch, sequences: next, codec }: ProduceOptions): Buffer => {
  const baseSequence = next.get(key) ?? 0
  next.set(key, (baseSequence + block.count) % sequences)
  return batchOf(block, { producerId, epoch, baseSequence }, codec)
}

/** Sends each leader its part; resolves to those that must be sent again. Everything has been answered, or given up, when this ends. */
const sendRound = async (cluster: Leaders, round: readonly Cut[], options: ProduceOptions): Promise<readonly Cut[]> => {
  const leaders = await cluster.leadersOf(round, options.deadlineMs)
  const byLeader = new Map<string, { readonly to: BrokerAddress; readonly cuts: Cut[] }>()
  round.forEach((one, i) => {
    const to = leaders[i] as BrokerAddress
    const group = byLeader.get(addressText(to))
    if (group === undefined) byLeader.set(addressText(to), { to, cuts: [one] })
    else group.cuts.push(one)
  })
  const results = await Promise.allSettled([...byLeader.values()].map(({ to, cuts }) => sendTo(cluster, to, cuts, options)))
  return results.flatMap((result) => {
    if (result.status === 'rejected') throw result.reason
    return result.value
  })
}

const sendTo = async (cluster: Leaders, to: BrokerAddress, cuts: readonly Cut[], options: ProduceOptions): Promise<readonly Cut[]> => {
  const { transactionalId, deadlineMs } = options
  const partitions = cuts.map(({ topic, partition, bytes }) => {
    invariant(bytes !== null, 'a batch is encoded before it is sent')
    return { topic, partition, bytes }
  })
  const request = {
    transactionalId,
    timeoutMs: Math.max(1, Math.min(acknowledgeMsMax, deadlineMs - Date.now())),
    topics: byTopic(partitions),
  }
  try {
    const answer = await cluster.send(to, produce, request, deadlineMs)
    const answers = new Map(answer.topics.flatMap(({ topic, partitions }) => partitions.map((one) => [`${topic}/${one.partition}`, one])))
    return cuts.filter((one) => !settle(cluster, one, answers.get(`${one.topic}/${one.partition}`)))
  } catch (error) {
    if (!(error instanceof Unanswered)) throw error
    if (error.sent)
      throw new StreamsError('TRANSACTION_ABORTED', `the records of ${transactionalId} were not acknowledged: ${error.message}`, {
        cause: error,
      })
    for (const one of cuts) repeat(cluster, one, error.message)
    return cuts
  }
}

/** True when the batch is in the log, false when it must be sent again. */
const settle = (cluster: Leaders, one: Cut, answer: Produced | undefined): boolean => {
  const at = `${one.topic}/${one.partition}`
  if (answer === undefined) throw new StreamsError('TRANSACTION_ABORTED', `the broker did not answer for the records of ${at}`)
  one.baseOffset = answer.baseOffset
  if (answer.error === 0) return true
  if (!isProduceRepeatable(answer.error)) throw sessionError(answer.error, `writing to ${at}`, answer.message)
  repeat(cluster, one, nameOf(answer.error))
  return false
}

const repeat = (cluster: Leaders, one: Cut, reason: string): void => {
  one.repeats += 1
  cluster.forgetLeader(one)
  if (one.repeats > repeatMs.length)
    throw new StreamsError('TRANSACTION_ABORTED', `${one.topic}/${one.partition} has no leader that takes records: ${reason}`)
}
