import { describe, expect, it } from 'vitest'
import type { KStream } from '../../src/dsl/k-stream.ts'
import { StreamsBuilder } from '../../src/dsl/streams-builder.ts'
import { Serdes } from '../../src/serde/serdes.ts'
import type { Topology } from '../../src/topology/topology.ts'
import { joinWindows } from '../../src/topology/windows.ts'
import { json, modes, outOf, strings, type TopicInput } from './run.ts'

const windows = joinWindows({ timeDifferenceMs: 10, graceMs: 5 })
const show = (ad: string | null, click: string | null, user: string) => `${user} saw ${ad} and pressed ${click}`

type Draw = (ads: KStream<string, string>, clicks: KStream<string, string>) => KStream<string, string>

const joinedOf = (draw: Draw, config = {}): Topology => {
  const builder = new StreamsBuilder(config)
  draw(builder.stream('ads', strings), builder.stream('clicks', strings))
  return builder.build()
}

const inputs: readonly TopicInput[] = [
  ['ads', 'ann', 'a1', 0],
  ['clicks', 'ann', 'c1', 8],
  ['ads', 'bob', 'a2', 9],
  ['clicks', 'cat', 'c2', 10],
  ['ads', null, 'a3', 11],
  ['clicks', 'ann', null, 12],
  ['ads', 'ann', 'a4', 17],
  // later than every window but cat's: 10 + 10 + 5
  ['clicks', 'dan', 'c3', 25],
  ['clicks', 'bob', 'late', 3],
]

describe.each(modes)('two streams (new task: %s)', (mode) => {
  const joined = (draw: Draw) =>
    outOf(mode, (builder) => draw(builder.stream('ads', strings), builder.stream('clicks', strings)).to('out', json()), inputs)

  it('are joined where records of a key are near each other; whichever comes last gives the result', async () => {
    expect(await joined((ads, clicks) => ads.join(clicks, show, windows))).toEqual({
      lines: ['"ann"="ann saw a1 and pressed c1" @8', '"ann"="ann saw a4 and pressed c1" @17', '"bob"="bob saw a2 and pressed late" @9'],
      dropped: 2,
    })
  })

  it('joined from the left give records without a partner when none can come any more, and those without a key at once', async () => {
    expect(await joined((ads, clicks) => ads.leftJoin(clicks, show, windows))).toEqual({
      lines: [
        '"ann"="ann saw a1 and pressed c1" @8',
        'null="null saw a3 and pressed null" @11',
        '"ann"="ann saw a4 and pressed c1" @17',
        '"bob"="bob saw a2 and pressed null" @9',
        '"bob"="bob saw a2 and pressed late" @9',
      ],
      dropped: 1,
    })
  })

  it('joined from both sides give those of the right stream as well', async () => {
    const { lines } = await joined((ads, clicks) => ads.outerJoin(clicks, show, joinWindows({ timeDifferenceMs: 9, graceMs: 5 })))
    expect(lines.slice(3)).toEqual([
      '"bob"="bob saw a2 and pressed null" @9',
      '"cat"="cat saw null and pressed c2" @10',
      '"bob"="bob saw a2 and pressed late" @9',
    ])
  })

  it('are repartitioned first where a key may have changed', async () => {
    const { lines } = await joined((ads, clicks) =>
      ads.selectKey((user) => user).outerJoin(clicks, show, windows, { ...strings, otherValueSerde: Serdes.string, name: 'both' }),
    )
    expect(lines[0]).toBe('"ann"="ann saw a1 and pressed c1" @8')
    expect(lines).toContain('null="null saw a3 and pressed null" @11')
  })
})

