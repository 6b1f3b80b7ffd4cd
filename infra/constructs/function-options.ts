import type { BundlingOptions, NodejsFunctionProps } from 'aws-cdk-lib/aws-lambda-nodejs'
import { type Finding, refusedProperties } from './finding.ts'

/** What the application relies on. */
export const refusedOfFunction = {
  entry: 'It is the entry of the application',
  handler: 'The entry exports "handler"',
  code: 'It is bundled from the entry of the application',
  runtime: 'Bundles are made for Node 24',
  functionName: 'Several functions cannot have one name: leave names to CloudFormation',
  vpc: 'Functions stand in the network of the cluster: give vpc to KafkaCluster',
  vpcSubnets: 'Functions stand in the network of the cluster: give vpcSubnets to KafkaCluster',
  securityGroups: 'Functions stand in the network of the cluster: give securityGroups to KafkaCluster',
  events: 'The topics of the topology and the tick invoke it',
  logGroup: 'Each function has a log group of its own; logRetention of the application says how long it keeps',
  logRetention: 'Set logRetention of the application',
  loggingFormat: 'Metrics are read from its lines as JSON',
  logFormat: 'Metrics are read from its lines as JSON',
  snapStart: 'Lambda has none for Node',
  durableConfig: 'An invocation is not repeatable step by step: exactly-once is the work of the transaction',
} as const satisfies Partial<Record<keyof NodejsFunctionProps, string>>

const refusedOfBundling = {
  format: 'Bundles are ES modules',
  banner: 'It makes packages in CommonJS work in an ES module',
  mainFields: 'Bundles are ES modules',
} as const satisfies Partial<Record<keyof BundlingOptions, string>>

/** The properties of NodejsFunction, without those that the application relies on; `environment` and `bundling` are added to its own. */
export type FunctionOptions = Omit<NodejsFunctionProps, keyof typeof refusedOfFunction | 'bundling'> & {
  readonly bundling?: Omit<BundlingOptions, keyof typeof refusedOfBundling>
}

/** One for all sub-topologies, or one for each by its name. */
export type PerSubTopology<T> = T | ((subTopology: string) => T)

export const optionsFor = <T extends object>(options: PerSubTopology<T> | undefined, subTopology: string): Partial<T> =>
  (typeof options === 'function' ? options(subTopology) : options) ?? {}

export function checkFunction(name: string, options: Partial<FunctionOptions>): readonly Finding[] {
  const { timeout, memorySize, environment = {}, bundling = {} } = options
  return [
    ...refusedProperties(name, options, refusedOfFunction),
    ...refusedProperties(`${name}.bundling`, bundling, refusedOfBundling),
    ...Object.keys(environment)
      .filter((key) => key.startsWith('MILLRACE_') && key !== 'MILLRACE_LOG')
      .map((key) => ({ message: `${name}.environment sets ${key}`, remedy: 'The application sets it: choose another name.' })),
    ...(timeout === undefined || timeout.isUnresolved() ? [] : checkTimeout(name, timeout.toSeconds())),
    ...(memorySize !== undefined && memorySize < memoryMbMin
      ? [
          {
            message: `${name}.memorySize of ${memorySize} MB is too little: an event alone may have 6 MB of JSON, and a task reads and writes megabytes at a time`,
            remedy: `Give it ${memoryMbMin} MB or more; CPU comes with memory.`,
          },
        ]
      : []),
  ]
}

/** Below it Node has no room for what one invocation reads: event, fetched records, rows and the transaction. */
const memoryMbMin = 256

/** Lambda takes at most 14 minutes where Kafka invokes the function. */
const checkTimeout = (name: string, seconds: number): readonly Finding[] => {
  if (seconds < 10)
    return [
      {
        message: `${name}.timeout of ${seconds} s is under 10 s: an invocation keeps 2.5 s of it to flush and to give its lease back`,
        remedy: 'Two minutes are a good start.',
      },
    ]
  if (seconds <= 14 * 60) return []
  return [
    {
      message: `${name}.timeout of ${seconds} s is over the 14 minutes of functions behind a Kafka event source`,
      remedy: 'Shorten it: a task that is not done goes on in the next invocation.',
    },
  ]
}
