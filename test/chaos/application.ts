import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { InvokeResult } from '../../src/local/lambda-emulator.ts'
import { bundle } from '../broker/bundle.ts'
import { type DeployedApp, deployApp } from '../broker/deployed-app.ts'
import { type Random, randomOf } from '../conformance/fuzz/random.ts'
import { createFeeder, type Feeder } from './feeder.ts'
import { type Findings, sumOf } from './findings.ts'
import { createFunctionUnderFire, type FunctionUnderFire } from './function-under-fire.ts'
import { readEnds, readTasks, readTopic } from './read-back.ts'
import type { Takeovers } from './takeovers.ts'
import { checkEnds, checkTask } from './verify-log.ts'
import { checkEach, type Entry } from './verify-outputs.ts'
import type { InputRecord, Workload } from './workloads.ts'

export const partitions = 4

export interface ApplicationOptions {
  readonly workload: Workload
  readonly seed: string
  /** For the bundle. */
  readonly folder: string
  readonly kafka: readonly string[]
  readonly dynamodb: string
  /** Where the functions find the table. */
  readonly tableProxy: string
  readonly takeovers: Takeovers
  readonly log: (line: string) => void
}

/** One workload, deployed: its functions behind event sources and a sweeper, and somebody who writes its input. */
export interface Application {
  readonly name: string
  readonly functions: readonly FunctionUnderFire[]
  /** Event sources that deliver twice, at the same time or after another, or forget that they have delivered; since the begin. */
  readonly deliveries: Readonly<Record<DeliveryFault, number>>
  /** Input comes until the promise is asked to end; then what must follow the last record. */
  start(): Promise<void>
  finishInput(): Promise<void>
  /** What is left to do, in words; empty when nothing is. */
  unfinished(): Promise<readonly string[]>
  /** From now on everything works, and what stood still goes on. */
  ceaseFire(): void
  /** No more ticks; resolves when no function runs any more. */
  stop(): Promise<void>
  /** To be asked when nothing moves any more. */
  judge(): Promise<Judgement>
  close(): Promise<void>
}

export type DeliveryFault = 'overlap' | 'duplicate' | 'lost commit'

export interface Judgement {
  readonly findings: Findings
  readonly transactions: number
  readonly recordsIn: number
  readonly recordsOut: number
}

const feedMs = 300
const tickMs = 5_000
const overlapShare = 0.04
const duplicateShare = 0.03
const loseCommitShare = 0.03

export const deployApplication = async (options: ApplicationOptions): Promise<Application> => {
  const { workload, seed } = options
  const { name, topology } = workload
  const applicationId = `chaos-${name}`
  const bundleFolder = join(options.folder, name)
  await bundle(join(import.meta.dirname, 'apps', name, 'handler.ts'), bundleFolder)
  const app = await deployApp({ topology, applicationId, bundleFolder, partitions, kafka: options.kafka, dynamodb: options.dynamodb })
  const functions = new Map(topology.subTopologies.map((sub) => [sub.name, fireOn(app, applicationId, sub.name, options)]))
  const deliveries = { overlap: 0, duplicate: 0, 'lost commit': 0 }
  const feed = feedOf(app, workload, seed)
  let ceased = false
  const random = randomOf(`${seed} ${name} deliveries`)
  const sometimes = (fault: DeliveryFault, share: number) => (): boolean => {
    if (ceased || !random.chance(share)) return false
    deliveries[fault]++
    return true
  }
  const sweeping = new AbortController()
  const sweep = async (fire: FunctionUnderFire): Promise<void> => {
    while (!sweeping.signal.aborted) {
      await delay(tickMs, undefined, { signal: sweeping.signal }).catch(() => undefined)
      if (!sweeping.signal.aborted) await fire.invoke({ source: 'millrace.tick' })
    }
  }

  return {
    ...{ name, deliveries, functions: [...functions.values()] },
    async start() {
      const invoke = (subTopology: string, event: object): Promise<InvokeResult> => {
        const fire = functions.get(subTopology)
        if (fire === undefined) throw new Error(`there is no function for ${subTopology}`)
        return fire.invoke(event)
      }
      await app.connect(invoke, {
        ...{ windowMs: 50, batchSize: 300, concurrencyMax: 2, mix: 'spread' },
        faults: {
          overlap: sometimes('overlap', overlapShare),
          duplicate: sometimes('duplicate', duplicateShare),
          loseCommit: sometimes('lost commit', loseCommitShare),
        },
      })
      for (const fire of functions.values()) void sweep(fire)
      feed.start()
    },
    finishInput: () => feed.finish(),
    unfinished: async () => (await app.unfinished()).map((what) => `${name}: ${what}`),
    ceaseFire() {
      ceased = true
      for (const fire of functions.values()) fire.ceaseFire()
    },
    async stop() {
      sweeping.abort()
      await Promise.all([...functions.values()].map((fire) => fire.idle()))
    },
    judge: () => judge(app, applicationId, workload, feed),
    async close() {
      ceased = true
      sweeping.abort()
      feed.close()
      await app.close()
    },
  }
}