describe('a join of streams', () => {
  it('reads topics that must have equal partition counts', () => {
    const topology = joinedOf((ads, clicks) => ads.selectKey((user) => user).join(clicks, show, windows, { ...strings, name: 'both' }))
    const groups = topology.subTopologies.flatMap((sub) => sub.copartitioned)
    expect(groups.map((group) => group.map((topic) => topic.name))).toEqual([['both-left-repartition', 'clicks']])
  })

  it('repartitions a stream once for all its joins without a name', () => {
    const topology = joinedOf((ads, clicks) => {
      const moved = ads.selectKey((user) => user)
      moved.join(clicks, show, windows, strings)
      return moved.join(clicks, show, windows, strings)
    })
    expect(topology.internalTopics('app').filter((topic) => topic.kind === 'repartition').length).toBe(1)
  })

  it('names what it makes by its two names', () => {
    const topology = joinedOf((ads, clicks) => ads.outerJoin(clicks, show, windows, { name: 'clicked', storeName: 'kept' }), {
      'ensure.explicit.internal.resource.naming': true,
    })
    expect(topology.subTopologies[0]?.stores.map((store) => store.name)).toEqual([
      'kept-outer-this-join-store',
      'kept-outer-other-join-store',
      'kept-outer-shared-join-store',
    ])
    expect(topology.subTopologies[0]?.nodes.map((node) => node.name).slice(2)).toEqual([
      ...['clicked-this-windowed', 'clicked-other-windowed'],
      ...['clicked-outer-this-join', 'clicked-outer-other-join', 'clicked-merge'],
    ])
  })

  it('keeps its records in stores of one’s own if these keep all that the windows need', () => {
    const supplier = { windowSizeMs: 20, retentionMs: 25, retainDuplicates: true }
    const joined = (left: Partial<typeof supplier>, right: string) => () =>
      joinedOf((ads, clicks) =>
        ads.leftJoin(clicks, show, windows, {
          thisStoreSupplier: { ...supplier, ...left, name: 'mine' },
          otherStoreSupplier: { ...supplier, name: right },
        }),
      )
    expect(joined({}, 'yours')().subTopologies[0]?.stores.map((store) => store.name)).toEqual([
      'mine',
      'yours',
      'mine-left-shared-join-store',
    ])
    expect(joined({}, 'mine')).toThrow('Both StoreSuppliers have the same name.')
    expect(joined({ retainDuplicates: false }, 'yours')).toThrow('The StoreSupplier must set retainDuplicates=true')
    expect(joined({ retentionMs: 24 }, 'yours')).toThrow(
      'Window settings mismatch. Store mine has windowSizeMs=20 and retentionMs=24, the windows of the join need windowSizeMs=20 and retentionMs=25',
    )
  })

  it('writes changelogs that forget, but for the records that wait; or none', () => {
    const policies = (joined: object) =>
      joinedOf((ads, clicks) => ads.leftJoin(clicks, show, windows, joined))
        .internalTopics('app')
        .filter((topic) => topic.kind === 'changelog')
        .map(({ config }) => [config['cleanup.policy'], config['retention.ms'], config['segment.ms']])
    expect(policies({ logging: { 'segment.ms': '1000' } })).toEqual([
      ['delete', '86400025', '1000'],
      ['delete', '86400025', '1000'],
      ['compact', undefined, '1000'],
    ])
    expect(policies({ logging: false })).toEqual([])
  })

  it('takes a name that topics can have', () => {
    expect(() => joinedOf((ads, clicks) => ads.join(clicks, show, windows, { name: 'a b' }))).toThrow('Name "a b" is illegal')
    expect(() => joinedOf((ads, clicks) => ads.join(clicks, show, windows, { storeName: '..' }))).toThrow('Name cannot be')
  })
})

it('a stream that is joined with itself is kept once if it is asked for, and gives the same results', async () => {
  const own: readonly TopicInput[] = [
    ['ads', 'ann', 'a1', 0],
    ['ads', 'ann', 'a2', 8],
    ['ads', 'bob', 'b1', 8],
    ['ads', 'ann', 'a3', 4],
  ]
  const draw = (builder: StreamsBuilder): void => {
    const ads = builder.stream('ads', strings)
    ads.join(ads, (left, right) => left + right, windows, strings).to('out', json())
  }
  const configs = [{}, { 'topology.optimization': 'single.store.self.join' }]
  const stores = configs.map((config) => {
    const builder = new StreamsBuilder(config)
    draw(builder)
    return builder.build().subTopologies[0]?.stores.length
  })
  expect(stores).toEqual([2, 1])
  const [two, one] = await Promise.all(configs.map((config) => outOf('record', draw, own, config)))
  expect(one).toEqual(two)
  expect(two?.lines.length).toBe(10)
})
