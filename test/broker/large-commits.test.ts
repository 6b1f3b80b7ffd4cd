import { type Processor, Serdes, Stores, StreamsBuilder } from 'millrace'
import { describe, expect, inject, it } from 'vitest'
import type { LogRecord } from '../../src/runtime/ports.ts'
import { bytesOf } from '../adapters/kafka-harness.ts'
import { deployVector } from './vector-app.ts'

const kafka = inject('kafka')
const dynamodb = inject('dynamodb')
const strings = { keySerde: Serdes.string, valueSerde: Serdes.string }
const maxEntries = 1_000
const recent = Stores.lruMap('recent', { ...strings, maxEntries })

const keeping = () => {
  const builder = new StreamsBuilder()
  builder.addStateStore(recent)
  builder.stream('words', strings).process(
    (): Processor<string, string, string, string> => {
      let keep: (key: string, value: string) => void
      return {
        init: (context) => {
          const store = context.getStateStore(recent)
          keep = (key, value) => store.put(key, value)
        },
        process: ({ key, value }) => keep(key, value),
      }
    },
    { stores: ['recent'] },
  )
  return builder.build()
}

/** Of keys almost as long as the table takes them. */
const record = (at: number): LogRecord => ({ key: bytesOf(`${at} `.padEnd(1_000, '-')), value: bytesOf('x'), timestamp: at, headers: [] })

describe.skipIf(kafka === null || dynamodb === null)('a commit record above what a broker takes by default', () => {
  it('tells the next process which entries were used longest ago', async () => {
    const topology = keeping()
    const app = await deployVector({ topology, kafka: kafka ?? [], dynamodb: dynamodb ?? '', userTopics: [], isCold: () => true })
    try {
      await app.pipe(Array.from({ length: maxEntries }, (_, at) => ({ topic: 'words', record: record(at) })))
      await app.pipe([maxEntries, maxEntries + 1].map((at) => ({ topic: 'words', record: record(at) })))
      const commits = (await app.committedSince(['app-words-commits'])).get('app-words-commits') ?? []
      expect(commits.filter(({ value }) => (value?.length ?? 0) < 1_048_576)).toEqual([])
      const [store] = app.stores
      const { rows, fold } = await app.stored(store ?? expect.fail('no store'))
      expect(rows).toEqual(fold)
      const kept = Object.keys(rows).map((key) => Number.parseInt(Buffer.from(key, 'hex').toString(), 10))
      expect(kept.sort((one, other) => one - other)).toEqual(Array.from({ length: maxEntries }, (_, at) => at + 2))
    } finally {
      await app.close()
    }
  })
})
