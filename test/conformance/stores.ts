import {
  type Headers,
  type KeyValueStore,
  type SessionStore,
  type StateStore,
  type StoreBuilder,
  Stores,
  type ValueTimestampHeaders,
  type VersionedKeyValueStore,
  type VersionedRecord,
  type Windowed,
  type WindowStore,
} from 'millrace'
import type { HeaderList, StateStoreSpec } from './scenario.ts'
import { fromJson, serdeOf } from './serdes.ts'
import { toJson } from './values.ts'

export const knownStores: ReadonlySet<string> = new Set([
  'keyValue',
  'timestampedKeyValue',
  'headersKeyValue',
  'lru',
  'versioned',
  'window',
  'timestampedWindow',
  'headersWindow',
  'session',
  'headersSession',
])

/** A store of README section 3.4. What Kafka keeps on a disk or in memory is the same here. */
export const storeOf = (spec: StateStoreSpec): StoreBuilder<StateStore> => {
  const { kind, name, key, value, caching, logging, maxEntries = 0, windowMs = 0, retentionMs = 0, retainDuplicates } = spec
  const options = {
    keySerde: serdeOf(key),
    valueSerde: serdeOf(value),
    ...(caching === undefined ? {} : { caching }),
    ...(logging === undefined ? {} : { logging }),
  }
  // the order of Kafka's persistent stores
  const segments = spec.persistent ? { segmentIntervalMs: Math.max(Math.floor(retentionMs / 2), 60_000) } : {}
  const windowed = {
    ...options,
    ...segments,
    retentionMs,
    windowSizeMs: windowMs,
    ...(retainDuplicates === undefined ? {} : { retainDuplicates }),
  }
  switch (kind) {
    case 'keyValue':
      return Stores.keyValueStore(name, options)
    case 'timestampedKeyValue':
      return Stores.timestampedKeyValueStore(name, options)
    case 'headersKeyValue':
      return Stores.timestampedKeyValueStoreWithHeaders(name, options)
    case 'lru':
      return Stores.lruMap(name, { ...options, maxEntries })
    case 'versioned':
      return Stores.versionedKeyValueStore(name, { ...options, historyRetentionMs: spec.historyMs ?? 0 })
    case 'window':
      return Stores.windowStore(name, windowed)
    case 'timestampedWindow':
      return Stores.timestampedWindowStore(name, windowed)
    case 'headersWindow':
      return Stores.timestampedWindowStoreWithHeaders(name, windowed)
    case 'session':
      return Stores.sessionStore(name, { ...options, ...segments, retentionMs })
    case 'headersSession':
      return Stores.sessionStoreWithHeaders(name, { ...options, ...segments, retentionMs })
    default:
      throw new Error(`unknown store kind ${kind}`)
  }
}

/** What a store holds, as the scenario language sees it. */
export interface Stored {
  readonly value: unknown
  readonly timestamp?: number
  readonly headers?: Headers
}

const withTime = new Set(['timestampedKeyValue', 'headersKeyValue', 'timestampedWindow', 'headersWindow'])
const withHeaders = new Set(['headersKeyValue', 'headersWindow', 'headersSession'])

/** The value as the store takes it. */
export const heldBy = (kind: string, { value, timestamp = 0, headers = [] }: Stored): unknown => {
  if (value === null) return null
  if (!withTime.has(kind) && !withHeaders.has(kind)) return value
  return { value, ...(withTime.has(kind) ? { timestamp } : {}), ...(withHeaders.has(kind) ? { headers } : {}) }
}

/** The plain value of what the store gives. */
export const plainOf = (kind: string, held: unknown): unknown =>
  held !== null && (withTime.has(kind) || withHeaders.has(kind)) ? (held as Stored).value : held

/** README section 5.4: how stored values appear. */
export const storedJson = (kind: string, held: unknown, headersJson: (headers: Headers) => HeaderList): unknown => {
  if (held === null || (!withTime.has(kind) && !withHeaders.has(kind))) return toJson(held)
  const { value, timestamp, headers } = held as Partial<ValueTimestampHeaders<unknown>>
  return {
    value: toJson(value),
    ...(timestamp === undefined ? {} : { ts: timestamp }),
    ...(headers === undefined ? {} : { h: headersJson(headers) }),
  }
}

/** A store command of README section 5.4; the members depend on the verb. */
export interface StoreCommand {
  readonly op: string
  readonly key?: unknown
  readonly value?: unknown
  readonly ts?: number
  readonly start?: number
  readonly end?: number
  readonly from?: unknown
  readonly to?: unknown
  readonly keyFrom?: unknown
  readonly keyTo?: unknown
  readonly prefix?: unknown
  readonly entries?: readonly (readonly [unknown, unknown])[]
  readonly earliestEnd?: number
  readonly latestStart?: number
}

export interface CommandScope {
  readonly spec: StateStoreSpec
  readonly store: StateStore
  /** Of the record that brings the command. */
  readonly timestamp: number
  readonly headers: Headers
  readonly headersJson: (headers: Headers) => HeaderList
}

/** Runs a command and gives its result as JSON. */
export const runCommand = async (command: StoreCommand, scope: CommandScope): Promise<unknown> => {
  const { kind } = scope.spec
  if (kind === 'versioned') return versionedCommand(command, scope)
  if (kind.toLowerCase().includes('session')) return sessionCommand(command, scope)
  if (kind.toLowerCase().includes('window')) return windowCommand(command, scope)
  return keyValueCommand(command, scope)
}

