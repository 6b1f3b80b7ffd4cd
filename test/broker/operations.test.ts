import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest'
import wordCount from '../../functions/word-count/topology.ts'
import type { LambdaFunction } from '../../src/local/lambda-emulator.ts'
import type { Topology } from '../../src/topology/topology.ts'
import { bytesOf, readTo, soon, textOf, unique } from '../adapters/kafka-harness.ts'
import { runCli } from '../cli/run-cli.ts'
import { bundle } from './bundle.ts'
import { type DeployedApp, deployApp } from './deployed-app.ts'
import { twoCounts } from './fixtures/two-counts.ts'
import { type RunningKafka, startKafka } from './kafka.ts'

const dynamodb = inject('dynamodb')
const folder = mkdtempSync(join(tmpdir(), 'millrace-operations-'))
const [tally, repartition] = ['counts-repartition', (id: string) => `${id}-counts-repartition`]

/** The counts of all words that anybody wrote to `lines`, in all tests of this file. */
const written: Record<string, number> = {}
let kafka: RunningKafka | undefined
const open: DeployedApp[] = []

const deploy = async (applicationId: string, topology: Topology, version: string): Promise<DeployedApp> => {
  const bundleFolder = join(folder, version)
  const app = await deployApp({
    topology,
    applicationId,
    bundleFolder,
    kafka: kafka?.bootstrap ?? [],
    dynamodb: dynamodb ?? '',
    partitions: 1,
  })
  open.push(app)
  return app
}

const end = async ({ kafka: { reader } }: DeployedApp, topic: string): Promise<number> =>
  (await reader.bounds([{ topic, partition: 0 }], soon()))[0]?.highWatermark ?? 0

/** An event for everything that the topic has; what the function answers, or the code and the remedy of its error. */
const invoke = async (app: DeployedApp, lambda: LambdaFunction, topic: string, offset?: number) => {
  const record = {
    topic,
    partition: 0,
    offset: offset ?? (await end(app, topic)) - 1,
    timestamp: 0,
    timestampType: 'CREATE_TIME',
    headers: [],
  }
  const event = { eventSource: 'SelfManagedKafka', bootstrapServers: '', records: { [`${topic}-0`]: [record] } }
  const { error, payload } = await lambda.invoke(JSON.stringify(event))
  return error === undefined ? 'ok' : String(JSON.parse(payload).errorMessage)
}

const write = async ({ kafka: { txnLog } }: DeployedApp, lines: readonly string[]): Promise<void> => {
  const session = await txnLog.open({ transactionalId: unique('user'), transactionTimeoutMs: 30_000, deadlineMs: soon() })
  const records = lines.map((line) => ({ key: null, value: bytesOf(line), timestamp: Date.now(), headers: [] }))
  await session.append([{ topic: 'lines', partition: 0, records }], soon())
  await session.commit(soon())
  session.close()
  for (const word of lines.flatMap((line) => line.split(' '))) written[word] = (written[word] ?? 0) + 1
}

const rowsOf = async ({ table }: DeployedApp, gen = 0, store = 'counts'): Promise<Record<string, number>> => {
  const found: Record<string, number> = {}
  for await (const page of table.query({ subTopology: tally, partition: 0, gen, store }, soon()))
    for (const { key, value } of page)
      if (value) found[textOf(key) ?? ''] = Number(new DataView(value.buffer, value.byteOffset).getBigInt64(0))
  return found
}

const where = (applicationId: string): readonly string[] => [
  ...['--brokers', kafka?.bootstrap.join(',') ?? '', '--table-endpoint', dynamodb ?? '', '--application-id', applicationId],
]

