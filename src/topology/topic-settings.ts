import { StreamsError } from '../errors.ts'
import type { InternalTopic } from './internal-topics.ts'

/** A setting of an existing topic that is not what the application would create the topic with. */
interface Difference {
  readonly topic: string
  readonly name: string
  readonly found: string
  readonly wanted: string
  /** Why the application would compute something else, or stop; absent where it goes on as before. */
  readonly breaks?: string
}

/** Every setting that internal topics have. */
export const settingNames = (topics: readonly InternalTopic[]): readonly string[] => [
  ...new Set(topics.flatMap(({ config }) => Object.keys(config))),
]

/**
 * Holds the settings of existing internal topics against those that they would be created with (S-35), as Kafka Streams can do
 * (`InternalTopicManager.validate`: cleanup policy, retention, lag of compaction).
 * @param found settings in force; topics and settings that are absent are not looked at.
 * @returns a sentence for each difference that breaks nothing.
 * @throws StreamsError TOPIC_MISMATCH with all differences that would lose records, change results, or stop a task.
 */
export const checkTopicSettings = (
  topics: readonly InternalTopic[],
  found: readonly { readonly topic: string; readonly settings: Readonly<Record<string, string>> }[],
): readonly string[] => {
  const inForce = new Map(found.map(({ topic, settings }) => [topic, settings]))
  const differences = topics.flatMap((topic) => differencesOf(topic, inForce.get(topic.name) ?? {}))
  const broken = differences.filter(({ breaks }) => breaks !== undefined)
  if (broken.length > 0) {
    const told = broken.map((it) => `topic ${it.topic} has ${it.name}=${it.found} and needs ${it.name}=${it.wanted}: ${it.breaks}`)
    throw new StreamsError('TOPIC_MISMATCH', told.join('; '), { remedy: `Correct the settings: ${commandsFor(broken).join(' && ')}` })
  }
  return differences.map((it) => `topic ${it.topic} has ${it.name}=${it.found}, it would be created with ${it.wanted}`)
}

const differencesOf = ({ name: topic, config }: InternalTopic, inForce: Readonly<Record<string, string>>): readonly Difference[] =>
  Object.entries(config).flatMap(([name, wanted]) => {
    const found = inForce[name]
    if (found === undefined || isSame(found, wanted)) return []
    const deletes = partsOf(inForce['cleanup.policy'] ?? '').includes('delete')
    const breaks = name === 'retention.ms' && !deletes ? undefined : breaksOf(name, found, wanted)
    return [breaks === undefined ? { topic, name, found, wanted } : { topic, name, found, wanted, breaks }]
  })

const partsOf = (value: string): readonly string[] =>
  value
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
    .sort()

const isSame = (found: string, wanted: string): boolean => {
  const [one, other] = [partsOf(found), partsOf(wanted)]
  return one.length === other.length && one.every((part, at) => part === other[at])
}

const breaksOf = (name: string, found: string, wanted: string): string | undefined => {
  switch (name) {
    case 'cleanup.policy':
      return policyBreaks(partsOf(found), partsOf(wanted))
    case 'retention.ms':
      return lasting(found) < lasting(wanted) ? 'records would be deleted while they are needed' : undefined
    case 'message.timestamp.type':
      return 'records would get other times than the application gave them'
    case 'min.compaction.lag.ms':
      return Number(found) < Number(wanted) ? 'versions would be gone before they are in the table' : undefined
    case 'max.message.bytes':
      return Number(found) < Number(wanted) ? 'a transaction could not be committed' : undefined
    case 'min.insync.replicas':
      return Number(found) < Number(wanted) ? 'a commit could be lost with a broker' : undefined
    default:
      return undefined
  }
}

/** A topic that keeps more than it must is only larger. */
const policyBreaks = (found: readonly string[], wanted: readonly string[]): string | undefined => {
  const compacts = wanted.includes('compact')
  if (found.includes('delete') && !wanted.includes('delete')) return 'the last record of a key would be deleted with its age'
  if (compacts && !found.includes('compact')) return 'it would grow without end, or lose the last record of a key'
  return found.includes('compact') && !compacts ? 'all but the last record of a key would be deleted' : undefined
}

/** -1 is for ever. */
const lasting = (ms: string): number => (Number(ms) < 0 ? Number.POSITIVE_INFINITY : Number(ms))

const commandsFor = (broken: readonly Difference[]): readonly string[] =>
  [...Map.groupBy(broken, ({ topic }) => topic)].map(([topic, differences]) => {
    const settings = differences.map(({ name, wanted }) => `${name}=${wanted.includes(',') ? `[${wanted}]` : wanted}`)
    const quoted = settings.some((it) => it.includes('[')) ? `'${settings.join(',')}'` : settings.join(',')
    return `kafka-configs.sh --bootstrap-server BROKERS --alter --entity-type topics --entity-name ${topic} --add-config ${quoted}`
  })
