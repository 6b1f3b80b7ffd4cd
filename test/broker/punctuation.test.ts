import { type Processor, Serdes, Stores, StreamsBuilder } from 'millrace'
import { streamsHandler } from 'millrace/lambda'
import { describe, expect, inject, it } from 'vitest'
import { createDynamoDb } from '../../src/adapters/dynamodb/dynamodb.ts'
import { createKafkaJs } from '../../src/adapters/kafkajs/kafkajs.ts'
import { needsTick } from '../../src/runtime/sweep.ts'
import { bytesOf, fetchOne, soon, textOf, unique } from '../adapters/kafka-harness.ts'
import { eventRecord, mskEvent, tick } from '../lambda/events.ts'
import { credentials } from './deployed-app.ts'

const kafka = inject('kafka')
const dynamodb = inject('dynamodb')
const strings = { keySerde: Serdes.string, valueSerde: Serdes.string }
const counts = Stores.keyValueStore('counts', { keySerde: Serdes.string, valueSerde: Serdes.long })
const intervalMs = 500

/** Counts, and from time to time, by the clock, sends the counts and forgets them. */
const reporting = (words: string, totals: string) => {
  const builder = new StreamsBuilder()
  builder.addStateStore(counts)
  builder
    .stream(words, strings)
    .process(
      (): Processor<string, string, string, string> => {
        let count: (word: string) => Promise<void>
        return {
          init: (context) => {
            const store = context.getStateStore(counts)
            count = async (word) => store.put(word, ((await store.get(word)) ?? 0) + 1)
            context.schedule({ intervalMs, type: 'WALL_CLOCK_TIME' }, async (timestamp) => {
              for (const [word, value] of await store.all()) {
                await context.forward({ key: word, value: String(value), timestamp, headers: [] })
                store.put(word, null)
              }
            })
          },
          process: ({ key }) => count(key),
        }
      },
      { stores: ['counts'] },
    )
    .to(totals, strings)
  return builder.build()
}

describe.skipIf(kafka === null || dynamodb === null)('a punctuation by the clock on a real Kafka and a real table', () => {
  it('is done by the tick that finds it due, in whatever process, once', async () => {
    const applicationId = unique('reporting')
    const [words, totals] = [`${applicationId}.words`, `${applicationId}.totals`]
    const topology = reporting(words, totals)
    const ports = createKafkaJs({ brokers: kafka ?? [] })
    const table = createDynamoDb({ table: applicationId, endpoint: dynamodb ?? '', region: 'us-east-1', credentials })
    await table.ensure(soon())
    const internal = topology.internalTopics(applicationId).map(({ name, config }) => ({ topic: name, partitions: 1, config }))
    await ports.admin.create([...[words, totals].map((topic) => ({ topic, partitions: 1, config: {} })), ...internal], soon())
    const item = () => table.readTask({ subTopology: words, partition: 0 }, soon())
    /** An invocation in a process of its own. */
    const invoke = (event: unknown) => {
      const identity = { applicationId, subTopology: words }
      const handler = streamsHandler(topology, { identity, adapters: () => ({ kafka: ports, table }), log: () => undefined })
      return handler(event, { getRemainingTimeInMillis: () => 30_000 })
    }
    const sent = async () => (await fetchOne(ports.reader, { topic: totals, partition: 0 }, 0)).records

    const session = await ports.txnLog.open({ transactionalId: unique('user'), transactionTimeoutMs: 30_000, deadlineMs: soon() })
    const records = ['a', 'b', 'a'].map((word) => ({ key: bytesOf(word), value: bytesOf(''), timestamp: Date.now(), headers: [] }))
    await session.append([{ topic: words, partition: 0, records }], soon())
    await session.commit(soon())
    session.close()
    await invoke(mskEvent(eventRecord(words, 0, records.length - 1)))
    const wakeMs = (await item())?.checkpoint?.wakeMs ?? 0
    // a minute in which this partition is looked at in any case tells nothing
    const partition = (Math.floor(wakeMs / 60_000) + 5) % 10
    const wakes = async (nowMs: number) => needsTick(await item(), { nowMs, partition })
    expect([await wakes(wakeMs - 1), await wakes(wakeMs)]).toEqual([false, true])

    while ((await sent()).length === 0) await invoke(tick)
    const reported = await sent()
    expect(reported.map(({ key, value }) => `${textOf(key)}=${textOf(value)}`)).toEqual(['a=2', 'b=1'])
    expect(reported.filter(({ timestamp }) => timestamp < wakeMs)).toEqual([])
    const next = (await item())?.checkpoint?.wakeMs ?? 0
    expect({ later: next > wakeMs, inRhythm: (next - wakeMs) % intervalMs }).toEqual({ later: true, inRhythm: 0 })
    // nothing is left to report, and it is reported so
    while ((await item())?.checkpoint?.wakeMs === next) await invoke(tick)
    expect((await sent()).length).toBe(reported.length)
    await Promise.all([ports.txnLog.close(), ports.reader.close(), ports.admin.close(), table.close()])
  })
})
