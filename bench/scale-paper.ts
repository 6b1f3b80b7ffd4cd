import { type Bench, type Row, rounded } from './bench.ts'
import { assumptions, onPaper } from './scale/paper.ts'

const partitionCounts = [1, 10, 100, 1_000]
/** Rows after every transaction; deferred by 10 s and by a minute; that and in pages. */
const flushes = [{ seconds: 0 }, { seconds: 10 }, { seconds: 60 }, { seconds: 60, packed: true }]

/** Nothing runs: what `scale/paper.ts` assumes, up to a thousand partitions. */
const bench: Bench = async (note) => {
  note(JSON.stringify(assumptions))
  const rows = flushes.flatMap((flush) =>
    partitionCounts.map((partitions): Row => {
      const it = onPaper(partitions, flush)
      return {
        partitions,
        flush: flush.seconds === 0 ? 'each transaction' : `every ${flush.seconds} s${flush.packed ? ', packed' : ''}`,
        'records/s': it.records,
        'connections per broker': it.connectionsPerBroker,
        'at most': it.connectionsPerBrokerMost,
        'transactions/s per coordinator': rounded(it.transactionsPerBroker),
        'write units/s': Math.round(it.writeUnits),
        'DynamoDB partitions': it.dynamoDbPartitions,
        'Lambda $/month': Math.round(it.lambdaDollars),
        'DynamoDB $/month': Math.round(it.dynamoDbDollars),
        '$ per million records': rounded(it.dollarsPerMillionRecords, 3),
      }
    }),
  )
  return { rows, ratios: [] }
}

export default bench