const parts = ({ spec, timestamp, headers, headersJson }: CommandScope) => ({
  key: (json: unknown) => (json === null || json === undefined ? null : fromJson(spec.key, json)),
  value: (json: unknown) => (json === null || json === undefined ? null : fromJson(spec.value, json)),
  held: (json: unknown, ts = timestamp) =>
    heldBy(spec.kind, { value: json === null || json === undefined ? null : fromJson(spec.value, json), timestamp: ts, headers }),
  json: (held: unknown) => storedJson(spec.kind, held, headersJson),
  entries: (found: readonly (readonly [unknown, unknown])[]) =>
    found.map(([key, held]) => [toJson(key), storedJson(spec.kind, held, headersJson)]),
})

const keyValueCommand = async (command: StoreCommand, scope: CommandScope): Promise<unknown> => {
  const store = scope.store as KeyValueStore<unknown, unknown>
  const { key, held, json, entries } = parts(scope)
  switch (command.op) {
    case 'put':
      store.put(key(command.key), held(command.value, command.ts))
      return 'ok'
    case 'putAll':
      store.putAll((command.entries ?? []).map(([name, value]) => [key(name), held(value)] as const))
      return 'ok'
    case 'putIfAbsent':
      return json(await store.putIfAbsent(key(command.key), held(command.value, command.ts)))
    case 'delete':
      return json(await store.delete(key(command.key)))
    case 'get':
      return json(await store.get(key(command.key)))
    case 'range':
      return entries(await store.range(key(command.from), key(command.to)))
    case 'reverseRange':
      return entries(await store.reverseRange(key(command.from), key(command.to)))
    case 'all':
      return entries(await store.all())
    case 'reverseAll':
      return entries(await store.reverseAll())
    case 'prefixScan':
      return entries(await store.prefixScan(String(command.prefix), serdeOf('string')))
    case 'size':
      return store.approximateNumEntries()
    default:
      throw new Error(`unknown store command ${command.op}`)
  }
}

const versionedCommand = async (command: StoreCommand, scope: CommandScope): Promise<unknown> => {
  const store = scope.store as VersionedKeyValueStore<unknown, unknown>
  const { key, value } = parts(scope)
  const { ts = 0 } = command
  switch (command.op) {
    case 'put':
      // Java's smallest long is not exact as a number
      return toJson(BigInt(await store.put(key(command.key), value(command.value), ts)))
    case 'delete':
      return versionJson(await store.delete(key(command.key), ts))
    case 'get':
      return versionJson(await store.get(key(command.key)))
    case 'getAsOf':
      return versionJson(await store.get(key(command.key), ts))
    default:
      throw new Error(`unknown store command ${command.op}`)
  }
}

/** Java's stores do not pass on to processors until when a version held. */
const versionJson = (found: VersionedRecord<unknown> | null): unknown => found && { value: toJson(found.value), ts: found.timestamp }

const windowCommand = async (command: StoreCommand, scope: CommandScope): Promise<unknown> => {
  const store = scope.store as WindowStore<unknown, unknown>
  const { key, held, json, entries } = parts(scope)
  const [from, to] = [Number(command.from ?? 0), Number(command.to ?? Number.MAX_SAFE_INTEGER)]
  switch (command.op) {
    case 'put':
      store.put(key(command.key), held(command.value, command.ts), command.start ?? 0)
      return 'ok'
    case 'fetchOne':
      return json(await store.fetch(key(command.key), command.start ?? 0))
    case 'fetch':
      return entries(await store.fetch(key(command.key), from, to))
    case 'backwardFetch':
      return entries(await store.backwardFetch(key(command.key), from, to))
    case 'fetchRange':
      return entries(await store.fetchRange(key(command.keyFrom), key(command.keyTo), from, to))
    case 'backwardFetchRange':
      return entries(await store.backwardFetchRange(key(command.keyFrom), key(command.keyTo), from, to))
    case 'fetchAll':
      return entries(await store.fetchAll(from, to))
    case 'backwardFetchAll':
      return entries(await store.backwardFetchAll(from, to))
    case 'all':
      return entries(await store.all())
    case 'backwardAll':
      return entries(await store.backwardAll())
    default:
      throw new Error(`unknown store command ${command.op}`)
  }
}

const sessionCommand = async (command: StoreCommand, scope: CommandScope): Promise<unknown> => {
  const store = scope.store as SessionStore<unknown, unknown>
  const { key, held, json, entries } = parts(scope)
  const { start = 0, end = 0, earliestEnd = 0, latestStart = Number.MAX_SAFE_INTEGER } = command
  const session: Windowed<unknown> = { key: key(command.key), window: { startMs: start, endMs: end } }
  const bounds = { earliestEndMs: earliestEnd, latestStartMs: latestStart }
  switch (command.op) {
    case 'put':
      store.put(session, held(command.value))
      return 'ok'
    case 'remove':
      store.remove(session)
      return 'ok'
    case 'fetchSession':
      return json(await store.fetchSession(session.key, start, end))
    case 'findSessions':
      return entries(await store.findSessions(session.key, earliestEnd, latestStart))
    case 'backwardFindSessions':
      return entries(await store.backwardFindSessions(session.key, earliestEnd, latestStart))
    case 'findSessionsRange':
      return entries(await store.findSessionsRange(key(command.keyFrom), key(command.keyTo), bounds))
    case 'backwardFindSessionsRange':
      return entries(await store.backwardFindSessionsRange(key(command.keyFrom), key(command.keyTo), bounds))
    case 'fetch':
      return entries(await store.fetch(session.key))
    case 'backwardFetch':
      return entries(await store.backwardFetch(session.key))
    case 'fetchRange':
      return entries(await store.fetchRange(key(command.keyFrom), key(command.keyTo)))
    case 'backwardFetchRange':
      return entries(await store.backwardFetchRange(key(command.keyFrom), key(command.keyTo)))
    default:
      throw new Error(`unknown store command ${command.op}`)
  }
}
