import { StreamsError } from '../errors.ts'
import { type Headers, noHeaders } from '../processor/record.ts'
import type { LogRecord } from '../runtime/ports.ts'
import type { Serde } from '../serde/serde.ts'
import type { ProducedTopic } from './produced-topic.ts'
import type { PipedRecord } from './test-cluster.ts'

/** A record as a test sees it. */
export interface TestRecord<K, V> {
  readonly key: K | null
  readonly value: V | null
  readonly timestamp: number
  readonly headers: Headers
  readonly partition: number
}

/** A record as a test writes it. */
export interface TestInput<K, V> {
  readonly key?: K | null
  readonly value: V | null
  /** Default: the time of the topic. */
  readonly timestamp?: number
  readonly headers?: Headers
  /** Default: by its key. */
  readonly partition?: number
}

export interface TestTopicSerdes<K, V> {
  readonly keySerde: Serde<K>
  readonly valueSerde: Serde<V>
}

/** The time of records that do not say theirs. */
export interface InputTopicOptions {
  /** Unix milliseconds of the first one. Default 0. */
  readonly startMs?: number
  /** What every record moves the time by. Default 0. */
  readonly autoAdvanceMs?: number
}

interface InputTopic<K, V> {
  readonly topic: string
  readonly serdes: TestTopicSerdes<K, V>
  readonly pipe: (records: readonly PipedRecord[]) => Promise<void>
  readonly options?: InputTopicOptions
}

/** Feeds one topic (Kafka's `TestInputTopic`, T-11). */
export class TestInputTopic<K, V> {
  readonly #in: InputTopic<K, V>
  #timeMs: number

  constructor(input: InputTopic<K, V>) {
    this.#in = input
    this.#timeMs = input.options?.startMs ?? 0
  }

  /** Processes the record and everything that follows from it before it resolves. */
  async pipeInput(key: K | null, value: V | null, options: Omit<TestInput<K, V>, 'key' | 'value'> = {}): Promise<void> {
    await this.pipeRecord({ ...options, key, value })
  }

  async pipeRecord({ key = null, value, timestamp, headers = noHeaders, partition }: TestInput<K, V>): Promise<void> {
    const { topic, serdes, pipe, options } = this.#in
    const record: LogRecord = {
      key: key === null ? null : serdes.keySerde.serialize(key, topic),
      value: value === null ? null : serdes.valueSerde.serialize(value, topic),
      timestamp: timestamp ?? this.#timeMs,
      headers,
    }
    if (timestamp === undefined) this.#timeMs += options?.autoAdvanceMs ?? 0
    await pipe([partition === undefined ? { topic, record } : { topic, record, partition }])
  }

  /** One after the other. */
  async pipeRecords(records: readonly TestInput<K, V>[]): Promise<void> {
    for (const record of records) await this.pipeRecord(record)
  }

  async pipeKeyValues(entries: Iterable<readonly [K | null, V | null]>): Promise<void> {
    for (const [key, value] of entries) await this.pipeRecord({ key, value })
  }

  /** Without keys. */
  async pipeValues(values: Iterable<V | null>): Promise<void> {
    for (const value of values) await this.pipeRecord({ value })
  }

  /** Moves the time of the records that do not say theirs. */
  advanceTime(ms: number): void {
    if (ms < 0) throw new StreamsError('INPUT_INVALID', `The time of topic ${this.#in.topic} cannot go back by ${-ms} ms`)
    this.#timeMs += ms
  }
}

/** Reads what was written to one topic (Kafka's `TestOutputTopic`, T-11). */
export class TestOutputTopic<K, V> {
  readonly #topic: string
  readonly #serdes: TestTopicSerdes<K, V>
  readonly #produced: ProducedTopic

  constructor(topic: string, serdes: TestTopicSerdes<K, V>, produced: ProducedTopic) {
    this.#topic = topic
    this.#serdes = serdes
    this.#produced = produced
  }

  /** Records not read yet. */
  get size(): number {
    return this.#produced.records.length
  }

  get isEmpty(): boolean {
    return this.#produced.isEmpty
  }

  /** The next record; INPUT_INVALID when there is none. */
  readRecord(): TestRecord<K, V> {
    const record = this.#produced.records.shift()
    if (!record) throw new StreamsError('INPUT_INVALID', `Topic ${this.#topic} has no more records`)
    const { keySerde, valueSerde } = this.#serdes
    return {
      key: record.key === null ? null : keySerde.deserialize(record.key, this.#topic),
      value: record.value === null ? null : valueSerde.deserialize(record.value, this.#topic),
      timestamp: record.timestamp,
      headers: record.headers,
      partition: record.partition,
    }
  }

  readValue(): V | null {
    return this.readRecord().value
  }

  readKeyValue(): readonly [K | null, V | null] {
    const { key, value } = this.readRecord()
    return [key, value]
  }

  /** All records not read yet. */
  readRecords(): readonly TestRecord<K, V>[] {
    return Array.from({ length: this.size }, () => this.readRecord())
  }

  readValues(): readonly (V | null)[] {
    return this.readRecords().map(({ value }) => value)
  }

  readKeyValues(): readonly (readonly [K | null, V | null])[] {
    return this.readRecords().map(({ key, value }) => [key, value])
  }

  /** The last value per key, in the order in which the keys came first. */
  readMap(): ReadonlyMap<K | null, V | null> {
    return new Map(this.readKeyValues())
  }
}
