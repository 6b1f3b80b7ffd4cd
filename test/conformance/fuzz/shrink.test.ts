import { describe, expect, it } from 'vitest'
import type { InputEvent, Scenario, Step } from '../scenario.ts'
import { type Draft, type Oracle, RefusedError } from './oracle.ts'
import { shrink } from './shrink.ts'
import { fewerEvents, fewerSteps, simplerArguments } from './smaller.ts'

const record = (v: string): InputEvent => ({ topic: 'in', k: 'k', v, ts: 0 })
const stream: Step = { id: 's0', op: 'stream', args: { topics: ['in'] } }
const filter: Step = { id: 's1', op: 'filter', on: ['s0'], args: { predicate: { fn: 'notNull' }, named: 'x' } }
const upper: Step = { id: 's2', op: 'mapValues', on: ['s1'], args: { mapper: { fn: 'upper' } } }
const sink: Step = { id: 's3', op: 'to', on: ['s2'], args: { topic: 'out' } }
const draft: Draft = {
  name: 'shrink',
  config: { 'default.key.serde': 'string', 'default.value.serde': 'string' },
  topics: { in: ['string', 'string'], out: ['string', 'string'] },
  topology: [stream, filter, upper, sink],
  events: ['a', 'b', 'c', 'd'].map(record),
}

describe('smaller scenarios', () => {
  it('leave out events: all, halves from the end, then single ones', () => {
    const values = [...fewerEvents(draft)].map(({ events = [] }) => events.map((it) => ('v' in it ? it.v : it)).join(''))
    expect(values).toEqual(['', 'ab', 'cd', 'abc', 'abd', 'acd', 'bcd'])
  })

  it('leave out a step with all that hangs on it, or one alone', () => {
    const ids = [...fewerSteps(draft)].map(({ topology }) => topology.map(({ id, on = [] }) => [id, ...on].join('<')).join(' '))
    expect(ids).toContain('s0 s1<s0')
    expect(ids).toContain('s0 s2<s0 s3<s2')
  })

  it('have simpler arguments: a member less, a simpler expression', () => {
    const topologies = [...simplerArguments(draft)].map(({ topology }) => JSON.stringify(topology[1]?.args))
    expect(topologies).toContain('{"predicate":{"fn":"notNull"}}')
    expect(topologies).toContain('{"predicate":{"fn":"value"},"named":"x"}')
  })
})

/** As if Kafka Streams let nothing through but what says B; it reads only what its topology reads. */
const oracle = (seen: Draft[] = []): Oracle => ({
  ask: async (asked): Promise<Scenario> => {
    seen.push(asked)
    const { topology, events = [] } = asked
    if (!topology.some(({ op }) => op === 'stream')) throw new RefusedError('nothing is read')
    return { ...asked, expect: { describe: 'Java', events: events.map(() => ({})) } }
  },
  close: async () => {},
})

describe('shrink', () => {
  it('keeps what makes the difference, and nothing else', async () => {
    const { scenario, results } = await shrink(oracle(), await oracle().ask(draft))
    expect(results.map(({ outcome }) => outcome)).toEqual(['failed', 'failed'])
    expect({ ...scenario, expect: undefined }).toEqual({
      name: 'shrink',
      config: draft.config,
      topics: {},
      topology: [{ id: 's0', op: 'stream', args: { topics: ['in'] } }],
      events: [],
      expect: undefined,
    })
  })

  it('does not go on with what Java refuses', async () => {
    const seen: Draft[] = []
    const { scenario } = await shrink(oracle(seen), await oracle().ask(draft))
    expect(seen.some(({ topology }) => topology.length === 0)).toBe(true)
    expect(scenario.topology).toHaveLength(1)
  })
})
