import { Dashboard, GraphWidget, type IMetric, TextWidget } from 'aws-cdk-lib/aws-cloudwatch'
import type { Construct } from 'constructs'
import { topicName } from '../../src/topology/nodes.ts'
import type { SubTopology } from '../../src/topology/sub-topologies.ts'
import type { Topology } from '../../src/topology/topology.ts'
import type { TaskMetrics } from './task-metrics.ts'

/** The topology in words, and a row of graphs for each sub-topology. */
export function appDashboard(
  scope: Construct,
  id: string,
  {
    topology,
    applicationId,
    metrics,
  }: { readonly topology: Topology; readonly applicationId: string; readonly metrics: ReadonlyMap<string, TaskMetrics> },
): Dashboard {
  const words = topology.subTopologies.map((sub) => `* ${inWords(sub, applicationId)}`).join('\n')
  const text = `# ${applicationId}\n\n${words}\n\n\`\`\`\n${topology.describe()}\`\`\``
  const rows = topology.subTopologies.flatMap(({ name }) => {
    const of = metrics.get(name)
    return of === undefined ? [] : [[new TextWidget({ markdown: `## ${name}`, width: 24, height: 1 })], graphs(of)]
  })
  return new Dashboard(scope, id, { widgets: [[new TextWidget({ markdown: text, width: 24, height: 10 })], ...rows] })
}

const graph = (title: string, left: readonly IMetric[]): GraphWidget =>
  new GraphWidget({ title, left: [...left], leftYAxis: { min: 0 }, width: 6, height: 6 })

const graphs = ({
  invocations,
  errors,
  throttles,
  duration,
  concurrency,
  offsetLag,
  recordsRead,
  deadLetters,
}: TaskMetrics): GraphWidget[] => [
  graph('Invocations', [invocations, errors, throttles]),
  graph('Duration (ms) and concurrency', [duration, concurrency]),
  graph('Records that wait', [offsetLag]),
  graph('Records read', [recordsRead, ...(deadLetters === undefined ? [] : [deadLetters])]),
]

/** @example `counts-repartition reads counts-repartition; keeps counts; writes word-counts` */
export function inWords({ name, sourceTopics, stores, sinks }: SubTopology, applicationId: string): string {
  const written = sinks.map(({ topic }) =>
    typeof topic === 'function' ? 'topics that a callback chooses' : topicName(topic, applicationId),
  )
  const parts = [
    `reads ${sourceTopics.map((topic) => topicName(topic, applicationId)).join(', ')}`,
    ...(stores.length > 0 ? [`keeps ${stores.map((store) => store.name).join(', ')}`] : []),
    ...(written.length > 0 ? [`writes ${[...new Set(written)].join(', ')}`] : []),
  ]
  return `**${name}** ${parts.join('; ')}`
}
