import type { MemoryKafka } from '../../src/adapters/memory/log.ts'
import type { FetchedPartition, PartitionBatch, PartitionOffset, TopicPartition } from '../../src/runtime/ports.ts'
import { lineOf, printable } from './words.ts'

const everything = Number.MAX_SAFE_INTEGER
const nameOf = ({ topic, partition }: TopicPartition): string => `${topic}/${partition}`

/** What the committed transactions have written where, and what readers see of it. */
export class WrittenLogs {
  readonly #kafka: MemoryKafka
  /** By offset, of each partition. */
  readonly #lines = new Map<string, { readonly at: TopicPartition; readonly lines: string[] }>()
  readonly #starts = new Map<string, number>()

  constructor(kafka: MemoryKafka) {
    this.#kafka = kafka
  }

  /** A batch of a transaction that was committed. */
  add({ topic, partition, records }: PartitionBatch, baseOffset: number): void {
    const at = { topic, partition }
    const { lines } = this.#lines.get(nameOf(at)) ?? { lines: [] }
    records.forEach((record, index) => {
      lines[baseOffset + index] = lineOf(record)
    })
    this.#lines.set(nameOf(at), { at, lines })
  }

  /** Records below this offset were deleted. */
  purged({ topic, partition, offset }: PartitionOffset): void {
    this.#starts.set(nameOf({ topic, partition }), Math.max(offset, this.startOf({ topic, partition })))
  }

  startOf(at: TopicPartition): number {
    return this.#starts.get(nameOf(at)) ?? 0
  }

  /** What can be read from there on, or from where the partition begins by now. */
  read(at: TopicPartition, offset = 0): FetchedPartition {
    return this.#kafka.read({ ...at, offset: Math.max(offset, this.startOf(at)), bytesMax: everything })
  }

  /** Whether records can be read from one offset up to another, or may yet be. */
  hasBetween(at: TopicPartition, from: number, to: number): boolean {
    if (to <= from) return false
    const { records, lastStableOffset } = this.read(at, from)
    return lastStableOffset < to || records.some(({ offset }) => offset < to)
  }

  /** What read_committed readers see is what the committed transactions wrote, at their offsets, and nothing else. Says what is otherwise. */
  *differences(beside: readonly TopicPartition[]): Generator<string> {
    const all = new Map(beside.map((at) => [nameOf(at), at]))
    for (const [name, { at }] of this.#lines) all.set(name, at)
    for (const [name, at] of all) {
      const { records, lastStableOffset, highWatermark } = this.read(at)
      if (lastStableOffset < highWatermark) yield `a transaction is left open on ${name}`
      const start = this.startOf(at)
      const is = records.map((record) => `${record.offset} ${lineOf(record)}`)
      const written = Object.entries(this.#lines.get(name)?.lines ?? []).filter(([offset]) => Number(offset) >= start)
      const should = written.map(([offset, line]) => `${offset} ${line}`)
      const differs = should.findIndex((line, index) => line !== is[index])
      const index = differs < 0 ? should.length : differs
      if (is.length !== should.length || differs >= 0)
        yield `readers of ${name} see ${printable(`${is[index]}`)}, the committed transactions wrote ${printable(`${should[index]}`)}`
    }
  }
}
