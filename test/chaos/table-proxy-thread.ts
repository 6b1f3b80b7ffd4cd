import { once } from 'node:events'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { randomOf } from '../conformance/fuzz/random.ts'
import type { TableFault } from './schedule.ts'
import { type ShareOfRequests, startTableProxy, type TableProxy } from './table-proxy.ts'

/** A proxy in a thread of its own: every function waits for it, and it should wait for nobody. */
export interface TableProxyThread extends TableProxy {
  /** Requests that were hit, by fault. */
  readonly hits: ReadonlyMap<TableFault, number>
}

type Order = { readonly fault: ShareOfRequests | null } | 'settle'
type Message = { readonly endpoint: string } | { readonly hit: TableFault } | 'settled'

export const startTableProxyThread = async (target: string, seed: string): Promise<TableProxyThread> => {
  const worker = new Worker(new URL(import.meta.url), { workerData: { target, seed } })
  const hits = new Map<TableFault, number>()
  const endpoint = Promise.withResolvers<string>()
  let settled = Promise.withResolvers<void>()
  worker.on('message', (message: Message) => {
    if (message === 'settled') settled.resolve()
    else if ('hit' in message) hits.set(message.hit, (hits.get(message.hit) ?? 0) + 1)
    else endpoint.resolve(message.endpoint)
  })
  worker.once('error', endpoint.reject)
  let fault: ShareOfRequests | null = null
  const order = (what: Order): void => worker.postMessage(what)
  return {
    ...{ hits, endpoint: await endpoint.promise },
    get fault() {
      return fault
    },
    set fault(next) {
      fault = next
      order({ fault })
    },
    settled() {
      settled = Promise.withResolvers()
      order('settle')
      return settled.promise
    },
    async close() {
      const exit = once(worker, 'exit')
      await worker.terminate()
      await exit
    },
  }
}

const serve = async (port: NonNullable<typeof parentPort>): Promise<void> => {
  const tell = (message: Message): void => port.postMessage(message)
  const { target, seed }: { readonly target: string; readonly seed: string } = workerData
  const proxy = await startTableProxy(target, randomOf(seed), (hit) => tell({ hit }))
  port.on('message', (order: Order) => {
    if (order === 'settle') proxy.settled().then(() => tell('settled'))
    else proxy.fault = order.fault
  })
  tell({ endpoint: proxy.endpoint })
}

if (!isMainThread && parentPort && workerData?.target) await serve(parentPort)
