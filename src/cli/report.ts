import type { LocalEngine } from '../local/local-engine.ts'
import { readStoreRows } from '../runtime/pages.ts'
import type { PartitionReader } from '../runtime/ports.ts'
import { rowKeySerde } from '../runtime/task-stores.ts'
import type { TableBackend } from '../state/backend.ts'
import { readBufferedRow } from '../state/buffered-row.ts'
import { bufferedKey } from '../state/join-buffer.ts'
import type { Row } from '../state/rows.ts'
import { readVersion } from '../state/versioned-store.ts'
import type { AnySerde, StoreSpec } from '../topology/nodes.ts'
import type { SubTopology } from '../topology/sub-topologies.ts'
import type { App } from './apps.ts'
import { count } from './progress.ts'
import { byKey, type Entry, keyValueTable, textTable } from './text-table.ts'

const rowsShown = 20
const recordsShown = 10
const requestMs = 60_000

/** Where a run has left its results. */
export interface Results {
  readonly engine: LocalEngine
  readonly table: TableBackend
  readonly reader: PartitionReader
  readonly applicationId: string
}

/** What each sub-topology did. */
export const flowTable = (engine: LocalEngine): string =>
  textTable(
    ['sub-topology', 'invocations', 'transactions', 'records in', 'records out', 'state writes'],
    engine.stats().map((it) => [it.name, it.invocations, it.transactions, it.recordsRead, it.recordsWritten, it.rowsWritten]),
  )

/** The stores that a join keeps for itself: nobody asks for their rows. */
export const isBookkeeping = (store: StoreSpec): boolean =>
  (store.kind === 'window' && store.retainDuplicates) ||
  store.valueSerde.name === 'subscription' ||
  store.valueSerde.name.startsWith('outer join value ')

/** The first rows of every store, the highest values where they are numbers; then the last records of every topic that the app writes for others. */
export const resultTables = async (app: App, results: Results): Promise<string> => {
  const texts: string[] = []
  const kept: string[] = []
  for (const sub of app.topology.subTopologies) {
    for (const store of sub.stores) {
      const rows = await readStore(sub, store, results)
      if (isBookkeeping(store)) kept.push(`${store.name} ${counted(rows.length, 'row')}`)
      else texts.push(storeTable(store, rows))
    }
  }
  if (kept.length > 0) texts.push(`Kept for joins: ${kept.join(', ')}`)
  const topics = app.topology.sinkTopics.filter((topic) => !app.topology.sourceTopics.includes(topic))
  for (const topic of topics) texts.push(await topicTable(app, topic, results))
  return texts.join('\n\n')
}

const counted = (things: number, what: string): string => `${count(things)} ${what}${things === 1 ? '' : 's'}`

const storeTable = (store: StoreSpec, rows: readonly Entry[]): string => {
  const numeric = rows.length > 0 && rows.every(([, value]) => typeof value === 'number')
  const sorted = rows.toSorted(numeric ? ([, a], [, b]) => Number(b) - Number(a) : byKey)
  const some = rows.length > rowsShown ? `, ${numeric ? 'the highest' : 'the first'} ${rowsShown}` : ''
  const title = `Store ${store.name}: ${counted(rows.length, 'row')}${some}`
  return rows.length === 0 ? title : `${title}\n${keyValueTable(sorted.slice(0, rowsShown), { rowsMax: rowsShown })}`
}

/** A row that is held back is shown as it will be sent, a version with the time from which it held. */
const shownRow = (store: StoreSpec, row: Row): Entry => {
  const { keySerde, valueSerde, kind } = store
  const read = (value: Uint8Array | null): unknown => (value === null ? null : valueSerde.deserialize(value, ''))
  const at = (key: Uint8Array): string => `${keySerde.deserialize(key, '')} @ ${new Date(row.timestamp).toISOString()}`
  switch (kind) {
    case 'versioned': {
      const { key, value } = readVersion(row)
      return [at(key), read(value)]
    }
    case 'join-buffer':
      return [at(bufferedKey(row.key)), read(readBufferedRow(row.value ?? new Uint8Array()).newValue)]
    case 'suppression-buffer':
      return [keySerde.deserialize(row.key, ''), read(readBufferedRow(row.value ?? new Uint8Array()).newValue)]
    default:
      return [rowKeySerde(store).deserialize(row.key, ''), read(row.value)]
  }
}

const readStore = async (sub: SubTopology, store: StoreSpec, { engine, table, applicationId }: Results): Promise<readonly Entry[]> => {
  const deadlineMs = Date.now() + requestMs
  const rows: Entry[] = []
  const partitions = engine.partitionsOf(`${applicationId}-${sub.name}-commits`)
  for (let partition = 0; partition < partitions; partition++) {
    const task = { subTopology: sub.name, partition }
    const gen = (await table.readTask(task, deadlineMs))?.checkpoint?.gen ?? 0
    for await (const page of readStoreRows(table, { ...task, gen, store }, deadlineMs)) {
      for (const row of page) if (row.value) rows.push(shownRow(store, row))
    }
  }
  return rows
}

interface ShownRecord {
  readonly key: unknown
  readonly value: unknown
  readonly timestamp: number
}

const topicTable = async (app: App, topic: string, { engine, reader }: Results): Promise<string> => {
  const sink = app.topology.subTopologies
    .flatMap((sub) => sub.sinks)
    .find((it) => typeof it.topic !== 'function' && !it.topic.internal && it.topic.name === topic)
  const read = (serde: AnySerde | undefined, bytes: Uint8Array | null): unknown =>
    bytes === null || serde === undefined ? bytes : serde.deserialize(bytes, topic)
  const records: ShownRecord[] = []
  let whole = true
  for (let partition = 0; partition < engine.partitionsOf(topic); partition++) {
    const tail = await readTail(reader, { topic, partition })
    whole &&= tail.whole
    for (const { key, value, timestamp } of tail.records)
      records.push({ key: read(sink?.keySerde, key), value: read(sink?.valueSerde, value), timestamp })
  }
  const last = records.sort((a, b) => a.timestamp - b.timestamp).slice(-recordsShown)
  const title = whole && records.length <= recordsShown ? counted(records.length, 'record') : `the last ${recordsShown} records`
  if (last.length === 0) return `Topic ${topic}: ${title}`
  const times = last.map(({ timestamp }) => timestamp)
  return `Topic ${topic}: ${title}\n${keyValueTable(
    last.map(({ key, value }) => [key, value]),
    { times },
  )}`
}

/** The last records of a partition, at least as many as are shown unless it has fewer (`whole`). */
const readTail = async (reader: PartitionReader, partition: { readonly topic: string; readonly partition: number }) => {
  const deadlineMs = Date.now() + requestMs
  const [bounds] = await reader.bounds([partition], deadlineMs)
  const { logStartOffset = 0, highWatermark = 0 } = bounds ?? {}
  for (let span = recordsShown * 4; ; span *= 4) {
    const from = Math.max(logStartOffset, highWatermark - span)
    const records: { readonly key: Uint8Array | null; readonly value: Uint8Array | null; readonly timestamp: number }[] = []
    for (let offset = from; offset < highWatermark; ) {
      const [answer] = await reader.fetch([{ ...partition, offset, bytesMax: 2 ** 20 }], { waitMs: 0, deadlineMs })
      if (!answer || answer.nextOffset === offset) break
      records.push(...answer.records)
      offset = answer.nextOffset
    }
    const whole = from === logStartOffset
    if (whole || records.length >= recordsShown) return { records, whole }
  }
}
