import type { KStream } from '../../src/dsl/k-stream.ts'
import { StreamsBuilder } from '../../src/dsl/streams-builder.ts'
import type { Headers } from '../../src/processor/record.ts'
import type { Serde } from '../../src/serde/serde.ts'
import { Serdes } from '../../src/serde/serdes.ts'
import { TopologyTestDriver } from '../../src/testing/topology-test-driver.ts'

export const strings = { keySerde: Serdes.string, valueSerde: Serdes.string }
/** Compact JSON for whatever types the place asks for. */
export const json = <K, V>(): { readonly keySerde: Serde<K>; readonly valueSerde: Serde<V> } => ({
  keySerde: Serdes.json<K>(),
  valueSerde: Serdes.json<V>(),
})

/** With one task for all records, and with a new one, over the table, for each of them. */
export const modes = ['never', 'record'] as const
export type Mode = (typeof modes)[number]

export type Input = readonly [key: string | null, value: string | null, timestamp?: number, headers?: Headers]

/** What a stream of `in` writes to every topic but changelogs, as `topic: key=value @time`, in the order of the topics' first records. */
export const run = async (
  mode: Mode,
  draw: (stream: KStream<string, string>, builder: StreamsBuilder) => void,
  inputs: readonly Input[],
) => {
  const builder = new StreamsBuilder()
  draw(builder.stream('in', strings), builder)
  await using driver = new TopologyTestDriver(builder.build(), { cutAfter: mode })
  const topic = driver.createInputTopic('in', strings)
  for (const [key, value, timestamp = 0, headers = []] of inputs) await topic.pipeInput(key, value, { timestamp, headers })
  const lines = driver
    .producedTopicNames()
    .filter((name) => !name.endsWith('-changelog') && !name.endsWith('-repartition'))
    .flatMap((name) =>
      driver
        .createOutputTopic(name, json())
        .readRecords()
        .map(({ key, value, timestamp }) => `${name}: ${JSON.stringify(key)}=${JSON.stringify(value)} @${timestamp}`),
    )
  return { lines, dropped: driver.dropped, driver }
}

/** Only the lines of `out`, without the topic. */
export const out = async (...args: Parameters<typeof run>): Promise<readonly string[]> =>
  (await run(...args)).lines.map((line) => line.replace('out: ', ''))

export type TopicInput = readonly [topic: string, key: string | null, value: string | null, timestamp: number]

/** What comes out at `out` of records on several topics, as `key=value @time`. */
export const outOf = async (mode: Mode, draw: (builder: StreamsBuilder) => void, inputs: readonly TopicInput[], config = {}) => {
  const builder = new StreamsBuilder(config)
  draw(builder)
  await using driver = new TopologyTestDriver(builder.build(), { cutAfter: mode })
  for (const [topic, key, value, timestamp] of inputs) await driver.createInputTopic(topic, strings).pipeInput(key, value, { timestamp })
  const records = driver.createOutputTopic('out', json()).readRecords()
  return {
    lines: records.map(({ key, value, timestamp }) => `${JSON.stringify(key)}=${JSON.stringify(value)} @${timestamp}`),
    dropped: driver.dropped,
  }
}
