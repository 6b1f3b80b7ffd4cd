import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest'
import wordCount from '../../functions/word-count/topology.ts'
import type { KafkaEvent } from '../../src/lambda/index.ts'
import type { InvokeResult, LambdaFunctionConfig } from '../../src/local/lambda-emulator.ts'
import { bytesOf, fetchOne, soon, textOf, unique } from '../adapters/kafka-harness.ts'
import { bundle } from './bundle.ts'
import { type DeployedApp, deployApp } from './deployed-app.ts'
import type { StallAt } from './fixtures/stalling-handler.ts'

const kafka = inject('kafka')
const dynamodb = inject('dynamodb')
const split = 'lines'
const tally = 'counts-repartition'
const mapValues = <T, R>(values: Readonly<Record<string, T>>, map: (value: T) => R): Record<string, R> =>
  Object.fromEntries(Object.entries(values).map(([key, value]) => [key, map(value)]))
const words = (line: string) => line.toLowerCase().match(/[a-z]+/g) ?? []

const folder = mkdtempSync(join(tmpdir(), 'millrace-bundles-'))
const [deployed, stalling] = [join(folder, 'word-count'), join(folder, 'stalling')]
afterAll(() => rmSync(folder, { recursive: true }))

interface Invocation extends InvokeResult {
  readonly subTopology: string
  readonly event: KafkaEvent
}

interface Scene extends DeployedApp {
  readonly applicationId: string
  /** Writes lines to the user's topic, all to one partition or in turn to both. */
  write(lines: readonly string[], partition?: number): Promise<void>
  /** Where the events of a sub-topology go. */
  route(subTopology: string, invoke: (event: KafkaEvent) => Promise<InvokeResult>): void
  /** Every event that came, and what its invocation came to. */
  readonly invocations: readonly Invocation[]
  /** The lines of all environments' logs. */
  readonly logs: readonly Record<string, unknown>[]
  /** The table, and the whole sequence of counts in the output topic, against all lines that were ever written. */
  expectRightCounts(): Promise<void>
}

let open: DeployedApp | undefined
afterEach(async () => {
  await open?.close()
  open = undefined
})

const scene = async (): Promise<Scene> => {
  const applicationId = unique('bundled')
  const app = await deployApp({ topology: wordCount, applicationId, bundleFolder: deployed, kafka: kafka ?? [], dynamodb: dynamodb ?? '' })
  open = app
  const logs: Record<string, unknown>[] = []
  const invocations: Invocation[] = []
  const routes = new Map<string, (event: KafkaEvent) => Promise<InvokeResult>>()
  const lambda: Scene['lambda'] = (subTopology, more) => app.lambda(subTopology, { onLog: (line) => logs.push(JSON.parse(line)), ...more })
  for (const subTopology of [split, tally]) {
    const usual = lambda(subTopology)
    routes.set(subTopology, (event) => usual.invoke(JSON.stringify(event)))
  }
  const outputFrom = await ends(app, 'word-counts')
  await app.connect(async (subTopology, event) => {
    const result = await (routes.get(subTopology) ?? expect.fail(`no route for ${subTopology}`))(event)
    invocations.push({ subTopology, event, ...result })
    return result
  })
  return {
    ...app,
    ...{ applicationId, logs, invocations, lambda },
    route: (subTopology, invoke) => void routes.set(subTopology, invoke),
    async write(lines, partition) {
      const session = await app.kafka.txnLog.open({ transactionalId: unique('user'), transactionTimeoutMs: 30_000, deadlineMs: soon() })
      const recordsOf = (at: number) =>
        lines
          .filter((_, i) => (partition ?? i % 2) === at)
          .map((line) => ({ key: null, value: bytesOf(line), timestamp: Date.now(), headers: [] }))
      const batches = [0, 1].map((at) => ({ topic: 'lines', partition: at, records: recordsOf(at) }))
      await session.append(
        batches.filter(({ records }) => records.length > 0),
        soon(),
      )
      await session.commit(soon())
      session.close()
    },
    async expectRightCounts() {
      const counts: Record<string, number> = {}
      for (const { value } of await read(app, 'lines', [0, 0])) for (const word of words(value)) counts[word] = (counts[word] ?? 0) + 1
      expect(await tableOf(app)).toEqual(counts)
      const outputs: Record<string, number[]> = {}
      for (const { key, number } of await read(app, 'word-counts', outputFrom)) outputs[key] = [...(outputs[key] ?? []), number]
      expect(mapValues(outputs, (numbers) => numbers.at(-1))).toEqual(counts)
      // A count is sent once per transaction: one that comes twice, or goes back, was processed twice.
      expect(outputs).toEqual(mapValues(outputs, (numbers) => [...new Set(numbers)].sort((one, other) => one - other)))
    },
  }
}

