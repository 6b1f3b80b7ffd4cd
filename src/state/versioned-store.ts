import { type Awaitable, andThen } from '../awaitable.ts'
import { messageOf, StreamsError } from '../errors.ts'
import type { Header } from '../processor/record.ts'
import { notPut, type VersionedKeyValueStore, type VersionedRecord, validForever } from '../processor/store.ts'
import { bytesOfId, keyId, type Serde } from '../serde/serde.ts'
import type { Row, Rows } from './rows.ts'

export interface VersionedStoreOptions<K, V> {
  readonly name: string
  /** Given to the serdes as their topic, as Kafka Streams does. */
  readonly changelog: string
  readonly keySerde: Serde<K>
  readonly valueSerde: Serde<V>
  readonly historyMs: number
  readonly rows: Rows
  /** Outlives the store: the latest time that was put. */
  readonly remembered: Map<string, number>
  /** Counts what comes too late for the history. */
  readonly dropped: (why: string) => void
}

/** What held from a time on; null: nothing. */
interface Version {
  readonly timestamp: number
  readonly value: Uint8Array | null
}

/** Keys whose versions are held in memory between two commits, at most. */
const knownMax = 10_000

/** Of a changelog record that changes nothing: Kafka Streams writes it all the same. */
const late: Header = ['__millrace.late', null]

/** A row is a version: key and int64BE time; a first byte of the value tells a deletion, which is a version too. */
const versionKey = (key: Uint8Array, timestamp: number): Uint8Array => {
  const time = Buffer.alloc(8)
  time.writeBigInt64BE(BigInt(timestamp))
  return Buffer.concat([key, time])
}
const rowOf = (key: Uint8Array, { timestamp, value }: Version): Row => ({
  key: versionKey(key, timestamp),
  value: value === null ? Uint8Array.of(0) : Buffer.concat([Uint8Array.of(1), value]),
  timestamp,
})
const versionOf = ({ value, timestamp }: Row): Version => ({
  timestamp,
  value: value === null || value[0] === 0 ? null : value.subarray(1),
})

/** A row as what its store was told: the plain key, and null for a deletion. */
export const readVersion = (row: Row): { readonly key: Uint8Array; readonly value: Uint8Array | null } => ({
  key: row.key.subarray(0, -8),
  value: versionOf(row).value,
})

/** The row for a record of the changelog, which has the plain key and the version's time; undefined where it changed nothing. */
export const versionRowOf = ({ key, value, timestamp, headers = [] }: Row): Row | undefined =>
  headers.some(([name]) => name === late[0]) ? undefined : rowOf(key, { timestamp, value })

/** The same for a topic that is read in the changelog's place, record by record: nothing is marked there, times tell. */
export const versionsOfSource = (
  { name, historyMs }: { readonly name: string; readonly historyMs: number },
  remembered: Readonly<Record<string, number>>,
): ((record: Row) => Row | undefined) => {
  let observed = remembered[timeName(name)] ?? -1
  return ({ key, value, timestamp }) => {
    if (timestamp < observed - historyMs) return undefined
    observed = Math.max(observed, timestamp)
    return rowOf(key, { timestamp, value })
  }
}

const timeName = (store: string): string => `${store}/latest-put`

/**
 * Kafka's `VersionedKeyValueStore` (KIP-889, P-08) over the rows of a task. The versions of a key are read together, when it is
 * first used; what the history has left behind goes when a later version of the key is put.
 */
export class VersionedRows<K, V> implements VersionedKeyValueStore<K, V> {
  readonly name: string
  readonly #options: VersionedStoreOptions<K, V>
  readonly #timeName: string
  readonly #known = new Map<string, Version[] | Promise<Version[]>>()
  readonly #log = new Map<string, Row>()
  #observed: number

  constructor(options: VersionedStoreOptions<K, V>) {
    this.name = options.name
    this.#options = options
    this.#timeName = timeName(options.name)
    this.#observed = options.remembered.get(this.#timeName) ?? -1
  }

