import { Serdes, StreamsBuilder } from 'millrace'
import { streamsHandler } from 'millrace/lambda'
import { describe, expect, inject, it } from 'vitest'
import { createDynamoDb } from '../../src/adapters/dynamodb/dynamodb.ts'
import { createKafkaJs } from '../../src/adapters/kafkajs/kafkajs.ts'
import { needsTick } from '../../src/runtime/sweep.ts'
import { bytesOf, readTo, soon, textOf, unique } from '../adapters/kafka-harness.ts'
import { eventRecord, mskEvent, tick } from '../lambda/events.ts'
import { credentials } from './deployed-app.ts'

const kafka = inject('kafka')
const dynamodb = inject('dynamodb')
const strings = { keySerde: Serdes.string, valueSerde: Serdes.string }
const longOf = (value: Uint8Array | null | undefined): number | null => (value ? Serdes.long.deserialize(value, '') : null)

/** Counts what comes in on two topics: every invocation takes the lease. */
const counting = (sources: readonly string[], totals: string) => {
  const builder = new StreamsBuilder()
  builder
    .stream(sources, strings)
    .groupByKey()
    .count({ store: { name: 'counts', flush: { intervalMs: 600_000 } } })
    .toStream()
    .to(totals)
  return builder.build()
}

describe.skipIf(kafka === null || dynamodb === null)('a store that is flushed later on a real Kafka and a real table', () => {
  it('goes from process to process by the log alone, until a tick writes it', async () => {
    const applicationId = unique('later')
    const [words, more, totals] = ['words', 'more', 'totals'].map((name) => `${applicationId}.${name}`) as [string, string, string]
    const topology = counting([words, more], totals)
    const ports = createKafkaJs({ brokers: kafka ?? [] })
    const table = createDynamoDb({ table: applicationId, endpoint: dynamodb ?? '', region: 'us-east-1', credentials })
    await table.ensure(soon())
    const internal = topology.internalTopics(applicationId).map(({ name, config }) => ({ topic: name, partitions: 1, config }))
    await ports.admin.create([...[words, more, totals].map((topic) => ({ topic, partitions: 1, config: {} })), ...internal], soon())
    const subTopology = topology.subTopologies[0]?.name ?? ''
    const task = { subTopology, partition: 0 }
    const processOf = () => {
      const identity = { applicationId, subTopology }
      const handler = streamsHandler(topology, { identity, adapters: () => ({ kafka: ports, table }), log: () => undefined })
      return (event: unknown) => handler(event, { getRemainingTimeInMillis: () => 30_000 })
    }
    const written = async () => {
      const keys = ['a', 'b'].map((key) => ({ ...task, gen: 0, store: 'counts', key: bytesOf(key) }))
      return (await table.get(keys, soon())).map((row) => longOf(row?.value))
    }
    let fed = 0
    /** Feeds one record and has it delivered. */
    const deliver = async (invoke: ReturnType<typeof processOf>, key: string): Promise<void> => {
      const session = await ports.txnLog.open({
        transactionalId: `${applicationId}-user`,
        transactionTimeoutMs: 30_000,
        deadlineMs: soon(),
      })
      const records = [{ key: bytesOf(key), value: bytesOf(''), timestamp: 1_000 + fed++, headers: [] }]
      const [appended] = await session.append([{ topic: words, partition: 0, records }], soon())
      await session.commit(soon())
      session.close()
      await invoke(mskEvent(eventRecord(words, 0, appended?.baseOffset ?? 0)))
    }
    const [one, other] = [processOf(), processOf()]
    for (const [invoke, key] of [
      [one, 'a'],
      [one, 'b'],
      [other, 'a'],
      [one, 'a'],
    ] as const)
      await deliver(invoke, key)
    // of four transactions, each with a record and its marker
    const records = await readTo(ports.reader, { topic: totals, partition: 0 }, 7)
    expect(records.map(({ key, value }) => `${textOf(key)}=${longOf(value)}`)).toEqual(['a=1', 'b=1', 'a=2', 'a=3'])
    const item = await table.readTask(task, soon())
    expect({ rows: await written(), item }).toEqual({
      rows: [null, null],
      item: { checkpoint: undefined, bells: {}, lease: undefined, deferredSeq: 4 },
    })
    const [nowMs, partition] = [Date.now(), 0]
    expect(needsTick(item, { nowMs, partition })).toBe(true)
    await processOf()(tick)
    expect(await written()).toEqual([3, 1])
    expect((await table.readTask(task, soon()))?.checkpoint).toMatchObject({ seq: 4, positions: { [more]: 0 } })
    await Promise.all([ports.txnLog.close(), ports.reader.close(), ports.admin.close(), table.close()])
  })
})
