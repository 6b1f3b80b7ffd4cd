import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import wordCount from '../../functions/word-count/topology.ts'
import { runCli, startCli } from '../cli/run-cli.ts'
import { root } from '../source-files.ts'
import { endpoint, soon, useCluster } from './start-cluster.ts'

const partitions = 4

/** Lines of words with a skewed frequency, the same for the same seed. */
const linesOf = (seed: number, count: number): readonly string[] => {
  let state = seed
  const random = (): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff
    return state / 0x80000000
  }
  return Array.from({ length: count }, () => Array.from({ length: 8 }, () => `w${Math.floor(500 * random() ** 3)}`).join(' '))
}

const countsOf = (lines: readonly string[]): ReadonlyMap<string, number> => {
  const counts = new Map<string, number>()
  for (const word of lines.flatMap((line) => line.split(' '))) counts.set(word, (counts.get(word) ?? 0) + 1)
  return counts
}

describe.skipIf(endpoint === null)('millrace start on a real Kafka and a real table', { timeout: 240_000 }, () => {
  const { ports, where, file, withTable } = useCluster()
  /** Everything that any run has fed: each application reads the topic from its beginning. */
  const fed: string[] = []
  const inputFile = (name: string, lines: readonly string[]): string => {
    fed.push(...lines)
    return file(name, `${lines.join('\n')}\n`)
  }
  const argsFor = (applicationId: string, input: string): readonly string[] => [
    'start',
    'word-count',
    ...where(applicationId),
    '--input',
    input,
  ]

  const tableCounts = (applicationId: string): Promise<ReadonlyMap<string, number>> =>
    withTable(applicationId, async (table) => {
      const [store] = wordCount.subTopologies[1]?.stores ?? []
      const counts = new Map<string, number>()
      for (let partition = 0; partition < partitions; partition++) {
        for await (const page of table.query({ subTopology: 'counts-repartition', partition, gen: 0, store: 'counts' }, soon())) {
          for (const { key, value } of page)
            counts.set(store?.keySerde.deserialize(key, ''), store?.valueSerde.deserialize(value ?? Buffer.of(), ''))
        }
      }
      return counts
    })

  /** Every committed record of a topic, by key, in order. */
  const committed = async (topic: string): Promise<ReadonlyMap<string, readonly number[]>> => {
    const values = new Map<string, number[]>()
    for (let partition = 0; partition < partitions; partition++) {
      for (let offset = 0, end = -1; offset !== end; ) {
        const [answer] = await ports().reader.fetch([{ topic, partition, offset, bytesMax: 2 ** 20 }], { waitMs: 0, deadlineMs: soon() })
        for (const { key, value } of answer?.records ?? []) {
          const word = Buffer.from(key ?? []).toString()
          values.set(word, [...(values.get(word) ?? []), Number(Buffer.from(value ?? []).readBigInt64BE())])
        }
        end = answer?.lastStableOffset ?? 0
        offset = answer?.nextOffset ?? end
      }
    }
    return values
  }

  const sorted = (counts: ReadonlyMap<string, number>) => [...counts].sort(([a], [b]) => (a < b ? -1 : 1))

  const expectExactCounts = async (applicationId: string): Promise<void> => {
    const truth = sorted(countsOf(fed))
    expect(sorted(await tableCounts(applicationId))).toEqual(truth)
    const changelog = await committed(`${applicationId}-counts-changelog`)
    expect(sorted(new Map([...changelog].map(([word, values]) => [word, values.at(-1) ?? 0])))).toEqual(truth)
    const disordered = [...changelog].filter(([, values]) => values.some((value, at) => at > 0 && value <= (values[at - 1] ?? 0)))
    expect(disordered).toEqual([])
  }

  const written = async (topic: string): Promise<number> => {
    const all = Array.from({ length: partitions }, (_, partition) => ({ topic, partition }))
    const bounds = await ports().reader.bounds(all, soon())
    return bounds.reduce((sum, { highWatermark }) => sum + highWatermark, 0)
  }

  it('counts its input, and goes on where it stopped when it is started again', async () => {
    const args = argsFor('again', inputFile('a.txt', linesOf(1, 1_000)))
    const first = await runCli(args)
    expect({ code: first.code, error: /error:.*/.exec(first.stderr)?.[0] }).toEqual({ code: 0, error: undefined })
    await expectExactCounts('again')
    const again = await runCli(args)
    expect(again.code).toBe(0)
    expect(again.stdout).toMatch(/^0 records in /m)
    await expectExactCounts('again')
  })

  it('reads a key of the table', async () => {
    const found = await runCli(['query', 'word-count', 'counts', 'w0', ...where('again')])
    expect({ code: found.code, value: found.stdout.split(' ')[0] }).toEqual({ code: 0, value: String(countsOf(fed).get('w0')) })
    const missing = await runCli(['query', 'word-count', 'counts', 'nobody', ...where('again')])
    expect({ code: missing.code, stdout: missing.stdout }).toEqual({
      code: 1,
      stdout: expect.stringMatching(/^no row {2}\(transaction \d+\)\n$/),
    })
  })

  it('keeps tables joined by foreign key, with the rows that their page shows, also when it is started again', async () => {
    const page = readFileSync(join(root, 'functions/orders-and-customers/README.md'), 'utf8')
    const [overview = 'none'] = /^Store order-overview: .*?(?=\n\n)/ms.exec(page) ?? []
    for (const read of [/^\d+ records in /m, /^0 records in /m]) {
      const { code, stdout } = await runCli(['start', 'orders-and-customers', '--quiet', '--partitions', '2', ...where('orders')])
      expect(code).toBe(0)
      expect(stdout.split('\n\n')).toContain(overview)
      expect(stdout).toMatch(read)
    }
    const row = await runCli(['query', 'orders-and-customers', 'order-overview', 'o04', ...where('orders')])
    expect(row.stdout).toContain('"name":"Ann Arkwright","city":"Kiel"')
  })

  it('counts exactly right although it is killed while it feeds, while it splits, while it counts and while it flushes', async () => {
    const lines = linesOf(2, 12_000)
    const args = argsFor('killed', inputFile('b.txt', lines))
    const before = await written('lines')
    const words = lines.length * 8
    const moments: readonly (() => Promise<boolean>)[] = [
      async () => (await written('lines')) > before + lines.length / 3,
      async () => (await written('killed-counts-repartition')) > words / 10,
      async () => (await written('killed-counts-repartition')) > words / 2,
      async () => (await written('killed-counts-changelog')) > 0,
      async () => (await written('killed-counts-changelog')) > 900,
    ]
    let killed = 0
    for (const moment of moments) {
      const run = startCli(args)
      let ended = false
      run.result.then(() => (ended = true))
      await run.seen(/lag|error/)
      while (!ended && !(await moment()));
      run.kill()
      killed += (await run.result).signal === 'SIGKILL' ? 1 : 0
    }
    const last = await runCli(args)
    expect(last.stderr).not.toContain('error:')
    expect(last.code).toBe(0)
    expect(killed).toBeGreaterThanOrEqual(3)
    await expectExactCounts('killed')
  })

  it('counts exactly right when two processes run the same application at once, and both finish', async () => {
    const args = argsFor('twice', inputFile('c.txt', linesOf(3, 3_000)))
    const both = await Promise.all([runCli(args), runCli(args)])
    expect(both.map(({ code, stderr }) => ({ code, error: /error:.*/.exec(stderr)?.[0] }))).toEqual([
      { code: 0, error: undefined },
      { code: 0, error: undefined },
    ])
    await expectExactCounts('twice')
  })
})
