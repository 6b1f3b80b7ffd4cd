import { describe, expect, it } from 'vitest'
import { StreamsBuilder } from '../../src/dsl/streams-builder.ts'
import { Serdes } from '../../src/serde/serdes.ts'
import type { Windowed } from '../../src/serde/windowed.ts'
import { TopologyTestDriver } from '../../src/testing/topology-test-driver.ts'
import { session, sliding, tumbling } from '../../src/topology/windows.ts'
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

  it('are folded per window or session; each stream has its own time by which windows close', async () => {
    const builder = new StreamsBuilder()
    const grouped = (topic: string) => builder.stream(topic, strings).groupByKey()
    const cogrouped = grouped('one')
      .cogroup((_key, value, text: string) => `${text}1${value}`)
      .cogroup(grouped('two'), (_key, value, text) => `${text}2${value}`)
    const store = { valueSerde: Serdes.string }
    const show = ({ key, window }: Windowed<string>) => `${key} from ${window.startMs}`
    const tables = {
      tumbling: cogrouped.windowedBy(tumbling({ sizeMs: 10, graceMs: 0 })).aggregate(() => '', { store }),
      sliding: cogrouped.windowedBy(sliding({ timeDifferenceMs: 5, graceMs: 0 })).aggregate(() => '', { store }),
      sessions: cogrouped.windowedBy(session({ inactivityGapMs: 5, graceMs: 0 })).aggregate(
        () => '',
        (_key, left, right) => `${left}&${right}`,
        { store },
      ),
    }
    for (const [topic, table] of Object.entries(tables)) table.toStream(show).to(topic, strings)
    await using driver = new TopologyTestDriver(builder.build(), { cutAfter: mode })
    const pipe = (topic: string, value: string, timestamp: number) =>
      driver.createInputTopic(topic, strings).pipeInput('k', value, { timestamp })
    await pipe('one', 'a', 24)
    // too late for the other stream, but not for this one
    await pipe('two', 'b', 7)
    await pipe('one', 'late', 8)
    await pipe('two', 'c', 21)
    const linesOf = (topic: string) =>
      driver
        .createOutputTopic(topic, strings)
        .readRecords()
        .map(({ key, value }) => `${key}: ${value}`)
    expect(linesOf('tumbling')).toEqual(['k from 20: 1a', 'k from 0: 2b', 'k from 20: 1a2c'])
    expect(linesOf('sliding')).toEqual(['k from 19: 1a', 'k from 2: 2b', 'k from 19: 1a2c', 'k from 16: 2c', 'k from 22: 1a'])
    expect(linesOf('sessions')).toEqual(['k from 24: 1a', 'k from 7: 2b', 'k from 24: null', 'k from 21: &1a2c'])
    expect(driver.dropped).toBe(3)
  })

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
