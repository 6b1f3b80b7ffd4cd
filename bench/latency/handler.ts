/** The function of a benchmark: the handler as it is deployed, and a line of what each invocation did when. */

import { Connection } from '../../src/adapters/kafkajs/connection.ts'
import { createMemoryTable } from '../../src/adapters/memory/table.ts'
import { type Adapters, adaptersFromEnvironment } from '../../src/lambda/environment.ts'
import { type HandlerContext, streamsHandler } from '../../src/lambda/streams-handler.ts'
import type { TableBackend } from '../../src/state/backend.ts'
import type { InvocationLine, Span } from './timeline.ts'
import { type TopologyName, topologies } from './topologies.ts'

const { BENCH_TOPOLOGY = 'count', BENCH_TABLE, MILLRACE_APPLICATION_ID = '' } = process.env
const nowMs = (): number => performance.timeOrigin + performance.now()

let spans: Span[] = []
const timed = async <T>(name: string, run: () => Promise<T>): Promise<T> => {
  const fromMs = nowMs()
  try {
    return await run()
  } finally {
    spans.push({ name, fromMs, toMs: nowMs() })
  }
}

const { send } = Connection.prototype
Connection.prototype.send = function (api, request, deadlineMs) {
  return timed(api.name, () => send.call(this, api, request, deadlineMs)) as ReturnType<typeof send<typeof request, never>>
}

const timedTable = (table: TableBackend): TableBackend => ({
  ...table,
  put: (...args) => timed('table', () => table.put(...args)),
  get: (...args) => timed('table', () => table.get(...args)),
  checkpoint: (...args) => timed('table', () => table.checkpoint(...args)),
})

const adapters = async (): Promise<Adapters> => {
  const { kafka, table } = await adaptersFromEnvironment()
  return { kafka, table: timedTable(BENCH_TABLE === 'memory' ? createMemoryTable() : table) }
}

let [end, transactions] = [0, 0]
const streams = streamsHandler(topologies[BENCH_TOPOLOGY as TopologyName](MILLRACE_APPLICATION_ID), {
  adapters,
  log: ({ level, ...entry }) => level === 'warn' && process.stderr.write(`${JSON.stringify(entry)}\n`),
  onOutcome: (outcome) => {
    end = Math.max(end, ...Object.values(outcome.positions))
    transactions = outcome.transactions
  },
})

export const handler = async (event: unknown, context: HandlerContext): Promise<unknown> => {
  spans = []
  const enteredMs = nowMs()
  const answer = await streams(event, context)
  const line: InvocationLine = { enteredMs, leftMs: nowMs(), end, transactions, spans }
  process.stdout.write(`${JSON.stringify(line)}\n`)
  return answer
}
