import { StreamsError } from '../../errors.ts'
import { invariant } from '../../invariant.ts'
import type { Appended, PartitionBatch, TopicPartition, TxnLog, TxnOpenOptions, TxnSession } from '../../runtime/ports.ts'
import { blockBytesMax, blocksOf, type RecordBlock } from '../../runtime/record-block.ts'
import type { PartitionLog } from './partition-log.ts'
import { assertInTime, partitionOf, type Topics } from './topics.ts'

/** Kafka's message.max.bytes, less the header of a batch. */
const defaultRecordBytesMax = 1_048_588 - 61

/** A marker that is to be written, as its transaction's end is decided. */
export interface Marker extends TopicPartition {
  readonly transactionalId: string
  readonly committed: boolean
}

/** Writes a marker, or lets it be written later. */
export type WriteMarker = (marker: Marker, write: () => void) => void

interface OpenTransaction {
  readonly owner: MemorySession
  readonly partitions: Set<PartitionLog>
  readonly expiresMs: number
}

/** The transaction coordinator: who owns a transactional id, and what is open. */
export class Coordinator {
  readonly topics: Topics
  readonly now: () => number
  readonly #owners = new Map<string, MemorySession>()
  readonly #open = new Set<OpenTransaction>()
  readonly #writeMarker: WriteMarker
  /** Markers that are decided and not written, by transactional id, and who waits for the last of them. */
  readonly #unwritten = new Map<string, { markers: number; readonly waiting: (() => void)[] }>()
  closed = false

  constructor(topics: Topics, now: () => number, writeMarker: WriteMarker) {
    this.topics = topics
    this.now = now
    this.#writeMarker = writeMarker
  }

  /** Fences the id's older session, aborts what it left open, and resolves when the last transaction's markers are readable (E1). */
  async take(transactionalId: string, session: MemorySession): Promise<void> {
    for (;;) {
      const older = this.#owners.get(transactionalId)
      if (older?.transaction !== undefined) {
        this.#owners.delete(transactionalId)
        this.end(older.transaction, false)
      }
      const markers = this.markersOf(transactionalId)
      if (markers === undefined) break
      await markers
    }
    this.#owners.set(transactionalId, session)
  }

  /** Resolves when the markers of the id's last transaction are written; undefined where they are. */
  markersOf(transactionalId: string): Promise<void> | undefined {
    const unwritten = this.#unwritten.get(transactionalId)
    return unwritten && new Promise((resolve) => unwritten.waiting.push(resolve))
  }

  owns(transactionalId: string, session: MemorySession): boolean {
    return this.#owners.get(transactionalId) === session
  }

  begin(owner: MemorySession, transactionTimeoutMs: number): OpenTransaction {
    const transaction = { owner, partitions: new Set<PartitionLog>(), expiresMs: this.now() + transactionTimeoutMs }
    this.#open.add(transaction)
    return transaction
  }

