import type { AddressInfo } from 'node:net'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { createMeter, type Metered } from './meter.ts'

export interface RunningMeter {
  readonly endpoint: string
  /** Resolves with what it counted since the last call. */
  take(): Promise<Metered>
  stop(): Promise<void>
}

/** The meter in a thread of its own: its CPU time is not the client's. */
export const startMeter = async (dynamodb: string): Promise<RunningMeter> => {
  const worker = new Worker(new URL(import.meta.url), { workerData: dynamodb })
  const port = await new Promise<number>((resolve, reject) => {
    worker.once('message', resolve)
    worker.once('error', reject)
  })
  const endpoint = `http://127.0.0.1:${port}`
  const take = async (): Promise<Metered> => {
    const counted: Metered = JSON.parse(await (await fetch(`${endpoint}/meter`)).text())
    await (await fetch(`${endpoint}/meter`, { method: 'DELETE' })).text()
    return counted
  }
  const stop = async (): Promise<void> => {
    await worker.terminate()
  }
  return { endpoint, take, stop }
}

if (!isMainThread && typeof workerData === 'string') {
  const server = createMeter(workerData)
  server.listen(0, '127.0.0.1', () => parentPort?.postMessage((server.address() as AddressInfo).port))
}
