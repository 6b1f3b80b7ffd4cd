import { changelogStamp, readCommitRecord, withoutStamp } from '../../src/runtime/commit-record.ts'
import type { FetchedRecord, PartitionReader } from '../../src/runtime/ports.ts'
import type { StateRow } from '../../src/state/backend.ts'
import { changelogTopic, commitTopic } from '../../src/topology/internal-topics.ts'
import type { Topology } from '../../src/topology/topology.ts'
import { soon, textOf } from '../adapters/kafka-harness.ts'
import type { DeployedApp } from '../broker/deployed-app.ts'
import type { PartitionEnd, StoreCopy, TaskCopy } from './verify-log.ts'
import type { Entry } from './verify-outputs.ts'
import type { OutputTopic } from './workloads.ts'

interface Contents extends PartitionEnd {
  /** Everything committed. */
  readonly records: readonly FetchedRecord[]
}

/** One partition from its start up to what is readable when nobody writes any more. */
export const readPartition = async (reader: PartitionReader, topic: string, partition: number): Promise<Contents> => {
  const records: FetchedRecord[] = []
  const [bounds] = await reader.bounds([{ topic, partition }], soon())
  for (let offset = bounds?.logStartOffset ?? 0; ; ) {
    const [answer] = await reader.fetch([{ topic, partition, offset, bytesMax: 4 * 2 ** 20 }], { waitMs: 0, deadlineMs: soon() })
    if (answer === undefined) throw new Error('a fetch of one partition has one answer')
    // one by one: millions of arguments would not fit
    for (const record of answer.records) records.push(record)
    const { lastStableOffset, highWatermark } = answer
    if (answer.nextOffset >= lastStableOffset && highWatermark >= (bounds?.highWatermark ?? 0))
      return { topic, partition, records, lastStableOffset, highWatermark }
    offset = answer.nextOffset
  }
}

const partitionsFrom = (count: number): readonly number[] => Array.from({ length: count }, (_, partition) => partition)

/** All committed records of a topic, in the order of each partition. */
export const readTopic = async (
  { kafka, partitionsOf }: DeployedApp,
  { topic, read = (value) => textOf(value) ?? '' }: OutputTopic,
): Promise<readonly Entry[]> => {
  const entries: Entry[] = []
  for (const partition of partitionsFrom(partitionsOf(topic))) {
    const { records } = await readPartition(kafka.reader, topic, partition)
    for (const { key, value } of records) entries.push({ key: textOf(key) ?? '', value: value === null ? null : read(value) })
  }
  return entries
}

/** Where each partition of the application's topics ends. */
export const readEnds = async ({ kafka, topics, partitionsOf }: DeployedApp): Promise<readonly PartitionEnd[]> => {
  const all = topics.flatMap((topic) => partitionsFrom(partitionsOf(topic)).map((partition) => ({ topic, partition })))
  const bounds = await kafka.reader.bounds(all, soon())
  const requests = bounds.map(({ topic, partition, highWatermark }) => ({ topic, partition, offset: highWatermark, bytesMax: 1 }))
  return kafka.reader.fetch(requests, { waitMs: 0, deadlineMs: soon() })
}

/** Commit records, task item, changelogs and rows of every task. */
export const readTasks = async (app: DeployedApp, topology: Topology, applicationId: string): Promise<readonly TaskCopy[]> => {
  const copies: TaskCopy[] = []
  for (const { name, stores } of topology.subTopologies) {
    const commits = commitTopic(applicationId, name)
    for (const partition of partitionsFrom(app.partitionsOf(commits))) {
      const { records } = await readPartition(app.kafka.reader, commits, partition)
      const at = { subTopology: name, partition }
      const storeCopies: StoreCopy[] = []
      for (const store of stores) {
        const changelog = await readPartition(app.kafka.reader, changelogTopic(applicationId, store.name), partition)
        const table = new Map<string, string>()
        for await (const page of app.table.query({ ...at, gen: 0, store: store.name }, soon()))
          for (const row of page) table.set(hex(row.key), rowText(row))
        storeCopies.push({ store: store.name, log: foldOf(changelog.records), table })
      }
      copies.push({
        task: `${name}/${partition}`,
        commits: records.map(({ value }) => readCommitRecord(value, commits).seq),
        item: await app.table.readTask(at, soon()),
        stores: storeCopies,
      })
    }
  }
  return copies
}

/** The last record per key, deleted ones left out. */
const foldOf = (records: readonly FetchedRecord[]): ReadonlyMap<string, string> => {
  const rows = new Map<string, string>()
  for (const record of records) {
    const { key, value, timestamp } = withoutStamp(record)
    const seq = changelogStamp(record.headers)?.seq ?? -1
    if (value === null) rows.delete(hex(key))
    else rows.set(hex(key), rowText({ value, timestamp, seq }))
  }
  return rows
}

const rowText = ({ value, timestamp, seq }: Pick<StateRow, 'value' | 'timestamp' | 'seq'>): string =>
  `${hex(value)} of ${timestamp} by commit ${seq}`

const hex = (bytes: Uint8Array | null): string => (bytes === null ? 'nothing' : Buffer.from(bytes).toString('hex'))
