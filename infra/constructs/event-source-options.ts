import { type Duration, Token } from 'aws-cdk-lib'
import type { EventSourceMappingOptions } from 'aws-cdk-lib/aws-lambda'
import { type Finding, refusedProperties } from './finding.ts'

/** What the protocol relies on: every record rings, and rings until it was served. */
export const refusedOfEventSource = {
  eventSourceArn: 'It is that of the cluster',
  kafkaBootstrapServers: 'They are those of the cluster',
  kafkaTopic: 'There is one event source for each source topic of the topology',
  kafkaConsumerGroupId: 'It is made of the application, the sub-topology and the topic; Lambda cannot change it afterwards',
  sourceAccessConfigurations: 'They follow from auth of the cluster',
  startingPosition: 'A deployment misses nothing from TRIM_HORIZON; where a topic begins is said in the topology (offsetReset)',
  startingPositionTimestamp: 'A deployment misses nothing from TRIM_HORIZON; where a topic begins is said in the topology (offsetReset)',
  filters: 'Lambda commits what it filters out, so that nobody would ring for it: filter in the topology',
  filterEncryption: 'There are no filters',
  schemaRegistryConfig: 'Lambda drops what it cannot read: decode with a serde of the topology',
  onFailure: 'Set onFailure of the application, which says when it may be used',
  supportS3OnFailureDestination: 'Set onFailure of the application, which says when it may be used',
  provisionedPollerConfig: 'Set pollers of the application',
  parallelizationFactor: 'Kafka has none: a partition is the unit of scale',
  tumblingWindow: 'Kafka has none: window in the topology',
  maxConcurrency: 'Kafka has none: limit taskFunction.reservedConcurrentExecutions',
} as const satisfies Partial<Record<keyof EventSourceMappingOptions, string>>

/** The properties of an event source mapping, without those that the application relies on. */
export type EventSourceOptions = Omit<EventSourceMappingOptions, keyof typeof refusedOfEventSource>

/** Pollers of one's own instead of those that Lambda shares out: billed by the hour, quicker, and without NAT or endpoints. */
export interface Pollers {
  /** At least this many for each source topic, 1 to 200. Default: 1. */
  readonly minimum?: number
  /** At most this many for each source topic, up to 2,000; Lambda uses no more than there are partitions. Default: 10, or `minimum` if that is more. */
  readonly maximum?: number
  /** Mappings of one group share their capacity, and its price. Default: the application id. */
  readonly group?: string
}

/** `partitions`: of the topic, if they are known. */
export const pollersOf = (
  { minimum = 1, maximum = Math.max(10, minimum), group }: Pollers,
  applicationId: string,
  partitions = maximum,
) => ({
  minimumPollers: minimum,
  maximumPollers: Math.max(minimum, Math.min(maximum, partitions)),
  pollerGroupName: group ?? applicationId,
})

/** What Lambda takes with pollers of one's own only. */
const provisionedOnly = ['retryAttempts', 'maxRecordAge', 'bisectBatchOnError', 'reportBatchItemFailures', 'logLevel'] as const

export function checkEventSource(name: string, options: Partial<EventSourceOptions>, pollers: Pollers | undefined): readonly Finding[] {
  const { batchSize, maxBatchingWindow, retryAttempts, maxRecordAge } = options
  const provisioned = provisionedOnly.filter((key) => options[key] !== undefined)
  const bounded = [
    ...(retryAttempts !== undefined && retryAttempts !== -1 ? ['retryAttempts'] : []),
    ...(maxRecordAge !== undefined ? ['maxRecordAge'] : []),
  ]
  return [
    ...refusedProperties(name, options, refusedOfEventSource),
    ...(pollers === undefined && provisioned.length > 0
      ? [
          {
            message: `${name}.${provisioned.join(`, ${name}.`)}: only provisioned pollers take this, and these are on demand`,
            remedy: 'Leave it out, or set pollers: {} (billed by the hour).',
          },
        ]
      : []),
    ...bounded.map((key) => ({
      message: `${name}.${key} lets Lambda stop ringing for a record that was not processed`,
      remedy: 'Leave it out: Lambda tries until it succeeds. Records that cannot be processed go to a dead letter topic from the topology.',
    })),
    ...(batchSize !== undefined && !Token.isUnresolved(batchSize) && (!Number.isInteger(batchSize) || batchSize < 1 || batchSize > 10_000)
      ? [
          {
            message: `${name}.batchSize of ${batchSize} is not from 1 to 10,000`,
            remedy: 'Lambda hands over at most 6 MB at a time anyway.',
          },
        ]
      : []),
    ...(maxBatchingWindow === undefined || isWindow(maxBatchingWindow)
      ? []
      : [
          {
            message: `${name}.maxBatchingWindow of ${maxBatchingWindow.toMilliseconds()} ms is not a whole number of seconds from 0 to 300`,
            remedy: 'Lambda counts it so. Records wait for it unless a batch is full before: one second is a good start, 0 does not wait.',
          },
        ]),
  ]
}

/** Whether Lambda takes it as a batching window; others the CDK would throw at, one at a time. */
export const isWindow = (window: Duration): boolean =>
  window.isUnresolved() || (window.toMilliseconds() % 1000 === 0 && window.toMilliseconds() <= 300_000)

/** The CDK looks at the pollers of each mapping; nobody looks at what they come to together. */
export function checkPollers(pollers: Pollers | undefined, applicationId: string, mappings: number): readonly Finding[] {
  if (pollers === undefined) return []
  const { minimum = 1, maximum = Math.max(10, minimum), group = applicationId } = pollers
  if (mappings <= 100 && mappings * maximum <= 2000) return []
  return [
    {
      message: `pollers: ${mappings} event source mappings with up to ${maximum} pollers each are too many for the group "${group}"`,
      remedy: 'A group has at most 100 mappings and 2,000 pollers: lower maximum, or give applications groups of their own.',
    },
  ]
}
