import { App, Stack } from 'aws-cdk-lib'
import { Template } from 'aws-cdk-lib/assertions'
import { Vpc } from 'aws-cdk-lib/aws-ec2'
import { Serdes, StreamsBuilder, type Topology } from 'millrace'
import cdk from '../../cdk.json' with { type: 'json' }
import type { KafkaCluster } from '../../infra/constructs/kafka-cluster.ts'
import { StreamsApp, type StreamsAppProps } from '../../infra/constructs/streams-app.ts'
import { nameOf, readable } from './readable.ts'

export const clusterArn = 'arn:aws:kafka:eu-west-1:111122223333:cluster/demo/0a1b2c3d-0000-1111-2222-333344445555-7'
const strings = { keySerde: Serdes.string, valueSerde: Serdes.string }

/** `in` -> upper case -> `out`, without state. */
export function stateless(): Topology {
  const builder = new StreamsBuilder()
  builder
    .stream('in', strings)
    .mapValues((value) => value.toUpperCase())
    .to('out', strings)
  return builder.build()
}

/** `in` counted by key; without a name the store is the library's. */
export function counting(store?: string): Topology {
  const builder = new StreamsBuilder()
  builder
    .stream('in', strings)
    .groupByKey()
    .count(store === undefined ? {} : { store })
    .toStream()
    .to('out')
  return builder.build()
}

/** A stack in which functions are not bundled: the template does not depend on their code. */
export function emptyStack(): Stack {
  return new Stack(new App({ context: { ...cdk.context, 'aws:cdk:bundling-stacks': [] } }), 'Test')
}

/** All errors, or warnings, that `cdk synth` shows. */
export const annotationsOf = (stack: Stack, type: 'aws:cdk:error' | 'aws:cdk:warning' = 'aws:cdk:error'): readonly string[] =>
  stack.node
    .findAll()
    .flatMap(({ node }) => node.metadata)
    .flatMap((it) => (it.type === type ? [String(it.data)] : []))

export const vpcIn = (stack: Stack, id = 'Vpc') =>
  Vpc.fromVpcAttributes(stack, id, {
    vpcId: 'vpc-0123456789abcdef0',
    availabilityZones: ['zone'],
    privateSubnetIds: [subnetId],
    privateSubnetRouteTableIds: ['rtb-0123456789abcdef0'],
  })
export const subnetId = 'subnet-0123456789abcdef0'
export const securityGroupId = 'sg-0123456789abcdef0'

/** Properties of the application, some of which are made in its stack. */
export type PropsIn = Partial<StreamsAppProps> | ((stack: Stack) => Partial<StreamsAppProps>)

/** The template of the stateless application on a cluster. */
export function templateOf(clusterIn: (stack: Stack) => KafkaCluster, props: PropsIn = {}): Template {
  const stack = emptyStack()
  const entry = 'infra/handlers/internal-topics.ts'
  new StreamsApp(stack, 'App', {
    topology: stateless(),
    entry,
    applicationId: 'demo',
    cluster: clusterIn(stack),
    ...(typeof props === 'function' ? props(stack) : props),
  })
  return Template.fromStack(stack)
}

/** The properties of the resources of one type, by name, in readable form. */
export const resourcesOf = (template: Template, type: string): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(template.findResources(type)).map(([id, { Properties }]) => [nameOf(id), readable(Properties)] as const),
  )
