import type { RecordContext } from '../processor/context.ts'
import type { Headers } from '../processor/record.ts'
import { JavaPriorityQueue } from './java-priority-queue.ts'
import type { FetchedRecord } from './ports.ts'
import type { TaskNode } from './task-nodes.ts'

/** Where records come from, and who gets them. */
export interface RecordSource {
  readonly topic: string
  readonly partition: number
  readonly children: readonly TaskNode[]
}

/** A record that is ready to be processed: deserialized, with its event time; it is its own context. */
export class StampedRecord implements RecordContext {
  readonly raw: FetchedRecord
  readonly source: RecordSource
  /** The event time. */
  readonly timestamp: number
  readonly key: unknown
  readonly value: unknown

  /** Five arguments: it is called for every record, and an object for some of them would be one more each time. */
  constructor(raw: FetchedRecord, source: RecordSource, timestamp: number, key: unknown, value: unknown) {
    this.raw = raw
    this.source = source
    this.timestamp = timestamp
    this.key = key
    this.value = value
  }

  get topic(): string {
    return this.source.topic
  }

  get partition(): number {
    return this.source.partition
  }

  get offset(): number {
    return this.raw.offset
  }

  get headers(): Headers {
    return this.raw.headers
  }

  get rawKey(): Uint8Array | null {
    return this.raw.key
  }

  get rawValue(): Uint8Array | null {
    return this.raw.value
  }
}

/** Turns the next raw record of a topic into a ready one; undefined drops it. */
export type Prepare = (raw: FetchedRecord, partitionTime: number) => StampedRecord | undefined

interface RecordQueue {
  readonly topic: string
  /** From the first record on: times may be kept of topics that are not read any more. */
  prepare: Prepare | undefined
  waiting: readonly FetchedRecord[]
  next: number
  head: StampedRecord | undefined
  /** All that it had was dropped: until its turn it stands in the order with a time of -1 (Kafka's `CorruptedRecord`). */
  onlyDropped: boolean
  partitionTime: number
}

/**
 * The input records of one task, one queue per source topic. The queue whose head has the lowest timestamp goes first
 * (S-13); ties fall as in Kafka's `PartitionGroup`, whose heap is `java.util.PriorityQueue`.
 */
export class RecordQueues {
  readonly #queues = new Map<string, RecordQueue>()
  readonly #heap = new JavaPriorityQueue<RecordQueue>(time)
  readonly #prepareFrom: (topic: string) => Prepare

  constructor(prepareFrom: (topic: string) => Prepare) {
    this.#prepareFrom = prepareFrom
  }

  /** Partition times by topic (S-02), to be kept with the task. */
  get partitionTimes(): Readonly<Record<string, number>> {
    const times: Record<string, number> = {}
    for (const { topic, partitionTime } of this.#queues.values()) if (partitionTime >= 0) times[topic] = partitionTime
    return times
  }

  restore(partitionTimes: Readonly<Record<string, number>>): void {
    for (const [topic, time] of Object.entries(partitionTimes)) this.#queue(topic).partitionTime = time
  }

  add(topic: string, records: readonly FetchedRecord[]): void {
    const queue = this.#queue(topic)
    const left = queue.waiting.length - queue.next
    queue.waiting = left === 0 ? records : [...queue.waiting.slice(queue.next), ...records]
    queue.next = 0
    if (queue.head || queue.onlyDropped) return
    this.#advance(queue)
  }

  /** What was added and not yet taken, by topic. */
  get waiting(): readonly { readonly topic: string; readonly records: readonly FetchedRecord[] }[] {
    return [...this.#queues.values()].flatMap(({ topic, head, waiting, next }) => {
      const records = [...(head ? [head.raw] : []), ...waiting.slice(next)]
      return records.length === 0 ? [] : [{ topic, records }]
    })
  }

  has(topic: string): boolean {
    const queue = this.#queues.get(topic)
    return queue !== undefined && (queue.head !== undefined || queue.onlyDropped)
  }

  /** Takes the next record; undefined when every queue is empty. */
  poll(): StampedRecord | undefined {
    for (let queue = this.#heap.poll(); queue !== undefined; queue = this.#heap.poll()) {
      const record = queue.head
      this.#advance(queue)
      if (record) return record
    }
    return undefined
  }

  #queue(topic: string): RecordQueue {
    const known = this.#queues.get(topic)
    if (known) return known
    const queue: RecordQueue = {
      topic,
      prepare: undefined,
      waiting: [],
      next: 0,
      head: undefined,
      onlyDropped: false,
      partitionTime: -1,
    }
    this.#queues.set(topic, queue)
    return queue
  }

  /** Goes on to the next record that is not dropped; with something to take, the queue stands in the order. */
  #advance(queue: RecordQueue): void {
    queue.head = undefined
    queue.onlyDropped = false
    for (let raw = queue.waiting[queue.next]; raw !== undefined && !queue.head; raw = queue.waiting[queue.next]) {
      queue.next++
      queue.prepare ??= this.#prepareFrom(queue.topic)
      queue.head = queue.prepare(raw, queue.partitionTime)
      queue.onlyDropped = queue.head === undefined
    }
    if (queue.head) queue.partitionTime = Math.max(queue.partitionTime, queue.head.timestamp)
    else {
      queue.waiting = []
      queue.next = 0
    }
    if (queue.head || queue.onlyDropped) this.#heap.add(queue)
  }
}

const time = (queue: RecordQueue): number => queue.head?.timestamp ?? -1
