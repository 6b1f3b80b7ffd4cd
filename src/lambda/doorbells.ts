import { StreamsError } from '../errors.ts'
import type { Trigger } from '../runtime/invocation-request.ts'
import type { TaskPlan } from '../runtime/plan.ts'
import type { KafkaEvent } from './kafka-event.ts'

/** The payload of the schedule. */
export interface TickEvent {
  readonly source: 'millrace.tick'
  /** Of somebody who will not wait: every task gets its tick, which writes what waits for its flush, whether its item says that it needs one or not. */
  readonly all?: boolean
}

export type Doorbell =
  | { readonly kind: 'deliveries'; readonly tasks: ReadonlyMap<number, Trigger> }
  | { readonly kind: 'tick'; readonly all: boolean }

/**
 * What an event asks for. Of a Kafka event only topics, partitions and offsets are used: records are read from the log, at
 * the committed position. Anything but a Kafka event or a tick is EVENT_INVALID.
 */
export const doorbellOf = (event: unknown, plan: TaskPlan): Doorbell => {
  if (isTick(event)) return { kind: 'tick', all: event.all === true }
  if (isKafkaEvent(event))
    return { kind: 'deliveries', tasks: new Map(Object.values(event.records).flatMap((records) => targetOf(records, plan))) }
  throw new StreamsError('EVENT_INVALID', `This function takes events of a Kafka event source mapping and ticks, not ${shown(event)}`)
}

const isTick = (event: unknown): event is TickEvent =>
  typeof event === 'object' && event !== null && 'source' in event && event.source === 'millrace.tick'

const isKafkaEvent = (event: unknown): event is KafkaEvent =>
  typeof event === 'object' &&
  event !== null &&
  'eventSource' in event &&
  (event.eventSource === 'aws:kafka' || event.eventSource === 'SelfManagedKafka') &&
  'records' in event &&
  typeof event.records === 'object' &&
  event.records !== null &&
  Object.values(event.records).every(Array.isArray)

const targetOf = (records: KafkaEvent['records'][string], { sources, subTopology }: TaskPlan): readonly (readonly [number, Trigger])[] => {
  const last = records.at(-1)
  if (!last) return []
  const { topic, partition, offset } = last
  if (typeof topic !== 'string' || !Number.isSafeInteger(partition) || !Number.isSafeInteger(offset)) {
    throw new StreamsError(
      'EVENT_INVALID',
      `A record of the event has no topic, partition or offset: ${shown({ topic, partition, offset })}`,
    )
  }
  if (!sources.has(topic)) {
    throw new StreamsError(
      'EVENT_INVALID',
      `The event is for topic "${topic}", but sub-topology ${subTopology} reads ${[...sources.keys()].join(', ')}`,
      {
        remedy: 'Point the event source mapping of this topic at the function of the sub-topology that reads it.',
      },
    )
  }
  return [[partition, { kind: 'delivery', topic, target: offset + 1 }]]
}

const shown = (value: unknown): string => (JSON.stringify(value) ?? String(value)).slice(0, 200)
