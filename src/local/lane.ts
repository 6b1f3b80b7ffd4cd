import type { KafkaEventRecord } from '../lambda/kafka-event.ts'
import type { FetchedPartition, FetchedRecord } from '../runtime/ports.ts'
import { doorbellOf, eventRecordOf, payloadBytesOf } from './event-batch.ts'

/** One partition between its log and the function: what was fetched and not yet delivered. */
export interface Lane {
  readonly partition: number
  /** Where the next fetch begins. */
  fetchOffset: number
  /** The offset that would be committed by now. */
  position: number
  highWatermark: number
  lastStableOffset: number
  /** A batch of it is with the function: at most one at a time, that keeps the order. */
  busy: boolean
  queue: readonly FetchedRecord[]
  /** Records of `queue` before it are taken. */
  head: number
  /** An upper bound of the waiting records' share of a payload. */
  bytes: number
  /** When the oldest waiting record came. */
  sinceMs: number
}

export const createLane = (partition: number, offset: number): Lane => ({
  partition,
  fetchOffset: offset,
  position: offset,
  highWatermark: offset,
  lastStableOffset: offset,
  busy: false,
  queue: [],
  head: 0,
  bytes: 0,
  sinceMs: 0,
})

export const waitingIn = (lane: Lane): number => lane.queue.length - lane.head

export function fill(lane: Lane, answer: FetchedPartition, nowMs: number): void {
  if (waitingIn(lane) === 0) lane.sinceMs = nowMs
  lane.fetchOffset = answer.nextOffset
  lane.highWatermark = answer.highWatermark
  lane.lastStableOffset = answer.lastStableOffset
  if (answer.records.length === 0) return
  lane.queue = waitingIn(lane) === 0 ? answer.records : lane.queue.slice(lane.head).concat(answer.records)
  lane.head = 0
  for (const record of answer.records) lane.bytes += payloadBytesOf(answer.topic, record)
}

/** Takes records up to both limits, but a first one of any size where `atLeastOne`. */
export function take(
  lane: Lane,
  topic: string,
  limits: { readonly records: number; readonly bytes: number; readonly atLeastOne: boolean },
): TakenRecords {
  const records: KafkaEventRecord[] = []
  let bytes = 0
  while (lane.head < lane.queue.length && records.length < limits.records) {
    const record = lane.queue[lane.head] as FetchedRecord
    const size = payloadBytesOf(topic, record)
    if (bytes + size > limits.bytes && !(limits.atLeastOne && records.length === 0)) break
    records.push(eventRecordOf(topic, lane.partition, record))
    bytes += size
    lane.head++
  }
  taken(lane, bytes)
  return { records, bytes }
}

/** Takes as many records, of any size, and hands out the last one alone, as a doorbell. */
export function takeDoorbell(lane: Lane, topic: string, recordsMax: number): TakenRecords {
  const waiting = waitingIn(lane)
  const count = Math.min(recordsMax, waiting)
  lane.head += count
  const last = lane.queue[lane.head - 1] as FetchedRecord
  taken(lane, Math.floor((lane.bytes * count) / waiting))
  return { records: [doorbellOf(topic, lane.partition, last)], bytes: 0 }
}

interface TakenRecords {
  readonly records: readonly KafkaEventRecord[]
  readonly bytes: number
}

function taken(lane: Lane, bytes: number): void {
  lane.bytes -= bytes
  if (lane.head < lane.queue.length) return
  lane.queue = []
  lane.head = 0
}
