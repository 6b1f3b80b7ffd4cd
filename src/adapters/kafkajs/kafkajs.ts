import type { ConnectionOptions } from 'node:tls'
import type { Mechanism, SASLOptions } from 'kafkajs'
import { StreamsError } from '../../errors.ts'
import type { KafkaPorts } from '../../runtime/ports.ts'
import type { BrokerAddress } from './apis.ts'
import { Cluster } from './cluster.ts'
import { createKafkaJsPartitionReader } from './partition-reader.ts'
import { createKafkaJsTopicAdmin } from './topic-admin.ts'
import { createKafkaJsTxnLog } from './transaction-log.ts'

export interface KafkaJsConfig {
  /** Bootstrap servers, each `host:port`. */
  readonly brokers: readonly string[]
  readonly clientId?: string
  /** kafkajs' shape: true, or TLS options of Node. */
  readonly ssl?: ConnectionOptions | boolean
  /** kafkajs' shape: a mechanism and its credentials. */
  readonly sasl?: SASLOptions | Mechanism
  /** Larger appends are cut into several record batches. Default 1,000,000, below Kafka's max.message.bytes. */
  readonly batchBytesMax?: number
}

/**
 * The ports of a Kafka cluster (brokers 3.1 or later). kafkajs opens and authenticates the sockets; sessions, codecs,
 * retries and deadlines are ours. Nothing is opened before the first call; the sockets are shared by the three ports
 * and freed by the closing of those that used them. CONFIG_INVALID for an address that is not `host:port`.
 *
 * @example
 * const { txnLog, reader, admin } = createKafkaJs({ brokers: ['localhost:9092'] })
 */
export const createKafkaJs = (config: KafkaJsConfig): KafkaPorts => {
  const { brokers, clientId = 'millrace', ssl = null, sasl = null, batchBytesMax = 1_000_000 } = config
  const cluster = new Cluster(brokers.map(addressOf), { clientId, ssl, sasl })
  const open = new Set(['txnLog', 'reader', 'admin'])
  const closing = (port: string) => ({
    onClose: () => {
      open.delete(port)
      cluster.close(open.size === 0 ? 'all' : 'idle')
    },
  })
  return {
    txnLog: createKafkaJsTxnLog(cluster, { batchBytesMax, ...closing('txnLog') }),
    reader: createKafkaJsPartitionReader(cluster, closing('reader')),
    admin: createKafkaJsTopicAdmin(cluster, closing('admin')),
  }
}

const addressOf = (broker: string): BrokerAddress => {
  const [, host, port] = /^(.+):(\d+)$/.exec(broker.trim()) ?? []
  if (host === undefined || port === undefined) {
    throw new StreamsError('CONFIG_INVALID', `the bootstrap server "${broker}" is not of the form host:port`)
  }
  return { host: host.replace(/^\[(.*)\]$/, '$1'), port: Number(port) }
}
