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
