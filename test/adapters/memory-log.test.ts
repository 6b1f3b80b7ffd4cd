import { expect, it } from 'vitest'
import { createMemoryKafka, type MemoryKafkaOptions } from '../../src/adapters/memory/log.ts'
import type { MakeKafkaHarness } from './kafka-harness.ts'
import { partitionReaderConformance } from './partition-reader.conformance.ts'
import { topicAdminConformance } from './topic-admin.conformance.ts'
import { txnLogConformance } from './txn-log.conformance.ts'

const harnessOf =
  (options: MemoryKafkaOptions): MakeKafkaHarness =>
  async () => {
    const ports = createMemoryKafka(options)
    return {
      ports,
      truncate: async (at) => ports.truncate(at),
      async close() {
        await Promise.all([ports.txnLog.close(), ports.reader.close(), ports.admin.close()])
      },
    }
  }

const make = harnessOf({})
txnLogConformance('in memory', make)
partitionReaderConformance('in memory', make)
topicAdminConformance('in memory', make)

// as a broker: EndTxn is answered, and the markers come one after the other
const later = harnessOf({ writeMarker: (_marker, write) => void setImmediate(write) })
txnLogConformance('in memory, with markers that come later', later)
partitionReaderConformance('in memory, with markers that come later', later)

it('fences the session of an id that it has forgotten, and gives the id to the next one', async () => {
  const { admin, txnLog, reader, forgetIds } = createMemoryKafka({ now: () => 0 })
  await admin.create([{ topic: 'words', partitions: 1, config: {} }], 1)
  const open = () => txnLog.open({ transactionalId: 'app.words.0', transactionTimeoutMs: 1_000, deadlineMs: 1 })
  const record = { key: null, value: Buffer.from('a'), timestamp: 0, headers: [] }
  const append = (session: Awaited<ReturnType<typeof open>>) => session.append([{ topic: 'words', partition: 0, records: [record] }], 1)
  const [old, busy] = [await open(), await txnLog.open({ transactionalId: 'busy', transactionTimeoutMs: 1_000, deadlineMs: 1 })]
  await append(busy)
  forgetIds()
  await expect(append(old)).rejects.toMatchObject({ code: 'FENCED' })
  await busy.commit(1)
  const next = await open()
  await append(next)
  await next.commit(1)
  const [read] = await reader.fetch([{ topic: 'words', partition: 0, offset: 0, bytesMax: 1_000 }], { waitMs: 0, deadlineMs: 1 })
  expect(read?.records.map(({ offset }) => offset)).toEqual([0, 2])
})