describe.skipIf(dynamodb === null)('a deployed application', { timeout: 240_000 }, () => {
  beforeAll(async () => {
    const settings = {
      'transactional.id.expiration.ms': '1500',
      'transaction.remove.expired.transaction.cleanup.interval.ms': '300',
    }
    ;[kafka] = await Promise.all([
      startKafka({ settings }),
      bundle('functions/word-count/handler.ts', join(folder, 'old')),
      bundle(join(import.meta.dirname, 'fixtures/two-counts-handler.ts'), join(folder, 'next')),
    ])
  }, 240_000)
  afterEach(async () => {
    await Promise.all(open.splice(0).map((app) => app.close()))
  })
  afterAll(async () => {
    await kafka?.stop()
    rmSync(folder, { recursive: true })
  })

  it('with one store more goes on where the old code was, and the old code stops', async () => {
    const id = unique('redeploy')
    const old = await deploy(id, wordCount, 'old')
    const [split, before] = [old.lambda('lines'), old.lambda(tally)]
    const step = async (app: DeployedApp, lambda: LambdaFunction, lines: readonly string[]): Promise<string> => {
      await write(app, lines)
      expect(await invoke(app, split, 'lines')).toBe('ok')
      return invoke(app, lambda, repartition(id))
    }
    expect(await step(old, before, ['to be or not to be'])).toBe('ok')
    const first = { ...written }
    const next = await deploy(id, twoCounts, 'next')
    const after = next.lambda(tally)
    expect(await step(next, after, ['to be'])).toBe('ok')
    const refused =
      'Newer code is at work on sub-topology counts-repartition; this is an older deployment without store "others", which the newer has'
    // warm at first, then cold
    for (const lambda of [before, old.lambda(tally)]) expect(await step(old, lambda, ['not to be'])).toBe(refused)
    expect(await step(next, after, ['or'])).toBe('ok')
    expect(await rowsOf(next)).toEqual(written)
    const others = Object.entries(written).map(([word, count]) => [word, count - (first[word] ?? 0)] as const)
    expect(await rowsOf(next, 0, 'others')).toEqual(Object.fromEntries(others))
    expect(await invoke(next, after, repartition(id), 0)).toBe('ok')
  })

  it('goes on after the broker has forgotten its transactional ids, cold and warm, and where events come again from the beginning', async () => {
    const id = unique('idle')
    const app = await deploy(id, wordCount, 'old')
    const [split, count] = [app.lambda('lines'), app.lambda(tally)]
    const forgotten = async (): Promise<readonly string[]> => {
      const alive = new Map<string, boolean>()
      for (const partition of [0, 1, 2]) {
        const at = { topic: '__transaction_state', partition }
        const [bounds] = await app.kafka.reader.bounds([at], soon())
        for (const { key, value } of await readTo(app.kafka.reader, at, bounds?.highWatermark ?? 0))
          alive.set(
            Buffer.from(key ?? [])
              .toString('latin1')
              .replace(/^[^a-z]*/, ''),
            value !== null,
          )
      }
      return [...alive].flatMap(([name, is]) => (name.startsWith(`${id}.`) && !is ? [name] : [])).sort()
    }
    const bothForgotten = () => expect.poll(forgotten, { timeout: 60_000, interval: 200 }).toEqual([`${id}.${tally}.0`, `${id}.lines.0`])
    await write(app, ['the rest'])
    for (const [lambda, topic] of [
      [split, 'lines'],
      [count, repartition(id)],
    ] as const)
      expect(await invoke(app, lambda, topic)).toBe('ok')
    await bothForgotten()
    await write(app, ['is silence'])
    for (const [lambda, topic] of [
      [split, 'lines'],
      [count, repartition(id)],
    ] as const)
      expect(await invoke(app, lambda, topic)).toBe('ok')
    expect(await rowsOf(app)).toEqual(written)
    await bothForgotten()
    await write(app, ['silence'])
    const [coldSplit, coldCount] = [app.lambda('lines'), app.lambda(tally)]
    // an event source without offsets begins at the first record
    for (const [lambda, topic] of [
      [coldSplit, 'lines'],
      [coldCount, repartition(id)],
    ] as const) {
      expect(await invoke(app, lambda, topic, 0)).toBe('ok')
      expect(await invoke(app, lambda, topic)).toBe('ok')
    }
    expect(await rowsOf(app)).toEqual(written)
  })

  it.each(['warm', 'cold'] as const)('that is %s notices a changelog that was made again, and a reset mends it', async (how) => {
    const id = unique('recreated')
    const app = await deploy(id, wordCount, 'old')
    const [split, count] = [app.lambda('lines'), app.lambda(tally)]
    await write(app, ['words words words'])
    expect([await invoke(app, split, 'lines'), await invoke(app, count, repartition(id))]).toEqual(['ok', 'ok'])
    const changelog = `${id}-counts-changelog`
    await app.kafka.admin.delete([changelog], soon())
    await app.kafka.admin.create([{ topic: changelog, partitions: 1, config: { 'cleanup.policy': 'compact' } }], soon())
    await write(app, ['words'])
    expect(await invoke(app, split, 'lines')).toBe('ok')
    expect(await invoke(app, how === 'warm' ? count : app.lambda(tally), repartition(id))).toMatch(
      new RegExp(`^The log ${changelog}/0 (ends at \\d+, before the checkpoint's \\d+|goes on at \\d+, but had come to \\d+)$`),
    )
    expect(await runCli(['reset', 'word-count', '--execute', ...where(id)])).toMatchObject({ code: 0 })
    const [again, recount] = [app.lambda('lines'), app.lambda(tally)]
    expect([await invoke(app, again, 'lines'), await invoke(app, recount, repartition(id))]).toEqual(['ok', 'ok'])
    expect([await rowsOf(app, 0), await rowsOf(app, 1)]).toEqual([{}, written])
  })

  it('stops where records that it has not read are deleted, and goes on with the first that is there when it is told to', async () => {
    const id = unique('cut')
    const app = await deploy(id, wordCount, 'old')
    await write(app, ['seen'])
    expect(await invoke(app, app.lambda('lines'), 'lines')).toBe('ok')
    const seen = await end(app, 'lines')
    await write(app, ['lost', 'lost'])
    await app.kafka.admin.deleteRecords([{ topic: 'lines', partition: 0, offset: seen + 2 }], soon())
    await write(app, ['kept'])
    expect(await invoke(app, app.lambda('lines'), 'lines')).toMatch(/^offset \d+ of lines\/0 is outside of its log/)
    const { code, stdout } = await runCli(['reset', 'word-count', '--skip-lost', '--execute', ...where(id)])
    expect({ code, last: stdout.trim().split('\n').at(-1) }).toEqual({
      code: 0,
      last: 'Done: stores stay as they are, what was lost is left out.',
    })
    expect([await invoke(app, app.lambda('lines'), 'lines'), await invoke(app, app.lambda(tally), repartition(id))]).toEqual(['ok', 'ok'])
    const { lost: _, ...rest } = written
    expect(await rowsOf(app)).toEqual(rest)
  })
})
