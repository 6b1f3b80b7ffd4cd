import type { Socket } from 'node:net'
import type { ConnectionOptions } from 'node:tls'
import type { Mechanism, SASLOptions } from 'kafkajs'
import Broker, { type ApiVersions } from 'kafkajs/src/broker/index.js'
import ConnectionPool, { type KafkaJsConnection, type KafkaJsLogger } from 'kafkajs/src/network/connectionPool.js'
import createSocketFactory from 'kafkajs/src/network/socketFactory.js'
import { messageOf, StreamsError } from '../../errors.ts'
import { invariant } from '../../invariant.ts'
import type { Api, BrokerAddress } from './apis.ts'
import { Reader, Writer } from './wire.ts'

export interface Security {
  readonly clientId: string
  /** kafkajs' shapes: TLS options of Node, and a SASL mechanism with its credentials. */
  readonly ssl: ConnectionOptions | boolean | null
  readonly sasl: SASLOptions | Mechanism | null
}

/** A request without an answer. It never leaves this room: every caller knows what silence means for its request. */
export class Unanswered extends Error {
  override readonly name = 'Unanswered'
  /** False: nothing was sent, so nothing can have happened. */
  readonly sent: boolean

  constructor(sent: boolean, message: string, cause?: unknown) {
    super(message, { cause })
    this.sent = sent
  }
}

export const addressText = ({ host, port }: BrokerAddress): string => `${host}:${port}`

/** The longest timer that Node has; a longer one would ring at once. */
export const timerMsMax = 0x7fff_ffff

interface Waiting {
  readonly resolve: (answer: Buffer) => void
  readonly reject: (error: Unanswered) => void
  readonly timer: NodeJS.Timeout
}

/** An authenticated socket with our own framing. A request that times out retires the connection: it takes no more requests. */
export class Connection {
  readonly versions: ApiVersions
  readonly #address: string
  readonly #clientId: string
  readonly #socket: Socket
  /** After this time the broker wants to see credentials again, so another connection is opened instead. */
  readonly #reauthenticateMs: number
  readonly #waiting = new Map<number, Waiting>()
  #chunks: Buffer[] = []
  #bytes = 0
  #bytesNeeded = 4
  #correlationId = 0
  #lastUsedMs = Date.now()
  #retired = false