const ends = async ({ kafka }: DeployedApp, topic: string) => {
  const partitions = [0, 1].map((partition) => ({ topic, partition }))
  return (await kafka.reader.bounds(partitions, soon())).map(({ highWatermark }) => highWatermark)
}

/** All committed records from these offsets on. */
const read = async (app: DeployedApp, topic: string, from: readonly number[]) => {
  const found: { readonly key: string; readonly value: string; readonly number: number }[] = []
  for (const [partition, end] of (await ends(app, topic)).entries()) {
    for (let offset = from[partition] ?? 0; offset < end; ) {
      const answer = await fetchOne(app.kafka.reader, { topic, partition }, offset, { waitMs: 100 })
      for (const { key, value } of answer.records) {
        const number = value?.length === 8 ? Number(new DataView(value.buffer, value.byteOffset).getBigInt64(0)) : 0
        found.push({ key: textOf(key) ?? '', value: textOf(value) ?? '', number })
      }
      offset = answer.nextOffset
    }
  }
  return found
}

const tableOf = async ({ table }: DeployedApp): Promise<Record<string, number>> => {
  const found: Record<string, number> = {}
  for (const partition of [0, 1]) {
    for await (const page of table.query({ subTopology: tally, partition, gen: 0, store: 'counts' }, soon())) {
      for (const { key, value } of page)
        if (value) found[textOf(key) ?? ''] = Number(new DataView(value.buffer, value.byteOffset).getBigInt64(0))
    }
  }
  return found
}

const succeeded = { status: 200, payload: '{"batchItemFailures":[]}' }

const summary = (invocations: readonly Invocation[], subTopology: string) =>
  invocations
    .filter((it) => it.subTopology === subTopology)
    .map(({ error, environment, coldStart }) => `${error ?? 'ok'}, environment ${environment} ${coldStart ? 'cold' : 'warm'}`)

const sumOf = (entries: readonly Record<string, unknown>[], field: string): number =>
  entries.reduce((sum, entry) => sum + Number(entry[field]), 0)

/** A function that stalls once, and the way to know and to end it. */
const stallingOn = (app: Scene, at: StallAt, change: Partial<LambdaFunctionConfig> = {}) => {
  const file = join(folder, unique('stall'))
  const lambda = app.lambda(tally, { ...change, root: stalling, environment: { STALL_AT: at, STALL_FILE: file } })
  return {
    lambda,
    stalled: () => expect.poll(() => existsSync(file), { timeout: 20_000, interval: 5 }).toBe(true),
    goOn: () => writeFileSync(`${file}.go`, ''),
  }
}

const places: readonly (readonly [what: string, at: StallAt])[] = [
  ['before its commit', 'append'],
  ['between its commit and its writes to the table', 'commit'],
  ['before it gives the lease back', 'put'],
]

