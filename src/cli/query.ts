import { StreamsError } from '../errors.ts'
import { partitionOfKey } from '../runtime/partitioner.ts'
import { planOf } from '../runtime/plan.ts'
import { readSnapshot } from '../runtime/snapshot.ts'
import { commitTopic } from '../topology/internal-topics.ts'
import { checkApplicationId } from '../topology/topology.ts'
import { loadApp } from './apps.ts'
import { type ClusterOptions, connect } from './connect.ts'

export interface QueryOptions extends ClusterOptions {
  /** Number of a transaction, as the header `__millrace.seq` of an output has it. */
  readonly atLeast?: string
}

/** `millrace query`: the row of one key, as of one transaction of its task; exit code 1 and "no row" where there is none. */
export const query = async (name: string, storeName: string, key: string, options: QueryOptions): Promise<void> => {
  const { topology } = await loadApp(name)
  const applicationId = checkApplicationId(options.applicationId ?? name)
  const sub = topology.subTopologies.find((it) => it.stores.some((store) => store.name === storeName))
  const store = sub?.stores.find((it) => it.name === storeName)
  if (!sub || !store) {
    const known = topology.subTopologies.flatMap((it) => it.stores.map((one) => one.name)).join(', ') || 'none'
    throw new StreamsError('INPUT_INVALID', `${name} has no store "${storeName}"`, { remedy: `Choose one of: ${known}` })
  }
  if (store.kind !== 'key-value') {
    throw new StreamsError('INPUT_INVALID', `Store "${storeName}" is a ${store.kind} store: a key alone does not name one of its rows`, {
      remedy: 'Read its changelog or the output topic instead.',
    })
  }
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
    const deadlineMs = Date.now() + 30_000
    const topic = commitTopic(applicationId, sub.name)
    const [commits] = await connection.kafka.admin.describe([topic], deadlineMs)
    if (!commits)
      throw new StreamsError('TOPIC_MISSING', `Topic ${topic} does not exist: no application "${applicationId}" has run on this cluster`)
    const keyBytes = store.keySerde.serialize(store.keySerde.name === 'string' ? key : JSON.parse(key), topic)
    const { table, kafka } = connection
    const { seq, rows } = await readSnapshot({
      ports: { table, reader: kafka.reader, clock: { nowMs: () => Date.now() } },
      plan: planOf(topology, applicationId, sub),
      partition: partitionOfKey(keyBytes, commits.partitions),
      keys: [{ store: storeName, key: keyBytes }],
      ...{ atLeast, deadlineMs },
    })
    const [row] = rows
    if (!row?.value) {
      process.stdout.write('no row\n')
      process.exitCode = 1
      return
    }
    process.stdout.write(
      `${JSON.stringify(store.valueSerde.deserialize(row.value, topic))}  (at ${new Date(row.timestamp).toISOString()}, transaction ${seq})\n`,
    )
  } finally {
    await connection.close()
  }
}
