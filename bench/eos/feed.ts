import { noHeaders } from '../../src/processor/record.ts'
import { partitionOfKey } from '../../src/runtime/partitioner.ts'
import type { KafkaPorts, LogRecord } from '../../src/runtime/ports.ts'
import type { Workload } from '../engine/workloads.ts'

const perTransaction = 50_000

/** Creates the topics `in` and `out` and writes the records of a workload, a thousand to the second up to now; those without a key go round. */
export const feed = async (
  { admin, txnLog }: KafkaPorts,
  { workload, records, partitions }: { readonly workload: Workload; readonly records: number; readonly partitions: number },
): Promise<void> => {
  const soon = (): number => Date.now() + 60_000
  const begunMs = Date.now() - records
  await admin.create(
    ['in', 'out'].map((topic) => ({ topic, partitions, config: {} })),
    soon(),
  )
  const session = await txnLog.open({ transactionalId: 'feed', transactionTimeoutMs: 60_000, deadlineMs: soon() })
  for (let from = 0; from < records; from += perTransaction) {
    const batches = Array.from({ length: partitions }, (_, partition) => ({ topic: 'in', partition, records: [] as LogRecord[] }))
    for (let n = from; n < Math.min(records, from + perTransaction); n++) {
      const { key, value } = workload.record(n)
      const bytes = key === '' ? null : Buffer.from(key)
      batches[bytes === null ? n % partitions : partitionOfKey(bytes, partitions)]?.records.push({
        ...{ key: bytes, value: Buffer.from(value), timestamp: begunMs + n, headers: noHeaders },
      })
    }
    await session.append(
      batches.filter((batch) => batch.records.length > 0),
      soon(),
    )
    await session.commit(soon())
  }
  session.close()
}
