import { isStreamsError } from '../../src/errors.ts'
import { type InternalTopic, partitionCountsOf } from '../../src/topology/internal-topics.ts'
import { isGenerated } from '../../src/topology/naming.ts'
import type { SubTopology } from '../../src/topology/sub-topologies.ts'
import type { Topology } from '../../src/topology/topology.ts'
import { tooManyCompacted } from '../handlers/topic-plan.ts'
import type { Finding } from './finding.ts'
import type { TopicOptions } from './internal-topics.ts'
import type { KafkaCluster } from './kafka-cluster.ts'

/**
 * Names that outlive a deployment must be the user's (KIP-1111, here always): a generated one changes with the topology, and
 * the new code would start with empty state.
 */
export function checkNames(subTopologies: readonly SubTopology[]): readonly Finding[] {
  const stores = subTopologies.flatMap((sub) =>
    sub.stores
      .filter((store) => !store.named)
      .map((store) => {
        const users = sub.nodes.flatMap((node) => (node.kind === 'processor' && node.stores.includes(store.name) ? [node.name] : []))
        return {
          message: `The name of the store "${store.name}" of ${users.join(', ')} was generated and would not survive a changed topology`,
          remedy: 'Name the store of the operator: { store: "counts" }.',
        }
      }),
  )
  const topics = subTopologies.flatMap((sub) =>
    sub.sinks.flatMap(({ topic, parents }) =>
      typeof topic !== 'function' && topic.internal && isGenerated(topic.name)
        ? [`The name of the topic "${topic.name}" behind ${parents.join(', ')} was generated and would not survive a changed topology`]
        : [],
    ),
  )
  const remedy = 'Name the repartition of the operator ({ name: "by-word" }), or the store that follows it.'
  return [...stores, ...[...new Set(topics)].map((message) => ({ message, remedy }))]
}

/** An event source mapping names one topic, so the topics must be known when the stack is made. */
export const checkSources = (subTopologies: readonly SubTopology[]): readonly Finding[] =>
  subTopologies
    .flatMap((sub) => sub.sources)
    .flatMap(({ name, pattern }) =>
      pattern === undefined
        ? []
        : [
            {
              message: `The source ${name} subscribes to topics by the pattern ${pattern}`,
              remedy: 'Name its topics: an event source mapping polls one topic that is known at deployment.',
            },
          ],
    )

/** Topics that a callback chooses cannot be read from the topology. */
export function checkSinks(subTopologies: readonly SubTopology[], writesTo: readonly string[]): readonly Finding[] {
  const chosen = subTopologies.flatMap((sub) => sub.sinks).filter(({ topic }) => typeof topic === 'function')
  if (chosen.length === 0 || writesTo.length > 0) return []
  const names = chosen.map(({ name }) => name).join(', ')
  return [
    {
      message: `The topics of ${names} are chosen by a callback, so the permission to write to them is unknown`,
      remedy: 'Name the topics, or a prefix that ends in *, in writesTo.',
    },
  ]
}

/** A destination makes Lambda give up after ten tries: nobody rings any more for records that were not processed. */
export function checkDestination(subTopologies: readonly SubTopology[]): readonly Finding[] {
  const stateful = subTopologies.filter((sub) => sub.stores.length > 0).map(({ name }) => name)
  if (stateful.length === 0) return []
  return [
    {
      message: `onFailure lets Lambda give up after ten tries, and the state of ${stateful.join(', ')} needs every record in its turn`,
      remedy:
        'Leave it out, and send what cannot be processed to a dead letter topic from the topology. Or say that you know: onFailureStopsRedelivery. What arrives there is processed all the same, later.',
    },
  ]
}

/** What `partitions` says of the user's topics: that they exist in the topology, that joined ones agree, and that MSK Serverless takes what follows. */
export function checkPartitions(
  { topology, applicationId, cluster }: { readonly topology: Topology; readonly applicationId: string; readonly cluster: KafkaCluster },
  partitions: Readonly<Record<string, number>>,
): readonly Finding[] {
  const user = new Map(Object.entries(partitions))
  const known = new Set([...topology.sourceTopics, ...topology.sinkTopics])
  const strangers = [...user.keys()].filter((topic) => !known.has(topic))
  const findings: Finding[] = strangers.map((topic) => ({
    message: `partitions names the topic "${topic}", which the topology neither reads nor writes`,
    remedy: `It knows ${[...known].join(', ')}.`,
  }))
  const internalTopics = topology.internalTopics(applicationId)
  const complete = topology.sourceTopics.every((topic) => user.has(topic))
  let counts: ReadonlyMap<string, number> = new Map()
  try {
    if (complete) counts = topology.partitionCounts(applicationId, user)
    else checkKnown(topology, internalTopics, applicationId, user)
  } catch (error) {
    if (!isStreamsError(error)) throw error
    findings.push({ message: error.message, remedy: error.remedy })
  }
  if (cluster.address.kind === 'msk' && cluster.address.serverless) {
    const tooMany = tooManyCompacted(internalTopics, counts, cluster.address.compactedPartitionsTaken)
    if (tooMany !== undefined) findings.push(tooMany)
  }
  return findings
}

/** The largest record that fits into an event of Lambda, whose 6 MB hold it as base64, with a kilobyte for what stands around it. */
const recordBytesMax = Math.floor(((6 * 2 ** 20 - 1024) * 3) / 4)

/** A record that does not fit into an event does not ring (LDG with-kafka-troubleshoot): it waits for the next one of its partition, or for a tick. */
export function checkRecordBytes(
  { topology, createTopics = {} }: { readonly topology: Topology } & Pick<TopicOptions, 'createTopics'>,
  recordBytes: Readonly<Record<string, number>>,
): readonly Finding[] {
  const sources = new Set(topology.sourceTopics)
  const inTopics = Object.entries(createTopics).flatMap(([topic, { config = {} }]) => {
    const bytes = Number(config['max.message.bytes'] ?? 0)
    return sources.has(topic) ? [{ property: `createTopics: max.message.bytes of "${topic}"`, bytes }] : []
  })
  const strangers = Object.keys(recordBytes).filter((topic) => !sources.has(topic))
  const declared = Object.entries(recordBytes).map(([topic, bytes]) => ({ property: `recordBytes of "${topic}"`, bytes }))
  return [
    ...strangers.map((topic) => ({
      message: `recordBytes names the topic "${topic}", which the topology does not read`,
      remedy: `It reads ${[...sources].join(', ')}.`,
    })),
    ...[...inTopics, ...declared]
      .filter(({ bytes }) => bytes > recordBytesMax)
      .map(({ property, bytes }) => ({
        message: `${property} is ${bytes}, and Lambda hands over at most 6 MB as base64, which is ${recordBytesMax} bytes of a record: for a larger one nobody would ring`,
        remedy: 'Keep large values elsewhere, e.g. in S3, and put their address into the record.',
      })),
  ]
}

/** Joined topics with counts that are known already must agree, whatever the others have. */
function checkKnown(topology: Topology, topics: readonly InternalTopic[], applicationId: string, user: ReadonlyMap<string, number>): void {
  for (const { name, copartitioned } of topology.subTopologies) {
    for (const group of copartitioned) {
      const joined = group.filter((topic) => !topic.internal && user.has(topic.name))
      const flow = [{ name, sourceTopics: joined, sinks: [], copartitioned: [joined] }]
      partitionCountsOf(
        flow,
        topics.filter((topic) => topic.subTopology === name && topic.kind !== 'repartition'),
        applicationId,
        user,
      )
    }
  }
}
