import { Serdes, StreamsBuilder, tumbling } from 'millrace'
import { expect, it } from 'vitest'
import { withoutStamp } from '../../src/runtime/commit-record.ts'
import { record, scene, startMs, strings, textOf } from './scene.ts'

const sizeMs = 10_000

const windowed = () => {
  const builder = new StreamsBuilder()
  builder
    .stream('words', strings)
    .groupByKey()
    .windowedBy(tumbling({ sizeMs, graceMs: 0 }))
    .count({ store: 'counts' })
    .toStream((key) => key.key)
    .to('totals', { keySerde: Serdes.string, valueSerde: Serdes.long })
  return builder.build()
}

it('tells the changelog of windows the time of the clock where the broker would delete the record by its own', async () => {
  const it = await scene({ topology: windowed() })
  const times = [startMs - 365 * 86_400_000, startMs - sizeMs - 1, startMs - sizeMs]
  for (const timestamp of times) {
    await it.feed('words', record('a', '', { timestamp }))
    await it.run()
  }
  const changelog = await it.committed('app-counts-changelog')
  expect(changelog.map(({ timestamp }) => timestamp)).toEqual([startMs, startMs, startMs - sizeMs])
  expect(changelog.map((it) => withoutStamp(it).timestamp)).toEqual(times)
  expect(changelog.map(({ headers }) => headers.map(([name, value]) => `${name.slice(11)}=${textOf(value)}`).join(' '))).toEqual([
    `gen=0 seq=1 ts=${times[0]}`,
    `gen=0 seq=2 ts=${times[1]}`,
    'gen=0 seq=3',
  ])
})

it('leaves their own time to the rows that the next owner reads from the log', async () => {
  const it = await scene({ topology: windowed() })
  const timestamp = 5_000
  await it.feed('words', record('a', '', { timestamp }))
  await expect(
    it.run({
      around: async (call, run) => {
        if (call === 'put') throw new Error('died')
        return run()
      },
    }),
  ).rejects.toThrow('died')
  await it.feed('words', record('b', '', { timestamp: timestamp + 1 }))
  await it.run()
  const rows = []
  for await (const page of it.table.query({ subTopology: 'words', partition: 0, gen: 0, store: 'counts' }, it.clock.nowMs))
    rows.push(...page.map(({ key, timestamp: at }) => [Buffer.from(key).subarray(0, 1).toString(), at]))
  expect(rows).toEqual([
    ['a', timestamp],
    ['b', timestamp + 1],
  ])
})
