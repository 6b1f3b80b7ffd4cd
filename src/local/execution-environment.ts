import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { LambdaFunctionConfig } from './lambda-emulator.ts'
import { processReaper } from './process-reaper.ts'
import { type Answer, createRuntimeApi, type RuntimeApi } from './runtime-api.ts'

export interface RunResult extends Answer {
  readonly coldStart: boolean
  readonly durationMs: number
}

/** One execution environment: a process group that is stopped whenever it waits for work. */
export interface ExecutionEnvironment {
  readonly id: number
  readonly pid: number | undefined
  readonly idleSinceMs: number
  /** Highest resident memory seen, MB. */
  readonly memoryMb: number
  /** Runs one invocation; starts the runtime if there is none. Resolves when the environment can be used again. */
  run(requestId: string, payload: string): Promise<RunResult>
  close(): Promise<void>
}

interface Runtime {
  readonly child: ChildProcess
  /** Why it ended. */
  readonly ended: Promise<string>
}

const initTimeoutMs = 10_000
const memorySampleMs = 20

export async function createExecutionEnvironment(
  id: number,
  config: LambdaFunctionConfig,
  functionArn: string,
): Promise<ExecutionEnvironment> {
  const folder = mkdtempSync(join(tmpdir(), 'lambda-environment-'))
  let runtime: Runtime | undefined
  let initialised = false
  let closed = false
  let memoryMb = 0
  let idleSinceMs = Date.now()
  const api = await createRuntimeApi(functionArn, () => {
    idleSinceMs = Date.now()
    signal('SIGSTOP')
  })
  const timeoutMs = (usedMs: number) => Math.max(0, config.timeoutMs - usedMs)

  function signal(name: NodeJS.Signals): void {
    try {
      if (runtime?.child.pid) process.kill(-runtime.child.pid, name)
    } catch {
      // The group has ended by itself.
    }
  }

  async function kill(): Promise<void> {
    const { ended } = runtime ?? {}
    signal('SIGKILL')
    await ended
  }

  function watchMemory(): void {
    const usedMb = residentMb(runtime?.child.pid)
    memoryMb = Math.max(memoryMb, usedMb)
    if (usedMb > config.memoryMb) signal('SIGKILL')
  }

  function spawnRuntime(): Runtime {
    api.reset()
    const child = spawnChild(id, config, api, folder)
    const { pid } = child
    if (pid) processReaper().watch(pid)
    for (const input of [child.stdout, child.stderr]) {
      if (input) createInterface({ input }).on('line', (line) => config.onLog?.(line, id))
    }
    const sampler = setInterval(watchMemory, memorySampleMs).unref()
    const ended = new Promise<string>((resolve) => {
      const end = (why: string) => {
        clearInterval(sampler)
        if (pid) processReaper().forget(pid)
        runtime = undefined
        resolve(why)
      }
      child.once('error', (error) => end(error.message))
      child.once('exit', (code, by) => end(by ? `signal: ${by === 'SIGKILL' ? 'killed' : by}` : `exit status ${code}`))
    })
    return { child, ended }
  }

  /** Resolves with what the invoker is told where the runtime does not come up. */
  async function start(requestId: string, limitMs: number): Promise<string | undefined> {
    const started = spawnRuntime()
    runtime = started
    const limit = timer(limitMs)
    const outcome = await Promise.race([api.idle().then(() => 'idle' as const), started.ended.then((why) => ({ why })), limit.passed])
    limit.clear()
    if (outcome === 'idle') return undefined
    if (outcome === 'passed') {
      await kill()
      return timedOut(requestId, config.timeoutMs)
    }
    return api.initError ?? exited(requestId, outcome.why)
  }

  /** A new environment has a phase of its own for its initialisation; later, or after that failed, the invocation's clock runs. */
  async function ready(
    requestId: string,
  ): Promise<{ readonly coldStart: boolean; readonly failure?: string | undefined; readonly usedMs: number }> {
    if (runtime) return { coldStart: false, usedMs: 0 }
    if (!initialised) {
      initialised = true
      if ((await start(requestId, config.initTimeoutMs ?? initTimeoutMs)) === undefined) return { coldStart: true, usedMs: 0 }
    }
    const beganMs = performance.now()
    const failure = await start(requestId, config.timeoutMs)
    return { coldStart: true, failure, usedMs: performance.now() - beganMs }
  }

  async function handle(requestId: string, payload: string, usedMs: number): Promise<Answer> {
    const limit = timer(timeoutMs(usedMs))
    const deadlineMs = Date.now() + Math.floor(timeoutMs(usedMs))
    const ended = (runtime?.ended ?? Promise.resolve('closed')).then((why) => ({
      error: 'Unhandled' as const,
      payload: exited(requestId, why),
    }))
    signal('SIGCONT')
    const answer = await Promise.race([api.dispatch({ requestId, payload, deadlineMs }), ended, limit.passed])
    // It can be used again once it polls, or has ended: then the next invocation starts a new runtime.
    const idle = answer === 'passed' ? answer : await Promise.race([api.idle(), ended, limit.passed])
    limit.clear()
    if (idle === 'passed') await kill()
    return answer === 'passed' ? { error: 'Unhandled', payload: timedOut(requestId, config.timeoutMs) } : answer
  }

  return {
    id,
    get pid() {
      return runtime?.child.pid
    },
    get idleSinceMs() {
      return idleSinceMs
    },
    get memoryMb() {
      return memoryMb
    },
    async run(requestId, payload) {
      const { coldStart, failure, usedMs } = closed ? { coldStart: false, failure: undefined, usedMs: 0 } : await ready(requestId)
      if (failure !== undefined || closed)
        return { coldStart, durationMs: usedMs, error: 'Unhandled', payload: failure ?? exited(requestId, 'closed') }
      const beganMs = performance.now()
      const answer = await handle(requestId, payload, usedMs)
      return { ...answer, coldStart, durationMs: usedMs + performance.now() - beganMs }
    },
    async close() {
      closed = true
      await kill()
      api.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

function spawnChild(id: number, config: LambdaFunctionConfig, api: RuntimeApi, folder: string): ChildProcess {
  const heapMb = Math.floor(config.memoryMb * 0.9)
  const client = join(import.meta.dirname, 'runtime-client.ts')
  const args = [
    `--max-old-space-size=${heapMb}`,
    '--max-http-header-size=81920',
    ...(config.nodeOptions ?? []),
    client,
    config.root,
    config.handler,
  ]
  const env = {
    PATH: process.env.PATH,
    TZ: ':UTC',
    LANG: 'en_US.UTF-8',
    TMPDIR: folder,
    HOME: folder,
    ...config.environment,
    AWS_LAMBDA_RUNTIME_API: api.address,
    AWS_LAMBDA_FUNCTION_NAME: config.name,
    AWS_LAMBDA_FUNCTION_VERSION: '$LATEST',
    AWS_LAMBDA_FUNCTION_MEMORY_SIZE: String(config.memoryMb),
    AWS_LAMBDA_LOG_GROUP_NAME: `/aws/lambda/${config.name}`,
    AWS_LAMBDA_LOG_STREAM_NAME: `local/[$LATEST]${id}`,
    AWS_LAMBDA_INITIALIZATION_TYPE: 'on-demand',
    AWS_EXECUTION_ENV: 'AWS_Lambda_nodejs24.x',
    LAMBDA_TASK_ROOT: config.root,
    _HANDLER: config.handler,
  }
  // Detached: a group of its own, so that the handler's children are stopped and killed with it.
  return spawn(process.execPath, args, { cwd: config.root, detached: true, stdio: ['ignore', 'pipe', 'pipe'], env })
}

/** Linux only; elsewhere memory is not limited. */
function residentMb(pid: number | undefined): number {
  const pageBytes = 4096
  try {
    return (Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]) * pageBytes) / 2 ** 20
  } catch {
    return 0
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
