import type { LocalEngine } from '../local/local-engine.ts'
import { rowKeySerde } from '../runtime/task-stores.ts'
import type { TableBackend } from '../state/backend.ts'
import { readBufferedRow } from '../state/buffered-row.ts'
import type { StoreSpec } from '../topology/nodes.ts'
import type { SubTopology } from '../topology/sub-topologies.ts'
import type { App } from './apps.ts'
import { count } from './progress.ts'

const shown = 20

/** Rows of text in columns; numbers to the right. */
export const textTable = (head: readonly string[], rows: readonly (readonly (string | number)[])[]): string => {
  const cells = [head, ...rows.map((row) => row.map((cell) => (typeof cell === 'number' ? count(cell) : cell)))]
  const widths = head.map((_, column) => Math.max(...cells.map((row) => (row[column] ?? '').length)))
  const right = head.map((_, column) => typeof rows[0]?.[column] === 'number')
  const line = (row: readonly string[]): string =>
    `  ${row.map((cell, column) => (right[column] ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0))).join('  ')}`.trimEnd()
  return [line(cells[0] ?? []), `  ${widths.map((width) => '-'.repeat(width)).join('  ')}`, ...cells.slice(1).map(line)].join('\n')
}

/** What each sub-topology did. */
export const flowTable = (engine: LocalEngine): string =>
  textTable(
    ['sub-topology', 'invocations', 'transactions', 'records in', 'records out', 'state writes'],
    engine.stats().map((it) => [it.name, it.invocations, it.transactions, it.recordsRead, it.recordsWritten, it.rowsWritten]),
  )

/** The first rows of every store: the highest values where they are numbers. */
export const storeTables = async (app: App, engine: LocalEngine, table: TableBackend, applicationId: string): Promise<string> => {
  const texts: string[] = []
  for (const sub of app.topology.subTopologies) {
    for (const store of sub.stores) texts.push(await storeTable(sub, store, { engine, table, applicationId }))
  }
  return texts.join('\n\n')
}

interface Place {
  readonly engine: LocalEngine
  readonly table: TableBackend
  readonly applicationId: string
}

const storeTable = async (sub: SubTopology, store: StoreSpec, { engine, table, applicationId }: Place): Promise<string> => {
  const rows = await readStore(sub, store, { engine, table, applicationId })
  const numeric = rows.every(([, value]) => typeof value === 'number')
  if (numeric) rows.sort(([, a], [, b]) => Number(b) - Number(a))
  const text = (value: unknown): string | number =>
    typeof value === 'number' ? value : typeof value === 'string' ? value : JSON.stringify(value)
  const title = `Store ${store.name}: ${count(rows.length)} rows${rows.length > shown ? `, ${numeric ? 'the highest' : 'the first'} ${shown}` : ''}`
  return `${title}\n${textTable(
    ['key', 'value'],
    rows.slice(0, shown).map(([key, value]) => [String(text(key)), text(value)]),
  )}`
}

/** A row that is held back is shown as it will be sent. */
const shownValue = ({ kind, valueSerde }: StoreSpec, value: Uint8Array): unknown => {
  const bytes = kind === 'suppression-buffer' ? readBufferedRow(value).newValue : value
  return bytes === null ? null : valueSerde.deserialize(bytes, '')
}

const readStore = async (
  sub: SubTopology,
  store: StoreSpec,
  { engine, table, applicationId }: Place,
): Promise<[key: unknown, value: unknown][]> => {
  const deadlineMs = Date.now() + 60_000
  const rows: [unknown, unknown][] = []
  const keys = rowKeySerde(store)
  const partitions = engine.partitionsOf(`${applicationId}-${sub.name}-commits`)
  for (let partition = 0; partition < partitions; partition++) {
    const task = { subTopology: sub.name, partition }
    const gen = (await table.readTask(task, deadlineMs))?.checkpoint?.gen ?? 0
    for await (const page of table.query({ ...task, gen, store: store.name }, deadlineMs)) {
      for (const { key, value } of page) if (value) rows.push([keys.deserialize(key, ''), shownValue(store, value)])
    }
  }
  return rows
}
