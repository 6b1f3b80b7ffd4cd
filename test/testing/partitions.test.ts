import { describe, expect, it } from 'vitest'
import { StreamsBuilder } from '../../src/dsl/streams-builder.ts'
import { Serdes } from '../../src/serde/serdes.ts'
import { TopologyTestDriver } from '../../src/testing/topology-test-driver.ts'
import { minutes } from '../../src/topology/durations.ts'
import { tumbling } from '../../src/topology/windows.ts'

const strings = { keySerde: Serdes.string, valueSerde: Serdes.string }
const counts = { keySerde: Serdes.string, valueSerde: Serdes.long }

const wordCount = () => {
  const builder = new StreamsBuilder()
  builder
    .stream('lines', strings)
    .flatMapValues((line) => line.split(' '))
    .groupBy((_key, word) => word, { ...strings, name: 'words' })
    .count({ store: 'counts' })
    .toStream()
    .to('totals')
  return builder.build()
}

describe('a driver with partitions', () => {
  it('runs one task for each partition of each sub-topology, and brings equal keys together by repartitioning', async () => {
    for (const cutAfter of ['never', 'record'] as const) {
      await using driver = new TopologyTestDriver(wordCount(), { partitions: { lines: 3, totals: 2 }, cutAfter })
      const lines = driver.createInputTopic('lines', strings)
      for (const [at, line] of ['to be', 'or not', 'to be'].entries()) await lines.pipeInput(null, line, { partition: at })
      const totals = driver.createOutputTopic('totals', counts).readRecords()
      expect(totals.map(({ key, value }) => `${key} ${value}`)).toEqual(['to 1', 'be 1', 'or 1', 'not 1', 'to 2', 'be 2'])
      expect(new Set(totals.filter(({ key }) => key === 'to').map(({ partition }) => partition)).size).toBe(1)
      const all = await Promise.all(
        [0, 1, 2].map((partition) => driver.getTimestampedKeyValueStore<string, number>('counts', partition).all()),
      )
      expect(Object.fromEntries(all.flat().map(([word, { value }]) => [word, value]))).toEqual({ to: 2, be: 2, or: 1, not: 1 })
    }
  })

  it('keeps the time of each partition apart: a late record is late where later ones came', async () => {
    const builder = new StreamsBuilder()
    builder
      .stream('clicks', strings)
      .groupByKey()
      .windowedBy(tumbling({ sizeMs: minutes(1), graceMs: 0 }))
      .count({ store: 'clicks-per-minute' })
      .toStream((windowed) => windowed.key)
      .to('counts', counts)
    await using driver = new TopologyTestDriver(builder.build(), { partitions: { clicks: 2 } })
    const clicks = driver.createInputTopic('clicks', strings)
    await clicks.pipeInput('ann', 'x', { partition: 0, timestamp: minutes(10) })
    await clicks.pipeInput('bob', 'x', { partition: 1, timestamp: 0 })
    await clicks.pipeInput('cy', 'x', { partition: 0, timestamp: 0 })
    expect(driver.createOutputTopic('counts', counts).readKeyValues()).toEqual([
      ['ann', 1],
      ['bob', 1],
    ])
    expect(driver.dropped).toBe(1)
  })

  it('refuses topics of a join whose counts differ, a partition that is not there, and a store without saying which', async () => {
    const builder = new StreamsBuilder()
    const names = builder.table('names', { ...strings, store: 'names' })
    builder
      .stream('visits', strings)
      .join(names, (visit, name) => `${name} ${visit}`)
      .to('greetings', strings)
    const topology = builder.build()
    expect(() => new TopologyTestDriver(topology, { partitions: { names: 2, visits: 3 } })).toThrow(/names.*visits|visits.*names/)
    await using driver = new TopologyTestDriver(topology, { partitions: { names: 2, visits: 2 } })
    const visits = driver.createInputTopic('visits', strings)
    await expect(visits.pipeInput('a', 'x', { partition: 2 })).rejects.toThrow('Topic "visits" has no partition 2; it has 2')
    expect(() => driver.getTimestampedKeyValueStore('names')).toThrow('Store "names" has partitions 0 to 1: say of which')
    expect(() => driver.getTimestampedKeyValueStore('names', 2)).toThrow('Store "names" has partitions 0 to 1: there is no 2')
    await driver.createInputTopic('names', strings).pipeInput('k', 'ann')
    await visits.pipeInput('k', 'came')
    expect(driver.createOutputTopic('greetings', strings).readValues()).toEqual(['ann came'])
  })
})

