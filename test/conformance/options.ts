import type {
  Consumed,
  ConsumedTable,
  Grouped,
  Joined,
  Materialized,
  Named,
  Produced,
  Repartitioned,
  Serde,
  StreamJoined,
  StreamPartitioner,
  Suppressed,
  TableJoined,
  TimestampExtractor,
  TopicNameExtractor,
} from 'millrace'
import {
  failOnInvalidTimestamp,
  logAndSkipOnInvalidTimestamp,
  untilTimeLimit,
  untilWindowCloses,
  usePartitionTimeOnInvalidTimestamp,
} from 'millrace'
import { evaluate, holds } from './expressions.ts'
import type {
  ConsumedSpec,
  Expression,
  JoinStoreSpec,
  MaterializedSpec,
  PartitionerSpec,
  ProducedSpec,
  RepartitionedSpec,
  SerdeSpec,
  StepArgs,
} from './scenario.ts'
import { serdeOf } from './serdes.ts'

/** The option objects of the scenario language (README section 3.2) as ours. A key that is absent there is absent here: it may decide the numbering. */
export const namedOf = ({ named }: StepArgs): Named => (named === undefined ? {} : { name: named })

const serdesOf = ({ key, value }: { readonly key?: SerdeSpec; readonly value?: SerdeSpec }) => ({
  ...(key === undefined ? {} : { keySerde: serdeOf(key) }),
  ...(value === undefined ? {} : { valueSerde: serdeOf(value) }),
})

const nameOf = ({ name }: { readonly name?: string }): Named => (name === undefined ? {} : { name })

export const timestampExtractors: Readonly<Record<string, TimestampExtractor>> = {
  FailOnInvalid: failOnInvalidTimestamp,
  LogAndSkip: logAndSkipOnInvalidTimestamp,
  UsePartitionTime: usePartitionTimeOnInvalidTimestamp,
}

const timestampExtractorOf = (spec: string | Expression): TimestampExtractor => {
  if (typeof spec !== 'string') {
    return ({ key, value, timestamp, topic }, partitionTime) => Number(evaluate(spec, { key, value, ts: timestamp, partitionTime, topic }))
  }
  const found = timestampExtractors[spec]
  if (!found) throw new Error(`unknown extractor ${spec}`)
  return found
}

export const consumedOf = (spec: ConsumedSpec): Consumed<unknown, unknown> => ({
  ...serdesOf(spec),
  ...nameOf(spec),
  ...(spec.timestampExtractor === undefined ? {} : { timestampExtractor: timestampExtractorOf(spec.timestampExtractor) }),
  ...(spec.reset === undefined ? {} : { offsetReset: spec.reset }),
})

export const partitionerOf =
  (spec: PartitionerSpec): StreamPartitioner =>
  (topic, key, value, partitions) => {
    switch (spec.partitioner) {
      case 'default':
        return undefined
      case 'drop':
        return []
      case 'fixed':
        return [(spec.partition ?? 0) % partitions]
      case 'all':
        return Array.from({ length: partitions }, (_, partition) => partition)
      case 'dropIf':
        return holds(spec.when, { key, value, topic }) ? [] : undefined
      default:
        throw new Error(`unknown partitioner ${spec.partitioner}`)
    }
  }

export const repartitionedOf = ({ partitions, partitioner, ...spec }: RepartitionedSpec): Repartitioned<unknown, unknown> => ({
  ...serdesOf(spec),
  ...nameOf(spec),
  ...(partitions === undefined ? {} : { partitions }),
  ...(partitioner === undefined ? {} : { partitioner: partitionerOf(partitioner) }),
})

export const producedOf = (spec: ProducedSpec = {}): Produced<unknown, unknown> => ({
  ...(serdesOf(spec) as Produced<unknown, unknown>),
  ...nameOf(spec),
  ...(spec.partitioner === undefined ? {} : { partitioner: partitionerOf(spec.partitioner) }),
})

/** Its name is in `describe()`: the oracle's extractor calls itself so. */
export const topicExtractorOf = (expression: Expression): TopicNameExtractor => {
  const TopicByExpression: TopicNameExtractor = (key, value, { topic, timestamp, partition, offset }) =>
    evaluate(expression, { key, value, topic, ts: timestamp, partition, offset }) as string
  return TopicByExpression
}