  get(key: K, asOfMs?: number): Awaitable<VersionedRecord<V> | null> {
    return andThen(this.#versions(this.#keyBytes(key)), (versions) => this.#found(versions, asOfMs))
  }

  getVersions(key: K, fromMs = 0, toMs = Number.MAX_SAFE_INTEGER): Awaitable<readonly VersionedRecord<V>[]> {
    return andThen(this.#versions(this.#keyBytes(key)), (versions) =>
      versions.flatMap(({ timestamp }, at) => {
        const held = timestamp <= toMs && (versions[at + 1]?.timestamp ?? Number.POSITIVE_INFINITY) > fromMs
        const record = held ? this.#record(versions, at) : null
        return record === null ? [] : [record]
      }),
    )
  }

  put(key: K, value: V | null, timestamp: number): Awaitable<number> {
    const bytes = this.#keyBytes(key)
    const version = { timestamp, value: value === null ? null : this.#serialize(value) }
    if (this.#isLate(timestamp)) return this.#refuse(bytes, version)
    this.#observe(timestamp)
    const row = rowOf(bytes, version)
    const id = keyId(row.key)
    this.#options.rows.put(id, row)
    this.#note(id, { key: bytes, ...version })
    return andThen(this.#versions(bytes), (versions) => {
      const at = insert(versions, version)
      const validTo = versions[at + 1]?.timestamp ?? validForever
      this.#forget(bytes, versions)
      return validTo
    })
  }

  delete(key: K, timestamp: number): Awaitable<VersionedRecord<V> | null> {
    if (this.#isLate(timestamp)) {
      this.#refuse(this.#keyBytes(key), { timestamp, value: null })
      return null
    }
    this.#observe(timestamp)
    return andThen(this.get(key, timestamp), (before) => andThen(this.put(key, null, timestamp), () => before))
  }

  /** Reads the versions of the keys of these ids at once. */
  async prefetch(ids: readonly string[]): Promise<void> {
    const unknown = ids.filter((id) => !this.#known.has(id)).map(bytesOfId)
    await this.#options.rows.prefetchRanges(unknown.map(versionsRange))
    await Promise.all(unknown.map((key) => this.#versions(key)))
  }

  /** What the changelog is told: the last record per key and time, in the order of the last writes. */
  takeLog(): readonly Row[] {
    const records = [...this.#log.values()]
    this.#log.clear()
    if (this.#known.size > knownMax) this.#known.clear()
    return records
  }

  #isLate(timestamp: number): boolean {
    return timestamp < this.#observed - this.#options.historyMs
  }

  #refuse(key: Uint8Array, version: Version): number {
    this.#options.dropped('older than the history of the versioned store')
    this.#note(`late ${keyId(versionKey(key, version.timestamp))}`, { key, ...version, headers: [late] })
    return notPut
  }

  #observe(timestamp: number): void {
    if (timestamp <= this.#observed) return
    this.#observed = timestamp
    this.#options.remembered.set(this.#timeName, timestamp)
  }

  #note(id: string, record: Row): void {
    this.#log.delete(id)
    this.#log.set(id, record)
  }

  #found(versions: readonly Version[], asOfMs: number | undefined): VersionedRecord<V> | null {
    const latest = versions.length - 1
    if (asOfMs === undefined) return this.#record(versions, latest)
    // of what is beyond the history only a latest version that still holds is told
    if (this.#isLate(asOfMs))
      return (versions[latest]?.timestamp ?? Number.POSITIVE_INFINITY) <= asOfMs ? this.#record(versions, latest) : null
    return this.#record(
      versions,
      versions.findLastIndex(({ timestamp }) => timestamp <= asOfMs),
    )
  }

  #record(versions: readonly Version[], at: number): VersionedRecord<V> | null {
    const [version, next] = [versions[at], versions[at + 1]]
    if (!version?.value) return null
    const value = this.#tried('read a value', () =>
      this.#options.valueSerde.deserialize(version.value as Uint8Array, this.#options.changelog),
    )
    if (value === null) return null
    return next ? { value, timestamp: version.timestamp, validTo: next.timestamp } : { value, timestamp: version.timestamp }
  }

  /** Versions that were followed by another before the history began; a deletion in that place is as good as nothing. */
  #forget(key: Uint8Array, versions: Version[]): void {
    const begin = this.#observed - this.#options.historyMs
    while (versions.length > 1 && (versions[1]?.timestamp ?? 0) <= begin) {
      const [gone] = versions.splice(0, 1)
      const row = versionKey(key, gone?.timestamp ?? 0)
      this.#options.rows.put(keyId(row), { key: row, value: null, timestamp: gone?.timestamp ?? 0 })
    }
  }

  #versions(key: Uint8Array): Awaitable<Version[]> {
    const id = keyId(key)
    const known = this.#known.get(id)
    if (known) return known
    const read = this.#read(key).then((versions) => {
      this.#known.set(id, versions)
      return versions
    })
    this.#known.set(id, read)
    return read
  }

  /** In the order of their times; longer keys that begin like this one lie between them. */
  async #read(key: Uint8Array): Promise<Version[]> {
    const found = await this.#options.rows.range(...versionsRange(key))
    return found.filter((row) => row.key.length === key.length + 8).map(versionOf)
  }

  #keyBytes(key: K): Uint8Array {
    return this.#tried('write a key', () => this.#options.keySerde.serialize(key, this.#options.changelog))
  }

  #serialize(value: V): Uint8Array {
    return this.#tried('write a value', () => this.#options.valueSerde.serialize(value, this.#options.changelog))
  }

  #tried<T>(doing: string, act: () => T): T {
    try {
      return act()
    } catch (cause) {
      throw new StreamsError('SERDE_FAILED', `Cannot ${doing} of store ${this.name}: ${messageOf(cause)}`, {
        cause,
        remedy: 'Give the store a serde that fits its keys and values.',
      })
    }
  }
}

const versionsRange = (key: Uint8Array): readonly [from: Uint8Array, to: Uint8Array] => [
  versionKey(key, 0),
  Buffer.concat([key, endOfTime]),
]
const endOfTime = Buffer.from('7fffffffffffffff', 'hex')

/** Answers where it now stands; one of the same time is replaced. */
const insert = (versions: Version[], version: Version): number => {
  const at = versions.findLastIndex(({ timestamp }) => timestamp <= version.timestamp)
  if (versions[at]?.timestamp === version.timestamp) {
    versions[at] = version
    return at
  }
  versions.splice(at + 1, 0, version)
  return at + 1
}
