import { TopologyTestDriver } from 'millrace/testing'
import { beforeAll, describe, expect, it } from 'vitest'
import { Serdes } from '../../src/serde/serdes.ts'
import { bytesOf, textOf } from '../adapters/kafka-harness.ts'
import { randomOf } from '../conformance/fuzz/random.ts'
import { type Findings, isClean, sumOf } from './findings.ts'
import type { Entry } from './verify-outputs.ts'
import { type Feed, type InputRecord, type OutputTopic, type Workload, workloads } from './workloads.ts'

const partitions = 4
const startMs = 1_700_000_000_000

type Outputs = ReadonlyMap<string, readonly Entry[]>

/** What the topology itself makes of the input, without any fault. */
const outputsOf = async ({ topology, outputs }: Workload, input: readonly InputRecord[]): Promise<Outputs> => {
  const topics = [...topology.sourceTopics, ...topology.sinkTopics]
  await using driver = new TopologyTestDriver(topology, { partitions: Object.fromEntries(topics.map((topic) => [topic, partitions])) })
  const bytes = { keySerde: Serdes.bytes, valueSerde: Serdes.bytes }
  for (const { topic, key, value, timestamp } of input) {
    await driver.createInputTopic(topic, bytes).pipeInput(bytesOf(key), value === null ? null : bytesOf(value), { timestamp })
  }
  const read = ({ topic, read = (value) => textOf(value) ?? '' }: OutputTopic): readonly Entry[] =>
    driver
      .createOutputTopic(topic, bytes)
      .readRecords()
      .map(({ key, value }) => ({ key: textOf(key) ?? '', value: value === null ? null : read(value) }))
  return new Map(outputs.map((output) => [output.topic, read(output)]))
}

const runOf = async (workload: Workload): Promise<{ readonly feed: Feed; readonly outputs: Outputs }> => {
  const feed = workload.feed(randomOf('doctored'), partitions)
  const rounds = Array.from({ length: 60 }, (_, round) => feed.next(startMs + 300 * round)).flat()
  return { feed, outputs: await outputsOf(workload, [...rounds, ...feed.last(startMs + 300 * 60)]) }
}

describe.each(workloads)('the verdict on $name', (workload) => {
  let feed: Feed
  let outputs: Outputs
  beforeAll(async () => {
    ;({ feed, outputs } = await runOf(workload))
  })

  const verdict = (topic: string, doctor: (entries: readonly Entry[]) => readonly Entry[]): Findings =>
    sumOf(feed.check(new Map([...outputs, [topic, doctor(outputs.get(topic) ?? [])]])))
  /** The last record of some key, and another one before it; of tokens, which keep their order by the line's key, of one such key. */
  const lastPair = (topic: string): readonly [number, number] => {
    const entries = outputs.get(topic) ?? []
    const keys = entries.map(({ key, value }) => (topic === 'tokens' ? `${key} of ${value?.split(' ')[0]}` : key))
    for (const [last, { value }] of entries.entries()) {
      const before = entries.findLastIndex((it, at) => at < last && keys[at] === keys[last] && it.value !== null && it.value !== value)
      if (keys.lastIndexOf(keys[last] ?? '') === last && before >= 0 && value !== null) return [before, last]
    }
    throw new Error('no key has two records')
  }

  it('is clean where the topology ran undisturbed', () => {
    expect(sumOf(feed.check(outputs))).toEqual({ losses: 0, duplicates: 0, reorderings: 0, wrong: 0, examples: [] })
    for (const { topic } of workload.outputs) expect(outputs.get(topic)?.length).toBeGreaterThan(10)
  })

  it.each(workload.outputs.map(({ topic }) => topic))('finds what was lost, swapped or changed in %s', (topic) => {
    const [before, last] = lastPair(topic)
    const lost = verdict(topic, (entries) => entries.filter((_, at) => at !== last))
    expect(isClean(lost)).toBe(false)
    const swapped = verdict(topic, (entries) => entries.map((it, at) => entries[at === before ? last : at === last ? before : at] ?? it))
    expect(isClean(swapped)).toBe(false)
    const changed = verdict(topic, (entries) => entries.map((it, at) => (at === last ? { ...it, value: '7 7 7 7 7' } : it)))
    expect(changed.wrong).toBeGreaterThan(0)
  })

  // rows of a join may be told again
  it.each(workload.name === 'joins' ? [] : workload.outputs.map(({ topic }) => topic))('finds what is twice in %s', (topic) => {
    const [, last] = lastPair(topic)
    expect(verdict(topic, (entries) => [...entries, entries[last] ?? { key: '', value: null }])).toMatchObject({ duplicates: 1 })
  })
})
