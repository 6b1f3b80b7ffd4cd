import { type Awaitable, andThen } from '../awaitable.ts'
import { messageOf, StreamsError } from '../errors.ts'
import type { ContextHolder } from '../processor/context.ts'
import type { Record } from '../processor/record.ts'
import type { JoinBuffer, OpenJoinBuffer } from '../processor/store.ts'
import { keyId, type Serde } from '../serde/serde.ts'
import { type BufferedRow, readBufferedRow, writeBufferedRow } from './buffered-row.ts'
import type { Rows } from './rows.ts'

export interface JoinBufferOptions<K, V> {
  readonly name: string
  /** Given to the serdes as their topic, as Kafka Streams does. */
  readonly changelog: string
  readonly keySerde: Serde<K>
  readonly valueSerde: Serde<V>
  readonly graceMs: number
  readonly rows: Rows
  readonly holder: ContextHolder
  /** Outlives the buffer: the latest time that was put, and the number of the last record. */
  readonly remembered: Map<string, number>
}

/** Kafka's form (`TimeFirstWindowKeySchema`): 00, then time and number around the key, so that rows lie in the order in which they go. */
const keyAt = 9
const rowKey = (timestamp: number, key: Uint8Array, number: number): Uint8Array => {
  const bytes = Buffer.alloc(keyAt + key.length + 4)
  bytes.writeBigInt64BE(BigInt(timestamp), 1)
  bytes.set(key, keyAt)
  bytes.writeInt32BE(number, keyAt + key.length)
  return bytes
}

/** The bytes of the record's key in those of a row's. */
export const bufferedKey = (row: Uint8Array): Uint8Array => row.subarray(keyAt, -4)

interface Waiting {
  readonly id: string
  readonly rowKey: Uint8Array
  readonly row: BufferedRow
}

/**
 * Kafka's `RocksDBTimeOrderedKeyValueBuffer` (KIP-923): all of it is in memory while a task runs, and every change of it is
 * written through to its rows. A task that begins reads them all, once.
 */
export class JoinBufferRows<K, V> implements JoinBuffer<K, V> {
  readonly name: string
  readonly #options: JoinBufferOptions<K, V>
  #open: LoadedJoinBuffer<K, V> | undefined

  constructor(options: JoinBufferOptions<K, V>) {
    this.#options = options
    this.name = options.name
  }

  open(): Awaitable<OpenJoinBuffer<K, V>> {
    return this.#open ?? this.#load()
  }

  async #load(): Promise<OpenJoinBuffer<K, V>> {
    const found = await this.#options.rows.range(null, null)
    // a second caller may have waited for the same rows
    this.#open ??= new LoadedJoinBuffer(
      this.#options,
      found.map(({ key, value }) => ({ id: keyId(key), rowKey: key, row: readBufferedRow(value ?? new Uint8Array()) })),
    )
    return this.#open
  }
}

class LoadedJoinBuffer<K, V> implements OpenJoinBuffer<K, V> {
  readonly #options: JoinBufferOptions<K, V>
  /** In the order in which they go. */
  readonly #waiting: Waiting[]
  readonly #timeName: string
  readonly #numberName: string

  constructor(options: JoinBufferOptions<K, V>, waiting: Waiting[]) {
    this.#options = options
    this.#waiting = waiting
    this.#timeName = `${options.name}/latest-put`
    this.#numberName = `${options.name}/number`
  }

  put({ key, value, timestamp, headers }: Record<K, V>): boolean {
    const { keySerde, valueSerde, changelog, remembered, holder, rows } = this.#options
    if (timestamp < this.#due) return false
    if (timestamp > this.#observed) remembered.set(this.#timeName, timestamp)
    const number = ((remembered.get(this.#numberName) ?? 0) + 1) & 0x7fffffff
    remembered.set(this.#numberName, number)
    const bytes = this.#tried('write the key', () => keySerde.serialize(key, changelog))
    const newValue = this.#tried('write the value', () => valueSerde.serialize(value, changelog))
    const { topic = '', partition = -1, offset = -1 } = holder.current ?? {}
    const row = { timestamp, headers, topic, partition, offset, prior: null, oldValue: null, newValue, timeMs: 0 }
    const rowId = rowKey(timestamp, bytes, number)
    const waiting = { id: keyId(rowId), rowKey: rowId, row }
    const at = this.#waiting.findLastIndex(({ id }) => id < waiting.id)
    this.#waiting.splice(at + 1, 0, waiting)
    rows.put(waiting.id, { key: rowId, value: writeBufferedRow(row), timestamp })
    return true
  }

  /** One by one: where a join fails and the task goes on, those after it still wait. */
  sendDue(send: (record: Record<K, V>) => Awaitable<void>): Awaitable<void> {
    for (let first = this.#waiting[0]; first && first.row.timestamp <= this.#due; first = this.#waiting[0]) {
      this.#waiting.shift()
      const sent = this.#send(first, send)
      if (sent instanceof Promise) return sent.then(() => this.sendDue(send))
    }
  }

  /** Beyond the grace period of what was put; -1 before the first put, whose grace is not over. */
  get #due(): number {
    return this.#observed - this.#options.graceMs
  }

  get #observed(): number {
    return this.#options.remembered.get(this.#timeName) ?? -1
  }

  #send({ id, rowKey: key, row }: Waiting, send: (record: Record<K, V>) => Awaitable<void>): Awaitable<void> {
    const { keySerde, valueSerde, changelog, holder, rows } = this.#options
    const { timestamp, headers, topic, partition, offset, newValue } = row
    rows.put(id, { key, value: null, timestamp })
    const recordKey = this.#tried('read the key', () => keySerde.deserialize(bufferedKey(key), changelog)) as K
    const value = this.#tried('read the value', () => valueSerde.deserialize(newValue ?? new Uint8Array(), changelog)) as V
    const before = holder.current
    holder.current = { topic, partition, offset, timestamp, headers, rawKey: null, rawValue: null }
    return andThen(send({ key: recordKey, value, timestamp, headers }), () => {
      holder.current = before
    })
  }

  #tried<T>(doing: string, act: () => T): T {
    try {
      return act()
    } catch (cause) {
      throw new StreamsError('SERDE_FAILED', `Cannot ${doing} in the buffer ${this.#options.name}: ${messageOf(cause)}`, {
        cause,
        remedy: 'Give the join serdes that fit the keys and values of its stream.',
      })
    }
  }
}
