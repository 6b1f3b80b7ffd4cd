import { Serdes, StreamsBuilder } from 'millrace'
import { describe, expect, inject, it } from 'vitest'
import { createDynamoDb } from '../../src/adapters/dynamodb/dynamodb.ts'
import { readStoreRows } from '../../src/runtime/pages.ts'
import { readSnapshot } from '../../src/runtime/snapshot.ts'
import { placeOf } from '../../src/state/page.ts'
import { soon, unique } from '../adapters/kafka-harness.ts'
import { died, dies } from '../runtime/faults.ts'
import { bytes, numberOf, record, scene, strings, textOf } from '../runtime/scene.ts'
import { credentials } from './deployed-app.ts'

const dynamodb = inject('dynamodb')
const longOf = (value: Uint8Array | null | undefined): number | null => numberOf(value?.subarray(-8) ?? null)
const keys = (count: number): readonly string[] => Array.from({ length: count }, (_, at) => `key-${at}`)

const counting = () => {
  const builder = new StreamsBuilder()
  builder
    .stream('words', strings)
    .groupByKey()
    .count({ store: { name: 'counts', valueSerde: Serdes.long, packed: { pageBytes: 64 } } })
    .toStream()
    .to('totals')
  return builder.build()
}

/** A task whose rows are in a real table, and whose log is in memory. */
const begun = async () => {
  const table = createDynamoDb({ table: unique('packed'), endpoint: dynamodb ?? '', region: 'us-east-1', credentials })
  await table.ensure(soon())
  const it = await scene({ topology: counting(), table, fromMs: Date.now() })
  const [store] = it.plan.stores
  if (!store) throw new Error('there is no store')
  const where = { subTopology: it.plan.subTopology, partition: 0, gen: 0 }
  return {
    ...it,
    counts: async () => {
      const found: Record<string, number | null> = {}
      for await (const rows of readStoreRows(table, { ...where, store }, soon()))
        for (const { key, value } of rows) found[`${textOf(key)}`] = longOf(value)
      return found
    },
    pages: async () => {
      const found: string[] = []
      for await (const pages of table.query({ ...where, store: 'counts#pages' }, soon()))
        for (const { key } of pages) found.push(`${placeOf(key).level}/${placeOf(key).index}`)
      return found
    },
  }
}

describe.skipIf(dynamodb === null)('a packed store in a real table', () => {
  const cases = [1, 2, 3].flatMap((nth) => (['before', 'after'] as const).map((when) => [when, nth] as const))

  it.each(cases)('has all rows in pages of one level after a process that died %s put %i of those that split them', async (when, nth) => {
    const it = await begun()
    it.feed('words', ...keys(4).map((key) => record(key)))
    await it.run()
    expect(await it.pages()).toEqual(['0/0'])
    it.feed('words', ...keys(24).map((key) => record(key)))
    await it.run({ around: dies(when, 'put', nth) }).catch((error: Error) => expect(error.message).toBe(died))
    it.clock.nowMs += 100_000
    it.feed('words', record('key-9'))
    await it.run()
    const counts = Object.fromEntries(keys(24).map((key, at) => [key, at < 4 || at === 9 ? 2 : 1]))
    expect(await it.counts()).toEqual(counts)
    const levels = (await it.pages()).map((page) => page.split('/')[0])
    expect(new Set(levels).size).toBe(1)
    const asked = ['key-1', 'key-9', 'key-99'].map((key) => ({ store: 'counts', key: bytes(key) }))
    const found = await readSnapshot({ ports: it.ports, plan: it.plan, partition: 0, keys: asked, deadlineMs: soon() })
    expect(found.rows.map((row) => (row ? longOf(row.value) : undefined))).toEqual([2, 2, undefined])
    await it.table.close()
  })
})
