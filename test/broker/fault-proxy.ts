import { connect, createServer, type Socket } from 'node:net'

/** What happens to the next answers of one kind of request. */
export interface Fault {
  /** Kafka's number of the request, e.g. 26 for EndTxn. */
  readonly apiKey: number
  /** `cut`: the answer is lost with its connection; `swallow`: the answer is lost, the connection looks alive. */
  readonly action: 'cut' | 'swallow'
  times: number
}

export interface FaultProxy {
  readonly port: number
  /** Where connections go; set before the first one. */
  target: number
  fault: Fault | null
  /** Told of every request, by its number; what it returns is given the frame of the answer. */
  watch: ((apiKey: number) => (answer: Buffer) => void) | null
  /** Numbers of all requests that went through, in order. */
  readonly requests: number[]
  /** Connections accepted so far. */
  readonly accepted: number
  /** From now on nothing passes in any connection that is open, and nobody is told. */
  silence(): void
  close(): Promise<void>
}

/** Stands between a client and a broker, knows where requests begin, and loses answers on demand. */
export const startFaultProxy = async (): Promise<FaultProxy> => {
  const sockets = new Set<Socket>()
  let silenced = new Set<Socket>()
  let accepted = 0
  const requests: number[] = []
  const server = createServer((client) => {
    accepted += 1
    const broker = connect(proxy.target, '127.0.0.1')
    const asked = new Map<number, { readonly apiKey: number; readonly answered: ((answer: Buffer) => void) | undefined }>()
    const end = () => {
      for (const socket of [client, broker]) {
        socket.destroy()
        sockets.delete(socket)
      }
    }
    for (const socket of [client, broker]) {
      socket.setNoDelay(true)
      sockets.add(socket)
      socket.on('error', end)
      socket.on('close', end)
    }
    client.on(
      'data',
      frames((frame) => {
        if (silenced.has(client)) return
        const apiKey = frame.readInt16BE(4)
        requests.push(apiKey)
        asked.set(frame.readInt32BE(8), { apiKey, answered: proxy.watch?.(apiKey) })
        broker.write(frame)
      }),
    )
    broker.on(
      'data',
      frames((frame) => {
        const { fault } = proxy
        if (silenced.has(client)) return
        const request = asked.get(frame.readInt32BE(4))
        asked.delete(frame.readInt32BE(4))
        request?.answered?.(frame)
        if (fault === null || fault.times === 0 || request?.apiKey !== fault.apiKey) {
          client.write(frame)
          return
        }
        fault.times -= 1
        if (fault.action === 'cut') end()
      }),
    )
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('a listening TCP server has an address')
  const proxy: FaultProxy = {
    port: address.port,
    target: 0,
    fault: null,
    watch: null,
    requests,
    get accepted() {
      return accepted
    },
    silence() {
      silenced = new Set(sockets)
    },
    async close() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
  return proxy
}

/** Calls back with every complete frame: four bytes of length, then so many bytes. */
const frames = (take: (frame: Buffer) => void): ((chunk: Buffer) => void) => {
  let rest: Buffer = Buffer.alloc(0)
  return (chunk) => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    while (rest.length >= 4 && rest.length >= rest.readInt32BE(0) + 4) {
      const end = rest.readInt32BE(0) + 4
      take(rest.subarray(0, end))
      rest = rest.subarray(end)
    }
  }
}
