import { describe, expect, inject, it } from 'vitest'
import { runChaos } from './chaos.ts'
import { workloads } from './workloads.ts'

/** Long enough in CI that every kind of fault comes; starting, draining and judging come on top. */
const minutes = process.env.CI === 'true' ? 3 : 0.75

describe.skipIf(inject('kafka') === null)('exactly once on real parts', () => {
  it('nothing is lost, twice, out of order or wrong while processes, brokers and the table fail', { timeout: 900_000 }, async () => {
    const report = await runChaos({ workloads, seed: 'short', minutes, tell: (line) => console.log(line) })
    expect(report.findings).toEqual({ losses: 0, duplicates: 0, reorderings: 0, wrong: 0, examples: [] })
    expect(report.kills).toBeGreaterThan(3)
    for (const { name, transactions, recordsOut } of report.workloads)
      expect({ name, committed: transactions > 0, told: recordsOut > 0 }).toEqual({ name, committed: true, told: true })
  })
})