  end(transaction: OpenTransaction, committed: boolean): void {
    this.#open.delete(transaction)
    transaction.owner.transaction = undefined
    const { transactionalId } = transaction.owner
    for (const log of transaction.partitions) {
      const unwritten = this.#unwritten.get(transactionalId) ?? { markers: 0, waiting: [] }
      unwritten.markers++
      this.#unwritten.set(transactionalId, unwritten)
      this.#writeMarker({ transactionalId, committed, topic: log.topic, partition: log.partition }, () => {
        log.end(transaction, committed)
        if (--unwritten.markers > 0) return
        this.#unwritten.delete(transactionalId)
        for (const resolve of unwritten.waiting) resolve()
      })
    }
  }

  /** Forgets the ids that have no transaction under way, as a broker does after a week without use: their sessions are fenced. */
  forget(): void {
    for (const [transactionalId, { transaction }] of this.#owners)
      if (transaction === undefined && !this.#unwritten.has(transactionalId)) this.#owners.delete(transactionalId)
  }

  /** When the next open transaction outlives its timeout. */
  nextExpiryMs(): number {
    let next = Number.POSITIVE_INFINITY
    for (const { expiresMs } of this.#open) next = Math.min(next, expiresMs)
    return next
  }

  /** Aborts the transactions that outlived their timeout and fences their sessions, as a broker does in the background. */
  expire(): void {
    if (this.#open.size === 0) return
    const now = this.now()
    for (const transaction of this.#open) {
      if (now < transaction.expiresMs) continue
      this.end(transaction, false)
      this.#owners.delete(transaction.owner.transactionalId)
    }
  }
}

class MemorySession implements TxnSession {
  readonly transactionalId: string
  transaction: OpenTransaction | undefined
  readonly #coordinator: Coordinator
  readonly #transactionTimeoutMs: number
  #failure: unknown
  #closed = false

  constructor(coordinator: Coordinator, options: TxnOpenOptions) {
    this.#coordinator = coordinator
    this.transactionalId = options.transactionalId
    this.#transactionTimeoutMs = options.transactionTimeoutMs
  }

  get dead(): boolean {
    return this.#closed || this.#failure !== undefined || this.#coordinator.closed
  }

  get reusable(): boolean {
    return !this.dead && this.transaction === undefined
  }

  async append(batches: readonly PartitionBatch[], deadlineMs: number): Promise<readonly Appended[]> {
    // a broker says CONCURRENT_TRANSACTIONS until then
    for (let markers = this.#markers(); markers !== undefined; markers = this.#markers()) await markers
    return this.#attempt('append', deadlineMs, () => {
      const logs = batches.map((batch) => partitionOf(this.#coordinator.topics, batch))
      const blocks = batches.map((batch) => this.#checkedBlocks(batch))
      if (batches.length === 0) return []
      const transaction = this.transaction ?? this.#coordinator.begin(this, this.#transactionTimeoutMs)
      this.transaction = transaction
      return logs.map((log, i) => {
        transaction.partitions.add(log)
        return log.append(blocks[i] ?? [], { transaction })
      })
    })
  }

  commit(deadlineMs: number): Promise<void> {
    return this.#attempt('commit', deadlineMs, () => {
      invariant(this.transaction !== undefined, `${this.transactionalId} commits without having appended anything`)
      this.#coordinator.end(this.transaction, true)
    })
  }

  abort(deadlineMs: number): Promise<void> {
    if (this.transaction === undefined) return Promise.resolve()
    const { transaction } = this
    const end = () => this.#coordinator.end(transaction, false)
    if (!this.dead) return this.#attempt('abort', deadlineMs, end)
    end()
    return Promise.resolve()
  }

  close(): void {
    this.#closed = true
  }

  #markers(): Promise<void> | undefined {
    return this.#coordinator.markersOf(this.transactionalId)
  }

  async #attempt<T>(what: string, deadlineMs: number, run: () => T): Promise<T> {
    if (this.#failure !== undefined) throw this.#failure
    invariant(!this.dead, `${this.transactionalId} is closed and cannot ${what}`)
    try {
      assertInTime(this.#coordinator.now, deadlineMs, `${what} of ${this.transactionalId}`)
      this.#coordinator.expire()
      if (!this.#coordinator.owns(this.transactionalId, this)) {
        throw new StreamsError(
          'FENCED',
          `${this.transactionalId} was taken over, or its transaction outlived its timeout: it cannot ${what}`,
        )
      }
      return run()
    } catch (error) {
      this.#failure = error
      throw error
    }
  }

  /** Throws for a record that the topic does not take. */
  #checkedBlocks(batch: PartitionBatch): readonly RecordBlock[] {
    const { topic, partition } = batch
    const bytesMax = Number(this.#coordinator.topics.get(topic)?.config['max.message.bytes'] ?? defaultRecordBytesMax)
    const blocks = blocksOf(batch, Math.min(bytesMax, blockBytesMax))
    invariant(blocks.length > 0, `a batch for ${topic}/${partition} has no records`)
    for (const { size } of blocks)
      if (size > bytesMax)
        throw new StreamsError('RECORD_INVALID', `a record for ${topic}/${partition} has ${size} bytes, the topic takes ${bytesMax}`)
    return blocks
  }
}

/** Transactions over in-memory partitions: everything but late markers happens in the turn of the call, so nothing is ever unknown. */
export const createMemoryTxnLog = (coordinator: Coordinator): TxnLog => ({
  async open(options) {
    invariant(!coordinator.closed, 'the transaction log is closed')
    assertInTime(coordinator.now, options.deadlineMs, `open of ${options.transactionalId}`)
    coordinator.expire()
    const session = new MemorySession(coordinator, options)
    await coordinator.take(options.transactionalId, session)
    return session
  },
  async close() {
    coordinator.closed = true
  },
})

/** Appends outside of any transaction, as a plain producer does. */
export const produce = (topics: Topics, batches: readonly PartitionBatch[]): readonly Appended[] =>
  batches.map((batch) => partitionOf(topics, batch).append(blocksOf(batch, blockBytesMax)))
