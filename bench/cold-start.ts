import { existsSync, readFileSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { gzipSync } from 'node:zlib'
import wordCount from '../functions/word-count/topology.ts'
import type { StreamsHandler } from '../src/lambda/index.ts'
import { bundle } from '../test/broker/bundle.ts'
import { type DeployedApp, deployApp, environmentOf } from '../test/broker/deployed-app.ts'
import { startDynamoDbLocal } from '../test/broker/dynamodb.ts'
import { startKafka } from '../test/broker/kafka.ts'
import { type Bench, median, type Row, rounded } from './bench.ts'

const environments = 7
const warmInvocations = 5
const linesPerEvent = 10
const soon = () => Date.now() + 30_000

/** Milliseconds of one way to run a function. */
interface Sample {
  readonly initMs: number
  readonly firstMs: number
  readonly warmMs: number
  /** From the start of the process to the first answer. */
  readonly firstCpuMs: number
  readonly warmCpuMs: number
}

/** `cpuMs`: of the function's process, since its start. */
interface Timing {
  readonly ms: number
  readonly wallMs: number
  readonly cpuMs: number
}

/** Hands an event to the function; `ms` is the time of the handler alone, `wallMs` with whatever had to start before it. */
type Invoke = (payload: string) => Promise<Timing>
type Fresh = (subTopology: string) => Promise<{ readonly invoke: Invoke; close(): Promise<void> }>

const timed = async (run: () => Promise<void>): Promise<number> => {
  const beganMs = performance.now()
  await run()
  return performance.now() - beganMs
}

/** Linux only; in steps of 10 ms. */
const cpuMsOf = (pid: number | undefined): number => {
  const file = `/proc/${pid}/stat`
  if (!existsSync(file)) return Number.NaN
  const [user, system] = readFileSync(file, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ')
    .slice(11, 13)
  return 10 * (Number(user) + Number(system))
}

/** A new environment of the Lambda emulator. */
const emulated =
  (app: DeployedApp): Fresh =>
  async (subTopology) => {
    const lambda = app.lambda(subTopology)
    return {
      async invoke(payload) {
        let ms = 0
        const wallMs = await timed(async () => {
          const { error, durationMs, payload: answer } = await lambda.invoke(payload)
          if (error) throw new Error(answer)
          ms = durationMs
        })
        return { ms, wallMs, cpuMs: cpuMsOf(lambda.pids[0]) }
      },
      close: () => lambda.close(),
    }
  }

/** The handler's log goes to standard output, where the table belongs. */
const withoutLog = async <T>(run: () => Promise<T>): Promise<T> => {
  const { write } = process.stdout
  process.stdout.write = () => true
  try {
    return await run()
  } finally {
    process.stdout.write = write
  }
}

let copies = 0
/** The same bundle loaded into this process: what it costs without a process, a freeze and the Runtime API around it. */
const inProcess =
  (file: string, environment: (subTopology: string) => Record<string, string>): Fresh =>
  async (subTopology) => {
    const beganMs = performance.now()
    const module: { readonly handler: StreamsHandler } = await import(`${pathToFileURL(file).href}?${copies++}`)
    let initMs = performance.now() - beganMs
    return {
      async invoke(payload) {
        const deadlineMs = soon()
        // Read at the first event.
        Object.assign(process.env, environment(subTopology))
        const ms = await timed(async () => {
          await module.handler(JSON.parse(payload), { getRemainingTimeInMillis: () => deadlineMs - Date.now() })
        })
        const wallMs = ms + initMs
        initMs = 0
        return { ms, wallMs, cpuMs: Number.NaN }
      },
      close: async () => {},
    }
  }

/** Real events of both source topics, each to a fresh function at first and then to the same one again. */
const sampleAll = async (app: DeployedApp, route: (invoke: Map<string, Invoke>) => void, fresh: Fresh, runs: number) => {
  const samples = new Map<string, Sample[]>(wordCount.subTopologies.map(({ name }) => [name, []]))
  for (let run = 0; run < runs; run++) {
    const functions = new Map(await Promise.all([...samples.keys()].map(async (name) => [name, await fresh(name)] as const)))
    const seen = new Map<string, Timing[]>()
    route(
      new Map(
        [...functions].map(([name, { invoke }]) => [
          name,
          async (payload) => {
            const result = await invoke(payload)
            seen.set(name, [...(seen.get(name) ?? []), result])
            return result
          },
        ]),
      ),
    )
    for (let event = 0; event <= warmInvocations; event++) {
      await write(app, `${run} ${event}`)
      await app.drained()
    }
    for (const [name, [first, ...warm]] of seen) {
      if (!first) continue
      const warmCpuMs = ((warm.at(-1)?.cpuMs ?? 0) - first.cpuMs) / warm.length
      const sample = { initMs: first.wallMs - first.ms, firstMs: first.ms, warmMs: median(warm.map(({ ms }) => ms)) }
      samples.get(name)?.push({ ...sample, firstCpuMs: first.cpuMs, warmCpuMs })
    }
    await Promise.all([...functions.values()].map(({ close }) => close()))
  }
  return samples
}

const write = async ({ kafka }: DeployedApp, id: string): Promise<void> => {
  const session = await kafka.txnLog.open({ transactionalId: 'bench', transactionTimeoutMs: 30_000, deadlineMs: soon() })
  const records = Array.from({ length: linesPerEvent }, (_, i) => ({
    ...{ key: null, value: Buffer.from(`the quick brown fox ${i} jumps over the lazy dog ${id}`), timestamp: Date.now(), headers: [] },
  }))
  await session.append([{ topic: 'lines', partition: 0, records }], soon())
  await session.commit(soon())
  session.close()
}

const cell = (value: number): number | string => (Number.isNaN(value) ? '' : rounded(value))

const rowsOf = (where: string, samples: ReadonlyMap<string, readonly Sample[]>): readonly Row[] =>
  [...samples].map(([name, list]) => ({
    'sub-topology': name,
    where,
    'init ms': rounded(median(list.map(({ initMs }) => initMs))),
    'first event ms': rounded(median(list.map(({ firstMs }) => firstMs))),
    'warm event ms': rounded(median(list.map(({ warmMs }) => warmMs))),
    'CPU ms to first answer': cell(median(list.map(({ firstCpuMs }) => firstCpuMs))),
    'CPU ms per warm event': cell(median(list.map(({ warmCpuMs }) => warmCpuMs))),
  }))

const bench: Bench = async (note) => {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-bench-'))
  const [kafka, dynamodb] = await Promise.all([startKafka(), startDynamoDbLocal()])
  const parts = { topology: wordCount, applicationId: 'bench', bundleFolder: folder, kafka: kafka.bootstrap, dynamodb: dynamodb.endpoint }
  let app: DeployedApp | undefined
  try {
    const file = await bundle('functions/word-count/handler.ts', folder)
    const code = await readFile(file)
    const deployed = await deployApp({ ...parts, partitions: 1 })
    app = deployed
    let routes = new Map<string, Invoke>()
    await deployed.connect(async (subTopology, event) => {
      await routes.get(subTopology)?.(JSON.stringify(event))
      return { status: 200, payload: 'null' }
    })
    const route = (next: Map<string, Invoke>) => {
      routes = next
    }
    note(`${environments} fresh environments, ${warmInvocations} warm events each`)
    const rows = [...rowsOf('emulator', await sampleAll(deployed, route, emulated(deployed), environments))]
    note('the same in this process')
    const environment = (subTopology: string) => environmentOf(parts, subTopology)
    const here = await withoutLog(() => sampleAll(deployed, route, inProcess(file, environment), environments))
    rows.push(...rowsOf('in process', here))
    note(`bundle: ${code.length.toLocaleString('en-US')} bytes, ${gzipSync(code).length.toLocaleString('en-US')} gzipped`)
    return {
      rows: rows.map((row) => ({ ...row, 'bundle KB': rounded(code.length / 1000), 'gzip KB': rounded(gzipSync(code).length / 1000) })),
      ratios: [],
      comparisons: comparisonsOf(rows),
    }
  } finally {
    await app?.close()
    await Promise.all([kafka.stop(), dynamodb.stop()])
    await rm(folder, { recursive: true })
  }
}

const comparisonsOf = (rows: readonly Row[]) =>
  wordCount.subTopologies.flatMap(({ name }) => {
    const [emulator, here] = rows.filter((row) => row['sub-topology'] === name)
    const ratio = (a: unknown, b: unknown) => rounded(Number(a) / Number(b), 2)
    return [
      {
        name: `${name}: init and first event / warm event`,
        value: ratio(Number(emulator?.['init ms']) + Number(emulator?.['first event ms']), emulator?.['warm event ms']),
      },
      { name: `${name}: warm event in the emulator / in process`, value: ratio(emulator?.['warm event ms'], here?.['warm event ms']) },
    ]
  })

export default bench
