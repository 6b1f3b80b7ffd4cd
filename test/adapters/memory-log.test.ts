import { createMemoryKafka } from '../../src/adapters/memory/log.ts'
import type { MakeKafkaHarness } from './kafka-harness.ts'
import { partitionReaderConformance } from './partition-reader.conformance.ts'
import { topicAdminConformance } from './topic-admin.conformance.ts'
import { txnLogConformance } from './txn-log.conformance.ts'

const make: MakeKafkaHarness = async () => {
  const ports = createMemoryKafka()
  return {
    ports,
    truncate: async (at) => ports.truncate(at),
    async close() {
      await Promise.all([ports.txnLog.close(), ports.reader.close(), ports.admin.close()])
    },
  }
}

txnLogConformance('in memory', make)
partitionReaderConformance('in memory', make)
topicAdminConformance('in memory', make)
