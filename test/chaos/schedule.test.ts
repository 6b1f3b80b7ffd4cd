import { describe, expect, it } from 'vitest'
import { brokerFaults, processFaults, scheduleOf, tableFaults } from './schedule.ts'
import { createTakeovers, percentile } from './takeovers.ts'

const minuteMs = 60_000

describe('the schedule of faults', () => {
  it('is the same for a seed, and another for another', () => {
    expect(scheduleOf('1', 10 * minuteMs, 3)).toEqual(scheduleOf('1', 10 * minuteMs, 3))
    expect(scheduleOf('1', 10 * minuteMs, 3)).not.toEqual(scheduleOf('2', 10 * minuteMs, 3))
  })

  it('has every kind of fault within ten minutes, and none past the end', () => {
    const { processes, brokers, tables } = scheduleOf('1', 10 * minuteMs, 3)
    const kinds = (faults: readonly { readonly kind: string }[]) => [...new Set(faults.map(({ kind }) => kind))].sort()
    expect(kinds(processes)).toEqual([...processFaults].sort())
    expect(kinds(brokers)).toEqual([...brokerFaults].sort())
    expect(kinds(tables)).toEqual([...tableFaults].sort())
    expect([...new Set(brokers.map(({ broker }) => broker))].sort()).toEqual([0, 1, 2])
    expect([...processes, ...brokers, ...tables].filter(({ atMs }) => atMs >= 10 * minuteMs)).toEqual([])
  })

  it('has one broker down at a time', () => {
    const { brokers } = scheduleOf('1', 60 * minuteMs, 3)
    expect(brokers.filter(({ atMs }, at) => at > 0 && atMs <= (brokers[at - 1]?.atMs ?? 0) + (brokers[at - 1]?.lengthMs ?? 0))).toEqual([])
  })

  it('has zombies that outlive every timeout', () => {
    const zombies = scheduleOf('1', 60 * minuteMs, 3).processes.filter(({ kind }) => kind === 'zombie')
    expect(Math.min(...zombies.map(({ lengthMs }) => lengthMs))).toBeGreaterThanOrEqual(16_000)
  })
})

describe('takeovers', () => {
  it('last from the first kill of the holder to the next commit', () => {
    const takeovers = createTakeovers()
    takeovers.committed('a', 50)
    takeovers.killed('a', 100)
    takeovers.killed('b', 110)
    takeovers.committed('a', 90)
    takeovers.killed('a', 150)
    takeovers.committed('a', 300)
    takeovers.committed('a', 400)
    takeovers.committed('b', 120)
    expect(takeovers.timesMs).toEqual([200, 10])
  })

  it('have percentiles by nearest rank', () => {
    const hundred = Array.from({ length: 100 }, (_, at) => 100 - at)
    expect([0.5, 0.99, 1].map((share) => percentile(hundred, share))).toEqual([50, 99, 100])
    expect([percentile([7], 0.5), percentile([], 0.5)]).toEqual([7, null])
  })
})
