import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'

export interface CliResult {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

export interface RunningCli {
  readonly result: Promise<CliResult>
  kill(): void
  /** Resolves with the standard error so far once it fits; rejects if the process ends before. */
  seen(pattern: RegExp): Promise<string>
}

const main = join(import.meta.dirname, '../../src/cli/main.ts')

/** Starts the command line as a user does, in a process of its own. */
export const startCli = (args: readonly string[], input?: string, cwd = process.cwd()): RunningCli => {
  const child = spawn(process.execPath, [main, ...args], { cwd, stdio: ['pipe', 'pipe', 'pipe'], env: { ...process.env, NO_COLOR: '1' } })
  let [stdout, stderr] = ['', '']
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  child.stdin.end(input ?? '')
  const result = once(child, 'close').then(([code, signal]): CliResult => ({ code, signal, stdout, stderr }))
  return {
    result,
    kill: () => child.kill('SIGKILL'),
    seen: async (pattern) => {
      while (!pattern.test(stderr)) {
        const ended = await Promise.race([once(child.stderr, 'data').then(() => false), result.then(() => true)])
        if (ended && !pattern.test(stderr)) throw new Error(`ended without ${pattern}: ${stderr}`)
      }
      return stderr
    },
  }
}

export const runCli = (args: readonly string[], input?: string, cwd?: string): Promise<CliResult> => startCli(args, input, cwd).result
