import { isStreamsError, StreamsError } from '../../errors.ts'
import { invariant } from '../../invariant.ts'
import type { Appended, PartitionBatch, TopicPartition, TxnLog, TxnOpenOptions, TxnSession } from '../../runtime/ports.ts'
import { type Api, addPartitionsToTxn, byTopic, endTxn, initProducerId } from './apis.ts'
import { sessionError } from './broker-errors.ts'
import { assertInTime, backOff, type Cluster, type Coordinators, type Leaders } from './cluster.ts'
import { codecOf } from './compression.ts'
import { askCoordinator, type Verdict } from './coordinator.ts'
import { type ProduceOptions, produceAll } from './produce.ts'

/** The coordinator may learn of a new topic later than the broker that created it. */
const unknownTopicAttempts = 8

const keyOf = ({ topic, partition }: TopicPartition): string => `${topic}/${partition}`

/** How a session writes batches. */
type Writing = Pick<ProduceOptions, 'batchBytesMax' | 'codec'>
type TransactionCluster = Coordinators & Leaders & Pick<Cluster, 'speaks'>

/** A producer of one epoch after the other: with KIP-890 the answer to every EndTxn brings the next one. */
class Session implements TxnSession {
  readonly #cluster: TransactionCluster
  readonly #transactionalId: string
  readonly #writing: Writing
  readonly #isClosed: () => boolean
  #producerId: number
  #epoch: number
  readonly #sequences = new Map<string, number>()
  readonly #added = new Set<string>()
  /** A transaction has ended on this epoch: a late request of it could end the next one. */
  #epochUsed = false
  #failure: unknown
  #closed = false

  constructor(
    cluster: TransactionCluster,
    transactionalId: string,
    producer: { producerId: number; epoch: number },
    writing: Writing,
    isClosed: () => boolean,
  ) {
    this.#cluster = cluster
    this.#transactionalId = transactionalId
    this.#producerId = producer.producerId
    this.#epoch = producer.epoch
    this.#writing = writing
    this.#isClosed = isClosed
  }

  get dead(): boolean {
    return this.#closed || this.#failure !== undefined || this.#isClosed()
  }

  get reusable(): boolean {
    return !this.dead && this.#added.size === 0 && !this.#epochUsed
  }