describe.skipIf(kafka === null || dynamodb === null)('the bundle that is deployed', () => {
  beforeAll(async () => {
    await Promise.all([
      bundle('functions/word-count/handler.ts', deployed),
      bundle(join(import.meta.dirname, 'fixtures/stalling-handler.ts'), stalling),
    ])
  })

  it('counts words through both functions, cold at first and warm afterwards', async () => {
    const app = await scene()
    await app.write(['To be, or not to be', 'that is the question', 'to be'])
    await app.drained()
    await app.expectRightCounts()
    await app.write(['to sleep, no more'], 0)
    await app.drained()
    await app.expectRightCounts()
    for (const subTopology of [split, tally]) {
      const [first, ...others] = summary(app.invocations, subTopology)
      expect(first).toBe('ok, environment 0 cold')
      expect([...new Set(others)]).toEqual(['ok, environment 0 warm'])
    }
  })

  it('logs what each invocation did to which task, as one line of JSON', async () => {
    const app = await scene()
    await app.write(['sea of troubles'], 0)
    await app.drained()
    const [end] = await ends(app, 'lines')
    const done = app.logs.filter(({ subTopology, partition }) => subTopology === split && partition === 0)
    expect(done.at(-1)).toEqual({
      ...{ time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/), level: 'info', message: 'done' },
      ...{ applicationId: app.applicationId, subTopology: split, partition: 0, trigger: 'delivery' },
      ...{ seq: sumOf(done, 'transactions'), offsets: { lines: end }, transactions: expect.any(Number) },
      ...{ recordsRead: expect.any(Number), recordsWritten: expect.any(Number), rowsWritten: 0 },
    })
    const lines = (await read(app, 'lines', [0, Number.POSITIVE_INFINITY])).map(({ value }) => value)
    expect([sumOf(done, 'recordsRead'), sumOf(done, 'recordsWritten')]).toEqual([lines.length, lines.flatMap(words).length])
  })

  it('answers queries by its other export, as of the transactions that the outputs name', async () => {
    const app = await scene()
    await app.write(['rub rub rub'], 0)
    await app.drained()
    const counts = await tableOf(app)
    const lambda = app.lambda(tally, { handler: 'index.queries' })
    const get = async (rawPath: string) => {
      const { payload } = await lambda.invoke(JSON.stringify({ rawPath, rawQueryString: '', requestContext: { http: { method: 'GET' } } }))
      const { statusCode, body } = JSON.parse(payload)
      return { statusCode, ...JSON.parse(body) }
    }
    const row = { store: 'counts', key: 'rub', value: counts.rub, timestamp: expect.any(String), seq: expect.any(Number) }
    expect(await get('/stores/counts/rub')).toEqual({ statusCode: 200, ...row })
    expect(await get('/stores/counts/never-written')).toMatchObject({ statusCode: 404, key: 'never-written' })
    expect(await get('/stores/none/rub')).toMatchObject({ statusCode: 404, error: 'There is no store "none"' })
  })

  it('answers a tick, refuses an event of another kind by its code, and goes on', async () => {
    const app = await scene()
    const lambda = app.lambda(tally)
    const ask = async (event: unknown) => {
      const { status, payload, environment, coldStart } = await lambda.invoke(JSON.stringify(event))
      const { trace: _, ...answer } = JSON.parse(payload)
      return { status, answer, environment, coldStart }
    }
    const answered = { status: 200, answer: { batchItemFailures: [] }, environment: 0 }
    const message = 'This function takes events of a Kafka event source mapping and ticks, not {"Records":[]}'
    expect([await ask({ source: 'millrace.tick' }), await ask({ Records: [] }), await ask({ source: 'millrace.tick' })]).toEqual([
      { ...answered, coldStart: true },
      { ...answered, answer: { errorType: 'StreamsError', errorMessage: message }, coldStart: false },
      { ...answered, coldStart: false },
    ])
    await expect
      .poll(() => app.logs.filter(({ level }) => level === 'error'))
      .toEqual([
        {
          ...{ time: expect.any(String), level: 'error', message, code: 'EVENT_INVALID', retryable: false },
          remedy: 'Invoke the function from a Kafka event source mapping or from its schedule.',
        },
      ])
  })

  it('counts right when it is thawed after another environment has gone on', async () => {
    const app = await scene()
    const functions = [app.lambda(tally), app.lambda(tally)]
    const seen: string[] = []
    for (const [at, turn] of [0, 1, 0, 0, 1].entries()) {
      app.route(tally, async (event) => {
        const result = (await functions[turn]?.invoke(JSON.stringify(event))) ?? expect.fail('no function')
        seen.push(`turn ${at}: ${result.error ?? 'ok'} on ${turn}, environment ${result.environment}`)
        return result
      })
      await app.write(['tomorrow and tomorrow'], 0)
      await app.drained()
      await app.expectRightCounts()
    }
    expect([...new Set(seen)]).toEqual([0, 1, 0, 0, 1].map((turn, at) => `turn ${at}: ok on ${turn}, environment 0`))
  })

  it('counts right when two environments are given the same event at once', async () => {
    const app = await scene()
    const seen = new Set<string>()
    for (const subTopology of [split, tally]) {
      const lambda = app.lambda(subTopology)
      app.route(subTopology, async (event) => {
        const [one, other] = await Promise.all([0, 1].map(() => lambda.invoke(JSON.stringify(event))))
        for (const result of [one, other]) seen.add(`${subTopology}: ${result?.error ?? 'ok'}, environment ${result?.environment}`)
        return one ?? expect.fail('no answer')
      })
    }
    for (const line of ['twice told', 'twice told tales', 'told']) {
      await app.write([line, line])
      await app.drained()
    }
    await app.expectRightCounts()
    expect([...seen].sort()).toEqual([split, tally].flatMap((name) => [`${name}: ok, environment 0`, `${name}: ok, environment 1`]).sort())
  })

  describe.each(places)('that stands still %s', (_what, at) => {
    it('is fenced by the environment that is given the event again, and both succeed', async () => {
      const app = await scene()
      const zombie = stallingOn(app, at)
      const next = app.lambda(tally)
      let results: readonly InvokeResult[] = []
      app.route(tally, async (event) => {
        app.route(tally, (later) => next.invoke(JSON.stringify(later)))
        const late = zombie.lambda.invoke(JSON.stringify(event))
        await zombie.stalled()
        const second = await next.invoke(JSON.stringify(event))
        zombie.goOn()
        results = [await late, second]
        return second
      })
      await app.write(['alas poor ghost', 'poor ghost'])
      await app.drained()
      await app.expectRightCounts()
      expect(results.map(({ status, payload }) => ({ status, payload }))).toEqual([0, 1].map(() => succeeded))
      const restarts = app.logs.filter(({ message }) => message === 'starting over').map(({ code }) => code)
      // the process has a task of another partition, which stood still wherever it was
      const possible = at === 'append' ? [['FENCED']] : [[], ['FENCED']]
      expect(possible).toContainEqual([...new Set(restarts)])
    })

    it('and is killed is given the event again, and counts right', async () => {
      const app = await scene()
      const { lambda, stalled } = stallingOn(app, at)
      app.route(tally, (event) => lambda.invoke(JSON.stringify(event)))
      await app.write(['o horrible o horrible', 'most horrible'])
      await stalled()
      const [pid] = lambda.pids
      process.kill(-(pid ?? expect.fail('no process')), 'SIGKILL')
      await app.drained()
      await app.expectRightCounts()
      expect(summary(app.invocations, tally).slice(0, 2)).toEqual(['Unhandled, environment 0 cold', 'ok, environment 0 cold'])
    })
  })

  it('is killed at its timeout, given the event again, and counts right', async () => {
    const app = await scene()
    const { lambda } = stallingOn(app, 'append', { timeoutMs: 5_000 })
    app.route(tally, (event) => lambda.invoke(JSON.stringify(event)))
    await app.write(['the rest is silence'], 0)
    await app.drained()
    await app.expectRightCounts()
    const [first, second] = app.invocations.filter(({ subTopology }) => subTopology === tally)
    expect(JSON.parse(first?.payload ?? '')).toMatchObject({ errorType: 'Sandbox.Timedout' })
    expect(second).toMatchObject({ ...succeeded, coldStart: true })
  })
})
