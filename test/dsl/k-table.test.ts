import { describe, expect, it } from 'vitest'
import type { KTable } from '../../src/dsl/k-table.ts'
import { StreamsBuilder } from '../../src/dsl/streams-builder.ts'
import { json, modes, outOf, strings, type TopicInput } from './run.ts'

const updates: readonly TopicInput[] = [
  ['in', 'a', 'x', 10],
  ['in', null, 'lost', 20],
  ['in', 'a', 'y', 5],
  ['in', 'b', null, 30],
  ['in', 'a', null, 40],
]

describe.each(modes)('a table (new task: %s)', (mode) => {
  it.each([
    ['without a store', undefined, ['"b"=null @30']],
    ['with a store without cache', { name: 'rows', caching: false }, ['"b"=null @30']],
    ['with a cached store, for which a deletion of nothing is no change', 'rows', []],
  ])('%s has the last value of each key at its own time; null keys are dropped', async (_what, store, nothing) => {
    const { lines, dropped } = await outOf(
      mode,
      (builder) =>
        builder
          .table('in', { ...strings, ...(store === undefined ? {} : { store }) })
          .toStream()
          .to('out', json()),
      updates,
    )
    expect({ lines, dropped }).toEqual({ lines: ['"a"="x" @10', '"a"="y" @5', ...nothing, '"a"=null @40'], dropped: 1 })
  })

  const lines = async (draw: (builder: StreamsBuilder) => void, inputs: readonly TopicInput[] = updates) =>
    (await outOf(mode, draw, inputs)).lines
  const values: readonly TopicInput[] = [
    ['in', 'a', 'no', 10],
    ['in', 'a', 'yes', 20],
    ['in', 'a', 'no', 30],
    ['in', 'a', 'no', 40],
    ['in', 'b', 'yes', 50],
    ['in', 'b', null, 60],
  ]
  const isYes = (_key: string, value: string) => value === 'yes'
  const neverFitted = ['"a"=null @10', '"a"=null @40']

  it.each([
    ['tells nothing of rows that never fitted where old values are there', { store: 'rows' }, {}, false],
    ['tells nothing of them where its own rows are there', { store: 'rows' }, { store: 'fitting' }, false],
    ['deletes what does not fit where they are not', {}, {}, true],
  ])('filtered %s', async (_what, source, options, more) => {
    const found = await lines(
      (builder) =>
        builder
          .table('in', { ...strings, ...source })
          .filter(isYes, options)
          .toStream()
          .to('out', json()),
      values,
    )
    const all = ['"a"=null @10', '"a"="yes" @20', '"a"=null @30', '"a"=null @40', '"b"="yes" @50', '"b"=null @60']
    expect(found).toEqual(all.filter((line) => more || !neverFitted.includes(line)))
  })

  it('filtered the other way round keeps the other rows', async () => {
    const found = await lines((builder) => builder.table('in', strings).filterNot(isYes).toStream().to('out', json()), values.slice(0, 3))
    expect(found).toEqual(['"a"="no" @10', '"a"=null @20', '"a"="no" @30'])
  })

  it.each([{}, { store: { name: 'mapped', ...json<string, string>(), caching: false } }])(
    'mapped has no row where the mapper gives null (%o)',
    async (options) => {
      const found = await lines((builder) =>
        builder
          .table('in', strings)
          .mapValues((value, key) => (value === 'y' ? null : `${key}${value}`), options)
          .toStream()
          .to('out', json()),
      )
      expect(found).toEqual(['"a"="ax" @10', '"a"=null @5', '"b"=null @30', '"a"=null @40'])
    },
  )

  it('of a stream is repartitioned where the key may have changed', async () => {
    const { lines: found, dropped } = await outOf(
      mode,
      (builder) =>
        builder
          .stream('in', strings)
          .filter((key) => key !== 'b')
          .selectKey((key, value) => (value === 'y' ? null : key))
          .toTable({ store: { name: 'rows', ...json<string | null, string>() } })
          .toStream()
          .to('out', json()),
      updates,
    )
    expect({ found, dropped }).toEqual({ found: ['"a"="x" @10', '"a"=null @40'], dropped: 0 })
  })

  const cities: readonly TopicInput[] = [
    ['in', 'ann', 'rome', 10],
    ['in', 'bob', 'rome', 20],
    ['in', 'ann', 'oslo', 5],
    ['in', 'bob', 'rome', 30],
    ['in', 'bob', null, 25],
    ['in', 'ann', 'nowhere', 40],
  ]
  const grouped = (builder: StreamsBuilder, caching = true) =>
    builder
      .table('in', { ...strings, store: { name: 'rows', caching } })
      .groupBy((user, city) => [city === 'nowhere' ? (null as never) : city, user], { ...strings, name: 'by-city' })

  it.each([true, false])(
    'grouped by a new key counts the rows that have it now, at the latest time of a change (cached: %s)',
    async (caching) => {
      const found = await lines((builder) => grouped(builder, caching).count({ store: 'counts' }).toStream().to('out', json()), cities)
      expect(found).toEqual([
        ...['"rome"=1 @10', '"rome"=2 @20', '"rome"=1 @20', '"oslo"=1 @5'],
        ...['"rome"=1 @30', '"rome"=0 @30', '"oslo"=0 @40'],
      ])
    },
  )

  it('grouped is aggregated by taking the old row out before the new one goes in', async () => {
    const found = await lines(
      (builder) =>
        grouped(builder)
          .aggregate(
            () => [] as readonly string[],
            (_city, user, users) => [...users, user],
            (_city, user, users) => (users.length === 1 ? null : users.filter((it) => it !== user)),
            { store: { name: 'users', valueSerde: json<string, readonly string[]>().valueSerde } },
          )
          .toStream()
          .to('out', json()),
      cities,
    )
    expect(found).toEqual([
      ...['"rome"=["ann"] @10', '"rome"=["ann","bob"] @20', '"rome"=["bob"] @20', '"oslo"=["ann"] @5'],
      ...['"rome"=["bob"] @30', '"rome"=null @25', '"oslo"=null @40'],
    ])
  })

  it('grouped is reduced, the first value as it is, and can be grouped again', async () => {
    const found = await lines(
      (builder) =>
        grouped(builder)
          .reduce(
            (users, user) => users + user,
            (users, user) => users.replace(user, ''),
            { store: 'users' },
          )
          .groupBy((_city, users) => [String(users.length), users], strings)
          .count({ store: 'sizes' })
          .toStream()
          .to('out', json()),
      cities.slice(0, 4),
    )
    expect(found).toEqual(['"3"=1 @10', '"3"=0 @20', '"6"=1 @20', '"6"=0 @20', '"3"=1 @20', '"3"=2 @20', '"3"=2 @30'])
  })

  const sides: readonly TopicInput[] = [
    ['in', 'a', 'l1', 10],
    ['other', 'a', 'r1', 5],
    ['in', 'a', 'l2', 20],
    ['other', 'a', null, 30],
    ['other', 'b', 'r2', 40],
    ['in', 'a', null, 50],
    ['in', null, 'lost', 60],
  ]
  type Sides = Readonly<Record<'left' | 'right', KTable<string, string>>>
  const show = (left: string | null, right: string | null, key: string) => `${key}:${left}+${right}`
  const join = (draw: (sides: Sides) => KTable<string, string>) =>
    outOf(
      mode,
      (builder) =>
        void draw({ left: builder.table('in', strings), right: builder.table('other', strings) })
          .toStream()
          .to('out', json()),
      sides,
    )

  it('joined has a row where both tables have one, at the later time of the two', async () => {
    expect(await join(({ left, right }) => left.join(right, show))).toEqual({
      lines: ['"a"="a:l1+r1" @10', '"a"="a:l2+r1" @20', '"a"=null @30'],
      dropped: 1,
    })
  })

  it('joined from the left has a row where that one has', async () => {
    const { lines: found } = await join(({ left, right }) => left.leftJoin(right, show))
    expect(found).toEqual(['"a"="a:l1+null" @10', '"a"="a:l1+r1" @10', '"a"="a:l2+r1" @20', '"a"="a:l2+null" @30', '"a"=null @50'])
  })

  it.each([{}, { store: { name: 'joined', ...json<string, string>() } }])(
    'joined from both sides has a row where one of them has (%o)',
    async (options) => {
      const { lines: found } = await join(({ left, right }) => left.outerJoin(right, show, options))
      expect(found).toEqual([
        ...['"a"="a:l1+null" @10', '"a"="a:l1+r1" @10', '"a"="a:l2+r1" @20', '"a"="a:l2+null" @30'],
        ...['"b"="b:null+r2" @40', '"a"=null @50'],
      ])
    },
  )

  it('joined is joined anew for each look-up where it has no store', async () => {
    const { lines: found } = await join(({ left, right }) =>
      left
        .join(right, show)
        .filter((_key, row) => row.includes('l2'))
        .mapValues((row) => row.toUpperCase())
        .leftJoin(left.outerJoin(right, show), (one, both) => `${one} of ${both}`),
    )
    expect(found.filter((line, at) => found.indexOf(line) === at)).toEqual(['"a"="A:L2+R1 of a:l2+r1" @20', '"a"=null @30'])
  })
})

describe('a builder', () => {
  const internal = (optimization: string) => {
    const builder = new StreamsBuilder({ 'topology.optimization': optimization })
    builder
      .table('in', { ...strings, store: 'rows' })
      .toStream()
      .to('out')
    return builder
      .build()
      .internalTopics('app')
      .map((topic) => topic.name)
  }

  it('needs no changelog for a table where the source topic may be it', () => {
    expect([internal('none'), internal('reuse.ktable.source.topics')]).toEqual([
      ['app-rows-changelog', 'app-in-commits'],
      ['app-in-commits'],
    ])
  })

  it('reads a topic as one table and nothing else', () => {
    const builder = new StreamsBuilder()
    builder.table('in', strings)
    builder.stream('in', strings)
    expect(() => builder.build()).toThrow('Invalid topology: Topic in has already been registered by another source.')
  })
})
