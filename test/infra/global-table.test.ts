import { Serdes, StreamsBuilder } from 'millrace'
import { expect, it } from 'vitest'
import { iam, KafkaCluster } from '../../infra/constructs/kafka-cluster.ts'
import { clusterArn, resourcesOf, templateOf, vpcIn } from './fixture.ts'

const strings = { keySerde: Serdes.string, valueSerde: Serdes.string }

const enriched = () => {
  const builder = new StreamsBuilder()
  const products = builder.globalTable('products', { ...strings, store: 'products' })
  builder
    .stream('orders', strings)
    .join(
      products,
      (_order, product) => product,
      (_product, title) => title,
    )
    .to('titles', strings)
  return builder.build()
}

interface Statement {
  readonly Action: string | readonly string[]
  readonly Resource: string | readonly string[]
}

interface RoleProperties {
  readonly Policies: readonly { readonly PolicyDocument: { readonly Statement: readonly Statement[] } }[]
}

it('a global table has a function that fills it, and the others may read what that reads', { timeout: 60_000 }, () => {
  const cluster = (stack: Parameters<typeof vpcIn>[0]) => KafkaCluster.msk(clusterArn, { auth: iam, vpc: vpcIn(stack) })
  const template = templateOf(cluster, { topology: enriched() })
  const polled = Object.values(resourcesOf(template, 'AWS::Lambda::EventSourceMapping')) as readonly {
    readonly Topics: readonly string[]
  }[]
  expect(polled.flatMap(({ Topics }) => Topics).sort()).toEqual(['orders', 'products'])
  const roles = Object.entries(resourcesOf(template, 'AWS::IAM::Role')) as readonly (readonly [string, RoleProperties])[]
  const topicsOf = (task: string, action: string): readonly string[] => {
    const statements = roles.flatMap(([name, { Policies = [] }]) =>
      name.startsWith(`AppTask${task}`) ? Policies.flatMap(({ PolicyDocument }) => PolicyDocument.Statement) : [],
    )
    return statements
      .filter(({ Action }) => [Action].flat().includes(`kafka-cluster:${action}`))
      .flatMap(({ Resource }) => [Resource].flat())
      .map((arn) => arn.split('/').at(-1) ?? arn)
      .sort()
  }
  expect(topicsOf('products', 'ReadData')).toEqual(['demo-products-commits', 'products'])
  expect(topicsOf('orders', 'ReadData')).toEqual(['demo-orders-commits', 'orders', 'products'])
  expect(topicsOf('orders', 'WriteData')).toEqual(['demo-orders-commits', 'titles'])
})
