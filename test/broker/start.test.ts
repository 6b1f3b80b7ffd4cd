import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import wordCount from '../../functions/word-count/topology.ts'
import { createDynamoDb } from '../../src/adapters/dynamodb/dynamodb.ts'
import { createKafkaJs } from '../../src/adapters/kafkajs/kafkajs.ts'
import type { KafkaPorts } from '../../src/runtime/ports.ts'
import { runCli, startCli } from '../cli/run-cli.ts'
import { type RunningKafka, startKafka } from './kafka.ts'

const partitions = 4
const soon = (): number => Date.now() + 30_000
const endpoint = inject('dynamodb')

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
  const folder = mkdtempSync(join(tmpdir(), 'millrace-start-'))
  /** Everything that any run has fed: each application reads the topic from its beginning. */
  const fed: string[] = []
  let kafka: RunningKafka
  let ports: KafkaPorts
  beforeAll(async () => {
    kafka = await startKafka()
    ports = createKafkaJs({ brokers: kafka.bootstrap })
  }, 60_000)
  afterAll(async () => {
    await Promise.all([ports?.txnLog.close(), ports?.reader.close(), ports?.admin.close()])
    await kafka?.stop()
    rmSync(folder, { recursive: true })
  })

  const inputFile = (name: string, lines: readonly string[]): string => {
    const path = join(folder, name)
    writeFileSync(path, `${lines.join('\n')}\n`)
    fed.push(...lines)
    return path
  }
  const argsFor = (applicationId: string, file: string): readonly string[] => [
    'start',
    'word-count',
    ...['--brokers', kafka.bootstrap.join(','), '--table-endpoint', endpoint ?? '', '--application-id', applicationId, '--input', file],
  ]

  const tableCounts = async (applicationId: string): Promise<ReadonlyMap<string, number>> => {
    const table = createDynamoDb({
      table: applicationId,
      endpoint: endpoint ?? '',
      region: 'us-east-1',
      credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
    })
    const [store] = wordCount.subTopologies[1]?.stores ?? []
    const counts = new Map<string, number>()
    for (let partition = 0; partition < partitions; partition++) {
      for await (const page of table.query({ subTopology: 'counts-repartition', partition, gen: 0, store: 'counts' }, soon())) {
        for (const { key, value } of page)
          counts.set(store?.keySerde.deserialize(key, ''), store?.valueSerde.deserialize(value ?? Buffer.of(), ''))
      }
    }
    await table.close()
    return counts
  }

  /** Every committed record of a topic, by key, in order. */
  const committed = async (topic: string): Promise<ReadonlyMap<string, readonly number[]>> => {
    const values = new Map<string, number[]>()
    for (let partition = 0; partition < partitions; partition++) {
      for (let offset = 0, end = -1; offset !== end; ) {
        const [answer] = await ports.reader.fetch([{ topic, partition, offset, bytesMax: 2 ** 20 }], { waitMs: 0, deadlineMs: soon() })
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
    const bounds = await ports.reader.bounds(all, soon())
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
    const where = ['--brokers', kafka.bootstrap.join(','), '--table-endpoint', endpoint ?? '', '--application-id', 'again']
    const found = await runCli(['query', 'word-count', 'counts', 'w0', ...where])
    expect({ code: found.code, value: found.stdout.split(' ')[0] }).toEqual({ code: 0, value: String(countsOf(fed).get('w0')) })
    const missing = await runCli(['query', 'word-count', 'counts', 'nobody', ...where])
    expect({ code: missing.code, stdout: missing.stdout }).toEqual({ code: 1, stdout: 'no row\n' })
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
    expect(killed).toBeGreaterThan(0)
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
