import { type Awaitable, andThen, forEachInOrder } from '../awaitable.ts'
import { invariant } from '../invariant.ts'
import type { Change } from '../processor/change.ts'
import type { AnyProcessorSupplier, ProcessorContext } from '../processor/processor.ts'
import type { Record } from '../processor/record.ts'
import type { KeyValueStore, ValueAndTimestamp } from '../processor/store.ts'
import { murmur3 } from '../serde/murmur3.ts'
import type { Serde } from '../serde/serde.ts'
import { Serdes } from '../serde/serdes.ts'
import {
  combinedKey,
  foreignKeyPrefix,
  type Instruction,
  instructions,
  type Subscription,
  type SubscriptionResponse,
} from '../serde/subscription.ts'
import { topicName } from '../topology/nodes.ts'
import type { ValueJoiner } from './table-join.ts'
import type { Lookup, TableView } from './table-view.ts'

/** The key of the other table's row for a row; null where it has none. */
export type ForeignKeyExtractor<K, V, KO> = (value: V, key: K) => KO | null

export const foreignKeyJoinPrefixes = {
  registration: 'KTABLE-FK-JOIN-SUBSCRIPTION-REGISTRATION-',
  store: 'KTABLE-FK-JOIN-SUBSCRIPTION-STATE-STORE-',
  processor: 'KTABLE-FK-JOIN-SUBSCRIPTION-PROCESSOR-',
  response: 'KTABLE-FK-JOIN-SUBSCRIPTION-RESPONSE-',
  resolver: 'KTABLE-FK-JOIN-SUBSCRIPTION-RESPONSE-RESOLVER-PROCESSOR-',
  output: 'KTABLE-FK-JOIN-OUTPUT-',
} as const

/** What the processors of one join share. */
export interface ForeignKeyJoin<K, V, KO, VO, VR> {
  readonly left: boolean
  readonly extractor: ForeignKeyExtractor<K, V, KO>
  readonly joiner: ValueJoiner<K, V, VO | null, VR>
  readonly keySerde: Serde<K>
  readonly valueSerde: Serde<V>
  readonly foreignKeySerde: Serde<KO>
  /** Without the application id: what the serdes are told as their topic begins with it (S-34). */
  readonly registrationTopic: string
}

/** What Kafka's serdes are told where bytes are for no topic. */
const pseudoTopics = (topic: string, applicationId: string) => {
  const name = topicName({ name: topic, internal: true }, applicationId)
  return { primaryKey: `${name}-pk`, foreignKey: `${name}-fk`, valueHash: `${name}-vh` }
}

type Context = Pick<ProcessorContext<unknown, unknown>, 'applicationId'>

/** Of the row that a subscription or its answer is about: the hash of its value. */
const hashOf = <K, V, KO, VO, VR>({ valueSerde, registrationTopic }: ForeignKeyJoin<K, V, KO, VO, VR>, { applicationId }: Context) => {
  const topic = pseudoTopics(registrationTopic, applicationId).valueHash
  return (value: V | null): Uint8Array | null => (value === null ? null : murmur3(valueSerde.serialize(value, topic)))
}

const sameBytes = (one: Uint8Array | null, other: Uint8Array | null): boolean =>
  one === null || other === null ? one === other : Buffer.compare(one, other) === 0

/**
 * Joins each row of a table with the row of another table that its value names (`KTable.join` by foreign key, KIP-213, D-56,
 * S-19). Its five processors talk through two topics: this one sends subscriptions to where the named rows live
 * (`SubscriptionSendProcessorSupplier`). A row without foreign key is dropped and counted by an inner join, and joined with
 * null by a left join. A deleted row may be told downstream though it was never joined.
 *
 * @example
 * ```ts
 * import { Serdes, StreamsBuilder } from 'millrace'
 *
 * const strings = { keySerde: Serdes.string, valueSerde: Serdes.string }
 * const builder = new StreamsBuilder()
 * const cityOfUser = builder.table('users', { ...strings, store: 'users' })
 * const mayors = builder.table('cities', { ...strings, store: 'cities' })
 * cityOfUser
 *   .join(mayors, (city) => city, (city, mayor) => `${mayor} of ${city}`, { name: 'mayor-of-user' })
 *   .toStream()
 *   .to('mayors-of-users', strings)
 * builder.build().subTopologies.map((sub) => sub.name) // => ['users', 'cities']
 * ```
 */
