import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { showProgress } from '../../src/cli/progress.ts'
import type { LocalEngine, SourceLag } from '../../src/local/local-engine.ts'

/** An engine that says what it is told to say. */
const engineOf = () => {
  const state = { recordsRead: 0, lag: [] as readonly SourceLag[] }
  const stats = () => [{ name: 'sub', invocations: 0, transactions: 0, recordsWritten: 0, rowsWritten: 0, recordsRead: state.recordsRead }]
  return { state, engine: { stats, lag: () => state.lag } as unknown as LocalEngine }
}

const terminal = (columns: number) => {
  const output = Object.assign(new PassThrough(), { isTTY: true, columns, cursorTo: () => {}, clearLine: () => {} })
  return { output: output as unknown as NodeJS.WriteStream, written: () => String(output.read() ?? '') }
}

const esc = String.fromCharCode(27)
/** What is left of a drawing on the screen. */
const shown = (drawn: string): string => drawn.split(`${esc}[1G`).at(-1)?.split(esc)[0]?.trimEnd() ?? ''

describe('the bar', () => {
  beforeEach(() => vi.useFakeTimers())
  afterEach(() => vi.useRealTimers())

  const lag = (lines: readonly number[], words: readonly number[]): readonly SourceLag[] => [
    { topic: 'lines', lag: lines },
    { topic: 'app-words-repartition', lag: words },
  ]
  const draw = (columns: number) => {
    const { state, engine } = engineOf()
    const { output, written } = terminal(columns)
    const progress = showProgress(engine, { total: 1_000, topics: ['lines'] }, output)
    progress.fed(1_000)
    const step = (recordsRead: number, now: readonly SourceLag[]): string => {
      Object.assign(state, { recordsRead, lag: now })
      vi.advanceTimersByTime(1_000)
      return shown(written())
    }
    return { progress, step, written }
  }

  it('shows how much of the input is read, then how much of the rest is done', () => {
    const { progress, step } = draw(80)
    const lines = [
      step(0, lag([500, 500], [0, 0])),
      step(500, lag([250, 250], [3_000, 1_000])),
      step(1_000, lag([0, 0], [5_000, 5_000])),
      step(7_000, lag([0, 0], [2_500, 2_500])),
      step(11_000, lag([0, 0], [0, 0])),
    ]
    progress.end()
    expect(lines).toEqual([
      'input    -------------------- 0%  0 records/s  lag 1,000',
      'input    ==========---------- 50%  250 records/s  lag 4,500',
      'the rest -------------------- 0%  333 records/s  lag 10,000',
      'the rest ==========---------- 50%  2,333 records/s  lag 5,000',
      'the rest ==================== 100%  3,500 records/s  lag 0',
    ])
  })

  it.each([
    [60, 'lag 4,500'],
    [93, 'lag lines 500  app-words-repartition 4,000'],
    [120, 'lag lines [250 250]  app-words-repartition [3,000 1,000]'],
  ])('fits into %i columns', (columns, text) => {
    const { progress, step } = draw(columns)
    const line = step(500, lag([250, 250], [3_000, 1_000]))
    progress.end()
    expect(line).toBe(`input    ==========---------- 50%  500 records/s  ${text}`)
    expect(line.length).toBeLessThanOrEqual(columns)
  })

  it('gives the terminal back as it was: with a cursor and with wrapped lines', () => {
    const { progress, written } = draw(80)
    const before = written()
    progress.end()
    expect([`${esc}[?25l`, `${esc}[?7l`].map((off) => before.includes(off))).toEqual([true, true])
    const after = written()
    expect([`${esc}[?25h`, `${esc}[?7h`].map((on) => after.includes(on))).toEqual([true, true])
  })
})

it('ends at Ctrl-C with code 130 and one line', { timeout: 30_000 }, async () => {
  const main = join(import.meta.dirname, '../../src/cli/main.ts')
  const child = spawn(process.execPath, [main, 'start', 'word-count', '--input', '-'], { stdio: ['pipe', 'pipe', 'pipe'] })
  let [stdout, stderr] = ['', '']
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  // Its input never ends.
  child.stderr.once('data', function interrupt() {
    if (/records\/s/.test(stderr)) child.kill('SIGINT')
    else child.stderr.once('data', interrupt)
  })
  expect(await once(child, 'close')).toEqual([130, null])
  expect(stdout).toBe('')
  expect(stderr.trimEnd().split('\n').at(-1)).toBe('Interrupted.')
  expect(stderr).not.toMatch(/^ +at /m)
})
