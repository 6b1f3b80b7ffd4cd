import { type TestDriverOptions, TopologyTestDriver } from '../../src/testing/index.ts'
import type { Topology } from '../../src/topology/topology.ts'

/** The time is Unix milliseconds. */
export interface Fed {
  readonly topic: string
  readonly key: unknown
  readonly value: unknown
  readonly timestamp: number
}

/** A record as text: `key: value @time`, the value as JSON. */
export type Written = string

export const modes: readonly (readonly [name: string, options: TestDriverOptions])[] = [
  ['with tasks that live on', { cutAfter: 'never' }],
  ['with a new task for every record', { cutAfter: 'record' }],
]

/** All that the topology writes to its sinks, by topic, in the order of writing; read and written with its own serdes. */
export const runExample = async (
  topology: Topology,
  inputs: readonly Fed[],
  options: TestDriverOptions,
): Promise<Readonly<Record<string, readonly Written[]>>> => {
  const sources = topology.subTopologies.flatMap((sub) => sub.sources)
  const sinks = topology.subTopologies.flatMap((sub) => sub.sinks)
  await using driver = new TopologyTestDriver(topology, options)
  for (const { topic, key, value, timestamp } of inputs) {
    const source = sources.find(({ topics }) => topics.some(({ name }) => name === topic))
    if (!source) throw new Error(`no source reads ${topic}`)
    await driver.createInputTopic(topic, source).pipeInput(key, value, { timestamp })
  }
  const written: Record<string, readonly Written[]> = {}
  for (const name of topology.sinkTopics) {
    const sink = sinks.find(({ topic }) => typeof topic !== 'function' && topic.name === name)
    if (!sink) throw new Error(`no sink writes ${name}`)
    const records = driver.createOutputTopic(name, sink).readRecords()
    written[name] = records.map(({ key, value, timestamp }) => `${keyText(key)}: ${JSON.stringify(value)} @${timestamp}`)
  }
  return written
}

const keyText = (key: unknown): string => (typeof key === 'string' ? key : JSON.stringify(key))
