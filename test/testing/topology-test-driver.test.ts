import { type Serde, Serdes, StreamsBuilder } from 'millrace'
import { TopologyTestDriver } from 'millrace/testing'
import { expect, it } from 'vitest'

const serdes = { keySerde: Serdes.string, valueSerde: Serdes.string }

const driverOf = (topics: readonly string[] | RegExp): TopologyTestDriver => {
  const builder = new StreamsBuilder()
  if (topics instanceof RegExp) builder.stream(topics, serdes).to('out')
  else for (const topic of topics) builder.stream(topic, serdes).to('out')
  return new TopologyTestDriver(builder.build())
}

const bytesOf = <T>(serde: Serde<T>, value: T): Uint8Array => serde.serialize(value, 'topic')
const inputOf = (topic: string, value: string, timestamp: number) => ({
  topic,
  record: { key: null, value: bytesOf(Serdes.string, value), timestamp, headers: [] },
})
const valuesOf = (driver: TopologyTestDriver) =>
  driver
    .createOutputTopic('out', serdes)
    .readRecords()
    .map(({ value }) => value)

it('takes the record with the lowest timestamp first of those that were piped together', async () => {
  await using driver = driverOf(['a', 'b'])
  await driver.pipeAll([inputOf('a', 'a5', 5), inputOf('b', 'b3', 3), inputOf('a', 'a1', 1), inputOf('b', 'b9', 9)])
  expect(valuesOf(driver)).toEqual(['b3', 'a5', 'a1', 'b9'])
})

it('reads every topic whose whole name matches a pattern', async () => {
  await using driver = driverOf(/p-[0-9]/)
  await driver.createInputTopic('p-1', serdes).pipeInput('k', 'one')
  await driver.createInputTopic('p-2', serdes).pipeInput('k', 'two')
  expect(valuesOf(driver)).toEqual(['one', 'two'])
  expect(() => driver.createInputTopic('p-10', serdes)).toThrow('The topology does not read topic "p-10"; it reads p-1, p-2, /p-[0-9]/')
})

it('keeps the list of what was written to a topic up to date for whoever holds it', async () => {
  await using driver = driverOf(['a'])
  const written = driver.producedTo('out')
  await driver.pipeAll([inputOf('a', 'one', 1), inputOf('a', 'two', 2)])
  expect(written).toEqual(
    ['one', 'two'].map((value, at) => ({ key: null, value: bytesOf(Serdes.string, value), timestamp: at + 1, headers: [], partition: 0 })),
  )
  expect(written.splice(0).length).toBe(2)
  expect(driver.producedTopicNames()).toEqual([])
})
