import { StreamsError } from '../errors.ts'
import { type Headers, noHeaders } from '../processor/record.ts'
import type { LogRecord } from '../runtime/ports.ts'
import type { Serde } from '../serde/serde.ts'

/** A record as a test sees it. */
export interface TestRecord<K, V> {
  readonly key: K | null
  readonly value: V | null
  readonly timestamp: number
  readonly headers: Headers
}

export interface TestTopicSerdes<K, V> {
  readonly keySerde: Serde<K>
  readonly valueSerde: Serde<V>
}

/** Feeds one topic (Kafka's `TestInputTopic`, T-11). */
export class TestInputTopic<K, V> {
  readonly #topic: string
  readonly #serdes: TestTopicSerdes<K, V>
  readonly #pipe: (topic: string, record: LogRecord) => Promise<void>

  constructor(topic: string, serdes: TestTopicSerdes<K, V>, pipe: (topic: string, record: LogRecord) => Promise<void>) {
    this.#topic = topic
    this.#serdes = serdes
    this.#pipe = pipe
  }

  /** Processes the record and everything that follows from it before it resolves; without a timestamp the record has time 0. */
  async pipeInput(
    key: K | null,
    value: V | null,
    options: { readonly timestamp?: number; readonly headers?: Headers } = {},
  ): Promise<void> {
    const { keySerde, valueSerde } = this.#serdes
    await this.#pipe(this.#topic, {
      key: key === null ? null : keySerde.serialize(key, this.#topic),
      value: value === null ? null : valueSerde.serialize(value, this.#topic),
      timestamp: options.timestamp ?? 0,
      headers: options.headers ?? noHeaders,
    })
  }
}

/** Reads what was written to one topic (Kafka's `TestOutputTopic`, T-11). */
export class TestOutputTopic<K, V> {
  readonly #topic: string
  readonly #serdes: TestTopicSerdes<K, V>
  readonly #records: LogRecord[]

  constructor(topic: string, serdes: TestTopicSerdes<K, V>, records: LogRecord[]) {
    this.#topic = topic
    this.#serdes = serdes
    this.#records = records
  }

  get size(): number {
    return this.#records.length
  }

  /** The next record; INPUT_INVALID when there is none. */
  readRecord(): TestRecord<K, V> {
    const record = this.#records.shift()
    if (!record) throw new StreamsError('INPUT_INVALID', `Topic ${this.#topic} has no more records`)
    const { keySerde, valueSerde } = this.#serdes
    return {
      key: record.key === null ? null : keySerde.deserialize(record.key, this.#topic),
      value: record.value === null ? null : valueSerde.deserialize(record.value, this.#topic),
      timestamp: record.timestamp,
      headers: record.headers,
    }
  }

  /** All records not read yet. */
  readRecords(): readonly TestRecord<K, V>[] {
    return Array.from({ length: this.size }, () => this.readRecord())
  }

  /** The last value per key, in the order in which the keys came first. */
  readMap(): ReadonlyMap<K | null, V | null> {
    return new Map(this.readRecords().map(({ key, value }) => [key, value]))
  }
}
