import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { LambdaFunctionConfig } from './lambda-emulator.ts'
import { processReaper } from './process-reaper.ts'

/** The runtime of one environment and everything that the handler starts: one process group. */
export interface RuntimeProcess {
  readonly pid: number | undefined
  /** Resolves with the reason when it has ended. */
  readonly ended: Promise<string>
  /** Highest resident memory seen so far, MB. */
  readonly memoryMbMax: number
  freeze(): void
  thaw(): void
  kill(): Promise<void>
}

export interface Surroundings {
  readonly environment: number
  /** `host:port` of the Runtime API. */
  readonly apiAddress: string
  /** Home and temporary folder. */
  readonly folder: string
}

const memorySampleMs = 20

/** Starts it; above the configured memory it is killed. */
export function startRuntimeProcess(config: LambdaFunctionConfig, surroundings: Surroundings): RuntimeProcess {
  const child = spawnRuntime(config, surroundings)
  const { pid } = child
  let memoryMbMax = 0
  let over = false
  let frozen = false

  function signal(name: NodeJS.Signals): void {
    try {
      if (pid && !over) process.kill(-pid, name)
    } catch {
      // The group has ended by itself.
    }
  }

  const sampler = setInterval(() => {
    // it cannot grow
    if (frozen) return
    const usedMb = residentMb(pid)
    memoryMbMax = Math.max(memoryMbMax, usedMb)
    if (usedMb > config.memoryMb) signal('SIGKILL')
  }, memorySampleMs).unref()
  if (pid) processReaper().watch(pid)
  for (const input of [child.stdout, child.stderr]) {
    if (input) createInterface({ input }).on('line', (line) => config.onLog?.(line, surroundings.environment))
  }
  const ended = new Promise<string>((resolve) => {
    const end = (why: string) => {
      clearInterval(sampler)
      // What the handler started goes with it.
      signal('SIGKILL')
      over = true
      if (pid) processReaper().forget(pid)
      resolve(why)
    }
    child.once('error', (error) => end(error.message))
    child.once('exit', (code, by) => end(by ? `signal: ${by === 'SIGKILL' ? 'killed' : by}` : `exit status ${code}`))
  })
  return {
    pid,
    ended,
    get memoryMbMax() {
      return memoryMbMax
    },
    freeze() {
      frozen = true
      signal('SIGSTOP')
    },
    thaw() {
      frozen = false
      signal('SIGCONT')
    },
    async kill() {
      signal('SIGKILL')
      await ended
    },
  }
}

function spawnRuntime(config: LambdaFunctionConfig, { environment, apiAddress, folder }: Surroundings): ChildProcess {
  const heapMb = Math.floor(config.memoryMb * 0.9)
  const client = join(import.meta.dirname, 'runtime-client.ts')
  const flags = [`--max-old-space-size=${heapMb}`, '--max-http-header-size=81920', ...(config.nodeOptions ?? [])]
  const env = {
    PATH: process.env.PATH,
    TZ: ':UTC',
    LANG: 'en_US.UTF-8',
    TMPDIR: folder,
    HOME: folder,
    ...config.environment,
    AWS_LAMBDA_RUNTIME_API: apiAddress,
    AWS_LAMBDA_FUNCTION_NAME: config.name,
    AWS_LAMBDA_FUNCTION_VERSION: '$LATEST',
    AWS_LAMBDA_FUNCTION_MEMORY_SIZE: String(config.memoryMb),
    AWS_LAMBDA_LOG_GROUP_NAME: `/aws/lambda/${config.name}`,
    AWS_LAMBDA_LOG_STREAM_NAME: `local/[$LATEST]${environment}`,
    AWS_LAMBDA_INITIALIZATION_TYPE: 'on-demand',
    AWS_EXECUTION_ENV: 'AWS_Lambda_nodejs24.x',
    LAMBDA_TASK_ROOT: config.root,
    _HANDLER: config.handler,
  }
  // Detached: a group of its own, so that the handler's children are stopped and killed with it.
  return spawn(process.execPath, [...flags, client, config.root, config.handler], {
    cwd: config.root,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env,
  })
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
