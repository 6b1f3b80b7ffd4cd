import { createMemoryKafka } from '../../src/adapters/memory/log.ts'
import { createMemoryTable } from '../../src/adapters/memory/table.ts'
import { StreamsBuilder } from '../../src/dsl/streams-builder.ts'
import type { Processor, ProcessorContext } from '../../src/processor/processor.ts'
import type { KeyValueStore, ReadOnlyKeyValueStore } from '../../src/processor/store.ts'
import { createGlobalStores, type GlobalStores } from '../../src/runtime/global-stores.ts'
import { runInvocation } from '../../src/runtime/invocation.ts'
import type { InvocationPorts } from '../../src/runtime/invocation-request.ts'
import { planOf, subTopologyNamed } from '../../src/runtime/plan.ts'
import { createTaskMemory, type TaskMemory } from '../../src/runtime/task-memory.ts'
import { Serdes } from '../../src/serde/serdes.ts'
import type { SourceNode } from '../../src/topology/nodes.ts'
import { Topology } from '../../src/topology/topology.ts'
import { type Around, aroundPorts } from './faults.ts'
import { applicationId, record, startMs, strings, textOf } from './scene.ts'

export const enriched = (): Topology => {
  const builder = new StreamsBuilder()
  const products = builder.globalTable('products', { ...strings, store: 'products' })
  builder
    .stream('orders', strings)
    .leftJoin(
      products,
      (_order, product) => product,
      (_product, title) => `${title}`,
    )
    .to('titles', strings)
  return builder.build()
}

/** As {@link enriched}, but a processor fills the store, and adds each text to what is there: a record that is taken twice shows. */
export const accumulated = (): Topology => {
  const topology = new Topology()
  const source = (name: string): SourceNode => ({
    ...{ kind: 'source', name, topics: [{ name, internal: false }], keySerde: Serdes.string, valueSerde: Serdes.string },
  })
  const node = { kind: 'processor', keepsKey: true, readsByKey: [] } as const
  topology.addGlobal({
    store: { kind: 'key-value', holds: 'values', name: 'products', ...strings, caching: false, logging: false, named: true },
    source: source('products'),
    processor: { ...node, name: 'accumulate', parents: ['products'], stores: ['products'], supplier: accumulate },
  })
  topology.add(source('orders'))
  topology.add({ ...node, name: 'look-up', parents: ['orders'], stores: [], supplier: lookUp })
  const titles = { name: 'titles', internal: false }
  topology.add({ kind: 'sink', name: 'titles', parents: ['look-up'], topic: titles, keySerde: Serdes.string, valueSerde: Serdes.string })
  return topology
}

export const accumulate = (): Processor<string, string, never, never> => {
  let store: KeyValueStore<string, string>
  return {
    init: (context) => {
      store = context.getStateStore('products')
    },
    process: async ({ key, value }) => store.put(key, `${(await store.get(key)) ?? ''}${value}`),
  }
}

const lookUp = (): Processor<string, string, string, string> => {
  let forward: ProcessorContext<string, string>['forward']
  let store: ReadOnlyKeyValueStore<string, string>
  return {
    init: (context) => {
      forward = (record) => context.forward(record)
      store = context.getStateStore('products')
    },
    process: async (record) => forward({ ...record, value: `${await store.get(record.value)}` }),
  }
}

/** What one process keeps. */
export interface Process {
  readonly memory: TaskMemory
  readonly globals: GlobalStores
}

/** Two sub-topologies over one cluster and one table: `products`, with two partitions, fills the store that `orders` reads. */
export const globalScene = async (topology = enriched()) => {
  const clock = { nowMs: startMs }
  const now = () => clock.nowMs
  const kafka = createMemoryKafka({ now })
  const table = createMemoryTable()
  const topics = new Map(Object.entries({ products: 2, orders: 1, titles: 1 }))
  const counts = new Map([...topics, ...topology.partitionCounts(applicationId, topics)])
  await kafka.admin.create(
    [...counts].map(([topic, partitions]) => ({ topic, partitions, config: {} })),
    now(),
  )
  let tokens = 0
  // nothing of this test waits for records: what would wait lets time pass instead
  const fetch: typeof kafka.reader.fetch = (requests, { waitMs, deadlineMs }) => {
    clock.nowMs += waitMs
    return kafka.reader.fetch(requests, { waitMs: 0, deadlineMs: deadlineMs + waitMs })
  }
  const ports: InvocationPorts = {
    txnLog: kafka.txnLog,
    reader: { ...kafka.reader, fetch },
    table,
    clock: { nowMs: now },
    token: () => `token-${++tokens}`,
    partitionsOf: (topic) => counts.get(topic) ?? 0,
    log: () => {},
  }
  const [products, orders] = ['products', 'orders'].map((name) => planOf(topology, applicationId, subTopologyNamed(topology, name)))
  if (!products || !orders) throw new Error('the topology has two sub-topologies')
  const newProcess = (around?: Around): Process => ({
    memory: createTaskMemory(),
    globals: createGlobalStores(orders.globals, around ? aroundPorts(ports, around) : ports),
  })
  const run = (plan: typeof orders, partition: number, { around, process = newProcess() }: { around?: Around; process?: Process }) =>
    runInvocation({
      ports: around ? aroundPorts(ports, around) : ports,
      plan,
      partition,
      trigger: { kind: 'tick' },
      deadlineMs: now() + 60_000,
      ...process,
    })
  const titles = async () => {
    const at = { topic: 'titles', partition: 0, offset: 0, bytesMax: 1e6 }
    const [answer] = await kafka.reader.fetch([at], { waitMs: 0, deadlineMs: now() })
    return answer?.records.map(({ value }) => textOf(value)) ?? []
  }
  return {
    ...{ kafka, table, clock, newProcess, titles },
    product: (key: string, title: string | null, partition = 0) =>
      kafka.produce([{ topic: 'products', partition, records: [record(key, title)] }]),
    order: (...products: readonly string[]) =>
      kafka.produce([{ topic: 'orders', partition: 0, records: products.map((product) => record('o', product)) }]),
    materialise: (partition = 0, around?: Around) => run(products, partition, around ? { around } : {}),
    read: (process: Process, around?: Around) => run(orders, 0, around ? { process, around } : { process }),
  }
}
