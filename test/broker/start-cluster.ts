import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, inject } from 'vitest'
import { createDynamoDb } from '../../src/adapters/dynamodb/dynamodb.ts'
import { createKafkaJs } from '../../src/adapters/kafkajs/kafkajs.ts'
import type { KafkaPorts } from '../../src/runtime/ports.ts'
import type { TableBackend } from '../../src/state/backend.ts'
import { type RunningKafka, startKafka } from './kafka.ts'

/** Past it no request of a test waits any longer. */
export const soon = (): number => Date.now() + 30_000

/** Endpoint of DynamoDB Local; null where the real parts are missing. */
export const endpoint = inject('dynamodb')

/** A broker for one file of tests, because the apps of `functions/` have fixed topic names; and a folder for input files. */
export const useCluster = () => {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-start-'))
  let kafka: RunningKafka | undefined
  let ports: KafkaPorts | undefined
  beforeAll(async () => {
    kafka = await startKafka()
    ports = createKafkaJs({ brokers: kafka.bootstrap })
  }, 60_000)
  afterAll(async () => {
    await Promise.all([ports?.txnLog.close(), ports?.reader.close(), ports?.admin.close()])
    await kafka?.stop()
    rmSync(folder, { recursive: true })
  })
  const started = <T>(part: T | undefined): T => {
    if (part === undefined) throw new Error('the broker is started before the first test')
    return part
  }
  return {
    brokers: () => started(kafka).bootstrap.join(','),
    ports: () => started(ports),
    /** Arguments that say where an application runs. */
    where: (applicationId: string): readonly string[] => [
      ...['--brokers', started(kafka).bootstrap.join(','), '--table-endpoint', endpoint ?? '', '--application-id', applicationId],
    ],
    file: (name: string, text: string): string => {
      const path = join(folder, name)
      writeFileSync(path, text)
      return path
    },
    withTable: async <T>(applicationId: string, use: (table: TableBackend) => Promise<T>): Promise<T> => {
      const credentials = { accessKeyId: 'local', secretAccessKey: 'local' }
      const table = createDynamoDb({ table: applicationId, endpoint: endpoint ?? '', region: 'us-east-1', credentials })
      try {
        return await use(table)
      } finally {
        await table.close()
      }
    },
  }
}
