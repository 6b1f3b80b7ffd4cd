/** The parts of kafkajs 2.2.4 (pinned exactly, no `exports` map) that open and authenticate a connection. */
declare module 'kafkajs/src/network/connectionPool.js' {
  import type { Socket } from 'node:net'
  import type { ConnectionOptions } from 'node:tls'
  import type { ISocketFactory, Mechanism, SASLOptions } from 'kafkajs'

  export interface KafkaJsLogger {
    namespace(name: string): KafkaJsLogger
    debug(message: string): void
    info(message: string): void
    warn(message: string): void
    error(message: string): void
  }
  export interface KafkaJsConnection {
    readonly socket: Socket | undefined
    readonly requestQueue: {
      readonly pending: { readonly length: number }
      readonly throttledUntil: number
      scheduleCheckPendingRequests: () => void
      checkPendingRequests(): void
      destroy(): void
    }
    /** A Long: 0, or the milliseconds after which the broker wants to see credentials again. */
    readonly sessionLifetime: { toNumber(): number }
  }
  export interface KafkaJsConnectionOptions {
    readonly host: string
    readonly port: number
    readonly ssl: ConnectionOptions | boolean | null
    readonly sasl: SASLOptions | Mechanism | null
    readonly clientId: string
    readonly socketFactory: ISocketFactory
    readonly connectionTimeout: number
    readonly requestTimeout: number
    readonly logger: KafkaJsLogger
  }
  export default class ConnectionPool {
    constructor(options: KafkaJsConnectionOptions)
    readonly pool: readonly KafkaJsConnection[]
  }
}

declare module 'kafkajs/src/broker/index.js' {
  import type ConnectionPool from 'kafkajs/src/network/connectionPool.js'
  import type { KafkaJsLogger } from 'kafkajs/src/network/connectionPool.js'

  export type ApiVersions = Readonly<Record<number, { readonly minVersion: number; readonly maxVersion: number }>>
  export default class Broker {
    constructor(options: {
      readonly connectionPool: ConnectionPool
      readonly logger: KafkaJsLogger
      readonly versions: ApiVersions | null
      readonly authenticationTimeout: number
    })
    readonly versions: ApiVersions | null
    connect(): Promise<void>
  }
}

declare module 'kafkajs/src/network/socketFactory.js' {
  import type { ISocketFactory } from 'kafkajs'
  export default function createSocketFactory(): ISocketFactory
}
