import { Stack, type StackProps, Tags } from 'aws-cdk-lib'
import { Topic } from 'aws-cdk-lib/aws-sns'
import type { Construct } from 'constructs'
import type { Topology } from '../../src/topology/topology.ts'
import { StreamsApp } from '../constructs/streams-app.ts'
import { clusterFromContext } from './cluster-from-context.ts'

export interface StreamsStackProps extends StackProps {
  readonly topology: Topology
  readonly entry: string
  readonly applicationId: string
}

/** One application on the cluster that the context names; `alarmTopicArn` is told of alarms. */
export class StreamsStack extends Stack {
  constructor(scope: Construct, id: string, { topology, entry, applicationId, ...props }: StreamsStackProps) {
    super(scope, id, props)
    const alarmTopicArn: unknown = this.node.tryGetContext('alarmTopicArn')
    const told = typeof alarmTopicArn === 'string' && alarmTopicArn !== ''
    new StreamsApp(this, 'App', {
      topology,
      entry,
      applicationId,
      cluster: clusterFromContext(this),
      queries: hasQueries(topology),
      alarms: told ? { topic: Topic.fromTopicArn(this, 'AlarmTopic', alarmTopicArn) } : true,
    })
    Tags.of(this).add('millrace:application', applicationId)
  }
}

/** A store can be asked over HTTP where a key names one row. */
export const hasQueries = ({ subTopologies }: Topology): boolean =>
  subTopologies.some(({ stores }) => stores.some(({ kind }) => kind === 'key-value'))