describe('a driver', () => {
  it('goes back in time, stores, topics and clock, and on from there', async () => {
    await using driver = new TopologyTestDriver(wordCount())
    const lines = driver.createInputTopic('lines', strings)
    const totals = driver.createOutputTopic('totals', counts)
    await lines.pipeInput(null, 'a')
    const then = driver.step
    await lines.pipeInput(null, 'a b')
    await driver.advanceWallClockTime(1_000)
    expect(totals.readKeyValues()).toEqual([
      ['a', 1],
      ['a', 2],
      ['b', 1],
    ])
    await driver.travelTo(then)
    await lines.pipeInput(null, 'c')
    expect(totals.readKeyValues()).toEqual([
      ['a', 1],
      ['c', 1],
    ])
    expect(await driver.getTimestampedKeyValueStore<string, number>('counts').get('b')).toBeNull()
    await expect(driver.travelTo(9)).rejects.toThrow('There is no step 9 to go to: 2 were made')
  })

  it('traces what each node saw, indented by depth', async () => {
    await using driver = new TopologyTestDriver(wordCount(), { trace: true })
    await driver.createInputTopic('lines', strings).pipeInput('k', 'a b', { timestamp: 7 })
    expect(driver.trace().split('\n')).toEqual([
      '0_0 KSTREAM-SOURCE-0000000000  "k": "a b"  at 7 <- lines/0@0',
      '0_0   KSTREAM-FLATMAPVALUES-0000000001  "k": "a b"  at 7',
      '0_0     words  "k": "a"  at 7',
      '0_0       words-repartition-filter  "a": "a"  at 7',
      '0_0         words-repartition-sink  "a": "a"  at 7',
      '0_0     words  "k": "b"  at 7',
      '0_0       words-repartition-filter  "b": "b"  at 7',
      '0_0         words-repartition-sink  "b": "b"  at 7',
      '0_0 words-repartition-source  "a": "a"  at 7 <- test-words-repartition/0@0',
      '0_0   KSTREAM-AGGREGATE-0000000003  "a": "a"  at 7',
      '0_0   KTABLE-TOSTREAM-0000000007  "a": 1  at 7',
      '0_0     KSTREAM-SINK-0000000008  "a": 1  at 7',
      '0_0 words-repartition-source  "b": "b"  at 7 <- test-words-repartition/0@1',
      '0_0   KSTREAM-AGGREGATE-0000000003  "b": "b"  at 7',
      '0_0   KTABLE-TOSTREAM-0000000007  "b": 1  at 7',
      '0_0     KSTREAM-SINK-0000000008  "b": 1  at 7',
    ])
    expect(driver.trace()).toBe('')
  })

  it('gives records the time of their topic, which moves as told', async () => {
    await using driver = new TopologyTestDriver(wordCount())
    const lines = driver.createInputTopic('lines', strings, { startMs: 100, autoAdvanceMs: 10 })
    await lines.pipeValues(['a', 'b'])
    lines.advanceTime(1_000)
    await lines.pipeKeyValues([[null, 'c']])
    await lines.pipeRecords([{ value: 'd', timestamp: 5 }])
    const totals = driver.createOutputTopic('totals', counts)
    expect(totals.readRecords().map(({ key, timestamp }) => `${key}@${timestamp}`)).toEqual(['a@100', 'b@110', 'c@1120', 'd@5'])
    expect([totals.isEmpty, totals.size]).toEqual([true, 0])
    expect(() => totals.readValue()).toThrow('Topic totals has no more records')
    expect(() => lines.advanceTime(-1)).toThrow('The time of topic lines cannot go back by 1 ms')
    expect(() => driver.trace()).toThrow('The driver keeps no trace')
  })
})