const fireOn = (app: DeployedApp, applicationId: string, subTopology: string, options: ApplicationOptions): FunctionUnderFire =>
  createFunctionUnderFire({
    lambda: (change) => app.lambda(subTopology, change),
    taskOf: (partition) => `${applicationId}/${subTopology}/${partition}`,
    takeovers: options.takeovers,
    environment: { AWS_ENDPOINT_URL_DYNAMODB: options.tableProxy },
    log: (line) => options.log(`${subTopology}: ${line}`),
  })

interface RunningFeed {
  start(): void
  finish(): Promise<void>
  close(): void
  readonly written: readonly InputRecord[]
  readonly feeder: Feeder
  check(outputs: ReadonlyMap<string, readonly Entry[]>): readonly Findings[]
}

const feedOf = (app: DeployedApp, workload: Workload, seed: string): RunningFeed => {
  const random: Random = randomOf(`${seed} ${workload.name} input`)
  const feed = workload.feed(random, partitions)
  const feeder = createFeeder(app.kafka, partitions)
  const written: InputRecord[] = []
  let over = false
  let running: Promise<void> | undefined
  const write = async (records: readonly InputRecord[]): Promise<void> => {
    for (const record of records) written.push(record)
    if (records.length > 0) await feeder.write(records)
  }
  const run = async (): Promise<void> => {
    while (!over) {
      await write(feed.next(Date.now()))
      await delay(feedMs)
    }
    await write(feed.last(Date.now()))
  }
  return {
    ...{ written, feeder },
    start: () => {
      running = run()
      // whoever finishes the input is told
      running.catch(() => undefined)
    },
    async finish() {
      over = true
      await running
    },
    close: () => {
      over = true
      feeder.close()
    },
    check: (outputs) => feed.check(outputs),
  }
}

const judge = async (app: DeployedApp, applicationId: string, workload: Workload, feed: RunningFeed): Promise<Judgement> => {
  const inputs: Findings[] = []
  for (const topic of new Set(feed.written.map((it) => it.topic))) {
    const expected = feed.written.filter((it) => it.topic === topic)
    inputs.push(checkEach(`topic ${topic}`, distinct(expected), distinct(await readTopic(app, { topic }))))
  }
  const outputs = new Map<string, readonly Entry[]>()
  for (const output of workload.outputs) outputs.set(output.topic, await readTopic(app, output))
  const tasks = await readTasks(app, workload.topology, applicationId)
  const findings = sumOf([...inputs, ...feed.check(outputs), checkEnds(await readEnds(app)), ...tasks.map(checkTask)])
  return {
    findings: { ...findings, examples: findings.examples.map((example) => `${workload.name}: ${example}`) },
    transactions: tasks.reduce((sum, { commits }) => sum + commits.length, 0),
    recordsIn: feed.written.length,
    recordsOut: [...outputs.values()].reduce((sum, entries) => sum + entries.length, 0),
  }
}

/** Deletes of a key have no number in them: here they get one. */
const distinct = (entries: readonly Entry[]): readonly Entry[] => {
  const deletes = new Map<string, number>()
  return entries.map(({ key, value }) => {
    if (value !== null) return { key, value }
    const count = (deletes.get(key) ?? 0) + 1
    deletes.set(key, count)
    return { key, value: `delete ${count}` }
  })
}
