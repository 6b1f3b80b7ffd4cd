import { StreamsError } from '../errors.ts'
import type {
  KeyValueStore,
  SessionStore,
  SessionStoreWithHeaders,
  StateStore,
  StoreBuilder,
  TimestampedKeyValueStore,
  TimestampedKeyValueStoreWithHeaders,
  TimestampedWindowStore,
  TimestampedWindowStoreWithHeaders,
  VersionedKeyValueStore,
  WindowStore,
} from '../processor/store.ts'
import type { Serde } from '../serde/serde.ts'
import { checkName } from './naming.ts'
import type {
  DeferredFlush,
  Holds,
  KeyValueStoreSpec,
  PackedPages,
  ResidentStore,
  SessionStoreSpec,
  StoreSpec,
  VersionedStoreSpec,
  WindowStoreSpec,
} from './nodes.ts'
import { tableOptions } from './table-options.ts'

/** What every store of a processor takes (P-10). */
export interface StoreOptions<K, V> {
  readonly keySerde: Serde<K>
  readonly valueSerde: Serde<V>
  /** Default false: the changelog gets every write; true: the last one per key and commit. */
  readonly caching?: boolean
  /** Topic configuration for the changelog; false: no changelog, what is lost with the table is lost. Default: a changelog. */
  readonly logging?: false | Readonly<Record<string, string>>
  /** Rows are written to the table later, several invocations' together. Default: before each invocation ends. */
  readonly flush?: DeferredFlush
  /** How large a store may be to be read whole by a process that does not know it, once that is cheaper. */
  readonly resident?: ResidentStore
  /** Many rows are one item of the table; key-value and window stores with a changelog only. */
  readonly packed?: PackedPages
}

export interface LruOptions<K, V> extends StoreOptions<K, V> {
  /** The least recently used entry beyond so many goes. Keep it small: the order of use is part of every commit record. */
  readonly maxEntries: number
}

export interface VersionedStoreOptions<K, V> extends Omit<StoreOptions<K, V>, 'caching'> {
  /** Versions are kept as far back as this, seen from the latest time that was put. */
  readonly historyRetentionMs: number
}

export interface WindowStoreOptions<K, V> extends StoreOptions<K, V> {
  readonly windowSizeMs: number
  /** Windows that begin earlier than this before the latest one are forgotten. */
  readonly retentionMs: number
  /** Every put adds an entry. */
  readonly retainDuplicates?: boolean
  /** As in {@link SessionStoreOptions}. */
  readonly segmentIntervalMs?: number
}

export interface SessionStoreOptions<K, V> extends StoreOptions<K, V> {
  /** Sessions that end earlier than this before the latest one are forgotten. */
  readonly retentionMs: number
  /**
   * Reads of many keys go by spans of time of this length and in each by key; default 1, by time. Kafka's persistent stores have
   * spans of half the retention time, but at least a minute.
   */
  readonly segmentIntervalMs?: number
}

/** A builder is the store's declaration itself; only its type tells what processors get. */
type Built<S extends StateStore> = StoreBuilder<S>

/** The declaration behind a builder. */
export const specOf = (builder: StoreBuilder<StateStore>): StoreSpec => {
  if ('kind' in builder && 'keySerde' in builder) return builder as unknown as StoreSpec
  throw new StreamsError('CONFIG_INVALID', `The builder of store "${builder.name}" was not made by Stores`)
}

const build = <S extends StateStore>(spec: StoreSpec): Built<S> => Object.freeze(spec) as unknown as Built<S>

const factsOf = <K, V>(
  name: string,
  kind: StoreSpec['kind'],
  { keySerde, valueSerde, caching = false, logging = {}, ...options }: StoreOptions<K, V>,
) => ({
  name: checkName(name),
  keySerde,
  valueSerde,
  caching,
  logging,
  named: true,
  ...tableOptions(name, { ...options, logging, kind }),
})

const segmentsOf = ({ segmentIntervalMs }: { readonly segmentIntervalMs?: number }) =>
  segmentIntervalMs === undefined ? {} : { segmentIntervalMs }

const keyValue = <K, V>(holds: Holds, name: string, options: StoreOptions<K, V>): KeyValueStoreSpec => ({
  kind: 'key-value',
  holds,
  ...factsOf(name, 'key-value', options),
})

const window = <K, V>(holds: Holds, name: string, options: WindowStoreOptions<K, V>): WindowStoreSpec => {
  const { windowSizeMs, retentionMs, retainDuplicates = false } = options
  const refuse = (why: string): never => {
    throw new StreamsError('CONFIG_INVALID', `Window store ${name}: ${why}`)
  }
  if (retentionMs < 0) refuse(`retentionMs cannot be negative, it is ${retentionMs}`)
  if (windowSizeMs < 0) refuse(`windowSizeMs cannot be negative, it is ${windowSizeMs}`)
  if (windowSizeMs > retentionMs) refuse(`the retention time must be no smaller than its window size: ${retentionMs} < ${windowSizeMs} ms`)
  if (retainDuplicates && options.caching) refuse('a store that retains duplicates cannot be cached')
  return { kind: 'window', holds, windowSizeMs, retentionMs, retainDuplicates, ...factsOf(name, 'window', options), ...segmentsOf(options) }
}

