import { describe, expect, it } from 'vitest'
import type { KStream } from '../../src/dsl/k-stream.ts'
import type { KTable } from '../../src/dsl/k-table.ts'
import { StreamsBuilder } from '../../src/dsl/streams-builder.ts'
import { json, modes, outOf, strings, type TopicInput } from './run.ts'

const inputs: readonly TopicInput[] = [
  ['views', 'ann', 'p1', 10],
  ['cities', 'ann', 'rome', 50],
  ['views', 'ann', 'p2', 20],
  ['views', 'ann', null, 30],
  ['views', null, 'p3', 40],
  ['cities', 'ann', null, 60],
  ['views', 'ann', 'p4', 70],
]

type Draw = (views: KStream<string, string>, cities: KTable<string, string>) => KStream<string, string>
const show = (page: string, city: string | null, user: string) => `${user} of ${city} saw ${page}`

describe.each(modes)('a stream (new task: %s)', (mode) => {
  const joined = (draw: Draw) =>
    outOf(mode, (builder) => draw(builder.stream('views', strings), builder.table('cities', strings)).to('out', json()), inputs)

  it('joined with a table looks up the row of its key at its own time; the table alone gives nothing', async () => {
    expect(await joined((views, cities) => views.join(cities, show))).toEqual({ lines: ['"ann"="ann of rome saw p2" @20'], dropped: 2 })
  })

  it('joined from the left has null where there is no row or no key; null values are dropped', async () => {
    expect(await joined((views, cities) => views.leftJoin(cities, show))).toEqual({
      lines: [
        ...['"ann"="ann of null saw p1" @10', '"ann"="ann of rome saw p2" @20'],
        ...['null="null of null saw p3" @40', '"ann"="ann of null saw p4" @70'],
      ],
      dropped: 1,
    })
  })

  it('is repartitioned first where its key may have changed; null keys pass only to a left join', async () => {
    const moved = (views: KStream<string, string>) => views.selectKey((user) => user)
    const inner = await joined((views, cities) => moved(views).join(cities, show, { ...strings, name: 'inner' }))
    expect(inner).toEqual({ lines: ['"ann"="ann of rome saw p2" @20'], dropped: 1 })
    const left = await joined((views, cities) => moved(views).leftJoin(cities, show, strings))
    expect(left.lines[2]).toBe('null="null of null saw p3" @40')
  })

  it('joined with a filtered and mapped table looks up in the store of the table above', async () => {
    const { lines } = await joined((views, cities) =>
      views.join(
        cities.filter((_user, city) => city === 'rome').mapValues((city) => city.toUpperCase()),
        show,
      ),
    )
    expect(lines).toEqual(['"ann"="ann of ROME saw p2" @20'])
  })
})

it('joined with a table reads topics that must have equal partition counts', () => {
  const builder = new StreamsBuilder()
  builder
    .stream('views', strings)
    .selectKey((user) => user)
    .join(builder.table('cities', strings), show, { ...strings, name: 'join' })
  const topology = builder.build()
  expect(topology.subTopologies.flatMap((sub) => sub.copartitioned).map((group) => group.map((topic) => topic.name))).toEqual([
    ['join-repartition', 'cities'],
  ])
  const counts = new Map(Object.entries({ views: 8, cities: 3 }))
  expect(topology.partitionCounts('app', counts).get('app-join-repartition')).toBe(3)
})
