import { describe, expect, it } from 'vitest'
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
import { type Around, aroundPorts, died, noting, type PortCall } from './faults.ts'
import { applicationId, record, startMs, strings, textOf } from './scene.ts'

const enriched = (): Topology => {
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
const accumulated = (): Topology => {
  const topology = new Topology()
  const source = (name: string): SourceNode => ({
    ...{ kind: 'source', name, topics: [{ name, internal: false }], keySerde: Serdes.string, valueSerde: Serdes.string },
  })
  const node = { kind: 'processor', keepsKey: true, readsByKey: [] } as const
  topology.addGlobalStore({
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

const accumulate = (): Processor<string, string, never, never> => {
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
interface Process {
  readonly memory: TaskMemory
  readonly globals: GlobalStores
}

/** Two sub-topologies over one cluster and one table: `products`, with two partitions, fills the store that `orders` reads. */
const scene = async (topology = enriched()) => {
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

describe('a task that reads a global store', () => {
  it('sees everything that its topic had when the invocation began, though nothing is materialised yet', async () => {
    const it = await scene()
    it.product('tea', 'Tea')
    it.product('milk', 'Milk', 1)
    it.order('tea', 'milk', 'none')
    await it.read(it.newProcess())
    expect(await it.titles()).toEqual(['Tea', 'Milk', 'null'])
  })

  it('takes what is materialised from the table, and the rest from the topic', async () => {
    const it = await scene()
    it.product('tea', 'Tea')
    it.product('milk', 'Milk')
    it.product('sugar', 'Sugar', 1)
    expect([await it.materialise(0), await it.materialise(1)]).toMatchObject([{ rowsWritten: 2 }, { rowsWritten: 1 }])
    it.product('tea', 'Green tea')
    it.product('milk', null)
    it.order('tea', 'milk', 'sugar')
    await it.read(it.newProcess())
    expect(await it.titles()).toEqual(['Green tea', 'null', 'Sugar'])
  })

  it('needs the topic no longer for what the materialiser has taken', async () => {
    const it = await scene()
    it.product('tea', 'Tea')
    await it.materialise()
    it.kafka.truncate({ topic: 'products', partition: 0, offset: 1 })
    it.order('tea')
    await it.read(it.newProcess())
    expect(await it.titles()).toEqual(['Tea'])
  })

  it('that goes on in a warm process asks for the end of the topic, and reads no more than is new', async () => {
    const it = await scene()
    const calls: PortCall[] = []
    const process = it.newProcess(noting(calls))
    it.product('tea', 'Tea')
    it.order('tea')
    await it.read(process)
    calls.length = 0
    it.order('tea')
    await it.read(process)
    expect(calls).toEqual(['bounds'])
    it.product('tea', 'Green tea')
    it.order('tea')
    calls.length = 0
    await it.read(process)
    expect(calls).toEqual(['bounds', 'fetch'])
    expect(await it.titles()).toEqual(['Tea', 'Tea', 'Green tea'])
  })

  it('that knew less than the topic still has begins with the rows again', async () => {
    const it = await scene()
    const process = it.newProcess()
    it.product('tea', 'Tea')
    it.order('tea')
    await it.read(process)
    it.product('milk', 'Milk')
    it.product('sugar', 'Sugar')
    await it.materialise()
    it.kafka.truncate({ topic: 'products', partition: 0, offset: 3 })
    it.order('tea', 'milk')
    await it.read(process)
    expect(await it.titles()).toEqual(['Tea', 'Tea', 'Milk'])
  })

  it('does not see what is not committed', async () => {
    const it = await scene()
    it.product('tea', 'Tea')
    const open = { transactionalId: 'somebody', transactionTimeoutMs: 1e9, deadlineMs: it.clock.nowMs }
    const session = await it.kafka.txnLog.open(open)
    await session.append([{ topic: 'products', partition: 0, records: [record('tea', 'Hidden')] }], it.clock.nowMs)
    it.order('tea')
    const process = it.newProcess()
    await it.read(process)
    await session.commit(it.clock.nowMs)
    it.order('tea')
    await it.read(process)
    expect(await it.titles()).toEqual(['Tea', 'Hidden'])
  })

  const calls: readonly PortCall[] = ['append', 'commit', 'put', 'release']
  it.each(calls)('sees every record once where the materialiser dies around its %s', async (call) => {
    for (const when of ['before', 'after'] as const) {
      const it = await scene()
      it.product('tea', 'Tea')
      await it.materialise()
      it.product('tea', 'Green tea')
      it.product('milk', 'Milk')
      let isDead = false
      const dying: Around = async (at, go) => {
        if (isDead) throw new Error(died)
        if (at !== call) return go()
        isDead = true
        if (when === 'after') await go()
        throw new Error(died)
      }
      await expect(it.materialise(0, dying)).rejects.toThrow(died)
      it.order('tea', 'milk')
      // its transaction may be open, which holds the commit topic back until it times out
      const reader = it.newProcess()
      await it.read(reader).catch(() => it.read(reader))
      expect(await it.titles()).toEqual(['Green tea', 'Milk'])
      it.clock.nowMs += 200_000
      await it.materialise()
      it.order('tea', 'milk')
      await it.read(it.newProcess())
      expect((await it.titles()).slice(2)).toEqual(['Green tea', 'Milk'])
    }
  })
})

it('a table that cannot be reached fails the invocation, and the next one goes on', async () => {
  const it = await scene()
  it.product('tea', 'Tea')
  it.order('tea')
  let fails = true
  const process = it.newProcess(async (call, go) => {
    if (fails && call === 'fetch') throw new Error(died)
    return go()
  })
  await expect(it.read(process)).rejects.toThrow(died)
  fails = false
  it.clock.nowMs += 100_000
  await it.read(process)
  expect(await it.titles()).toEqual(['Tea'])
})

describe('a store that a processor fills', () => {
  it('has every record once in every reader, materialised or not', async () => {
    const it = await scene(accumulated())
    const process = it.newProcess()
    it.product('tea', 'a')
    it.order('tea')
    await it.read(process)
    await it.materialise()
    it.product('tea', 'b')
    it.order('tea')
    await it.read(process)
    await it.materialise()
    it.product('tea', 'c')
    it.order('tea')
    await it.read(it.newProcess())
    expect(await it.titles()).toEqual(['a', 'ab', 'abc'])
    expect(await it.kafka.admin.describe(['app-products-changelog'], it.clock.nowMs)).toMatchObject([{ partitions: 2 }])
  })

  const calls: readonly PortCall[] = ['append', 'commit', 'put', 'release']
  it.each(calls)('has every record once where the materialiser dies around its %s', async (call) => {
    for (const when of ['before', 'after'] as const) {
      const it = await scene(accumulated())
      it.product('tea', 'a')
      await it.materialise()
      it.product('tea', 'b')
      it.product('milk', 'x')
      let isDead = false
      const dying: Around = async (at, go) => {
        if (isDead) throw new Error(died)
        if (at !== call) return go()
        isDead = true
        if (when === 'after') await go()
        throw new Error(died)
      }
      await expect(it.materialise(0, dying)).rejects.toThrow(died)
      it.order('tea', 'milk')
      const reader = it.newProcess()
      // a transaction that nobody ends holds it back until its time is out
      await it.read(reader).catch(() => {
        it.clock.nowMs += 200_000
        return it.read(reader)
      })
      it.clock.nowMs += 200_000
      await it.materialise()
      it.product('tea', 'c')
      it.order('tea', 'milk')
      await it.read(reader)
      it.order('tea', 'milk')
      await it.read(it.newProcess())
      expect(await it.titles()).toEqual(['ab', 'x', 'abc', 'x', 'abc', 'x'])
    }
  })

  it('cannot be written by a reader', async () => {
    const topology = accumulated()
    const supplier = accumulate
    topology.add({ kind: 'processor', name: 'writes', keepsKey: true, readsByKey: [], parents: ['orders'], stores: [], supplier })
    const it = await scene(topology)
    it.order('tea')
    await expect(it.read(it.newProcess())).rejects.toThrow('Global store "products" is read only')
  })
})