const sessions = <K, V>(holds: 'values' | 'headers', name: string, options: SessionStoreOptions<K, V>): SessionStoreSpec => {
  const { retentionMs } = options
  if (retentionMs < 0)
    throw new StreamsError('CONFIG_INVALID', `Session store ${name}: retentionMs cannot be negative, it is ${retentionMs}`)
  return { kind: 'session', holds, retentionMs, ...factsOf(name, 'session', options), ...segmentsOf(options) }
}

const versions = <K, V>(name: string, options: VersionedStoreOptions<K, V>): VersionedStoreSpec => {
  const { historyRetentionMs: historyMs } = options
  if (historyMs >= 0) return { kind: 'versioned', holds: 'versions', historyMs, ...factsOf(name, 'versioned', options) }
  throw new StreamsError('CONFIG_INVALID', `Versioned store ${name}: historyRetentionMs cannot be negative, it is ${historyMs}`)
}

const lru = <K, V>(name: string, options: LruOptions<K, V>): KeyValueStoreSpec => {
  const { maxEntries } = options
  if (Number.isInteger(maxEntries) && maxEntries >= 1) return { ...keyValue('values', name, options), maxEntries }
  throw new StreamsError('CONFIG_INVALID', `LRU store ${name}: maxEntries is at least 1, not ${maxEntries}`)
}

/**
 * Declares stores for processors (Kafka's `Stores`, P-08, P-09). All of them are rows of the state table with a changelog: what is
 * on a disk or in memory in Kafka Streams is the same here. Windows and sessions are forgotten exactly at their retention time.
 *
 * @example
 * ```ts
 * import { type ProcessorContext, type Record, Serdes, Stores, StreamsBuilder } from 'millrace'
 * import { TopologyTestDriver } from 'millrace/testing'
 *
 * const strings = { keySerde: Serdes.string, valueSerde: Serdes.string }
 * const seen = Stores.keyValueStore('seen', { keySerde: Serdes.string, valueSerde: Serdes.long })
 *
 * class OncePerKey {
 *   #context!: ProcessorContext<string, string>
 *   init(context: ProcessorContext<string, string>) {
 *     this.#context = context
 *   }
 *   async process(record: Record<string, string>) {
 *     const before = await this.#context.getStateStore(seen).putIfAbsent(record.key, record.timestamp)
 *     if (before === null) await this.#context.forward(record)
 *   }
 * }
 *
 * const builder = new StreamsBuilder()
 * builder.addStateStore(seen)
 * builder
 *   .stream('orders', strings)
 *   .process(() => new OncePerKey(), { stores: ['seen'] })
 *   .to('new-orders', strings)
 *
 * await using driver = new TopologyTestDriver(builder.build())
 * const orders = driver.createInputTopic('orders', strings)
 * await orders.pipeInput('a', 'first')
 * await orders.pipeInput('a', 'again')
 * driver.createOutputTopic('new-orders', strings).readValues() // => ['first']
 * ```
 */
export const Stores = Object.freeze({
  keyValueStore: <K, V>(name: string, options: StoreOptions<K, V>): StoreBuilder<KeyValueStore<K, V>> =>
    build(keyValue('values', name, options)),
  timestampedKeyValueStore: <K, V>(name: string, options: StoreOptions<K, V>): StoreBuilder<TimestampedKeyValueStore<K, V>> =>
    build(keyValue('timestamped', name, options)),
  /** KIP-1271. */
  timestampedKeyValueStoreWithHeaders: <K, V>(
    name: string,
    options: StoreOptions<K, V>,
  ): StoreBuilder<TimestampedKeyValueStoreWithHeaders<K, V>> => build(keyValue('headers', name, options)),
  /**
   * Kafka's `lruMap`: beyond `maxEntries` the entry goes that was used longest ago. The order of use is part of every commit, with some
   * 30 bytes and the key for each entry: up to a few thousand entries. A commit above 8 MB is RECORD_INVALID.
   */
  lruMap: <K, V>(name: string, options: LruOptions<K, V>): StoreBuilder<KeyValueStore<K, V>> => build(lru(name, options)),
  /** KIP-889. */
  versionedKeyValueStore: <K, V>(name: string, options: VersionedStoreOptions<K, V>): StoreBuilder<VersionedKeyValueStore<K, V>> =>
    build(versions(name, options)),
  windowStore: <K, V>(name: string, options: WindowStoreOptions<K, V>): StoreBuilder<WindowStore<K, V>> =>
    build(window('values', name, options)),
  timestampedWindowStore: <K, V>(name: string, options: WindowStoreOptions<K, V>): StoreBuilder<TimestampedWindowStore<K, V>> =>
    build(window('timestamped', name, options)),
  /** KIP-1271. */
  timestampedWindowStoreWithHeaders: <K, V>(
    name: string,
    options: WindowStoreOptions<K, V>,
  ): StoreBuilder<TimestampedWindowStoreWithHeaders<K, V>> => build(window('headers', name, options)),
  sessionStore: <K, V>(name: string, options: SessionStoreOptions<K, V>): StoreBuilder<SessionStore<K, V>> =>
    build(sessions('values', name, options)),
  /** KIP-1271. */
  sessionStoreWithHeaders: <K, V>(name: string, options: SessionStoreOptions<K, V>): StoreBuilder<SessionStoreWithHeaders<K, V>> =>
    build(sessions('headers', name, options)),
})
