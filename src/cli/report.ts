import type { LocalEngine } from '../local/local-engine.ts'
import { rowKeySerde } from '../runtime/task-stores.ts'
import type { TableBackend } from '../state/backend.ts'
import { readBufferedRow } from '../state/buffered-row.ts'
import { bufferedKey } from '../state/join-buffer.ts'
import type { Row } from '../state/rows.ts'
import { readVersion } from '../state/versioned-store.ts'
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
  const text = (value: unknown): string | number => {
    if (typeof value === 'number' || typeof value === 'string') return value
    return value instanceof Uint8Array ? Buffer.from(value).toString('hex') : JSON.stringify(value, bytesAsHex)
  }
  const title = `Store ${store.name}: ${count(rows.length)} rows${rows.length > shown ? `, ${numeric ? 'the highest' : 'the first'} ${shown}` : ''}`
  return `${title}\n${textTable(
    ['key', 'value'],
    rows.slice(0, shown).map(([key, value]) => [String(text(key)), text(value)]),
  )}`
}

function bytesAsHex(this: Readonly<Record<string, unknown>>, name: string, value: unknown): unknown {
  const it = this[name]
  return it instanceof Uint8Array ? Buffer.from(it).toString('hex') : value
}

/** A row that is held back is shown as it will be sent, a version with the time from which it held. */
const shownRow = (store: StoreSpec, row: Row): readonly [key: unknown, value: unknown] => {
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

const readStore = async (
  sub: SubTopology,
  store: StoreSpec,
  { engine, table, applicationId }: Place,
): Promise<(readonly [key: unknown, value: unknown])[]> => {
  const deadlineMs = Date.now() + 60_000
  const rows: (readonly [unknown, unknown])[] = []
  const partitions = engine.partitionsOf(`${applicationId}-${sub.name}-commits`)
  for (let partition = 0; partition < partitions; partition++) {
    const task = { subTopology: sub.name, partition }
    const gen = (await table.readTask(task, deadlineMs))?.checkpoint?.gen ?? 0
    for await (const page of table.query({ ...task, gen, store: store.name }, deadlineMs)) {
      for (const row of page) if (row.value) rows.push(shownRow(store, row))
    }
  }
  return rows
}