export const suppressedOf = ({ untilTimeLimitMs, buffer = {}, name }: StepArgs): Suppressed<unknown> => {
  const { full, ...rest } = buffer
  const config = { ...rest, ...(name === undefined ? {} : { name }) }
  // a step that waits for windows stands on a table that has them
  if (untilTimeLimitMs === undefined) return untilWindowCloses(config) as Suppressed<unknown>
  return untilTimeLimit(untilTimeLimitMs, { ...config, ...(full === undefined ? {} : { whenFull: full }) })
}

export const groupedOf = ({ grouped = {} }: StepArgs): Grouped<unknown, unknown> => ({ ...serdesOf(grouped), ...nameOf(grouped) })

/** A supplier gives the name; whether its store is in memory or on a disk makes no difference here. */
const materializedOf = (spec: MaterializedSpec): Materialized<unknown, unknown> => ({
  ...serdesOf(spec),
  ...nameOf({ ...spec.supplier, ...spec }),
  ...(spec.caching === undefined ? {} : { caching: spec.caching }),
  ...(spec.logging === undefined ? {} : { logging: spec.logging }),
  ...(spec.supplier?.maxEntries === undefined ? {} : { maxEntries: spec.supplier.maxEntries }),
  ...(spec.retentionMs === undefined ? {} : { retentionMs: spec.retentionMs }),
  ...(spec.supplier?.kind === 'versioned' ? { versioned: { historyRetentionMs: spec.supplier.historyMs ?? 0 } } : {}),
})

/** `named?` and `materialized?` of an aggregation. */
export const aggregatedOf = (args: StepArgs): Named & { readonly store?: Materialized<unknown, unknown> } => ({
  ...namedOf(args),
  ...(args.materialized === undefined ? {} : { store: materializedOf(args.materialized) }),
})

/** `tableJoined?` and `materialized?` of a join by foreign key. */
export const tableJoinedOf = ({ tableJoined = {}, ...args }: StepArgs): TableJoined<unknown, unknown> => {
  const { partitioner, otherPartitioner } = tableJoined
  return {
    ...aggregatedOf(args),
    ...nameOf(tableJoined),
    ...(partitioner === undefined ? {} : { partitioner: partitionerOf(partitioner) }),
    ...(otherPartitioner === undefined ? {} : { otherPartitioner: partitionerOf(otherPartitioner) }),
  }
}

/** Without `consumed` the serdes of `materialized` are the topic's, as in Java. */
export const consumedTableOf = ({ consumed, materialized }: StepArgs): ConsumedTable<unknown, unknown> => {
  const { keySerde: _key, valueSerde: _value, ...store } = materializedOf(materialized ?? {})
  return { ...consumedOf(consumed ?? serdesOnly(materialized)), ...(materialized === undefined ? {} : { store }) }
}

const serdesOnly = ({ key, value }: MaterializedSpec = {}): ConsumedSpec => ({
  ...(key === undefined ? {} : { key }),
  ...(value === undefined ? {} : { value }),
})

/** Only the left side is ever written to a topic. */
export const joinedOf = ({ joined: { left, ...spec } = {} }: StepArgs): Joined<unknown, unknown> => ({
  ...serdesOf({ ...spec, ...(left === undefined ? {} : { value: left }) }),
  ...nameOf(spec),
  ...(spec.graceMs === undefined ? {} : { graceMs: spec.graceMs }),
})

/** Whether the stores are in memory or on a disk makes no difference here. */
export const streamJoinedOf = ({ joined = {} }: StepArgs): StreamJoined<unknown, unknown, unknown> => {
  const { key, left, right, storeName, thisSupplier, otherSupplier, logging } = joined
  return {
    ...(key === undefined ? {} : { keySerde: serdeOf(key) }),
    ...(left === undefined ? {} : { valueSerde: serdeOf(left) as Serde<NonNullable<unknown>> }),
    ...(right === undefined ? {} : { otherValueSerde: serdeOf(right) as Serde<NonNullable<unknown>> }),
    ...nameOf(joined),
    ...(storeName === undefined ? {} : { storeName }),
    ...(thisSupplier === undefined ? {} : { thisStoreSupplier: joinStoreOf(thisSupplier) }),
    ...(otherSupplier === undefined ? {} : { otherStoreSupplier: joinStoreOf(otherSupplier) }),
    ...(logging === undefined ? {} : { logging }),
  }
}

const joinStoreOf = ({ name, windowMs, retentionMs, retainDuplicates = false }: JoinStoreSpec) => ({
  name,
  windowSizeMs: windowMs,
  retentionMs,
  retainDuplicates,
})
