import { join } from 'node:path'
import { Serdes } from 'millrace'
import { TopologyTestDriver } from 'millrace/testing'
import { describe, expect, it } from 'vitest'
import { textOf } from '../adapters/kafka-harness.ts'
import market from '../cli/fixtures/functions/market/topology.ts'
import { runCli, startCli } from '../cli/run-cli.ts'
import { endpoint, soon, useCluster } from './start-cluster.ts'

const partitions = 4
const root = join(import.meta.dirname, '../cli/fixtures')

interface Item {
  readonly key: string
  readonly value: string | null
  readonly timestamp: number
}

/** The same numbers for the same seed: below `n`, small ones more often. */
const randomFrom = (seed: number) => {
  let state = seed
  return (n: number): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff
    return Math.floor(n * (state / 0x80000000) ** 2)
  }
}

/** Of 2001, which a broker would delete from the changelogs of windows as soon as it looks. */
const startMs = 1_000_000_000_000

const inputs = (seed: number): Readonly<Record<'bids' | 'orders' | 'customers', readonly Item[]>> => {
  const random = randomFrom(seed)
  const list = (count: number, make: (at: number) => Omit<Item, 'timestamp'>): readonly Item[] =>
    Array.from({ length: count }, (_, at) => ({ ...make(at), timestamp: startMs + at * 100 - random(20_000) }))
  return {
    bids: list(4_000, () => ({ key: `p${random(40)}`, value: '' })),
    orders: list(1_500, (at) => ({ key: `o${random(300)}`, value: random(12) === 11 ? null : `${at} c${random(40)}` })),
    customers: list(300, (at) => ({ key: `c${random(50)}`, value: random(12) === 11 ? null : `${at} alive` })),
  }
}

type Outputs = ReadonlyMap<string, readonly (string | null)[]>

const byKey = (records: readonly { readonly key: string | null; readonly value: unknown }[]): Outputs => {
  const values = new Map<string, (string | null)[]>()
  for (const { key, value } of records) {
    const known = values.get(`${key}`) ?? []
    values.set(`${key}`, [...known, value === null ? null : String(value)])
  }
  return new Map([...values].sort(([one], [other]) => (one < other ? -1 : 1)))
}

/** The rows that are left in the end. */
const lastOf = (outputs: Outputs): readonly (readonly [string, string | null | undefined])[] =>
  [...outputs].flatMap(([key, values]) => (values.at(-1) === null ? [] : [[key, values.at(-1)] as const]))

const expectedOf = async (given: ReturnType<typeof inputs>) => {
  const counts = { bids: partitions, orders: partitions, customers: partitions, 'bid-counts': partitions, overview: partitions }
  await using driver = new TopologyTestDriver(market, { partitions: counts })
  const strings = { keySerde: Serdes.string, valueSerde: Serdes.string }
  for (const [topic, items] of Object.entries(given)) {
    const input = driver.createInputTopic(topic, strings)
    for (const { key, value, timestamp } of items) await input.pipeInput(key, value, { timestamp })
  }
  return {
    counts: byKey(driver.createOutputTopic('bid-counts', { ...strings, valueSerde: Serdes.long }).readRecords()),
    overview: byKey(driver.createOutputTopic('overview', strings).readRecords()),
  }
}

describe.skipIf(endpoint === null)('windows below a suppression and a join by foreign key', { timeout: 240_000 }, () => {
  const { ports, where, file } = useCluster()

  const written = async (topic: string): Promise<number> => {
    const all = Array.from({ length: partitions }, (_, partition) => ({ topic, partition }))
    const bounds = await ports().reader.bounds(all, soon())
    return bounds.reduce((sum, { highWatermark }) => sum + highWatermark, 0)
  }

  const committed = async (topic: string, read: (bytes: Uint8Array) => unknown): Promise<Outputs> => {
    const found: { readonly key: string | null; readonly value: unknown }[] = []
    for (let partition = 0; partition < partitions; partition++) {
      for (let offset = 0, end = -1; offset !== end; ) {
        const [answer] = await ports().reader.fetch([{ topic, partition, offset, bytesMax: 2 ** 20 }], { waitMs: 0, deadlineMs: soon() })
        for (const { key, value } of answer?.records ?? []) found.push({ key: textOf(key), value: value && read(value) })
        end = answer?.lastStableOffset ?? 0
        offset = answer?.nextOffset ?? end
      }
    }
    return byKey(found)
  }

  it('come out as if nothing had happened although the process is killed at several moments', async () => {
    const given = inputs(5)
    const files = Object.entries(given).flatMap(([topic, items]) => {
      const lines = items.map((item) => `${JSON.stringify(item)}\n`)
      return ['--input', `${topic}=${file(`${topic}.jsonl`, lines.join(''))}`]
    })
    const args = ['start', 'market', ...where('market'), ...files]
    const moments: readonly (() => Promise<boolean>)[] = [
      async () => (await written('orders')) > given.orders.length / 2,
      async () => (await written('market-bids-changelog')) > 0,
      async () => (await written('market-ordered-subscription-registration-topic')) > 0,
      async () => (await written('market-ordered-subscription-response-topic')) > 0,
      async () => (await written('overview')) > 0,
    ]
    let killed = 0
    for (const moment of moments) {
      const run = startCli(args, undefined, root)
      let ended = false
      run.result.then(() => (ended = true))
      await run.seen(/lag|error/)
      while (!ended && !(await moment()));
      run.kill()
      killed += (await run.result).signal === 'SIGKILL' ? 1 : 0
    }
    const last = await runCli(args, undefined, root)
    expect({ code: last.code, error: /error:.*/.exec(last.stderr)?.[0] }).toEqual({ code: 0, error: undefined })
    expect(killed).toBeGreaterThanOrEqual(3)
    const expected = await expectedOf(given)
    expect(await committed('bid-counts', (value) => Serdes.long.deserialize(value, ''))).toEqual(expected.counts)
    const overview = await committed('overview', textOf)
    expect(lastOf(overview)).toEqual(lastOf(expected.overview))
    // an order is joined again when its customer changes, but an older one never
    const versions = [...overview].map(
      ([key, values]) => [key, values.flatMap((value) => (value === null ? [] : [Number.parseInt(value, 10)]))] as const,
    )
    expect(versions.filter(([, numbers]) => numbers.some((number, at) => at > 0 && number < (numbers[at - 1] ?? 0)))).toEqual([])
  })
})
