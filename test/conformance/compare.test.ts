import { expect, it } from 'vitest'
import { StreamsError } from '../../src/errors.ts'
import { compare } from './compare.ts'
import { type Observed, runScenario } from './run-scenario.ts'
import type { Expectations, Scenario } from './scenario.ts'

const scenario: Scenario = {
  name: 'count',
  config: { 'default.key.serde': 'string', 'default.value.serde': 'string' },
  topics: { in: ['string', 'string'], out: ['string', 'long'] },
  topology: [
    { id: 's0', op: 'stream', args: { topics: ['in'] } },
    { id: 's1', op: 'peek', on: ['s0'], args: { label: 'seen' } },
    { id: 's2', op: 'groupByKey', on: ['s1'] },
    { id: 's3', op: 'count', on: ['s2'], args: { materialized: { name: 'counts' } } },
    { id: 's4', op: 'toStream', on: ['s3'] },
    { op: 'to', on: ['s4'], args: { topic: 'out', produced: { value: 'long' } } },
  ],
  events: [
    { topic: 'in', k: 'a', v: 'x', ts: 5, h: [['trace', '1']] },
    { topic: 'in', k: null, v: 'y', ts: 6 },
  ],
  expect: {},
}

const described = `Topologies:
   Sub-topology: 0
    Source: KSTREAM-SOURCE-0000000000 (topics: [in])
      --> KSTREAM-PEEK-0000000001
    Processor: KSTREAM-PEEK-0000000001 (stores: [])
      --> KSTREAM-AGGREGATE-0000000002
      <-- KSTREAM-SOURCE-0000000000
    Processor: KSTREAM-AGGREGATE-0000000002 (stores: [counts])
      --> KTABLE-TOSTREAM-0000000003
      <-- KSTREAM-PEEK-0000000001
    Processor: KTABLE-TOSTREAM-0000000003 (stores: [])
      --> KSTREAM-SINK-0000000004
      <-- KSTREAM-AGGREGATE-0000000002
    Sink: KSTREAM-SINK-0000000004 (topic: out)
      <-- KTABLE-TOSTREAM-0000000003

`

const changelog = 'app-counts-changelog'
const sent = { topic: 'out', ts: 5, k: 'a', v: 1, vb: 'AAAAAAAAAAE=', h: [['trace', '1']] } as const
const logged = { topic: changelog, ts: 5, kb: 'YQ==', vb: 'AAAAAAAAAAE=' } as const
const expected: Expectations = {
  describe: described,
  queryableStoreNames: { s3: 'counts' },
  subtopologies: { 0: { sources: ['in'], sinks: ['out'], changelogs: [changelog] } },
  internalTopics: {
    [changelog]: { kind: 'changelog', config: { 'cleanup.policy': 'compact', 'message.timestamp.type': 'CreateTime' } },
  },
  events: [{ out: [logged, sent], log: ['seen(a, x)'] }, { log: ['seen(null, y)'] }],
  stores: { counts: { kind: 'keyValue', entries: [['a', { value: 1, ts: 5 }]] } },
  dropped: 1,
}

const placesOf = (expectations: Expectations, observed: Observed): readonly string[] => compare(expectations, observed).map(({ at }) => at)

it('finds nothing where we do what Java does', async () => {
  expect(compare(expected, await runScenario(scenario, 'warm'))).toEqual([])
  expect(compare(expected, await runScenario(scenario, 'cold'))).toEqual([])
})

it('finds a difference in every part of the expectations', async () => {
  const observed = await runScenario(scenario, 'warm')
  const [first, second] = [expected.events?.[0] ?? {}, expected.events?.[1] ?? {}]
  const wrong: Readonly<Record<string, Partial<Expectations>>> = {
    describe: { describe: `${described} ` },
    'queryableStoreNames.s3': { queryableStoreNames: { s3: null } },
    'subtopologies.0.sinks[0]': { subtopologies: { 0: { sources: ['in'], sinks: [], changelogs: [changelog] } } },
    [`internalTopics.${changelog}`]: { internalTopics: {} },
    'events[0].out.out[0].v': { events: [{ ...first, out: [logged, { ...sent, v: 2 }] }, second] },
    'events[0].out.out[0].h': { events: [{ ...first, out: [logged, { topic: 'out', ts: 5, k: 'a', v: 1, vb: 'AAAAAAAAAAE=' }] }, second] },
    [`events[0].out.${changelog}[0].ts`]: { events: [{ ...first, out: [{ ...logged, ts: 6 }, sent] }, second] },
    'events[1].log[0]': { events: [first, {}] },
    'events[1].error': { events: [first, { ...second, error: { class: 'StreamsException', message: null } }], stores: {} },
    'stores.counts.entries[0][1].ts': { stores: { counts: { kind: 'keyValue', entries: [['a', { value: 1, ts: 6 }]] } } },
    dropped: { dropped: 0 },
  }
  for (const [place, part] of Object.entries(wrong)) expect(placesOf({ ...expected, ...part }, observed)).toEqual([place])
})

it('compares the code of an error, and the message where the scenario wrote it', async () => {
  const steps = scenario.topology.map((step) =>
    step.op === 'peek' ? { ...step, op: 'mapValues', args: { mapper: { fn: 'throw', message: 'boom' } } } : step,
  )
  const observed = await runScenario({ ...scenario, topology: steps }, 'warm')
  const error = (type: string, message: string) => ({
    class: 'StreamsException',
    message: 'Exception caught in process',
    causes: [{ class: type, message }],
  })
  const places = (type: string, message: string): readonly string[] =>
    compare({ ...expected, describe: observed.describe ?? '', events: [{ error: error(type, message) }], dropped: 0 }, observed).map(
      ({ at }) => at,
    )
  expect(places('IllegalStateException', 'boom')).toEqual([])
  expect(places('IllegalStateException', 'bang')).toEqual(['events[0].error'])
  expect(places('SerializationException', 'boom')).toEqual(['events[0].error'])
})

it('takes an error of the topology only with its message', () => {
  const thrown = (text: string): Observed => ({ error: new StreamsError('TOPOLOGY_INVALID', text) })
  const expectations: Expectations = { error: { phase: 'build', class: 'TopologyException', message: 'Invalid topology: no' } }
  expect(placesOf(expectations, {})).toEqual(['error'])
  expect(placesOf(expectations, thrown('Invalid topology: yes'))).toEqual(['error'])
  expect(placesOf(expectations, thrown('Invalid topology: no'))).toEqual([])
})
