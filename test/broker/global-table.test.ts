import { type ProcessorContext, type Record, Serdes, Stores, StreamsBuilder, type Topology } from 'millrace'
import { createLocalEngine } from 'millrace/local'
import { describe, expect, it } from 'vitest'
import { bytesOf, fetchOne, textOf, unique } from '../adapters/kafka-harness.ts'
import { endpoint, soon, useCluster } from './start-cluster.ts'

const strings = { keySerde: Serdes.string, valueSerde: Serdes.string }

const topology = () => {
  const builder = new StreamsBuilder()
  const products = builder.globalTable('products', { ...strings, store: 'products' })
  builder
    .stream('orders', strings)
    .leftJoin(
      products,
      (_order, product) => product,
      (_product, title) => title ?? 'unknown',
    )
    .to('titles', strings)
  return builder.build()
}

const collected = Stores.keyValueStore('collected', strings)

/** Appends each text to what there is: a record that is taken twice shows. */
class Collect {
  #context!: ProcessorContext<never, never>
  init(context: ProcessorContext<never, never>) {
    this.#context = context
  }
  async process({ key, value }: Record<string, string>) {
    const store = this.#context.getStateStore(collected)
    store.put(key, `${(await store.get(key)) ?? ''}${value}`)
  }
}

class LookUp {
  #context!: ProcessorContext<string, string>
  init(context: ProcessorContext<string, string>) {
    this.#context = context
  }
  async process(question: Record<string, string>) {
    await this.#context.forward({ ...question, value: `${await this.#context.getStateStore(collected).get(question.value)}` })
  }
}

const collecting = () => {
  const builder = new StreamsBuilder()
  builder.addGlobalStore(collected, 'parts', () => new Collect(), strings)
  builder
    .stream('questions', strings)
    .process(() => new LookUp())
    .to('answers', strings)
  return builder.build()
}

type Entry = readonly [key: string, value: string | null]

describe.skipIf(endpoint === null)('a global table on a real Kafka and a real table', { timeout: 120_000 }, () => {
  const { ports, withTable } = useCluster()

  const write = async (topic: string, entries: readonly Entry[]): Promise<void> => {
    const session = await ports().txnLog.open({ transactionalId: unique('user'), transactionTimeoutMs: 30_000, deadlineMs: soon() })
    const recordsOf = (at: number) =>
      entries
        .filter((_, index) => index % 2 === at)
        .map(([key, value]) => ({ key: bytesOf(key), value: value === null ? null : bytesOf(value), timestamp: Date.now(), headers: [] }))
    const batches = [0, 1].map((partition) => ({ topic, partition, records: recordsOf(partition) }))
    await session.append(
      batches.filter(({ records }) => records.length > 0),
      soon(),
    )
    await session.commit(soon())
    session.close()
  }

  /** Key and value of every committed record, by key. */
  const linesOf = async (topic: string): Promise<readonly string[]> => {
    const found: string[] = []
    for (const partition of [0, 1]) {
      for (let offset = 0, end = -1; offset !== end; ) {
        const { records, nextOffset, lastStableOffset } = await fetchOne(ports().reader, { topic, partition }, offset)
        found.push(...records.map(({ key, value }) => `${textOf(key)}: ${textOf(value)}`))
        ;[offset, end] = [nextOffset, lastStableOffset]
      }
    }
    return found.sort()
  }

  /** A process of the application from its start to when nothing is left to do; `meanwhile` is done as soon as it runs. */
  const run = (applicationId: string, meanwhile: () => Promise<void>, of: Topology = topology()) =>
    withTable(applicationId, async (table) => {
      const engine = createLocalEngine({ topology: of, applicationId, adapters: { kafka: ports(), table }, partitions: 2 })
      await engine.start()
      try {
        await meanwhile()
        await engine.drained()
      } finally {
        await engine.stop()
      }
    })

  const rowsOf = (applicationId: string) =>
    withTable(applicationId, async (table) => {
      const rows: string[] = []
      for (const partition of [0, 1]) {
        for await (const page of table.query({ subTopology: 'products', partition, gen: 0, store: 'products' }, soon()))
          rows.push(...page.map(({ key, value }) => `${partition} ${textOf(key)}: ${textOf(value)}`))
      }
      return rows
    })

  it('is filled once, and read by tasks of any partition, warm and cold', async () => {
    const applicationId = unique('global')
    await run(applicationId, () =>
      write('products', [
        ['tea', 'Tea'],
        ['milk', 'Milk'],
        ['salt', 'Salt'],
      ]),
    )
    expect(await rowsOf(applicationId)).toEqual(['0 salt: Salt', '0 tea: Tea', '1 milk: Milk'])
    await run(applicationId, async () => {
      // one process, which goes on with what it knows
      await write('orders', [
        ['o1', 'tea'],
        ['o2', 'milk'],
      ])
      await write('products', [
        ['tea', 'Green tea'],
        ['milk', null],
      ])
      await write('orders', [
        ['o3', 'salt'],
        ['o4', 'none'],
      ])
    })
    expect((await linesOf('titles')).filter((line) => /o[34]/.test(line))).toEqual(['o3: Salt', 'o4: unknown'])
    await run(applicationId, () =>
      write('orders', [
        ['p1', 'tea'],
        ['p2', 'tea'],
        ['p3', 'milk'],
        ['p4', 'milk'],
      ]),
    )
    expect((await linesOf('titles')).filter((line) => line.startsWith('p'))).toEqual([
      'p1: Green tea',
      'p2: Green tea',
      'p3: unknown',
      'p4: unknown',
    ])
    expect(await rowsOf(applicationId)).toEqual(['0 salt: Salt', '0 tea: Green tea'])
  })

  it('that a processor fills has each record once, in readers that come and go while it is filled', async () => {
    const applicationId = unique('collected')
    const letters = [...'abcdefgh']
    for (const letter of letters) {
      await run(
        applicationId,
        async () => {
          // the reader begins while the record is on its way into the table
          await write('parts', [['k', letter]])
          await write('questions', [[letter, 'k']])
        },
        collecting(),
      )
    }
    const answers = await linesOf('answers')
    expect(answers).toEqual(letters.map((letter, at) => `${letter}: ${letters.slice(0, at + 1).join('')}`))
  })
})
