import { describe, expect, it } from 'vitest'
import { StreamsBuilder } from '../../src/dsl/streams-builder.ts'
import { Serdes } from '../../src/serde/serdes.ts'
import { type Input, json, modes, run } from './run.ts'

const inputs: readonly Input[] = [
  ['a', 'apple', 1],
  ['b', 'beer', 2],
  [null, 'axe', 3],
  ['c', 'cork', 4],
]

describe.each(modes)('a split stream (new task: %s)', (mode) => {
  it('sends each record to the first branch that fits, and the rest to the default', async () => {
    const { lines } = await run(
      mode,
      (stream) => {
        const branches = stream
          .split({ name: 's-' })
          .branch((_key, value) => value.startsWith('a'), { name: 'a' })
          .branch((_key, value) => value.length <= 5)
          .defaultBranch()
        for (const [name, branch] of branches) branch.to(name, json())
      },
      [...inputs, ['d', 'dragon', 5]],
    )
    expect(lines).toEqual([
      ...['s-a: "a"="apple" @1', 's-a: null="axe" @3'],
      ...['s-2: "b"="beer" @2', 's-2: "c"="cork" @4'],
      's-0: "d"="dragon" @5',
    ])
  })

  it('drops what no branch takes without a default, and lets a branch be chained or consumed', async () => {
    const { lines } = await run(
      mode,
      (stream) => {
        const branches = stream
          .split()
          .branch((_key, value) => value.startsWith('a'), { function: (it) => it.mapValues((value) => value.toUpperCase()) })
          .branch((_key, value) => value.startsWith('b'), { consumer: (it) => it.to('beers', json()) })
          .noDefaultBranch()
        expect([...branches.keys()]).toEqual(['KSTREAM-BRANCH-00000000011'])
        for (const branch of branches.values()) branch.to('out', json())
      },
      inputs,
    )
    expect(lines).toEqual(['out: "a"="APPLE" @1', 'out: null="AXE" @3', 'beers: "b"="beer" @2'])
  })

  it('comes together again by merge, each record once per way', async () => {
    const { lines } = await run(mode, (stream) => stream.merge(stream.filter((key) => key === 'b')).to('out', json()), inputs)
    expect(lines).toEqual(['out: "a"="apple" @1', 'out: "b"="beer" @2', 'out: "b"="beer" @2', 'out: null="axe" @3', 'out: "c"="cork" @4'])
  })

  it('goes through a topic by repartition, which drops null keys', async () => {
    const { lines } = await run(mode, (stream) => stream.repartition({ name: 'again' }).to('out', json()), inputs)
    expect(lines.filter((line) => line.startsWith('out'))).toEqual(['out: "a"="apple" @1', 'out: "b"="beer" @2', 'out: "c"="cork" @4'])
  })

  it('is printed with a label', async () => {
    const printed: string[] = []
    await run(mode, (stream) => stream.print({ label: 'in', write: (line) => printed.push(line) }), inputs)
    expect(printed).toEqual(['[in]: a, apple', '[in]: b, beer', '[in]: null, axe', '[in]: c, cork'])
  })
})

describe('repartition', () => {
  const stream = () => new StreamsBuilder().stream('in', { keySerde: Serdes.string, valueSerde: Serdes.string })

  it('fixes the number of partitions of its topic', () => {
    const builder = new StreamsBuilder()
    builder.stream('in', { keySerde: Serdes.string, valueSerde: Serdes.string }).repartition({ name: 'wide', partitions: 12 }).to('out')
    expect(Object.fromEntries(builder.build().partitionCounts('app', new Map([['in', 3]])))).toEqual({
      'app-in-commits': 3,
      'app-wide-repartition': 12,
      'app-wide-repartition-commits': 12,
    })
  })

  it('refuses less than one partition', () => {
    expect(() => stream().repartition({ partitions: 0 })).toThrow('Number of partitions must be at least 1, not 0')
  })
})
