import { randomUUID } from 'node:crypto'
import type { InvocationPorts } from '../../src/runtime/invocation-request.ts'
import type { KafkaPorts } from '../../src/runtime/ports.ts'
import type { TableBackend } from '../../src/state/backend.ts'

/** What an invocation needs, without a log. Topics have one partition unless somebody says otherwise. */
export const portsOver = (kafka: KafkaPorts, table: TableBackend, partitionsOf: (topic: string) => number = () => 1): InvocationPorts => ({
  ...{ txnLog: kafka.txnLog, reader: kafka.reader, table, clock: { nowMs: () => Date.now() }, token: randomUUID },
  partitionsOf,
  log: () => undefined,
})
