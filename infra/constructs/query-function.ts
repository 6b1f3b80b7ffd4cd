import { existsSync, readFileSync } from 'node:fs'
import { Duration } from 'aws-cdk-lib'
import { FunctionUrlAuthType, type IFunctionUrl } from 'aws-cdk-lib/aws-lambda'
import type { RetentionDays } from 'aws-cdk-lib/aws-logs'
import { Construct } from 'constructs'
import type { InternalTopic } from '../../src/topology/internal-topics.ts'
import { topicName } from '../../src/topology/nodes.ts'
import type { Topology } from '../../src/topology/topology.ts'
import { BundledFunction } from './bundled-function.ts'
import type { Finding } from './finding.ts'
import type { FunctionOptions } from './function-options.ts'
import { authSetting, type KafkaCluster } from './kafka-cluster.ts'
import { clusterStatements, tableStatements } from './permissions.ts'
import type { DynamoDbTable } from './state-table.ts'

export interface QueryFunctionProps {
  readonly applicationId: string
  readonly topology: Topology
  readonly internalTopics: readonly InternalTopic[]
  readonly entry: string
  readonly cluster: KafkaCluster
  readonly brokers: string
  readonly table: DynamoDbTable
  readonly logRetention: RetentionDays
  readonly options: Partial<FunctionOptions>
}

/** The export of the entry that answers, beside the `handler` of the tasks. */
const exportName = 'queries'

/** A function that answers from the stores (`queryHandler`), behind a URL that takes requests signed with IAM; it can only read. */
export class QueryFunction extends Construct {
  readonly url: IFunctionUrl

  constructor(scope: Construct, id: string, props: QueryFunctionProps) {
    super(scope, id)
    const { applicationId, cluster, table } = props
    const bundled = new BundledFunction(this, 'Query', {
      entry: props.entry,
      handler: exportName,
      description: `${applicationId}: answers queries`,
      environment: {
        MILLRACE_APPLICATION_ID: applicationId,
        MILLRACE_TABLE: table.tableName,
        MILLRACE_BROKERS: props.brokers,
        MILLRACE_AUTH: authSetting(cluster.auth),
      },
      timeout: Duration.seconds(15),
      memoryMb: 512,
      network: cluster.network,
      logRetention: props.logRetention,
      statements: [...clusterStatements(cluster, { reads: logsOf(props), writes: [] }), ...tableStatements(table, 'read')],
      options: props.options,
    })
    this.url = bundled.function.addFunctionUrl({ authType: FunctionUrlAuthType.AWS_IAM })
  }
}

/** What lies over the rows of the table: commit topics and changelogs, and source topics that serve as such, where a store can be asked. */
function logsOf({ applicationId, topology, internalTopics }: QueryFunctionProps): readonly string[] {
  const asked = topology.subTopologies.filter(({ stores }) => stores.some(({ kind }) => kind === 'key-value'))
  const isAsked = (subTopology: string) => asked.some(({ name }) => name === subTopology)
  return [
    ...internalTopics.flatMap((topic) => (topic.kind !== 'repartition' && isAsked(topic.subTopology) ? [topic.name] : [])),
    ...asked.flatMap(({ stores, sourceTopics }) =>
      stores.flatMap(({ sourceTopic }) =>
        sourceTopics.filter(({ name }) => name === sourceTopic).map((topic) => topicName(topic, applicationId)),
      ),
    ),
  ]
}

/** The name of an export cannot be looked up without running the entry; its text must have it, or hand on what another file exports. */
export function checkQueries(entry: string): readonly Finding[] {
  if (!existsSync(entry)) return []
  const text = readFileSync(entry, 'utf8')
  if (/\bexport\b[^\n]*\bqueries\b/.test(text) || /\bexport\s*\*/.test(text)) return []
  return [
    {
      message: `queries: the entry "${entry}" does not export "${exportName}"`,
      remedy: 'Add to it: export const queries = queryHandler(topology), with queryHandler from millrace/lambda.',
    },
  ]
}
