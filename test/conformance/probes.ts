import type { Entries, StateStore, ValueAndTimestamp, VersionedRecord, Windowed, WindowStore } from 'millrace'
import type { TopologyTestDriver } from 'millrace/testing'
import type { StoreSpec } from '../../src/topology/nodes.ts'
import { headersJson } from './headers.ts'
import type { Probe, StateStoreSpec } from './scenario.ts'
import { type CommandScope, runCommand } from './stores.ts'
import { toJson } from './values.ts'

type Query = (probe: Probe, store: string, driver: TopologyTestDriver, of: ProbedStore) => Promise<unknown>

export interface ProbedStore {
  readonly spec: StoreSpec
  readonly declared: StateStoreSpec | undefined
  /** Java keeps its windows by key, then by time, in a segment of a disk; otherwise by time, then by key, as we do. */
  readonly byKey: boolean
}

const unknownType = { failure: 'UNKNOWN_QUERY_TYPE' }
const unsupported = { thrown: 'UnsupportedOperationException' }

const versionJson = (found: VersionedRecord<unknown> | null): unknown =>
  found && { value: toJson(found.value), ts: found.timestamp, ...(found.validTo === undefined ? {} : { validTo: found.validTo }) }

type Plain = (stored: unknown) => unknown
const alone: Plain = (stored) => toJson(stored)
const withoutTime: Plain = (stored) => toJson((stored as ValueAndTimestamp<unknown>).value)
const withTime: Plain = (stored) => {
  const { value, timestamp } = stored as ValueAndTimestamp<unknown>
  return { value: toJson(value), ts: timestamp }
}

const keyValue = (timed: boolean, name: string, driver: TopologyTestDriver) =>
  timed ? driver.getTimestampedKeyValueStore<unknown, unknown>(name) : driver.getKeyValueStore<unknown, unknown>(name)

const byKey =
  (timed: boolean, shown: Plain): Query =>
  async ({ key }, name, driver) => {
    const found = await keyValue(timed, name, driver).get(key)
    return { result: found === null ? null : shown(found) }
  }

const byRange =
  (timed: boolean, shown: Plain): Query =>
  async ({ keyFrom = null, keyTo = null, descending }, name, driver) => {
    const store = keyValue(timed, name, driver)
    const found = await (descending ? store.reverseRange(keyFrom, keyTo) : store.range(keyFrom, keyTo))
    return { result: rows(found, shown) }
  }

const rows = (found: Entries<unknown, unknown>, shown: Plain): readonly unknown[] =>
  found.map(([key, stored]) => [toJson(key), shown(stored)])

const endOf = ([{ window }]: readonly [Windowed<unknown>, unknown]): number => window.endMs

/** Java's queries do not see what only a cache still has: windows that began at this time or before. */
const oldestStart = async (store: WindowStore<unknown, unknown>, spec: StoreSpec): Promise<number> =>
  Math.max(...(await store.all()).map(([{ window }]) => window.startMs)) - retentionOf(spec)

const retentionOf = (spec: StoreSpec): number => ('retentionMs' in spec ? spec.retentionMs : 0)

/** Kafka's `WindowKeySchema` in the segments of a `RocksDBWindowStore`. */
const inSegments = (found: Entries<Windowed<unknown>, unknown>, { spec, byKey }: ProbedStore): Entries<Windowed<unknown>, unknown> => {
  if (!byKey || spec.kind !== 'window') return found
  const intervalMs = Math.max(Math.floor(spec.retentionMs / 2), 60_000)
  const placed = found.map((row) => {
    const [{ key, window }] = row
    return {
      row,
      segment: Math.floor(window.startMs / intervalMs),
      key: Buffer.from(spec.keySerde.serialize(key, spec.name)),
      startMs: window.startMs,
    }
  })
  placed.sort((a, b) => a.segment - b.segment || Buffer.compare(a.key, b.key) || a.startMs - b.startMs)
  return placed.map(({ row }) => row)
}

const versions: Query = async ({ key, from, to, descending }, name, driver) => {
  const found = (await driver.getVersionedKeyValueStore<unknown, unknown>(name).getVersions(key, from, to)).map(versionJson)
  return { result: descending ? found.toReversed() : found }
}

