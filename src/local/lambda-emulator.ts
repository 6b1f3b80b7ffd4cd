import { randomUUID } from 'node:crypto'
import { createExecutionEnvironment, type ExecutionEnvironment } from './execution-environment.ts'
import type { InvokeReply } from './invoke-reply.ts'
import { payloadBytesMax } from './runtime-api.ts'

export interface LambdaFunctionConfig {
  readonly name: string
  /** Task root: where the handler's file is, and the working directory. */
  readonly root: string
  /** `<file without extension>.<export>`; .mjs, .js, .cjs and .ts are tried in this order. */
  readonly handler: string
  readonly environment?: Readonly<Record<string, string>>
  readonly timeoutMs: number
  /** Resident memory above it kills the environment (Linux, sampled each 20 ms); the heap gets 90 % of it. */
  readonly memoryMb: number
  /** Invocations at the same time; above it the answer is 429. Default: 1,000. */
  readonly reservedConcurrency?: number
  /**
   * A fault of tests: an environment that was not done in time is given up but lives on for so long, as one that stood still
   * together with its clock. Default: 0, it is killed at its timeout.
   */
  readonly lingerMs?: number
  /** Of the first initialisation of an environment. Default: 10 s. */
  readonly initTimeoutMs?: number
  /** An environment idle for longer is replaced at its next use. Default: never. */
  readonly idleMsMax?: number
  readonly nodeOptions?: readonly string[]
  /** One line of an environment's standard output or standard error. */
  readonly onLog?: (line: string, environment: number) => void
}

export interface InvokeResult extends InvokeReply {
  readonly requestId: string
  /** -1 where none ran. */
  readonly environment: number
  readonly coldStart: boolean
  readonly durationMs: number
  readonly memoryMbMax: number
}

export interface LambdaFunction {
  /** Runs the handler with a JSON payload of at most 6 MB. Never rejects for what the function does. */
  invoke(payload: string): Promise<InvokeResult>
  /** Throws idle environments away, as the service does every few hours and after a deployment. */
  recycle(): Promise<void>
  /** Kills everything, running invocations too; later ones fail. */
  close(): Promise<void>
  /** Process ids of the environments that live. */
  readonly pids: readonly number[]
}

/**
 * A Lambda function on this machine. An environment is a process group: started cold when no idle one is there, stopped
 * (SIGSTOP) between invocations, so that timers stand still and sockets grow old; killed at its timeout, above its memory,
 * or by its own exit, and then initialised anew on the clock of its next invocation. A thrown error keeps it. Nothing
 * outlives this process. Not emulated: CPU shares, network and file system isolation, extensions, response streaming.
 */
export function createLambdaFunction(config: LambdaFunctionConfig): LambdaFunction {
  const arn = `arn:aws:lambda:us-east-1:123456789012:function:${config.name}`
  const environments = new Set<ExecutionEnvironment>()
  let idle: ExecutionEnvironment[] = []
  let inFlight = 0
  let started = 0
  let closed = false

  async function drop(environment: ExecutionEnvironment): Promise<void> {
    environments.delete(environment)
    await environment.close()
  }

  /** The one used last, as the service prefers: the others grow old. */
  async function take(): Promise<ExecutionEnvironment> {
    const environment = idle.pop()
    if (environment && Date.now() - environment.idleSinceMs <= (config.idleMsMax ?? Number.POSITIVE_INFINITY)) return environment
    if (environment) await drop(environment)
    const fresh = await createExecutionEnvironment(started++, config, arn)
    environments.add(fresh)
    if (closed) await drop(fresh)
    return fresh
  }

  async function run(payload: string, requestId: string): Promise<InvokeResult> {
    const environment = await take()
    const result = await environment.run(requestId, payload)
    if (environment.lingering) void environment.lingering.then(() => drop(environment))
    else if (environments.has(environment)) idle.push(environment)
    return { status: 200, requestId, environment: environment.id, memoryMbMax: environment.memoryMb, ...result }
  }

  return {
    async invoke(payload) {
      const requestId = randomUUID()
      const refused = (status: number, body: object): InvokeResult => ({
        ...{ status, error: 'Unhandled', payload: JSON.stringify(body), requestId },
        ...{ environment: -1, coldStart: false, durationMs: 0, memoryMbMax: 0 },
      })
      if (Buffer.byteLength(payload) > payloadBytesMax) return refused(413, { __type: 'RequestEntityTooLargeException' })
      if (inFlight >= (config.reservedConcurrency ?? 1_000)) {
        return refused(429, { __type: 'TooManyRequestsException', Reason: 'ReservedFunctionConcurrentInvocationLimitExceeded' })
      }
      inFlight++
      try {
        return await run(payload, requestId)
      } finally {
        inFlight--
      }
    },
    async recycle() {
      const old = idle
      idle = []
      await Promise.all(old.map(drop))
    },
    async close() {
      closed = true
      idle = []
      await Promise.all([...environments].map(drop))
    },
    get pids() {
      return [...environments].flatMap(({ pid }) => (pid ? [pid] : []))
    },
  }
}