  constructor(socket: Socket, address: string, clientId: string, versions: ApiVersions, lifetimeMs: number) {
    this.versions = versions
    this.#address = address
    this.#clientId = clientId
    this.#socket = socket
    this.#reauthenticateMs = lifetimeMs > 0 ? Date.now() + lifetimeMs * 0.8 : Number.POSITIVE_INFINITY
    socket.on('data', (chunk: Buffer) => this.#receive(chunk))
    socket.on('error', (error) => this.destroy(error.message))
    socket.on('close', () => this.destroy('the connection was closed'))
  }

  /** Takes further requests. A socket that was idle for long may be dead without a sign: after a freeze nobody has told us. */
  usable(idleMsMax: number): boolean {
    if (this.#retired) return false
    const now = Date.now()
    if (now < this.#reauthenticateMs && (this.#waiting.size > 0 || now - this.#lastUsedMs <= idleMsMax)) return true
    this.#retire('the connection was idle for too long')
    return false
  }

  /** Sends one request; an answer that cannot come any more, or not in time, is {@link Unanswered}. */
  async send<Request, Answer>(api: Api<Request, Answer>, request: Request, deadlineMs: number): Promise<Answer> {
    const version = this.#versionOf(api)
    const remainingMs = deadlineMs - Date.now()
    if (remainingMs <= 0) throw new Unanswered(false, `no time left for ${api.name} to ${this.#address}`)
    if (this.#retired) throw new Unanswered(false, `the connection to ${this.#address} is gone`)
    const id = this.#correlationId++ & 0x7fffffff
    const writer = new Writer().int32(0).int16(api.key).int16(version).int32(id).shortString(this.#clientId).noTags()
    api.write(writer, request, version)
    const frame = writer.finish()
    frame.writeInt32BE(frame.length - 4, 0)
    const answer = await new Promise<Buffer>((resolve, reject) => {
      const expire = () => {
        this.#waiting.delete(id)
        reject(new Unanswered(true, `${api.name} to ${this.#address} was not answered in time`))
        this.#retire('a request timed out')
      }
      this.#waiting.set(id, { resolve, reject, timer: setTimeout(expire, Math.min(remainingMs, timerMsMax)) })
      this.#socket.write(frame)
    })
    this.#lastUsedMs = Date.now()
    const reader = new Reader(answer)
    reader.tags()
    return api.read(reader, version)
  }

  destroy(reason: string): void {
    this.#retired = true
    this.#socket.destroy()
    const waiting = [...this.#waiting.values()]
    this.#waiting.clear()
    for (const { reject, timer } of waiting) {
      clearTimeout(timer)
      reject(new Unanswered(true, `${this.#address}: ${reason}`))
    }
  }

  /** No new requests; the socket goes when the last answer, which others may wait for, is there. */
  #retire(reason: string): void {
    this.#retired = true
    if (this.#waiting.size === 0) this.destroy(reason)
  }

  #versionOf(api: Api<never, unknown>): number {
    const version = Math.min(api.versionMax, this.versions[api.key]?.maxVersion ?? -1)
    if (version >= api.versionMin) return version
    const found = `${api.name} up to version ${version}, ${api.versionMin} is needed`
    throw new StreamsError('BROKER_REFUSED', `${this.#address} speaks ${found}`, { remedy: 'Use brokers of Kafka 3.1 or later.' })
  }

  #receive(chunk: Buffer): void {
    this.#chunks.push(chunk)
    this.#bytes += chunk.length
    while (this.#bytes >= this.#bytesNeeded) {
      const [first] = this.#chunks
      invariant(first !== undefined, 'received bytes are kept')
      const buffer = this.#chunks.length > 1 ? Buffer.concat(this.#chunks, this.#bytes) : first
      const frameBytes = buffer.readInt32BE(0) + 4
      this.#bytesNeeded = frameBytes
      this.#chunks = [buffer]
      if (buffer.length < frameBytes) return
      this.#bytesNeeded = 4
      this.#bytes = buffer.length - frameBytes
      this.#chunks = this.#bytes > 0 ? [buffer.subarray(frameBytes)] : []
      this.#answer(buffer.readInt32BE(4), buffer.subarray(8, frameBytes))
    }
  }

  #answer(id: number, answer: Buffer): void {
    const waiting = this.#waiting.get(id)
    if (waiting === undefined) return
    this.#waiting.delete(id)
    clearTimeout(waiting.timer)
    waiting.resolve(answer)
    if (this.#retired && this.#waiting.size === 0) this.destroy('it was retired')
  }
}

const drop = () => {}
const silent: KafkaJsLogger = { namespace: () => silent, debug: drop, info: drop, warn: drop, error: drop }

const openSocket = createSocketFactory()

/** The broker answered the handshake, and the answer was no. */
const refusals = new Set(['KafkaJSSASLAuthenticationError', 'KafkaJSProtocolError'])

/**
 * kafkajs opens the socket and authenticates; then the socket is ours, with our own framing, deadlines and no timers.
 * `versions` of an earlier connection to the same broker save a round trip.
 */
export const connect = async (
  to: BrokerAddress,
  security: Security,
  versions: ApiVersions | null,
  timeoutMs: number,
): Promise<Connection> => {
  let socket: Socket | undefined
  const pool = new ConnectionPool({
    ...to,
    ...security,
    sasl: security.sasl === null ? null : { ...security.sasl },
    logger: silent,
    connectionTimeout: timeoutMs,
    requestTimeout: timeoutMs,
    socketFactory: (options) => {
      socket = openSocket(options)
      socket.setNoDelay(true)
      return socket
    },
  })
  for (const connection of pool.pool) stopIdleTimer(connection)
  const broker = new Broker({ connectionPool: pool, logger: silent, versions, authenticationTimeout: timeoutMs })
  try {
    await broker.connect()
  } catch (error) {
    socket?.destroy()
    // its timer would run on for good: it does not hear that the socket is gone
    for (const connection of pool.pool) connection.requestQueue.destroy()
    const text = `${addressText(to)}: ${messageOf(error)}`
    if (error instanceof Error && refusals.has(error.name)) {
      throw new StreamsError('BROKER_REFUSED', text, { cause: error, remedy: 'Check the SASL mechanism and its credentials.' })
    }
    throw new Unanswered(false, text, error)
  }
  const [connection] = pool.pool
  invariant(
    socket !== undefined && connection !== undefined && broker.versions !== null,
    'a connected kafkajs broker has a socket and versions',
  )
  socket.removeAllListeners('data')
  connection.requestQueue.destroy()
  return new Connection(socket, addressText(to), security.clientId, broker.versions, connection.sessionLifetime.toNumber())
}

/** kafkajs 2.2.4 wakes up every millisecond to look at an empty queue, and Node warns of its negative delay. */
const stopIdleTimer = ({ requestQueue: queue }: KafkaJsConnection): void => {
  queue.scheduleCheckPendingRequests = () => {
    if (queue.pending.length > 0) setTimeout(() => queue.checkPendingRequests(), Math.max(1, queue.throttledUntil - Date.now()))
  }
}
