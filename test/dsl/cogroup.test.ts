import { describe, expect, it } from 'vitest'
import { StreamsBuilder } from '../../src/dsl/streams-builder.ts'
import { Serdes } from '../../src/serde/serdes.ts'
import { TopologyTestDriver } from '../../src/testing/topology-test-driver.ts'
import { modes, strings } from './run.ts'

describe.each(modes)('cogrouped streams (new task: %s)', (mode) => {
  it.each([true, false])(
    'share one row per key, each with its own aggregator; null keys and values are dropped (caching: %s)',
    async (caching) => {
      const builder = new StreamsBuilder()
      const grouped = (topic: string) => builder.stream(topic, strings).groupByKey()
      grouped('one')
        .cogroup((_key, value, text: string) => `${text}1${value}`)
        .cogroup(grouped('two'), (_key, value, text) => `${text}2${value}`)
        .aggregate(() => '', { store: { name: 'texts', valueSerde: Serdes.string, caching } })
        .toStream()
        .to('out')
      await using driver = new TopologyTestDriver(builder.build(), { cutAfter: mode })
      const pipe = (topic: string, key: string | null, value: string | null) =>
        driver.createInputTopic<string | null, string | null>(topic, strings as never).pipeInput(key, value)
      await pipe('one', 'k', 'a')
      await pipe('two', 'k', 'b')
      await pipe('two', null, 'x')
      await pipe('one', 'k', null)
      await pipe('one', 'k', 'c')
      const lines = driver.createOutputTopic('out', strings).readRecords()
      expect(lines.map(({ key, value }) => `${key}=${value}`)).toEqual(['k=1a', 'k=1a2b', 'k=1a2b1c'])
      expect(driver.dropped).toBe(2)
    },
  )

  it('take the last aggregator of a grouping that is given twice', async () => {
    const builder = new StreamsBuilder()
    const one = builder.stream('one', strings).groupByKey()
    one
      .cogroup((_key, value, text: string) => `${text}-${value}`)
      .cogroup(one, (_key, value, text) => `${text}+${value}`)
      .aggregate(() => '', { store: { name: 'texts', valueSerde: Serdes.string } })
      .toStream()
      .to('out')
    await using driver = new TopologyTestDriver(builder.build(), { cutAfter: mode })
    await driver.createInputTopic('one', strings).pipeInput('k', 'a')
    expect(
      driver
        .createOutputTopic('out', strings)
        .readRecords()
        .map(({ value }) => value),
    ).toEqual(['+a'])
  })
})
