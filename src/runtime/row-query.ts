import { messageOf, StreamsError } from '../errors.ts'
import { changelogTopic, commitTopic } from '../topology/internal-topics.ts'
import type { StoreSpec } from '../topology/nodes.ts'
import type { SubTopology } from '../topology/sub-topologies.ts'
import type { Topology } from '../topology/topology.ts'
import type { InvocationPorts } from './invocation-request.ts'
import { partitionOfKey } from './partitioner.ts'
import { planOf } from './plan.ts'
import type { KafkaPorts } from './ports.ts'
import { readSnapshot } from './snapshot.ts'

export type KeyValueSpec = Extract<StoreSpec, { readonly kind: 'key-value' }>

/** A store whose rows can be asked for by their key alone. */
export interface QueriedStore {
  readonly sub: SubTopology
  readonly store: KeyValueSpec
}

export interface RowQuery {
  readonly topology: Topology
  readonly applicationId: string
  readonly from: QueriedStore
  /** As {@link keyFromText} reads it. */
  readonly key: unknown
  /** The number of a transaction that must be in the answer, as the header `__millrace.seq` of an output has it. */
  readonly atLeast?: number
  readonly ports: Pick<InvocationPorts, 'table' | 'clock'> & Pick<KafkaPorts, 'admin' | 'reader'>
  readonly deadlineMs: number
}

export interface RowAnswer {
  /** The transaction of the task that the answer is as of; 0: nothing was ever committed. */
  readonly seq: number
  /** Absent: there is no row. `timestamp`: of the record that wrote it, in milliseconds. */
  readonly row?: { readonly value: unknown; readonly timestamp: number }
}

/** The stores of a topology that can be asked by key, in its order. */
export const queriedStores = (topology: Topology): readonly QueriedStore[] =>
  topology.subTopologies.flatMap((sub) => sub.stores.flatMap((store) => (store.kind === 'key-value' ? [{ sub, store }] : [])))

/** INPUT_INVALID with what there is for an unknown store, and for one whose rows have more than a key. */
export const queriedStore = (topology: Topology, name: string): QueriedStore => {
  const found = queriedStores(topology).find(({ store }) => store.name === name)
  if (found) return found
  const other = topology.subTopologies.flatMap((sub) => sub.stores).find((store) => store.name === name)
  if (other) {
    throw new StreamsError('INPUT_INVALID', `Store "${name}" is a ${other.kind} store: a key alone does not name one of its rows`, {
      remedy: 'Read its changelog or the output topic instead.',
    })
  }
  const known = queriedStores(topology)
    .map(({ store }) => store.name)
    .join(', ')
  throw new StreamsError('INPUT_INVALID', `There is no store "${name}"`, {
    remedy: `Choose one of: ${known || 'none can be asked by key'}`,
  })
}

const jsonKeys: readonly string[] = ['boolean', 'short', 'integer', 'long', 'float', 'double', 'json']

/** A key as one writes it in a line or a path: texts as they are, numbers and JSON as JSON. INPUT_INVALID for other kinds of keys. */
export const keyFromText = ({ store }: QueriedStore, text: string): unknown => {
  const { name } = store.keySerde
  if (name === 'string' || name === 'uuid') return text
  if (!jsonKeys.includes(name)) {
    throw new StreamsError('INPUT_INVALID', `Keys of store "${store.name}" are ${name}: they cannot be written as text`, {
      remedy: `It can be asked where keys are string, uuid, ${jsonKeys.join(', ')}.`,
    })
  }
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new StreamsError('INPUT_INVALID', `"${text.slice(0, 80)}" is no key of store "${store.name}": ${messageOf(cause)}`, {
      cause,
      remedy: `Its keys are ${name}: write JSON.`,
    })
  }
}

/**
 * The row of one key, as one transaction of its task left it. The task is the one that Kafka's default partitioner chooses; a topic
 * that was written by another rule is read in the wrong place. INPUT_INVALID for a key that the serde of the store does not take,
 * TOPIC_MISSING where the application never ran, DEADLINE_EXCEEDED where `atLeast` was not committed in time.
 */
export const readRow = async ({ topology, applicationId, from, key, atLeast = 0, ports, deadlineMs }: RowQuery): Promise<RowAnswer> => {
  const { sub, store } = from
  const { admin, reader, table, clock } = ports
  const commits = commitTopic(applicationId, sub.name)
  const [found] = await admin.describe([commits], deadlineMs)
  if (!found)
    throw new StreamsError('TOPIC_MISSING', `Topic ${commits} does not exist: no application "${applicationId}" has run on this cluster`)
  const changelog = changelogTopic(applicationId, store.name)
  const bytes = keyBytes(store, key, changelog)
  const { seq, rows } = await readSnapshot({
    ports: { table, reader, clock },
    plan: planOf(topology, applicationId, sub),
    partition: partitionOfKey(bytes, found.partitions),
    keys: [{ store: store.name, key: bytes }],
    ...{ atLeast, deadlineMs },
  })
  const value = rows[0]?.value
  if (!rows[0] || !value) return { seq }
  return { seq, row: { value: store.valueSerde.deserialize(value, changelog), timestamp: rows[0].timestamp } }
}

const keyBytes = (store: KeyValueSpec, key: unknown, topic: string): Uint8Array => {
  try {
    return store.keySerde.serialize(key, topic)
  } catch (cause) {
    throw new StreamsError('INPUT_INVALID', `That is no key of store "${store.name}": ${messageOf(cause)}`, {
      cause,
      remedy: `Its keys are ${store.keySerde.name}.`,
    })
  }
}
