import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'

export interface ChildServer {
  readonly exited: boolean
  /** The end of what it has printed. */
  output(): string
  signal(signal: 'SIGTERM' | 'SIGKILL'): Promise<void>
  /** It stands still, with its sockets open. */
  freeze(): void
  thaw(): void
}

export type JavaProcess = ChildServer

export const startJava = (args: readonly string[], logFile: string): JavaProcess => startServer('java', args, logFile)

/** Starts a process that dies with this one, also when this one is killed with -9: a shell waits on a pipe from us and kills it. */
export const startServer = (
  command: string,
  args: readonly string[],
  logFile: string,
  env: NodeJS.ProcessEnv = process.env,
): ChildServer => {
  const log = openSync(logFile, 'a')
  const child = spawn(command, args, { stdio: ['ignore', log, log], env })
  closeSync(log)
  const guard = spawn('sh', ['-c', `cat >/dev/null; kill -9 ${child.pid}`], { stdio: ['pipe', 'ignore', 'ignore'], detached: true })
  guard.unref()
  const exit = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  const killNow = () => child.kill('SIGKILL')
  process.once('exit', killNow)
  exit.then(() => {
    process.removeListener('exit', killNow)
    guard.kill('SIGKILL')
    // what the shell waits with would live on, and so would our end of its pipe
    guard.stdin.destroy()
  })
  return {
    get exited() {
      return hasExited(child)
    },
    output: () => readFileSync(logFile, 'utf8').slice(-4000),
    async signal(signal) {
      if (!hasExited(child)) child.kill(signal)
      await exit
    },
    freeze: () => void child.kill('SIGSTOP'),
    thaw: () => void child.kill('SIGCONT'),
  }
}

const hasExited = (child: ChildProcess) => child.exitCode !== null || child.signalCode !== null

/** Repeats `probe` until it resolves; gives up when the process has exited or the time is over. */
export const untilReady = async (what: string, java: ChildServer, probe: () => Promise<unknown>, timeoutMs = 60_000): Promise<void> => {
  const deadlineMs = Date.now() + timeoutMs
  for (;;) {
    const failure = await probe().then(
      () => null,
      (error: unknown) => error,
    )
    if (failure === null) return
    if (java.exited) throw new Error(`${what} exited before it was ready:\n${java.output()}`)
    if (Date.now() > deadlineMs) throw new Error(`${what} is not ready after ${timeoutMs} ms:\n${java.output()}`, { cause: failure })
    await delay(50)
  }
}

/** Ports of the loopback interface that were free a moment ago, all different. */
export const freePorts = async (count: number): Promise<readonly number[]> => {
  const servers = await Promise.all(
    Array.from({ length: count }, () => {
      const server = createServer()
      return new Promise<typeof server>((resolve, reject) => {
        server.once('error', reject)
        server.listen(0, '127.0.0.1', () => resolve(server))
      })
    }),
  )
  const ports = servers.map((server) => {
    const address = server.address()
    if (address === null || typeof address === 'string') throw new Error('a listening TCP server has an address')
    return address.port
  })
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
  return ports
}
