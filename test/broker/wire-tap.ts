import { createServer, request as httpRequest } from 'node:http'
import type { AddressInfo } from 'node:net'
import {
  addPartitionsToTxn,
  endTxn,
  fetch,
  findCoordinator,
  initProducerId,
  listOffsets,
  metadata,
  produce,
} from '../../src/adapters/kafkajs/apis.ts'
import { isConcurrentTransactions } from '../../src/adapters/kafkajs/broker-errors.ts'
import { Reader } from '../../src/adapters/kafkajs/wire.ts'
import { startFaultProxy } from './fault-proxy.ts'

const names = new Map(
  [addPartitionsToTxn, endTxn, fetch, findCoordinator, initProducerId, listOffsets, metadata, produce].map(({ key, name }) => [key, name]),
)

/** One request that went through; times are counts of what the tap has seen, in order. */
export interface Exchange {
  /** Kafka's or DynamoDB's name of the request; `Produce to <broker>`. */
  readonly name: string
  readonly sent: number
  answered: number
  /** The coordinator was not done with the transaction before: the request is sent again (protocol §12.1). */
  early: boolean
}

export interface WireTap {
  /** Ports that brokers are to advertise in place of their own. */
  readonly ports: readonly number[]
  /** What DynamoDB's clients are to use as endpoint. */
  readonly endpoint: string
  /** In the order in which the requests were sent. */
  readonly exchanges: Exchange[]
  /** Where the brokers' own listeners are. */
  connectTo(brokers: readonly string[]): void
  close(): Promise<void>
}

/** Stands between one client and so many brokers and DynamoDB, and writes down who was asked what. */
export const startWireTap = async ({ brokers, dynamodb }: { readonly brokers: number; readonly dynamodb: string }): Promise<WireTap> => {
  const exchanges: Exchange[] = []
  let seen = 0
  const sent = (name: string): Exchange => {
    const exchange = { name, sent: seen++, answered: Number.POSITIVE_INFINITY, early: false }
    exchanges.push(exchange)
    return exchange
  }
  const proxies = await Promise.all(Array.from({ length: brokers }, startFaultProxy))
  for (const [broker, proxy] of proxies.entries()) {
    proxy.watch = (apiKey) => {
      const exchange = sent(apiKey === produce.key ? `Produce to ${broker}` : (names.get(apiKey) ?? `api key ${apiKey}`))
      return (answer) => {
        exchange.answered = seen++
        exchange.early = apiKey === addPartitionsToTxn.key && isTooEarly(answer)
      }
    }
  }
  const table = createServer((incoming, outgoing) => {
    const exchange = sent(String(incoming.headers['x-amz-target']).split('.').at(-1) ?? '')
    const { method = '', url = '', headers } = incoming
    const forwarded = httpRequest(new URL(url, dynamodb), { method, headers }, (answer) => {
      exchange.answered = seen++
      outgoing.writeHead(answer.statusCode ?? 0, answer.headers)
      answer.pipe(outgoing)
    })
    forwarded.on('error', () => outgoing.destroy())
    incoming.pipe(forwarded)
  })
  await new Promise<void>((resolve) => table.listen(0, '127.0.0.1', resolve))
  return {
    ports: proxies.map(({ port }) => port),
    endpoint: `http://127.0.0.1:${(table.address() as AddressInfo).port}`,
    exchanges,
    connectTo(addresses) {
      for (const [broker, proxy] of proxies.entries()) proxy.target = Number(addresses[broker]?.split(':')[1])
    },
    async close() {
      table.closeAllConnections()
      await Promise.all([...proxies.map((proxy) => proxy.close()), new Promise((resolve) => table.close(resolve))])
    },
  }
}

const isTooEarly = (frame: Buffer): boolean => {
  const reader = new Reader(frame.subarray(8))
  reader.tags()
  const { topics } = addPartitionsToTxn.read(reader, addPartitionsToTxn.versionMax)
  return topics.some(({ partitions }) => partitions.some(({ error }) => isConcurrentTransactions(error)))
}

/** Names of requests, those that were under way at the same time together: each list had to wait for the answers to the one before. */
export const roundTrips = (exchanges: readonly Exchange[]): readonly (readonly string[])[] => {
  const trips: string[][] = []
  let over = Number.NEGATIVE_INFINITY
  for (const { name, sent, answered } of exchanges) {
    if (sent > over) trips.push([])
    trips.at(-1)?.push(name)
    over = Math.max(over, answered)
  }
  return trips.map((names) => names.sort())
}