export const sendSubscriptions =
  <K, V, KO, VO, VR>(join: ForeignKeyJoin<K, V, KO, VO, VR>): AnyProcessorSupplier =>
  () => {
    let context: ProcessorContext<KO | null, Subscription>
    let topics: ReturnType<typeof pseudoTopics>
    let hash: ReturnType<typeof hashOf<K, V, KO, VO, VR>>
    const bytesOf = (key: KO | null): Uint8Array | null => (key === null ? null : join.foreignKeySerde.serialize(key, topics.foreignKey))
    const namedBy = (key: K, value: V | null): KO | null => (value === null ? null : (join.extractor(value, key) ?? null))
    return {
      init: (given: ProcessorContext<KO | null, Subscription>) => {
        context = given
        topics = pseudoTopics(join.registrationTopic, given.applicationId)
        hash = hashOf(join, given)
      },
      process: (record: Record<K, Change<V>>) => {
        const { key, value: change } = record
        if (change.isLatest === false) return context.drop('older than the row of a versioned table')
        if (change.oldValue === null && change.newValue === null) return
        const [before, after] = [namedBy(key, change.oldValue), namedBy(key, change.newValue)]
        if (after === null && change.newValue !== null && !join.left) context.drop('null foreign key')
        const partition = context.recordMetadata?.partition
        invariant(partition !== undefined, 'a subscription is sent for a record')
        const subscription = { hash: hash(change.newValue), primaryKey: join.keySerde.serialize(key, topics.primaryKey), partition }
        const moved = before !== null && !sameBytes(bytesOf(before), bytesOf(after))
        return forEachInOrder(instructionsFor(join.left, { before, after, moved }), ([foreignKey, instruction]) =>
          context.forward({ ...record, key: foreignKey, value: { ...subscription, instruction } }),
        )
      },
    }
  }

/** S-20: what goes to which foreign key. */
const instructionsFor = <KO>(
  left: boolean,
  { before, after, moved }: { readonly before: KO | null; readonly after: KO | null; readonly moved: boolean },
): readonly (readonly [foreignKey: KO | null, instruction: Instruction])[] => {
  const { deleteSilently, deleteAndTell, tell, tellIfFound } = instructions
  if (left) return [...(moved ? [[before, deleteSilently] as const] : []), [after, tell]]
  if (after === null) return before === null ? [] : [[before, deleteAndTell]]
  if (moved)
    return [
      [before, deleteSilently],
      [after, tell],
    ]
  return [[after, tellIfFound]]
}

type Subscriptions = KeyValueStore<Uint8Array, Subscription>

/** Keeps the subscriptions that arrive and passes them on (`SubscriptionReceiveProcessorSupplier`). Their key stays the foreign key. */
export const receiveSubscriptions =
  <K, V, KO, VO, VR>(store: string, { foreignKeySerde, registrationTopic }: ForeignKeyJoin<K, V, KO, VO, VR>): AnyProcessorSupplier =>
  () => {
    let context: ProcessorContext<KO | null, Subscription>
    let subscriptions: Subscriptions
    let topic: string
    return {
      init: (given: ProcessorContext<KO | null, Subscription>) => {
        context = given
        subscriptions = given.getStateStore(store)
        topic = pseudoTopics(registrationTopic, given.applicationId).foreignKey
      },
      process: (record: Record<KO | null, Subscription>) => {
        const { key, value } = record
        if (key === null) return value.instruction === instructions.tell ? context.forward(record) : context.drop('null foreign key')
        const deletes = value.instruction === instructions.deleteAndTell || value.instruction === instructions.deleteSilently
        subscriptions.put(combinedKey(foreignKeySerde.serialize(key, topic), value.primaryKey), deletes ? null : value)
        return context.forward(record)
      },
    }
  }

