import { describe, expect, it } from 'vitest'
import type { KTable } from '../../src/dsl/k-table.ts'
import type { TableJoined } from '../../src/dsl/options.ts'
import { StreamsBuilder } from '../../src/dsl/streams-builder.ts'
import { Serdes } from '../../src/serde/serdes.ts'
import { json, modes, outOf, strings, type TopicInput } from './run.ts'

type Table = KTable<string, string>
const mayor = (city: string, name: string | null, user: string) => `${user}: ${name} of ${city}`
const cityOf = (city: string): string | null => (city === 'nowhere' ? null : city)

const inputs: readonly TopicInput[] = [
  ['users', 'ann', 'rome', 10],
  ['cities', 'rome', 'gualtieri', 50],
  ['users', 'bob', 'rome', 20],
  ['cities', 'oslo', 'lindboe', 30],
  ['users', 'ann', 'oslo', 60],
  ['users', 'bob', 'nowhere', 70],
  ['cities', 'rome', 'raggi', 80],
  ['users', 'ann', null, 90],
]

describe.each(modes)('a table (new task: %s)', (mode) => {
  const joined = (draw: (users: Table, cities: Table) => Table) =>
    outOf(
      mode,
      (builder) =>
        draw(builder.table('users', { ...strings, store: 'users' }), builder.table('cities', strings))
          .toStream()
          .to('out', json()),
      inputs,
    )

  it('joined by foreign key follows its own rows and those that they name, at the later time of both', async () => {
    expect(await joined((users, cities) => users.join(cities, cityOf, mayor, { name: 'mayors' }))).toEqual({
      lines: [
        ...['"ann"="ann: gualtieri of rome" @50', '"bob"="bob: gualtieri of rome" @50'],
        ...['"ann"="ann: lindboe of oslo" @60', '"bob"=null @70', '"ann"=null @90'],
      ],
      dropped: 1,
    })
  })

  it('joined by foreign key from the left has null where no row is named, or none is there', async () => {
    const { lines } = await joined((users, cities) =>
      users.leftJoin(cities, cityOf, mayor, { name: 'mayors', store: { valueSerde: Serdes.string } }),
    )
    expect(lines).toEqual([
      ...['"ann"="ann: null of rome" @10', '"ann"="ann: gualtieri of rome" @50', '"bob"="bob: gualtieri of rome" @50'],
      ...['"ann"="ann: lindboe of oslo" @60', '"bob"="bob: null of nowhere" @70', '"ann"=null @90'],
    ])
  })
})

const drawn = (options: TableJoined<string, string>, draw: (joined: Table) => unknown = () => undefined) => {
  const builder = new StreamsBuilder({ 'ensure.explicit.internal.resource.naming': true })
  const users = builder.table('users', { ...strings, store: 'users' })
  const cities = builder.table('cities', { ...strings, store: 'cities' })
  draw(users.join(cities, cityOf, mayor, options))
  return builder.build()
}
const kept = { name: 'mayors-of-users', valueSerde: Serdes.string }

describe('a join by foreign key', () => {
  it('has two topics, each with as many partitions as the table has whose rows it reaches', () => {
    const topology = drawn({ name: 'join', store: kept })
    const counts = topology.partitionCounts('app', new Map(Object.entries({ users: 4, cities: 7 })))
    expect(['registration', 'response'].map((what) => counts.get(`app-join-subscription-${what}-topic`))).toEqual([7, 4])
    expect(topology.subTopologies.flatMap((sub) => sub.copartitioned).map((group) => group.map((topic) => topic.name))).toEqual([
      ['join-subscription-response-topic', 'users'],
      ['join-subscription-registration-topic', 'cities'],
    ])
  })

  it('refuses generated names where those of an application must last, its own topics among them', () => {
    expect(() => drawn({ store: kept })).toThrow(
      'Following repartition topic(s) has not been named: KTABLE-FK-JOIN-SUBSCRIPTION-RESPONSE-0000000012-topic, KTABLE-FK-JOIN-SUBSCRIPTION-REGISTRATION-0000000004-topic',
    )
    expect(() => drawn({ name: 'join' })).toThrow(
      'Following state store(s) has not been named: KTABLE-FK-JOIN-OUTPUT-STATE-STORE-0000000017',
    )
  })

  it('is kept in a store as soon as somebody asks for its rows, which then takes a serde for them', () => {
    const ask = (joined: Table) => joined.join(joined, (one, other) => one + other)
    expect(() => drawn({ name: 'join' }, ask)).toThrow(
      'There is no serde for the value of store KTABLE-FK-JOIN-OUTPUT-STATE-STORE-0000000017',
    )
    expect(drawn({ name: 'join', store: kept }, ask).subTopologies[0]?.stores.map((store) => store.name)).toContain('mayors-of-users')
  })

  it('refuses a name that cannot be a topic', () => {
    expect(() => drawn({ name: 'of users' })).toThrow('illegal')
  })
})
