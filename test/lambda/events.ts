import type { KafkaEvent, KafkaEventRecord } from '../../src/lambda/kafka-event.ts'

/** A record of an event as Lambda writes it; key and value are absent unless given. */
export const eventRecord = (
  topic: string,
  partition: number,
  offset: number,
  change: Partial<KafkaEventRecord> = {},
): KafkaEventRecord => ({
  ...{ topic, partition, offset, timestamp: 1_700_000_000_000, timestampType: 'CREATE_TIME', headers: [] },
  ...change,
})

/** An event of Amazon MSK, records under their topic and partition. */
export const mskEvent = (...records: readonly KafkaEventRecord[]): KafkaEvent => ({
  eventSource: 'aws:kafka',
  eventSourceArn: 'arn:aws:kafka:eu-west-1:111122223333:cluster/demo/0a1b2c3d',
  bootstrapServers: 'b-1.demo.kafka.eu-west-1.amazonaws.com:9098',
  records: Object.fromEntries(
    [...Map.groupBy(records, ({ topic, partition }) => `${topic}-${partition}`)].map(([name, list]) => [name, list]),
  ),
})

/** An event of any other cluster. */
export const selfManagedEvent = (...records: readonly KafkaEventRecord[]): KafkaEvent => {
  const { eventSourceArn: _, ...event } = mskEvent(...records)
  return { ...event, eventSource: 'SelfManagedKafka', bootstrapServers: 'broker:9092' }
}

export const tick = { source: 'millrace.tick' } as const
