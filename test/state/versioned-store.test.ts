import { expect, it } from 'vitest'
import { notPut } from '../../src/processor/store.ts'
import { Serdes } from '../../src/serde/serdes.ts'
import { type Row, Rows } from '../../src/state/rows.ts'
import { VersionedRows, versionRowOf } from '../../src/state/versioned-store.ts'

const make = (rows = new Rows()) =>
  new VersionedRows<string, string>({
    ...{ name: 'prices', changelog: 'app-prices-changelog', keySerde: Serdes.string, valueSerde: Serdes.string, historyMs: 50, rows },
    ...{ remembered: new Map(), dropped: () => undefined },
  })
const shown = ({ key, value, timestamp, headers = [] }: Row) =>
  `${Buffer.from(key).toString('hex')}=${value && Buffer.from(value).toString('hex')} @${timestamp}${headers.map(([name]) => ` ${name}`).join('')}`

it('writes a row per version, by key and int64 time, and a record with the plain key to the changelog', async () => {
  const rows = new Rows()
  const store = make(rows)
  await store.put('a', 'x', 10)
  await store.put('a', 'y', 258)
  await store.put('a', null, 400)
  expect(rows.takeWritten().map(shown)).toEqual([
    // what the history has left behind
    ...['610000000000000102=0179 @258', '610000000000000190=00 @400', '61000000000000000a=null @10'],
  ])
  expect(store.takeLog().map(shown)).toEqual(['61=78 @10', '61=79 @258', '61=null @400'])
})

it('notes what comes too late in the changelog, as a record that is no row', async () => {
  const store = make()
  await store.put('a', 'x', 100)
  expect(await store.put('a', 'y', 49)).toBe(notPut)
  const log = store.takeLog()
  expect(log.map(shown)).toEqual(['61=78 @100', '61=79 @49 __millrace.late'])
  expect(log.map(versionRowOf).map((row) => row && shown(row))).toEqual(['610000000000000064=0178 @100', undefined])
})

it('has what was put at once, also before its answer is awaited', async () => {
  const store = make()
  const answers = [store.put('a', 'x', 10), store.put('a', 'y', 20), store.put('a', 'z', 15)]
  expect(await store.get('a', 15)).toEqual({ value: 'z', timestamp: 15, validTo: 20 })
  expect(await Promise.all(answers)).toEqual([-1, -1, 20])
})

it('answers at once about keys that it has read', async () => {
  const store = make()
  await store.prefetch(['a'])
  expect([store.put('a', 'x', 10), store.get('a')]).toEqual([-1, { value: 'x', timestamp: 10 }])
})

it('says which store cannot write a value', () => {
  expect(() => make().put('a', 7 as unknown as string, 10)).toThrow('Cannot write a value of store prices: ')
})
