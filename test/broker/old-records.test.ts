import { Serdes, StreamsBuilder, seconds, tumbling } from 'millrace'
import { describe, expect, inject, it } from 'vitest'
import { createKafkaJs } from '../../src/adapters/kafkajs/kafkajs.ts'
import type { LogRecord } from '../../src/runtime/ports.ts'
import { bytesOf, textOf, unique } from '../adapters/kafka-harness.ts'
import { died } from '../runtime/faults.ts'
import { soon } from './start-cluster.ts'
import { deployVector } from './vector-app.ts'

const kafka = inject('kafka')
const dynamodb = inject('dynamodb')

const counting = () => {
  const builder = new StreamsBuilder()
  builder
    .stream('words', { keySerde: Serdes.string, valueSerde: Serdes.string })
    .groupByKey()
    .windowedBy(tumbling({ sizeMs: seconds(10), graceMs: 0 }))
    .count({ store: 'counts' })
    .toStream()
    .map((windowed, count) => [windowed.key, `${windowed.window.startMs}: ${count}`])
    .to('totals', { keySerde: Serdes.string, valueSerde: Serdes.string })
  return builder.build()
}

/** Of 2001. */
const old = (key: string): LogRecord => ({ key: bytesOf(key), value: bytesOf(''), timestamp: 1_000_000_000_000, headers: [] })

/** Resolves once the broker has deleted what is past its retention, as it does with every log of this kind at the same time. */
const untilBrokerDeletes = async (config: Readonly<Record<string, string>>): Promise<void> => {
  const { admin, reader, txnLog } = createKafkaJs({ brokers: kafka ?? [] })
  const at = { topic: unique('old'), partition: 0 }
  await admin.create([{ topic: at.topic, partitions: 1, config }], soon())
  const session = await txnLog.open({ transactionalId: at.topic, transactionTimeoutMs: 30_000, deadlineMs: soon() })
  await session.append([{ ...at, records: [old('any')] }], soon())
  await session.commit(soon())
  session.close()
  while ((await reader.bounds([at], soon()))[0]?.logStartOffset === 0);
  await Promise.all([admin.close(), reader.close(), txnLog.close()])
}

describe.skipIf(kafka === null || dynamodb === null)('windows of records that are older than the retention of their changelog', () => {
  it('are there for the next owner, although the one before died before it wrote them to the table', async () => {
    const topology = counting()
    let mayDie = true
    const app = await deployVector({
      ...{ topology, kafka: kafka ?? [], dynamodb: dynamodb ?? '', userTopics: [], isCold: () => true },
      around: async (call, run) => {
        if (call === 'put' && mayDie) throw new Error(died)
        return run()
      },
    })
    try {
      await expect(app.pipe([{ topic: 'words', record: old('a') }])).rejects.toThrow(died)
      const changelog = topology.internalTopics('app').find(({ name }) => name === 'app-counts-changelog')
      await untilBrokerDeletes(changelog?.config ?? {})
      mayDie = false
      await app.pipe([{ topic: 'words', record: old('a') }])
      const totals = (await app.committedSince(['totals'])).get('totals') ?? []
      expect(totals.map(({ key, value }) => `${textOf(key)} ${textOf(value)}`)).toEqual(['a 1000000000000: 1', 'a 1000000000000: 2'])
      const [store] = app.stores
      const { rows, fold } = await app.stored(store ?? expect.fail('no store'))
      expect(rows).toEqual(fold)
      expect(Object.values(fold)).toEqual([`${'0'.repeat(15)}2 at 1000000000000 seq 2`])
    } finally {
      await app.close()
    }
  })
})
