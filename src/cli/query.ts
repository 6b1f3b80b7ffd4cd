import { StreamsError } from '../errors.ts'
import { keyFromText, queriedStore, readRow } from '../runtime/row-query.ts'
import { checkApplicationId } from '../topology/topology.ts'
import { loadApp } from './apps.ts'
import { type ClusterOptions, connect } from './connect.ts'

export interface QueryOptions extends ClusterOptions {
  /** Number of a transaction, as the header `__millrace.seq` of an output has it. */
  readonly atLeast?: string
}

/** `millrace query`: the row of one key, as of one transaction of its task, which it tells; exit code 1 and "no row" where there is none. */
export const query = async (name: string, storeName: string, key: string, options: QueryOptions): Promise<void> => {
  const { topology } = await loadApp(name)
  const applicationId = checkApplicationId(options.applicationId ?? name)
  const from = queriedStore(topology, storeName)
  const wanted = keyFromText(from, key)
  const atLeast = Number(options.atLeast ?? 0)
  if (!Number.isSafeInteger(atLeast) || atLeast < 0)
    throw new StreamsError('CONFIG_INVALID', `--at-least is the number of a transaction, not ${options.atLeast}`)
  if (options.brokers === undefined) {
    throw new StreamsError('CONFIG_INVALID', 'An embedded table is gone with its process: --brokers and --table-endpoint are missing', {
      remedy: 'Say where the application runs: --brokers HOST:PORT --table-endpoint URL',
    })
  }
  const connection = await connect(options, applicationId)
  try {
    const { kafka, table } = connection
    const ports = { admin: kafka.admin, reader: kafka.reader, table, clock: { nowMs: () => Date.now() } }
    const { seq, row } = await readRow({ topology, applicationId, from, key: wanted, atLeast, ports, deadlineMs: Date.now() + 30_000 })
    if (row === undefined) {
      process.stdout.write(`no row  (transaction ${seq})\n`)
      process.exitCode = 1
      return
    }
    process.stdout.write(`${JSON.stringify(row.value)}  (at ${new Date(row.timestamp).toISOString()}, transaction ${seq})\n`)
  } finally {
    await connection.close()
  }
}
