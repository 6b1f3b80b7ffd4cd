import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'

const script = join(import.meta.dirname, '../../scripts/chaos.ts')
const run = (...args: readonly string[]) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, ...args], { encoding: 'utf8' })
  return { status, stdout, error: stderr.split('\n')[0] }
}

describe('npm run chaos', { timeout: 60_000 }, () => {
  it('says how it is used', () => {
    expect(run('--help')).toMatchObject({ status: 0, stdout: expect.stringContaining('Usage: npm run chaos -- [--minutes M]') })
  })

  it('refuses arguments that make no sense, with status 2', () => {
    expect(run('--minutes', '0')).toEqual({
      ...{ status: 2, stdout: '' },
      error: '--minutes is a number above 0, up to a day of them, not 0',
    })
    expect(run('--workload', 'sums')).toEqual({ status: 2, stdout: '', error: '--workload is one of words, windows, joins, not sums' })
  })
})
