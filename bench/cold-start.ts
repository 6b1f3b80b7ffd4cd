import { existsSync, readFileSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'
import wordCount from '../functions/word-count/topology.ts'
import type { StreamsHandler } from '../src/lambda/index.ts'
import { bundle } from '../test/broker/bundle.ts'
import { type DeployedApp, deployApp, environmentOf } from '../test/broker/deployed-app.ts'
import { startDynamoDbLocal } from '../test/broker/dynamodb.ts'
import { startKafka } from '../test/broker/kafka.ts'
import { type Bench, median, type Row, rounded } from './bench.ts'

const environments = 15
const warmInvocations = 5
const linesPerEvent = 10
const soon = () => Date.now() + 30_000
const entry = 'functions/word-count/handler.ts'

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

/** A new environment of the Lambda emulator, with the bundle of a folder. */
const emulated =
  (app: DeployedApp, folder: string): Fresh =>
  async (subTopology) => {
    // Where the runtime of Lambda has the SDK.
    const lambda = app.lambda(subTopology, {
      root: folder,
      environment: { NODE_PATH: fileURLToPath(new URL('../node_modules', import.meta.url)) },
    })
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

/** Of one round: what was measured, by sub-topology. */
type Samples = ReadonlyMap<string, readonly Sample[]>

/** One way to run the functions. */
interface Way {
  readonly where: string
  readonly code: Buffer
  sample(): Promise<Samples>
}

/** The handler as `NodejsFunction` bundles by default: CommonJS, as it was written, and the SDK is that of the runtime. */
const bundleByDefault = async (folder: string): Promise<string> => {
  const outfile = join(folder, 'index.cjs')
  const external = ['@aws-sdk/*', '@smithy/*']
  await build({ entryPoints: [entry], outfile, external, bundle: true, platform: 'node', target: 'node24', format: 'cjs' })
  return outfile
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

const sampleOf = ([first, ...warm]: readonly Timing[]): readonly Sample[] => {
  if (first === undefined) return []
  const warmCpuMs = ((warm.at(-1)?.cpuMs ?? 0) - first.cpuMs) / warm.length
  const sample = { initMs: first.wallMs - first.ms, firstMs: first.ms, warmMs: median(warm.map(({ ms }) => ms)) }
  return [{ ...sample, firstCpuMs: first.cpuMs, warmCpuMs }]
}

const functionNames = wordCount.subTopologies.map(({ name }) => name)

/** Real events of both source topics, each to a fresh function at first and then to the same one again. */
const sampleEvents = async (app: DeployedApp, route: (invoke: Map<string, Invoke>) => void, fresh: Fresh): Promise<Samples> => {
  const functions = new Map(await Promise.all(functionNames.map(async (name) => [name, await fresh(name)] as const)))
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
    await write(app, `${event}`)
    await app.drained()
  }
  await Promise.all([...functions.values()].map(({ close }) => close()))
  return new Map([...seen].map(([name, timings]) => [name, sampleOf(timings)]))
}

/** A function that does nothing, under the names of those that do: one after the other, as these start. */
const sampleNothing = async (fresh: Fresh): Promise<Samples> => {
  const samples = new Map<string, readonly Sample[]>()
  for (const name of functionNames) {
    const { invoke, close } = await fresh(name)
    const timings: Timing[] = []
    for (let event = 0; event <= warmInvocations; event++) timings.push(await invoke('{}'))
    await close()
    samples.set(name, sampleOf(timings))
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

const rowsOf = ({ where, code }: Way, samples: readonly Samples[]): readonly Row[] =>
  functionNames.map((name) => {
    const list = samples.flatMap((each) => each.get(name) ?? [])
    return {
      'sub-topology': name,
      where,
      'init ms': rounded(median(list.map(({ initMs }) => initMs))),
      'first event ms': rounded(median(list.map(({ firstMs }) => firstMs))),
      'warm event ms': rounded(median(list.map(({ warmMs }) => warmMs))),
      'CPU ms to first answer': cell(median(list.map(({ firstCpuMs }) => firstCpuMs))),
      'CPU ms per warm event': cell(median(list.map(({ warmCpuMs }) => warmCpuMs))),
      'bundle KB': rounded(code.length / 1000),
      'gzip KB': rounded(gzipSync(code).length / 1000),
    }
  })

const ours = 'emulator'
const byDefault = 'emulator, default bundle'
const clientsOnly = 'emulator, clients only'

const waysOf = async (
  folder: string,
  app: DeployedApp,
  environment: (subTopology: string) => Record<string, string>,
): Promise<readonly Way[]> => {
  const folders = await Promise.all(
    ['ours', 'default', 'clients'].map(async (name) => {
      await mkdir(join(folder, name))
      return join(folder, name)
    }),
  )
  const [own = '', plain = '', clients = ''] = folders
  const files = [await bundle(entry, own), await bundleByDefault(plain), await bundle('bench/cold-start/clients.ts', clients)]
  const [code = Buffer.of(), plainCode = Buffer.of(), clientsCode = Buffer.of()] = await Promise.all(files.map((file) => readFile(file)))
  let routes = new Map<string, Invoke>()
  await app.connect(async (subTopology, event) => {
    await routes.get(subTopology)?.(JSON.stringify(event))
    return { status: 200, payload: 'null' }
  })
  const events = (fresh: Fresh) =>
    sampleEvents(
      app,
      (next) => {
        routes = next
      },
      fresh,
    )
  return [
    { where: ours, code, sample: () => events(emulated(app, own)) },
    { where: byDefault, code: plainCode, sample: () => events(emulated(app, plain)) },
    { where: clientsOnly, code: clientsCode, sample: () => sampleNothing(emulated(app, clients)) },
    { where: 'in process', code, sample: () => withoutLog(() => events(inProcess(join(own, 'index.mjs'), environment))) },
  ]
}

const bench: Bench = async (note) => {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-bench-'))
  const [kafka, dynamodb] = await Promise.all([startKafka(), startDynamoDbLocal()])
  const parts = { topology: wordCount, applicationId: 'bench', bundleFolder: folder, kafka: kafka.bootstrap, dynamodb: dynamodb.endpoint }
  let app: DeployedApp | undefined
  try {
    app = await deployApp({ ...parts, partitions: 1 })
    const ways = await waysOf(folder, app, (subTopology) => environmentOf(parts, subTopology))
    const rounds: (readonly Samples[])[] = []
    for (let round = 1; round <= environments; round++) {
      note(`round ${round} of ${environments}: fresh environments, ${warmInvocations} warm events each`)
      const samples: Samples[] = []
      for (const way of ways) samples.push(await way.sample())
      rounds.push(samples)
    }
    const rows = ways.flatMap((way, at) =>
      rowsOf(
        way,
        rounds.flatMap((round) => round[at] ?? []),
      ),
    )
    return { rows, ratios: [], comparisons: comparisonsOf(rows) }
  } finally {
    await app?.close()
    await Promise.all([kafka.stop(), dynamodb.stop()])
    await rm(folder, { recursive: true })
  }
}

const comparisonsOf = (rows: readonly Row[]) =>
  functionNames.flatMap((name) => {
    const number = (where: string, column: string) =>
      Number(rows.find((row) => row['sub-topology'] === name && row.where === where)?.[column])
    const cold = (where: string) => number(where, 'init ms') + number(where, 'first event ms')
    const warm = number(ours, 'warm event ms')
    return [
      { name: `${name}: init / init of the clients only`, value: rounded(number(ours, 'init ms') / number(clientsOnly, 'init ms'), 2) },
      { name: `${name}: init / init of the default bundle`, value: rounded(number(ours, 'init ms') / number(byDefault, 'init ms'), 2) },
      { name: `${name}: init and first event / those of the default bundle`, value: rounded(cold(ours) / cold(byDefault), 2) },
      { name: `${name}: init and first event / warm event`, value: rounded(cold(ours) / warm, 2) },
      { name: `${name}: warm event in the emulator / in process`, value: rounded(warm / number('in process', 'warm event ms'), 2) },
    ]
  })

export default bench
