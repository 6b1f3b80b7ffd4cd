import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { LambdaFunctionConfig } from './lambda-emulator.ts'
import { type Answer, createRuntimeApi } from './runtime-api.ts'
import { type RuntimeProcess, startRuntimeProcess } from './runtime-process.ts'

export interface RunResult extends Answer {
  readonly coldStart: boolean
  readonly durationMs: number
}

/** One execution environment: a runtime that is frozen whenever it waits for work. */
export interface ExecutionEnvironment {
  readonly id: number
  readonly pid: number | undefined
  readonly idleSinceMs: number
  /** Highest resident memory seen, MB. */
  readonly memoryMb: number
  /** Set where it was not done in time and is not killed at once: it must not be used again, and the promise resolves when it is to go. */
  readonly lingering: Promise<unknown> | undefined
  /** Runs one invocation; starts the runtime if there is none. Resolves when the environment can be used again. */
  run(requestId: string, payload: string): Promise<RunResult>
  close(): Promise<void>
}

interface Readiness {
  readonly coldStart: boolean
  /** What the invoker is told where the runtime does not come up. */
  readonly failure?: string | undefined
  /** Of the invocation's time. */
  readonly usedMs: number
}

const initTimeoutMs = 10_000

export async function createExecutionEnvironment(
  id: number,
  config: LambdaFunctionConfig,
  functionArn: string,
): Promise<ExecutionEnvironment> {
  const folder = mkdtempSync(join(tmpdir(), 'lambda-environment-'))
  let runtime: RuntimeProcess | undefined
  let initialised = false
  let closed = false
  let memoryMb = 0
  let idleSinceMs = Date.now()
  let lingering: Promise<unknown> | undefined
  const api = await createRuntimeApi(functionArn, () => {
    idleSinceMs = Date.now()
    runtime?.freeze()
  })

  async function start(requestId: string, limitMs: number): Promise<string | undefined> {
    api.reset()
    const started = startRuntimeProcess(config, { environment: id, apiAddress: api.address, folder })
    runtime = started
    const ended = started.ended.then((why) => {
      memoryMb = Math.max(memoryMb, started.memoryMbMax)
      if (runtime === started) runtime = undefined
      return { why }
    })
    const limit = timer(limitMs)
    const outcome = await Promise.race([api.idle().then(() => undefined), ended, limit.passed])
    limit.clear()
    if (outcome === 'passed') {
      await started.kill()
      return timedOut(requestId, config.timeoutMs)
    }
    return outcome && (api.initError ?? exited(requestId, outcome.why))
  }

  /** A new environment has a phase of its own for its initialisation; later, or after that failed, the invocation's clock runs. */
  async function ready(requestId: string): Promise<Readiness> {
    if (closed) return { coldStart: false, failure: exited(requestId, 'closed'), usedMs: 0 }
    if (runtime) return { coldStart: false, usedMs: 0 }
    if (!initialised) {
      initialised = true
      if ((await start(requestId, config.initTimeoutMs ?? initTimeoutMs)) === undefined) return { coldStart: true, usedMs: 0 }
      if (closed) return ready(requestId)
    }
    const beganMs = performance.now()
    const failure = await start(requestId, config.timeoutMs)
    return { coldStart: true, failure, usedMs: performance.now() - beganMs }
  }

  async function handle(requestId: string, payload: string, leftMs: number): Promise<Answer> {
    const working = runtime
    const limit = timer(leftMs)
    const ended = (working?.ended ?? Promise.resolve('closed')).then((why) => ({
      error: 'Unhandled' as const,
      payload: exited(requestId, why),
    }))
    working?.thaw()
    const answer = await Promise.race([
      api.dispatch({ requestId, payload, deadlineMs: Date.now() + Math.floor(leftMs) }),
      ended,
      limit.passed,
    ])
    // It can be used again once it polls, or has ended: then the next invocation starts a new runtime.
    const idle = answer === 'passed' ? answer : await Promise.race([api.idle(), ended, limit.passed])
    limit.clear()
    if (idle === 'passed' && config.lingerMs !== undefined) {
      const { passed, clear } = timer(config.lingerMs)
      lingering = Promise.race([passed, ended]).finally(clear)
    } else if (idle === 'passed') await working?.kill()
    return answer === 'passed' ? { error: 'Unhandled', payload: timedOut(requestId, config.timeoutMs) } : answer
  }

  return {
    id,
    get pid() {
      return runtime?.pid
    },
    get idleSinceMs() {
      return idleSinceMs
    },
    get lingering() {
      return lingering
    },
    get memoryMb() {
      return Math.max(memoryMb, runtime?.memoryMbMax ?? 0)
    },
    async run(requestId, payload) {
      const { coldStart, failure, usedMs } = await ready(requestId)
      if (failure !== undefined) return { coldStart, durationMs: usedMs, error: 'Unhandled', payload: failure }
      const beganMs = performance.now()
      const answer = await handle(requestId, payload, Math.max(0, config.timeoutMs - usedMs))
      return { ...answer, coldStart, durationMs: usedMs + performance.now() - beganMs }
    },
    async close() {
      closed = true
      await runtime?.kill()
      api.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

function timer(ms: number): { readonly passed: Promise<'passed'>; clear(): void } {
  let timeout: NodeJS.Timeout | undefined
  const passed = new Promise<'passed'>((resolve) => {
    timeout = setTimeout(resolve, ms, 'passed')
  })
  return { passed, clear: () => clearTimeout(timeout) }
}

const exited = (requestId: string, why: string) =>
  JSON.stringify({ errorType: 'Runtime.ExitError', errorMessage: `RequestId: ${requestId} Error: Runtime exited with error: ${why}` })

const timedOut = (requestId: string, timeoutMs: number) => {
  const errorMessage = `RequestId: ${requestId} Error: Task timed out after ${(timeoutMs / 1000).toFixed(2)} seconds`
  return JSON.stringify({ errorType: 'Sandbox.Timedout', errorMessage })
}
