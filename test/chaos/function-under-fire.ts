import { execFile } from 'node:child_process'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import type { KafkaEvent } from '../../src/lambda/index.ts'
import type { InvokeResult, LambdaFunction, LambdaFunctionConfig } from '../../src/local/lambda-emulator.ts'
import type { ProcessFault } from './schedule.ts'
import type { Takeovers } from './takeovers.ts'

export interface Strike {
  readonly kind: ProcessFault
  /** After the begin of an invocation. */
  readonly intoMs: number
  readonly lengthMs: number
}

/** A deployed function whose processes are killed and stopped while they work. */
export interface FunctionUnderFire {
  invoke(event: object): Promise<InvokeResult>
  /**
   * Hits the process that works at the given time into the next invocation, or into later ones, until one is hit. Nothing
   * happens while another strike waits or a process stands still: something must get done.
   */
  strike(strike: Strike): void
  /** No further strike; what stands still goes on. */
  ceaseFire(): void
  /** Resolves when nothing runs any more. */
  idle(): Promise<void>
  readonly counts: FunctionCounts
}

export interface FunctionCounts {
  /** Processes that were hit. */
  readonly strikes: ReadonlyMap<ProcessFault, number>
  readonly invocations: number
  readonly timeouts: number
  /** Invocations whose process ended and was not killed by us. */
  readonly crashes: readonly string[]
  /** Failures by code. */
  readonly errors: ReadonlyMap<string, number>
}

export interface FireOptions {
  readonly lambda: (change: Partial<LambdaFunctionConfig>) => LambdaFunction
  /** Names a task in what is told to `takeovers`. */
  readonly taskOf: (partition: number) => string
  readonly takeovers: Takeovers
  readonly environment: Readonly<Record<string, string>>
  /** Told every line of the processes' logs, and every strike. */
  readonly log: (line: string) => void
}

const timeoutMs = 15_000
/** Longer than the longest freeze, so that a zombie wakes up after everybody has given it up. */
const lingerMs = 45_000
/** A kill is noticed by then. */
const killNoticeMs = 5_000

export const createFunctionUnderFire = ({ lambda: create, taskOf, takeovers, environment, log }: FireOptions): FunctionUnderFire => {
  const armed: Strike[] = []
  const running = new Set<Set<number>>()
  const frozen = new Set<number>()
  const pending = new Set<Promise<unknown>>()
  const strikes = new Map<ProcessFault, number>()
  const errors = new Map<string, number>()
  const crashes: string[] = []
  let [invocations, timeouts, killedMs, ceased] = [0, 0, 0, false]

  const onLog = (line: string, process: number): void => {
    log(`process ${process}: ${line}`)
    const entry = entryOf(line)
    if (entry === undefined) return void increment(errors, line.slice(0, 200))
    if (entry.level === 'error') increment(errors, `${entry.code ?? entry.message}`)
    const { partition } = entry
    if (partition === undefined) return
    if (entry.message === 'committed') takeovers.committed(taskOf(partition), Date.parse(entry.time ?? ''))
    if (outcomes.has(entry.message ?? '')) for (const tasks of running) tasks.delete(partition)
  }
  const lambda = create({ timeoutMs, lingerMs, onLog, environment: { ...environment, MILLRACE_LOG: 'debug' } })

  const invoke = async (event: object): Promise<InvokeResult> => {
    const tasks = new Set(partitionsOf(event))
    running.add(tasks)
    invocations++
    const strike = armed.shift()
    if (strike) track(hit(strike, event))
    const result = await lambda.invoke(JSON.stringify(event))
    running.delete(tasks)
    const { errorType = '', errorMessage = '' } = result.error ? JSON.parse(result.payload) : {}
    if (result.error) log(`process ${result.environment}: ${result.payload}`)
    if (errorType === 'Sandbox.Timedout') timeouts++
    if (errorType !== 'Runtime.ExitError') return result
    if (Date.now() - killedMs > killNoticeMs || !errorMessage.endsWith('signal: killed')) crashes.push(errorMessage)
    else for (const partition of tasks) takeovers.killed(taskOf(partition), killedMs)
    return result
  }

  const track = (work: Promise<unknown>): void => {
    pending.add(work)
    work.finally(() => pending.delete(work))
  }

  const hit = async (strike: Strike, event: object): Promise<void> => {
    await delay(strike.intoMs)
    const [pid] = await workingOf(lambda.pids.filter((it) => !frozen.has(it)))
    if (ceased) return
    if (pid === undefined) {
      armed.unshift(strike)
      return
    }
    increment(strikes, strike.kind)
    log(`${strike.kind} of ${pid} for ${strike.lengthMs} ms`)
    if (strike.kind === 'kill') {
      killedMs = Date.now()
      signal(pid, 'SIGKILL')
      return
    }
    frozen.add(pid)
    signal(pid, 'SIGSTOP')
    if (strike.kind === 'pause') track(invoke(event))
    const untilMs = Date.now() + strike.lengthMs
    while (Date.now() < untilMs && !ceased) await delay(100)
    signal(pid, 'SIGCONT')
    frozen.delete(pid)
  }

  return {
    invoke: (event) => {
      const work = invoke(event)
      track(work)
      return work
    },
    strike(strike) {
      if (armed.length === 0 && frozen.size === 0) armed.push(strike)
    },
    ceaseFire() {
      ceased = true
      armed.length = 0
    },
    async idle() {
      while (pending.size > 0) await Promise.all(pending)
    },
    counts: {
      ...{ strikes, errors, crashes },
      get invocations() {
        return invocations
      },
      get timeouts() {
        return timeouts
      },
    },
  }
}

/** Messages with which a handler says that it is done with a task. */
const outcomes: ReadonlySet<string> = new Set(['done', 'rung', 'handed over', 'held'])

interface LogLine {
  readonly time?: string
  readonly level?: string
  readonly message?: string
  readonly code?: string
  readonly partition?: number
}

const entryOf = (line: string): LogLine | undefined => {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}

const partitionsOf = (event: object): readonly number[] => {
  const { records = {} } = event as Partial<KafkaEvent>
  return Object.values(records).flatMap((list) => list.slice(0, 1).map(({ partition }) => partition))
}

/** Those that the emulator has not put to sleep between two invocations. */
const workingOf = async (pids: readonly number[]): Promise<readonly number[]> => {
  if (pids.length === 0) return []
  // exit status 1: none of them lives
  const { stdout } = await promisify(execFile)('ps', ['-o', 'pid=,state=', '-p', pids.join(',')]).catch(() => ({ stdout: '' }))
  return stdout.split('\n').flatMap((line) => {
    const [, pid, state = 'T'] = /(\d+)\s+(\S)/.exec(line) ?? []
    return ['T', 't', 'Z'].includes(state) ? [] : [Number(pid)]
  })
}

/** To the whole environment, which is a process group. */
const signal = (pid: number, name: NodeJS.Signals): void => {
  try {
    process.kill(-pid, name)
  } catch {
    // it has ended by itself
  }
}

const increment = <K>(counts: Map<K, number>, key: K): void => void counts.set(key, (counts.get(key) ?? 0) + 1)
