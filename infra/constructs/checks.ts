import { Duration } from 'aws-cdk-lib'
import { StreamsError } from '../../src/errors.ts'
import { isGenerated } from '../../src/topology/naming.ts'
import type { SubTopology } from '../../src/topology/sub-topologies.ts'

/**
 * Names that outlive a deployment must be the user's (KIP-1111, here always): a generated one changes with the topology, and
 * the new code would start with empty state. Throws TOPOLOGY_INVALID with the operators that need a name.
 */
export function checkNames(subTopologies: readonly SubTopology[]): void {
  const stores = subTopologies.flatMap((sub) =>
    sub.stores
      .filter((store) => !store.named)
      .map((store) => {
        const users = sub.nodes.flatMap((node) => (node.kind === 'processor' && node.stores.includes(store.name) ? [node.name] : []))
        return `the store "${store.name}" of ${users.join(', ')}`
      }),
  )
  const topics = subTopologies.flatMap((sub) =>
    sub.sinks.flatMap(({ topic, parents }) =>
      typeof topic !== 'function' && topic.internal && isGenerated(topic.name)
        ? [`the topic "${topic.name}" behind ${parents.join(', ')}`]
        : [],
    ),
  )
  const unnamed = [...stores, ...new Set(topics)]
  if (unnamed.length === 0) return
  throw new StreamsError('TOPOLOGY_INVALID', `These names were generated and would not survive a changed topology: ${unnamed.join('; ')}`, {
    remedy: 'Name the store of the operator ({ store: "counts" }) and its repartition ({ name: "by-word" }).',
  })
}

/** An event source mapping names one topic, so the topics must be known when the stack is made. */
export function checkSources(subTopologies: readonly SubTopology[]): void {
  for (const source of subTopologies.flatMap((sub) => sub.sources)) {
    if (source.pattern === undefined) continue
    throw new StreamsError('TOPOLOGY_INVALID', `The source ${source.name} subscribes to topics by the pattern ${source.pattern}`, {
      remedy: 'Name its topics: an event source mapping polls one topic that is known at deployment.',
    })
  }
}

/** Topics that a callback chooses cannot be read from the topology. */
export function checkSinks(subTopologies: readonly SubTopology[], writesTo: readonly string[]): void {
  const chosen = subTopologies.flatMap((sub) => sub.sinks).filter(({ topic }) => typeof topic === 'function')
  if (chosen.length === 0 || writesTo.length > 0) return
  const names = chosen.map(({ name }) => name).join(', ')
  throw new StreamsError(
    'CONFIG_INVALID',
    `The topics of ${names} are chosen by a callback, so the permission to write to them is unknown`,
    {
      remedy: 'Name the topics, or a prefix that ends in *, in writesTo.',
    },
  )
}

/** Lambda takes at most 14 minutes where Kafka invokes the function. */
export function checkTimeout(timeout: Duration): void {
  if (timeout.isUnresolved()) return
  if (timeout.toSeconds() < 10) {
    throw new StreamsError(
      'CONFIG_INVALID',
      `The timeout of ${timeout.toSeconds()} s is under 10 s: an invocation keeps 2.5 s of it to flush and to give its lease back`,
    )
  }
  if (timeout.toSeconds() <= Duration.minutes(14).toSeconds()) return
  throw new StreamsError(
    'CONFIG_INVALID',
    `The timeout of ${timeout.toSeconds()} s is over the 14 minutes of functions behind a Kafka event source`,
  )
}

/** A destination makes Lambda give up after ten tries: a hole in the input of whatever counts. */
export function checkDestination(subTopologies: readonly SubTopology[]): void {
  const stateful = subTopologies.filter((sub) => sub.stores.length > 0).map(({ name }) => name)
  if (stateful.length === 0) return
  throw new StreamsError(
    'CONFIG_INVALID',
    `An on-failure destination would skip records that the state of ${stateful.join(', ')} counts on`,
    {
      remedy: 'Leave onFailure out; send what cannot be processed to a dead letter topic from the topology.',
    },
  )
}