  append(batches: readonly PartitionBatch[], deadlineMs: number): Promise<readonly Appended[]> {
    return this.#attempt('append', async () => {
      if (batches.length === 0) return []
      assertInTime(deadlineMs, `append of ${this.#transactionalId}`)
      await this.#cluster.leadersOf(batches, deadlineMs)
      await this.#add(batches, deadlineMs)
      return produceAll(this.#cluster, batches, {
        transactionalId: this.#transactionalId,
        producerId: this.#producerId,
        epoch: this.#epoch,
        sequences: this.#sequences,
        ...this.#writing,
        deadlineMs,
      })
    })
  }

  commit(deadlineMs: number): Promise<void> {
    return this.#attempt('commit', async () => {
      invariant(this.#added.size > 0, `${this.#transactionalId} commits without having appended anything`)
      assertInTime(deadlineMs, `commit of ${this.#transactionalId}`)
      await this.#end(true, deadlineMs)
    })
  }

  /** A session that died of anything but a fence still tries, so that readers need not wait for the transaction's timeout. */
  async abort(deadlineMs: number): Promise<void> {
    if (this.#added.size === 0) return
    if (!this.dead) return this.#attempt('abort', () => this.#end(false, deadlineMs))
    if (this.#isClosed() || isStreamsError(this.#failure, 'FENCED') || isStreamsError(this.#failure, 'OUTCOME_UNKNOWN')) return
    await this.#end(false, deadlineMs).catch(() => this.#added.clear())
  }

  close(): void {
    this.#closed = true
  }

  async #attempt<T>(what: string, run: () => Promise<T>): Promise<T> {
    if (this.#failure !== undefined) throw this.#failure
    invariant(!this.dead, `${this.#transactionalId} is closed and cannot ${what}`)
    try {
      return await run()
    } catch (error) {
      this.#failure = error
      throw error
    }
  }

  async #add(batches: readonly PartitionBatch[], deadlineMs: number): Promise<void> {
    const added = new Map(batches.filter((at) => !this.#added.has(keyOf(at))).map((at) => [keyOf(at), at]))
    if (added.size === 0) return
    for (const key of added.keys()) this.#added.add(key)
    const request = { ...this.#producing(), topics: byTopic([...added.values()]) }
    for (let attempt = 0; ; attempt++) {
      const verdict = await this.#ask(addPartitionsToTxn, request, false, deadlineMs, ({ topics }) => {
        const errors = topics.flatMap(({ partitions }) => partitions.map(({ error }) => error)).filter((error) => error !== 0)
        return errors.find((error) => error !== 55) ?? errors[0] ?? 0
      })
      if (verdict.kind === 'silent') throw aborted(verdict.failure)
      if (verdict.error === 0) return
      const what = `adding ${[...added.keys()].join(', ')} to the transaction of ${this.#transactionalId}`
      if (verdict.error !== 3 || attempt === unknownTopicAttempts) throw sessionError(verdict.error, what)
      await backOff(attempt)
    }
  }

  async #end(committed: boolean, deadlineMs: number): Promise<void> {
    // Before KIP-890 a late copy of an unanswered EndTxn could end the next transaction of the same epoch.
    const repeatable = this.#cluster.speaks(endTxn, 5)
    const verdict = await this.#ask(endTxn, { ...this.#producing(), committed }, repeatable, deadlineMs, ({ error }) => error)
    const what = `${committed ? 'committing' : 'aborting'} the transaction of ${this.#transactionalId}`
    if (verdict.kind === 'silent') {
      if (!verdict.doubtful) throw verdict.failure
      throw new StreamsError(committed ? 'OUTCOME_UNKNOWN' : 'TRANSACTION_ABORTED', `${what}: ${verdict.failure.message}`, {
        cause: verdict.failure,
      })
    }
    if (verdict.error !== 0) {
      const failure = sessionError(verdict.error, what)
      if (!committed || !verdict.doubtful) throw failure
      throw new StreamsError('OUTCOME_UNKNOWN', `${what}: an earlier try may have reached the coordinator; ${failure.message}`, {
        cause: failure,
      })
    }
    this.#added.clear()
    const { next } = verdict.answer
    this.#epochUsed = next === null
    if (next === null) return
    this.#producerId = next.producerId
    this.#epoch = next.epoch
    this.#sequences.clear()
  }

  #producing() {
    return { transactionalId: this.#transactionalId, producerId: this.#producerId, epoch: this.#epoch }
  }

  #ask<Q, A>(api: Api<Q, A>, request: Q, repeatable: boolean, deadlineMs: number, errorOf: (answer: A) => number): Promise<Verdict<A>> {
    return askCoordinator(this.#cluster, { api, request, repeatable, deadlineMs, errorOf, type: 'transaction', key: this.#transactionalId })
  }
}

const aborted = (failure: StreamsError): StreamsError =>
  failure.code === 'BROKER_REFUSED' || failure.code === 'DEADLINE_EXCEEDED'
    ? failure
    : new StreamsError('TRANSACTION_ABORTED', failure.message, { cause: failure })

/**
 * Transactions in the form that is quickest on several brokers: InitProducerId, one AddPartitionsToTxn for all
 * partitions, Produce to all leaders in parallel, EndTxn with an epoch bump. Never kafkajs' own producer.
 */
export const createKafkaJsTxnLog = (
  cluster: TransactionCluster,
  options: { readonly batchBytesMax: number; readonly onClose: () => void },
): TxnLog => {
  let closed = false
  return {
    async open({ transactionalId, transactionTimeoutMs, compression, deadlineMs }: TxnOpenOptions) {
      invariant(!closed, 'the transaction log is closed')
      const writing = { batchBytesMax: options.batchBytesMax, codec: codecOf(compression) }
      assertInTime(deadlineMs, `open of ${transactionalId}`)
      const verdict = await askCoordinator(cluster, {
        api: initProducerId,
        request: { transactionalId, transactionTimeoutMs },
        type: 'transaction',
        key: transactionalId,
        errorOf: ({ error }) => error,
        repeatable: true,
        deadlineMs,
      })
      if (verdict.kind === 'silent') throw verdict.failure
      if (verdict.error !== 0) throw sessionError(verdict.error, `opening ${transactionalId}`)
      return new Session(cluster, transactionalId, verdict.answer, writing, () => closed)
    },
    async close() {
      closed = true
      options.onClose()
    },
  }
}
