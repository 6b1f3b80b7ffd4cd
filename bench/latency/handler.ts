/** The function of a benchmark: the handler as it is deployed, and a line of what each invocation did when. */

import { Connection } from '../../src/adapters/kafkajs/connection.ts'
import { createMemoryTable } from '../../src/adapters/memory/table.ts'
import { type Adapters, adaptersFromEnvironment } from '../../src/lambda/environment.ts'
import { type HandlerContext, streamsHandler } from '../../src/lambda/streams-handler.ts'
import type { TableBackend } from '../../src/state/backend.ts'
import { fractionsOf, logNormal } from '../scale/random.ts'
import { latency, seed } from '../scale/state-settings.ts'
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

/** In the memory of the function; each request takes as long as the stated distribution says. */
const statedTable = (): TableBackend => {
  const table = createMemoryTable()
  const latencyMs = logNormal(fractionsOf(seed), latency)
  const after = async <T>(run: () => Promise<T>): Promise<T> => {
    await new Promise((resolve) => setTimeout(resolve, latencyMs()))
    return run()
  }
  return {
    ...table,
    acquire: (...args) => after(() => table.acquire(...args)),
    release: (...args) => after(() => table.release(...args)),
    put: (...args) => after(() => table.put(...args)),
    get: (...args) => after(() => table.get(...args)),
    checkpoint: (...args) => after(() => table.checkpoint(...args)),
  }
}

const adapters = async (): Promise<Adapters> => {
  const { kafka, table } = await adaptersFromEnvironment()
  return { kafka, table: timedTable(BENCH_TABLE === 'stated' ? statedTable() : table) }
}

let commits: number[] = []
const streams = streamsHandler(topologies[BENCH_TOPOLOGY as TopologyName](MILLRACE_APPLICATION_ID), {
  adapters,
  log: ({ level, ...entry }) => level === 'warn' && process.stderr.write(`${JSON.stringify(entry)}\n`),
  onCommit: ({ recordsRead }) => commits.push(recordsRead),
})

export const handler = async (event: unknown, context: HandlerContext): Promise<unknown> => {
  spans = []
  commits = []
  const enteredMs = nowMs()
  const answer = await streams(event, context)
  const line: InvocationLine = { enteredMs, leftMs: nowMs(), commits, spans }
  process.stdout.write(`${JSON.stringify(line)}\n`)
  return answer
}