/** What a store answers to each of Kafka's query types; to all others that it does not know them. */
const known: Readonly<Record<string, Readonly<Record<string, Query>>>> = {
  'key-value of values': { key: byKey(false, alone), range: byRange(false, alone) },
  'key-value of timestamped': {
    key: byKey(true, withoutTime),
    range: byRange(true, withoutTime),
    timestampedKey: byKey(true, withTime),
    timestampedRange: byRange(true, withTime),
  },
  'window of timestamped': {
    windowKey: async ({ key, from = 0, to = Number.MAX_SAFE_INTEGER }, name, driver, { spec }) => {
      const store = driver.getTimestampedWindowStore<unknown, unknown>(name)
      const oldest = await oldestStart(store, spec)
      return {
        result: rows(
          (await store.fetch(key, from, to)).filter(([start]) => start > oldest),
          withTime,
        ),
      }
    },
    windowRange: async ({ key, from = 0, to = Number.MAX_SAFE_INTEGER }, name, driver, of) => {
      if (key !== undefined) return unknownType
      const store = driver.getTimestampedWindowStore<unknown, unknown>(name)
      const oldest = await oldestStart(store, of.spec)
      const found = (await store.fetchAll(from, to)).filter(([{ window }]) => window.startMs > oldest)
      return { result: rows(inSegments(found, of), withTime) }
    },
  },
  'session of values': {
    windowRange: async ({ key }, name, driver, { spec }) => {
      if (key === undefined) return unknownType
      // Java's queries do not see what only a cache still has
      const sessions = driver.getSessionStore<unknown, unknown>(name)
      const newest = Math.max(...(await sessions.fetchRange(null, null)).map(endOf))
      return {
        result: rows(
          (await sessions.fetch(key)).filter((row) => endOf(row) > newest - retentionOf(spec)),
          alone,
        ),
      }
    },
  },
  'versioned of versions': {
    key: async () => unsupported,
    range: async () => unsupported,
    versionedKey: async ({ key, asOf }, name, driver) => ({
      result: versionJson(await driver.getVersionedKeyValueStore<unknown, unknown>(name).get(key, asOf)),
    }),
    multiVersionedKey: versions,
  },
}

const opened: Readonly<Record<string, readonly [kind: string, open: (name: string, driver: TopologyTestDriver) => StateStore]>> = {
  'key-value of values': ['keyValue', (name, driver) => driver.getKeyValueStore(name)],
  'key-value of timestamped': ['timestampedKeyValue', (name, driver) => driver.getTimestampedKeyValueStore(name)],
  'key-value of headers': ['headersKeyValue', (name, driver) => driver.getTimestampedKeyValueStoreWithHeaders(name)],
  'window of values': ['window', (name, driver) => driver.getWindowStore(name)],
  'window of timestamped': ['timestampedWindow', (name, driver) => driver.getTimestampedWindowStore(name)],
  'window of headers': ['headersWindow', (name, driver) => driver.getTimestampedWindowStoreWithHeaders(name)],
  'session of values': ['session', (name, driver) => driver.getSessionStore(name)],
  'session of headers': ['headersSession', (name, driver) => driver.getSessionStoreWithHeaders(name)],
}

/** Of a store that the DSL made the scenario does not say the serdes: probes ask it for text. */
const scopeOf = (spec: StoreSpec, declared: StateStoreSpec | undefined, driver: TopologyTestDriver): CommandScope => {
  const found = 'holds' in spec ? opened[`${spec.kind} of ${spec.holds}`] : undefined
  if (!found) throw new Error(`a ${spec.kind} store takes no commands`)
  const [kind, open] = found
  const store = open(spec.name, driver)
  return { spec: declared ?? { kind, name: spec.name, key: 'string', value: 'string' }, store, timestamp: 0, headers: [], headersJson }
}

/** A probe's answer (README section 8.3): a command on a versioned store, or one of Kafka's queries, by what the driver reads of the store. */
export const answerOf = async (probe: Probe, of: ProbedStore, driver: TopologyTestDriver): Promise<unknown> => {
  const { store, op, query = '', key, ts } = probe
  const { spec, declared } = of
  if (op !== undefined && spec.kind === 'versioned') {
    const found = await driver.getVersionedKeyValueStore<unknown, unknown>(store).get(key, ts)
    // the stores that the oracle reads through do not pass on until when a version held
    return found && { value: toJson(found.value), ts: found.timestamp }
  }
  if (op !== undefined) return runCommand({ ...probe, op }, scopeOf(spec, declared, driver))
  const answers = 'holds' in spec ? known[`${spec.kind} of ${spec.holds}`] : undefined
  return answers?.[query]?.(probe, store, driver, of) ?? unknownType
}
