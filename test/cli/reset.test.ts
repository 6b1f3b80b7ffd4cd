import { describe, expect, it } from 'vitest'
import { runCli } from './run-cli.ts'

describe('millrace reset', { timeout: 60_000 }, () => {
  const refusals: readonly (readonly [what: string, args: readonly string[], message: string, remedy: string])[] = [
    ['an application of no cluster', [], '--brokers and --table-endpoint are missing', '--brokers HOST:PORT --table-endpoint URL'],
    ['two positions at once', ['--to-latest', '--to-current'], '--to-current and --to-datetime contradict each other', 'Leave out one'],
    ['to do it and not to do it', ['--execute', '--dry-run'], '--execute and --dry-run contradict each other', 'Leave out one'],
    ['a time without a zone', ['--to-datetime', '2026-03-01 12:00'], 'takes a time with its zone, not "2026-03-01 12:00"', '12:00:00Z'],
    [
      'an offset without a partition',
      ['--to-offset', 'lines:5'],
      '--to-offset takes TOPIC:PARTITION:OFFSET, not "lines:5"',
      'lines:0:1200',
    ],
  ]
  it.concurrent.each(refusals)('refuses %s with a message, a remedy and exit code 1', async (_what, args, message, remedy) => {
    const { code, stdout, stderr } = await runCli(['reset', 'word-count', ...args])
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr).toContain(message)
    expect(stderr.split('what to do: ')[1]).toContain(remedy)
  })
})