/** Answers a subscription with the row that it names (`SubscriptionJoinProcessorSupplier`), as its instruction says. */
export const answerSubscriptions =
  <K, V, KO, VO, VR>(view: TableView<KO, VO>, { keySerde, registrationTopic }: ForeignKeyJoin<K, V, KO, VO, VR>): AnyProcessorSupplier =>
  () => {
    let context: ProcessorContext<K, SubscriptionResponse<VO>>
    let lookUp: Lookup<KO, VO>
    let topic: string
    const answer = (record: Record<KO | null, Subscription>, row: ValueAndTimestamp<VO> | null): Awaitable<void> => {
      const { hash, instruction, primaryKey, partition } = record.value
      if (instruction === instructions.deleteSilently || (instruction === instructions.tellIfFound && row === null)) return
      const value = instruction === instructions.deleteAndTell || row === null ? null : row.value
      const timestamp = row === null ? record.timestamp : Math.max(record.timestamp, row.timestamp)
      return context.forward({ ...record, key: keySerde.deserialize(primaryKey, topic) as K, value: { hash, value, partition }, timestamp })
    }
    return {
      init: (given: ProcessorContext<K, SubscriptionResponse<VO>>) => {
        context = given
        lookUp = view.open(given)
        topic = pseudoTopics(registrationTopic, given.applicationId).primaryKey
      },
      process: (record: Record<KO | null, Subscription>) =>
        record.key === null ? answer(record, null) : andThen(lookUp(record.key), (row) => answer(record, row)),
    }
  }

/** Tells a changed row to all who subscribed to it (`ForeignTableJoinProcessorSupplier`), in the order of their primary keys. */
export const tellSubscribers =
  <K, V, KO, VO, VR>(
    store: string,
    { keySerde, foreignKeySerde, registrationTopic }: ForeignKeyJoin<K, V, KO, VO, VR>,
  ): AnyProcessorSupplier =>
  () => {
    let context: ProcessorContext<K, SubscriptionResponse<VO>>
    let subscriptions: Subscriptions
    let topics: ReturnType<typeof pseudoTopics>
    return {
      init: (given: ProcessorContext<K, SubscriptionResponse<VO>>) => {
        context = given
        subscriptions = given.getStateStore(store)
        topics = pseudoTopics(registrationTopic, given.applicationId)
      },
      process: (record: Record<KO, Change<VO>>) => {
        if (record.key === null) return context.drop('null key')
        if (record.value.isLatest === false) return context.drop('older than the row of a versioned table')
        const { newValue: value } = record.value
        const prefix = foreignKeyPrefix(foreignKeySerde.serialize(record.key, topics.foreignKey))
        return andThen(subscriptions.prefixScan(prefix, Serdes.bytes), (found) =>
          forEachInOrder(found, ([, { hash, primaryKey, partition }]) => {
            const key = keySerde.deserialize(primaryKey, topics.primaryKey) as K
            return context.forward({ ...record, key, value: { hash, value, partition } })
          }),
        )
      },
    }
  }

/** Joins an answer with the row that asked; one to a row that has changed since is dropped and counted (`ResponseJoinProcessorSupplier`). */
export const resolveResponses =
  <K, V, KO, VO, VR>(view: TableView<K, V>, join: ForeignKeyJoin<K, V, KO, VO, VR>): AnyProcessorSupplier =>
  () => {
    let context: ProcessorContext<K, VR | null>
    let lookUp: Lookup<K, V>
    let hash: ReturnType<typeof hashOf<K, V, KO, VO, VR>>
    const resolve = (record: Record<K, SubscriptionResponse<VO>>, row: V | null): Awaitable<void> => {
      const { key, value: response } = record
      if (!sameBytes(response.hash, hash(row))) return context.drop('the row has changed since it asked')
      const found = row !== null && (response.value !== null || join.left)
      return context.forward({ ...record, value: found ? (join.joiner(row, response.value, key) ?? null) : null })
    }
    return {
      init: (given: ProcessorContext<K, VR | null>) => {
        context = given
        lookUp = view.open(given)
        hash = hashOf(join, given)
      },
      process: (record: Record<K, SubscriptionResponse<VO>>) =>
        andThen(lookUp(record.key), (row) => resolve(record, row === null ? null : row.value)),
    }
  }
