import { count } from './progress.ts'

/** Numbers go to the right. */
export type Cell = string | number

const cellLengthMax = 100

/** Rows of text in columns; what is too long for a cell is cut. */
export const textTable = (head: readonly string[], rows: readonly (readonly Cell[])[]): string => {
  const cells = [head, ...rows.map((row) => row.map((cell) => (typeof cell === 'number' ? count(cell) : cut(cell))))]
  const widths = head.map((_, column) => Math.max(...cells.map((row) => (row[column] ?? '').length)))
  const right = head.map((_, column) => rows.length > 0 && rows.every((row) => typeof row[column] === 'number'))
  const line = (row: readonly string[]): string =>
    `  ${row.map((cell, column) => (right[column] ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0))).join('  ')}`.trimEnd()
  return [line(cells[0] ?? []), `  ${widths.map((width) => '-'.repeat(width)).join('  ')}`, ...cells.slice(1).map(line)].join('\n')
}

const cut = (text: string): string => (text.length > cellLengthMax ? `${text.slice(0, cellLengthMax - 1)}…` : text)

/** A time of day in UTC, as short as it can be said. */
export const timeText = (ms: number): string => {
  if (!Number.isFinite(ms) || Math.abs(ms) > 8.64e15) return 'open'
  const text = new Date(ms).toISOString()
  return text
    .replace('T', ' ')
    .replace(/(\.000)?Z$/, '')
    .replace(/ 00:00:00$/, '')
}

/**
 * Key and value in columns: a window as two times, an object as its fields where all values have the same ones. `times` are those of
 * the entries, Unix milliseconds.
 */
export const keyValueTable = (
  entries: readonly Entry[],
  { times, rowsMax }: { readonly times?: readonly number[]; readonly rowsMax?: number } = {},
): string => {
  const rows = entries.flatMap((entry, at) => unfolded(entry).map(([key, value]) => ({ key, value, timeMs: times?.[at] ?? 0 })))
  const shown = rows.slice(0, rowsMax)
  const columns: readonly Column[] = [
    ...(times === undefined ? [] : [['time', shown.map(({ timeMs }) => timeText(timeMs))] as const]),
    ...keyColumns(shown.map(({ key }) => key)),
    ...valueColumns(shown.map(({ value }) => value)),
  ]
  return textTable(
    columns.map(([name]) => name),
    shown.map((_, row) => columns.map(([, cells]) => cells[row] ?? '')),
  )
}

export type Entry = readonly [key: unknown, value: unknown]

/** A list of objects takes a row for each of them. */
const unfolded = ([key, value]: Entry): readonly Entry[] =>
  Array.isArray(value) && value.length > 0 && value.every(isRecord) ? value.map((it): Entry => [key, it]) : [[key, value]]

type Column = readonly [name: string, cells: readonly Cell[]]

const keyColumns = (keys: readonly unknown[]): readonly Column[] => {
  if (keys.length === 0 || !keys.every(isWindowed)) return [['key', keys.map((key) => String(cellOf(key)))]]
  return [
    ['key', keys.map(({ key }) => String(cellOf(key)))],
    ['from', keys.map(({ window }) => timeText(window.startMs))],
    ['to', keys.map(({ window }) => timeText(window.endMs))],
  ]
}

const valueColumns = (values: readonly unknown[]): readonly Column[] => {
  const rows = values.filter((value) => value !== null)
  const [model] = rows
  if (!isRecord(model)) return [['value', values.map(cellOf)]]
  const names = Object.keys(model)
  const fits = rows.every((row) => isRecord(row) && sameNames(Object.keys(row), names) && Object.values(row).every(isPlain))
  if (!fits || names.length === 0) return [['value', values.map(cellOf)]]
  return names.map((name, at) => [name, values.map((value) => (isRecord(value) ? cellOf(value[name]) : at === 0 ? 'deleted' : ''))])
}

const sameNames = (names: readonly string[], others: readonly string[]): boolean =>
  names.length === others.length && names.every((name) => others.includes(name))

const cellOf = (value: unknown): Cell => {
  if (typeof value === 'number' || typeof value === 'string') return value
  if (value === null) return 'deleted'
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex')
  return typeof value === 'bigint' ? String(value) : (JSON.stringify(value, bytesAsHex) ?? String(value))
}

function bytesAsHex(this: Readonly<Record<string, unknown>>, name: string, value: unknown): unknown {
  const it = this[name]
  return it instanceof Uint8Array ? Buffer.from(it).toString('hex') : value
}

/** Orders keys for reading: by their text, then by their windows. */
export const byKey = ([a]: Entry, [b]: Entry): number => {
  const [one, other] = [a, b].map((key) =>
    isWindowed(key) ? { text: String(cellOf(key.key)), ms: key.window.startMs } : { text: String(cellOf(key)), ms: 0 },
  )
  if (one === undefined || other === undefined || one.text === other.text) return (one?.ms ?? 0) - (other?.ms ?? 0)
  return one.text < other.text ? -1 : 1
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array)

const isPlain = (value: unknown): boolean => ['string', 'number', 'boolean'].includes(typeof value)

interface WindowedKey {
  readonly key: unknown
  readonly window: { readonly startMs: number; readonly endMs: number }
}

const isWindowed = (key: unknown): key is WindowedKey =>
  isRecord(key) && isRecord(key.window) && typeof key.window.startMs === 'number' && typeof key.window.endMs === 'number'
