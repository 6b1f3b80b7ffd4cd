import { packedUnits } from '../state-cost/packed-units.ts'
import { expectedDistinct, zipf } from '../state-cost/zipf.ts'

/** What the paper assumes; everything else follows. */
export const assumptions = {
  /** Per partition, evenly, day and night. */
  recordsPerSecond: 1_000,
  /** An event, and so a transaction, per second and partition. */
  transactionsPerSecond: 1,
  /** Keys of a partition, which come by Zipf's law with exponent 1. */
  keys: 10_000,
  /** A row, and a task item, fit into one write unit (1 KB); read consistently, into one read unit (4 KB). */
  writeUnitsPerRow: 1,
  /** Of the keys of a batch, those that are not in the process's memory: a warm task of 10,000 rows has all. */
  missesPerTransaction: 0,
  brokers: 6,
  /** Sockets of an environment to a broker: one for requests; up to four when they queue up. */
  socketsPerBroker: { usual: 1, most: 4 },
  /** Partitions of `__transaction_state` (Kafka's default), spread over the brokers by the hash of the transactional id. */
  coordinatorPartitions: 50,
  /** Of one physical partition of DynamoDB, as its developer guide says. */
  dynamoDbPartition: { writeUnitsPerSecond: 1_000, readUnitsPerSecond: 3_000 },
  /** A function of 1,769 MB has one core. */
  functionGb: 1_769 / 1_024,
  /** Of an invocation, which is billed while it waits: the engine's time for its records, six round trips to brokers and table. */
  invocationMs: 100,
  hoursPerMonth: 730,
  /**
   * us-east-1, list prices: DynamoDB on demand since November 2024 (aws.amazon.com/dynamodb/pricing/on-demand), Lambda on Arm
   * (aws.amazon.com/lambda/pricing), without free tiers and discounts.
   */
  dollars: { perMillionWriteUnits: 0.625, perMillionReadUnits: 0.125, perGbSecond: 0.0000133334, perMillionInvocations: 0.2 },
} as const

export interface PaperRow {
  readonly records: number
  readonly environments: number
  readonly connectionsPerBroker: number
  readonly connectionsPerBrokerMost: number
  readonly transactions: number
  readonly transactionsPerBroker: number
  readonly writeUnits: number
  readonly readUnits: number
  readonly dynamoDbPartitions: number
  /** Per month. */
  readonly lambdaDollars: number
  readonly dynamoDbDollars: number
  readonly dollarsPerMillionRecords: number
}

/** How rows go to the table: so often, each one an item or in pages. */
export interface PaperFlush {
  readonly seconds: number
  readonly packed?: boolean
}

/** What so many partitions of one sub-topology need, each second unless it says otherwise. */
export const onPaper = (partitions: number, flush: PaperFlush): PaperRow => {
  const {
    recordsPerSecond,
    transactionsPerSecond,
    keys,
    brokers,
    socketsPerBroker,
    functionGb,
    invocationMs,
    hoursPerMonth,
    dollars,
    ...rest
  } = assumptions
  const records = partitions * recordsPerSecond
  const transactions = partitions * transactionsPerSecond
  const secondsBetween = Math.max(flush.seconds, 1 / transactionsPerSecond)
  const rows = expectedDistinct(zipf(keys), recordsPerSecond * secondsBetween)
  // the task item is written with the rows
  const rowUnits = rows * rest.writeUnitsPerRow
  const writeUnits = (partitions * ((flush.packed ? Math.min(packedUnits(keys), rowUnits) : rowUnits) + 1)) / secondsBetween
  const readUnits = transactions * rest.missesPerTransaction
  const secondsPerMonth = hoursPerMonth * 3_600
  const gbSeconds = (transactions * invocationMs * functionGb) / 1_000
  const lambdaDollars = secondsPerMonth * (gbSeconds * dollars.perGbSecond + (transactions * dollars.perMillionInvocations) / 1e6)
  const dynamoDbDollars = (secondsPerMonth * (writeUnits * dollars.perMillionWriteUnits + readUnits * dollars.perMillionReadUnits)) / 1e6
  const { writeUnitsPerSecond, readUnitsPerSecond } = rest.dynamoDbPartition
  return {
    ...{ records, environments: partitions },
    connectionsPerBroker: partitions * socketsPerBroker.usual,
    connectionsPerBrokerMost: partitions * socketsPerBroker.most,
    ...{ transactions, transactionsPerBroker: transactions / Math.min(brokers, rest.coordinatorPartitions) },
    ...{ writeUnits, readUnits, dynamoDbPartitions: Math.ceil(writeUnits / writeUnitsPerSecond + readUnits / readUnitsPerSecond) },
    ...{ lambdaDollars, dynamoDbDollars },
    dollarsPerMillionRecords: ((lambdaDollars + dynamoDbDollars) * 1e6) / (records * secondsPerMonth),
  }
}
