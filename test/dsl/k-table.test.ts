import { describe, expect, it } from 'vitest'
import { StreamsBuilder } from '../../src/dsl/streams-builder.ts'
import { TopologyTestDriver } from '../../src/testing/topology-test-driver.ts'
import { json, type Mode, modes, strings } from './run.ts'

type Input = readonly [topic: string, key: string | null, value: string | null, timestamp: number]

/** What comes out at `out` of records on several topics, as `key=value @time`. */
const outOf = async (mode: Mode, draw: (builder: StreamsBuilder) => void, inputs: readonly Input[]) => {
  const builder = new StreamsBuilder()
  draw(builder)
  await using driver = new TopologyTestDriver(builder.build(), { cutAfter: mode })
  for (const [topic, key, value, timestamp] of inputs) await driver.createInputTopic(topic, strings).pipeInput(key, value, { timestamp })
  const records = driver.createOutputTopic('out', json()).readRecords()
  return {
    lines: records.map(({ key, value, timestamp }) => `${JSON.stringify(key)}=${JSON.stringify(value)} @${timestamp}`),
    dropped: driver.dropped,
  }
}

const updates: readonly Input[] = [
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
