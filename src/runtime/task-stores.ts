import type { Awaitable } from '../awaitable.ts'
import type { ContextHolder } from '../processor/context.ts'
import type { StateStore } from '../processor/store.ts'
import { sessionWindowed, type Window, windowStoreKeys } from '../serde/windowed.ts'
import { type Contents, timestamped, values, valuesWithHeaders, withHeaders } from '../state/contents.ts'
import { JoinBufferRows } from '../state/join-buffer.ts'
import { KeyValueRows } from '../state/key-value-store.ts'
import { LruStore } from '../state/lru-store.ts'
import { RowStore } from '../state/row-store.ts'
import type { Row, Rows } from '../state/rows.ts'
import { SessionRows } from '../state/session-store.ts'
import { SuppressedRows } from '../state/suppression-buffer.ts'
import { VersionedRows, versionRowOf, versionsOfSource } from '../state/versioned-store.ts'
import { WindowRows } from '../state/window-store.ts'
import { WindowedRowStore } from '../state/windowed-row-store.ts'
import type { AnySerde, SessionStoreSpec, StoreSpec, WindowStoreSpec } from '../topology/nodes.ts'

// biome-ignore lint/suspicious/noExplicitAny: stores of different types stand in one map; the DSL's types guard the edges
type AnyRows = RowStore<any, any>
// biome-ignore lint/suspicious/noExplicitAny: as above
type AnyContents = Contents<any, any>

/** A store of a running task. */
export interface TaskStore {
  readonly name: string
  /** What its processors get. */
  readonly api: StateStore
  /** Its rows as bytes. */
  readonly rows: Rows
  /** Its rows as the user's objects; a suppression's are no rows of a table. */
  readonly typed: AnyRows | undefined
  /** Writes what is cached, which may forward. */
  flush(): Awaitable<void>
  /** Reads what it has for the keys of these ids, all at once. */
  prefetch(ids: readonly string[]): Promise<void>
  /** Writes to its rows what it keeps as objects until the commit. */
  readonly settle?: () => void
  /** What its changelog is told of, where that is not its rows. */
  readonly takeLog?: () => readonly Row[]
}

export interface TaskStoreOptions {
  readonly changelog: string
  readonly rows: Rows
  readonly holder: ContextHolder
  /** What the task keeps for the next one, by name. */
  readonly remembered: Map<string, number>
  /** Counts what the store does not take. */
  readonly dropped: (why: string) => void
}

/** The serde of a store's row keys: of one with windows the keys are windowed. */
export const rowKeySerde = (spec: StoreSpec): AnySerde => {
  switch (spec.kind) {
    case 'key-value':
    case 'suppression-buffer':
    case 'versioned':
    case 'join-buffer':
      return spec.keySerde
    case 'window':
      return windowStoreKeys(spec.keySerde, spec.windowSizeMs)
    case 'session':
      return sessionWindowed(spec.keySerde)
    default:
      return spec satisfies never
  }
}

const contentsOf = { values, timestamped, headers: withHeaders } as const
const contentsOfSessions = { values, headers: valuesWithHeaders } as const

export const openStore = (spec: StoreSpec, options: TaskStoreOptions): TaskStore => {
  const { rows } = options
  return { name: spec.name, rows, prefetch: (ids) => rows.prefetch(ids), ...open(spec, options) }
}

/** What stands in the changelog of a store as its row; undefined: it is none. */
export const loggedRow = ({ kind }: StoreSpec, record: Row): Row | undefined => (kind === 'versioned' ? versionRowOf(record) : record)

/** The same for the topic that is read in a changelog's place, from where the task knew what it remembered then. */
export const sourceRowIn = (spec: StoreSpec, remembered: Readonly<Record<string, number>>): ((record: Row) => Row | undefined) =>
  spec.kind === 'versioned' ? versionsOfSource(spec, remembered) : (record) => record

const notCached = { typed: undefined, flush: () => undefined }

const open = (
  spec: StoreSpec,
  options: TaskStoreOptions,
): Pick<TaskStore, 'typed' | 'api' | 'flush' | 'settle' | 'takeLog'> & Partial<TaskStore> => {
  const { holder, changelog, remembered, dropped } = options
  switch (spec.kind) {
    case 'key-value': {
      const { maxEntries } = spec
      const common = rowStoreOptions(spec, options)
      const typed: AnyRows = maxEntries === undefined ? new RowStore(common) : new LruStore({ ...common, maxEntries, remembered })
      const contents: AnyContents = contentsOf[spec.holds]
      return { typed, flush: () => typed.flush(), api: new KeyValueRows({ rows: typed, contents, holder, changelog }) }
    }
    case 'window': {
      const { windowSizeMs, retainDuplicates } = spec
      const rows = windowedRows(spec, options, ({ startMs }) => startMs)
      const contents: AnyContents = contentsOf[spec.holds]
      const api = new WindowRows({ rows, contents, holder, windowSizeMs, retainDuplicates, remembered, dropped })
      return { typed: rows, flush: () => rows.flush(), api }
    }
    case 'session': {
      const rows = windowedRows(spec, options, ({ endMs }) => endMs)
      const contents: AnyContents = contentsOfSessions[spec.holds]
      return { typed: rows, flush: () => rows.flush(), api: new SessionRows({ rows, contents, holder, dropped }) }
    }
    case 'suppression-buffer': {
      const api = new SuppressedRows(rowStoreOptions(spec, options))
      return { ...notCached, api, settle: () => api.settle() }
    }
    case 'join-buffer':
      return { ...notCached, api: new JoinBufferRows({ ...rowStoreOptions(spec, options), graceMs: spec.graceMs, remembered }) }
    case 'versioned': {
      const api = new VersionedRows<unknown, unknown>({ ...rowStoreOptions(spec, options), historyMs: spec.historyMs, remembered, dropped })
      return { ...notCached, api, prefetch: (ids) => api.prefetch(ids), takeLog: () => api.takeLog() }
    }
    default:
      return spec satisfies never
  }
}

const rowStoreOptions = (spec: StoreSpec, { changelog, rows, holder }: TaskStoreOptions) => ({
  name: spec.name,
  changelog,
  keySerde: rowKeySerde(spec),
  valueSerde: spec.valueSerde,
  caching: spec.caching,
  rows,
  holder,
  logsHeaders: spec.logsHeaders === true,
  holdsHeaders: 'holds' in spec && spec.holds === 'headers',
})

const windowedRows = (spec: WindowStoreSpec | SessionStoreSpec, options: TaskStoreOptions, timeOf: (window: Window) => number) =>
  new WindowedRowStore<unknown, unknown>({
    ...rowStoreOptions(spec, options),
    innerSerde: spec.keySerde,
    retentionMs: spec.retentionMs,
    timeOf,
    segmentIntervalMs: spec.segmentIntervalMs ?? 1,
    remembered: options.remembered,
  })
