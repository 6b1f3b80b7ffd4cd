import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { hunt } from './find-mutants.ts'
import { mutants, notApplicable } from './mutants.ts'
import { occurrences } from './mutation.ts'

const run = promisify(execFile)
const simulate = (...args: readonly string[]) =>
  run(process.execPath, ['scripts/simulate.ts', ...args]).then(
    ({ stdout }) => ({ code: 0, stdout, stderr: '' }),
    ({ code, stdout, stderr }: { code: number; stdout: string; stderr: string }) => ({ code, stdout, stderr }),
  )

describe('mutants', () => {
  it('change texts that stand in the code exactly once', () => {
    const counts = mutants.flatMap(({ rule, patches }) => patches.map((patch) => [rule, patch.find, occurrences(patch)]))
    expect(counts).toEqual(counts.map(([rule, find]) => [rule, find, 1]))
  })

  it('are there for every rule of the protocol, or it is said why not', () => {
    const named = [...mutants, ...notApplicable].flatMap(({ rule }) => rule.match(/[RE]\d+/g) ?? [])
    const rules = [...Array.from({ length: 38 }, (_, at) => `R${at + 1}`), 'E1', 'E2']
    expect(rules.filter((rule) => !named.includes(rule))).toEqual([])
  })

  /** Those that few seeds find: that the simulator can fail is itself tested. */
  const quick = ['R3', 'R5', 'R11, after COMMIT', 'R12', 'R13, loser', 'R16', 'R29', 'E2']
  it.each(quick)('of %s are found within a few seeds', { timeout: 120_000 }, async (rule) => {
    const mutant = mutants.find((it) => it.rule === rule)
    if (!mutant) throw new Error(`there is no mutant of ${rule}`)
    const { found } = await hunt(mutant, { from: 0, seeds: 150 })
    expect(found).toBeDefined()
  })
})

describe('npm run simulate', () => {
  it('tells what it has run, its last line for scripts', { timeout: 60_000 }, async () => {
    const { code, stdout } = await simulate('--app', 'counting', '--seeds', '3')
    expect(code).toBe(0)
    expect(stdout.trim().split('\n').at(-1)).toMatch(/^3 seeds, \d+ faults, 0 violations$/)
  })

  it('refuses arguments that it does not know, with how it is used', { timeout: 60_000 }, async () => {
    for (const args of [['--seeds', '0'], ['--app', 'nothing'], ['--mutants', '--matrix'], ['--unknown']]) {
      const { code, stderr } = await simulate(...args)
      expect(code).toBe(2)
      expect(stderr).toContain('Usage: npm run simulate')
    }
  })
})
