import { createMemoryKafka } from '../../src/adapters/memory/log.ts'
import type { KafkaEvent } from '../../src/lambda/kafka-event.ts'
import type { MappingEvent } from '../../src/local/event-delivery.ts'
import { createEventSourceMapping, type EventSourceMapping, type EventSourceMappingConfig } from '../../src/local/event-source-mapping.ts'
import type { InvokeReply } from '../../src/local/invoke-reply.ts'
import type { LogRecord } from '../../src/runtime/ports.ts'

export const topic = 'orders'
export const groupId = 'app-orders'
export const soon = () => Date.now() + 30_000
export const text = (value: string) => new TextEncoder().encode(value)
export const ok: InvokeReply = { status: 200, payload: 'null' }
export const thrown: InvokeReply = { status: 200, error: 'Unhandled', payload: '{"errorType":"Error"}' }
export const throttled: InvokeReply = { status: 429, error: 'Unhandled', payload: '{}' }
export const record = (value: string, change: Partial<LogRecord> = {}): LogRecord => ({
  key: null,
  value: text(value),
  timestamp: 7,
  headers: [],
  ...change,
})
export const records = (count: number, name = 'r') => Array.from({ length: count }, (_, i) => record(`${name}${i}`))

const open: EventSourceMapping[] = []

/** For `afterEach`: no test leaves a mapping running. */
export const stopMappings = () => Promise.all(open.splice(0).map((mapping) => mapping.stop()))

/** A topic with these records per partition, and a mapping on it that notes what it delivered and reported. */
export async function scene(contents: readonly (readonly LogRecord[])[], change: Partial<EventSourceMappingConfig> = {}) {
  const kafka = createMemoryKafka()
  await kafka.admin.create([{ topic, partitions: contents.length, config: {} }], soon())
  const produce = (partition: number, records: readonly LogRecord[]) => kafka.produce([{ topic, partition, records }])
  for (const [partition, content] of contents.entries()) if (content.length > 0) produce(partition, content)
  const events: KafkaEvent[] = []
  const reports: MappingEvent[] = []
  const { invoke = async () => ok, ...rest } = change
  const map = (more: Partial<EventSourceMappingConfig> = {}) => {
    const mapping = createEventSourceMapping({
      ...{ reader: kafka.reader, admin: kafka.admin, topic, partitions: contents.length, groupId, windowMs: 0, retryDelayMs: () => 0 },
      ...rest,
      ...more,
      onEvent: (event) => reports.push(event),
      async invoke(event) {
        events.push(event)
        return invoke(event)
      },
    })
    open.push(mapping)
    return mapping
  }
  const committed = async () =>
    (
      await kafka.admin.groupOffsets(
        groupId,
        contents.map((_, partition) => ({ topic, partition })),
        soon(),
      )
    ).map(({ offset }) => offset)
  return { kafka, produce, events, reports, map, committed }
}

export async function run(mapping: EventSourceMapping): Promise<void> {
  await mapping.start()
  await mapping.idle()
}

/** What was delivered, as `partition: values` per event. */
export const deliveries = (events: readonly KafkaEvent[]) =>
  events.map((event) =>
    Object.values(event.records)
      .map((list) => `${list[0]?.partition}: ${list.map(({ value }) => atob(value ?? '')).join(' ')}`)
      .join(', '),
  )
