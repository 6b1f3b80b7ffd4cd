import { describe, expect, it } from 'vitest'
import { type AppName, appNames } from './apps.ts'
import { exhaustive } from './exhaustive.ts'
import { calm, profileOf, streams } from './profile.ts'
import { type RunResult, simulate } from './simulation.ts'

const told = (what: string, { violation, trace }: RunResult): readonly string[] =>
  violation ? [...trace.lines(60), `${what}: ${violation.invariant} ${violation.message}`] : []

/** Seeds that are run in each `npm test`; `npm run simulate` runs as many as one likes. */
const seeds: Readonly<Record<AppName, number>> = {
  counting: 400,
  windows: 300,
  outer: 300,
  joined: 100,
  changing: 200,
  deferred: 300,
  packed: 200,
  packing: 150,
}

describe.each(appNames)('%s', (app) => {
  it('takes every record once, whatever fails, dies, freezes or overlaps', { timeout: 120_000 }, async () => {
    const faults = new Map<string, number>()
    for (let seed = 0; seed < seeds[app]; seed++) {
      const result = await simulate({ app, seed: String(seed) })
      expect(told(`seed ${seed}`, result)).toEqual([])
      for (const [fault, count] of result.faults) faults.set(fault, (faults.get(fault) ?? 0) + count)
    }
    expect(faults.size).toBeGreaterThan(15)
  })

  it('comes to its end without faults, whoever goes first', { timeout: 60_000 }, async () => {
    for (let number = 0; number < 30; number++) {
      const seed = `calm ${number}`
      const result = await simulate({ app, seed, profile: calm(profileOf(streams(`${app} ${seed}`).profile)) })
      expect(told(seed, result)).toEqual([])
      expect(result.faults.size).toBe(0)
    }
  })

  it('does the same again with the same seed, line by line', async () => {
    const traceOf = async (seed: string) => (await simulate({ app, seed })).trace.lines()
    for (const seed of ['7', '8', '9']) expect(await traceOf(seed)).toEqual(await traceOf(seed))
    expect(await traceOf('7')).not.toEqual(await traceOf('8'))
  })
})

it.each(['counting', 'windows', 'deferred', 'packed'] as const)(
  '%s takes every record once with one fault of any kind at any call',
  { timeout: 120_000 },
  async (app) => {
    let cases = 0
    for await (const { call, blow, result } of exhaustive(app)) {
      expect(told(`${JSON.stringify(blow)} at call ${call}`, result)).toEqual([])
      cases++
    }
    expect(cases).toBeGreaterThan(500)
  },
)
