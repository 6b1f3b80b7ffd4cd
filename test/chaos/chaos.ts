import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { startDynamoDbLocal } from '../broker/dynamodb.ts'
import { type Application, deployApplication, type Judgement } from './application.ts'
import { type Brokers, brokerCount, shortLived, startBrokers } from './brokers.ts'
import { createFindings, type Findings, sumOf } from './findings.ts'
import { type Schedule, scheduleOf } from './schedule.ts'
import { startTableProxyThread, type TableProxyThread } from './table-proxy-thread.ts'
import { createTakeovers, percentile, type Takeovers } from './takeovers.ts'
import type { Workload } from './workloads.ts'

export interface ChaosOptions {
  readonly workloads: readonly Workload[]
  /** Of the schedule of faults and of the input. */
  readonly seed: string
  /** How long there are faults; starting and draining come on top. */
  readonly minutes: number
  /** Told what happens, in lines. */
  readonly tell: (line: string) => void
  /** Told every line of every log, and every fault of a process. */
  readonly log?: (line: string) => void
}

export interface ChaosReport {
  readonly minutes: number
  readonly seed: string
  /** Faults that hit something, by kind. */
  readonly faults: Readonly<Record<string, number>>
  /** Processes and brokers that were killed with -9. */
  readonly kills: number
  readonly invocations: number
  readonly timeouts: number
  /** Failed invocations and tasks, by code: all were tried again. */
  readonly errors: Readonly<Record<string, number>>
  readonly workloads: readonly (Omit<Judgement, 'findings'> & { readonly name: string } & Omit<Findings, 'examples'>)[]
  readonly transactions: number
  /** In and out. */
  readonly records: number
  readonly findings: Findings
  readonly takeover: { readonly count: number; readonly p50Ms: number | null; readonly p99Ms: number | null; readonly maxMs: number | null }
}

/** Without a step forward for so long something is stuck. */
const stuckMs = 120_000
const drainMsMax = 600_000
const progressMs = 10_000

/** Everything that is real, faults for some minutes, then silence, and what is left of it judged. */
export const runChaos = async (options: ChaosOptions): Promise<ChaosReport> => {
  await using stack = new AsyncDisposableStack()
  const folder = await mkdtemp(join(tmpdir(), 'millrace-chaos-'))
  stack.defer(() => rm(folder, { recursive: true, force: true }))
  options.tell(`starting ${brokerCount} brokers, a table and ${options.workloads.map(({ name }) => name).join(', ')}`)
  const [brokers, dynamodb] = await Promise.all([startBrokers(), startDynamoDbLocal(shortLived)])
  stack.defer(async () => void (await Promise.all([brokers.stop(), dynamodb.stop()])))
  const proxy = await startTableProxyThread(dynamodb.endpoint, `${options.seed} table`)
  stack.defer(() => proxy.close())
  const takeovers = createTakeovers()
  const applications = await Promise.all(
    options.workloads.map(async (workload) => {
      const application = await deployApplication({
        ...{ workload, seed: options.seed, folder, takeovers, log: options.log ?? (() => {}) },
        ...{ kafka: brokers.kafka.bootstrap, dynamodb: dynamodb.endpoint, tableProxy: proxy.endpoint },
      })
      stack.defer(() => application.close())
      return application
    }),
  )
  for (const application of applications) await application.start()
  const scene: Scene = { ...options, applications, brokers, proxy, takeovers, brokerFaults: new Map() }
  const told = setInterval(() => options.tell(progressOf(scene)), progressMs)
  stack.defer(() => clearInterval(told))
  await wreak(scene)
  options.tell(`no more faults; ${progressOf(scene)}`)
  const stuck = await drain(scene)
  clearInterval(told)
  options.tell('judging')
  return await report(scene, stuck)
}

interface Scene extends ChaosOptions {
  readonly applications: readonly Application[]
  readonly brokers: Brokers
  readonly proxy: TableProxyThread
  readonly takeovers: Takeovers
  readonly brokerFaults: Map<string, number>
}

/** The three lanes of the schedule, side by side. */
const wreak = async (scene: Scene): Promise<void> => {
  const lengthMs = scene.minutes * 60_000
  const { processes, brokers, tables } = scheduleOf(scene.seed, lengthMs, brokerCount)
  const beganMs = Date.now()
  const overMs = beganMs + lengthMs
  const functions = scene.applications.flatMap((application) => application.functions)
  const lane = async <T extends { readonly atMs: number }>(faults: readonly T[], strike: (fault: T) => unknown): Promise<void> => {
    for (const fault of faults) {
      await delay(Math.max(0, beganMs + fault.atMs - Date.now()))
      if (Date.now() > overMs) return
      await strike(fault)
    }
    await delay(Math.max(0, overMs - Date.now()))
  }
  await Promise.all([
    lane(processes, ({ target, ...strike }) => functions[Math.floor(target * functions.length)]?.strike(strike)),
    lane(brokers, (fault) => failBroker(scene, fault)),
    lane(tables, async ({ kind, share, lengthMs }) => {
      scene.proxy.fault = { kind, share }
      await delay(lengthMs)
      scene.proxy.fault = null
    }),
  ])
}

const failBroker = async ({ brokers, brokerFaults, tell }: Scene, fault: Schedule['brokers'][number]): Promise<void> => {
  tell(`${fault.kind}: broker ${fault.broker} for ${(fault.lengthMs / 1000).toFixed(1)} s`)
  await brokers.fail(fault)
  brokerFaults.set(fault.kind, (brokerFaults.get(fault.kind) ?? 0) + 1)
}

/** Waits until nothing is left to do; what still is at the deadline comes back. */
const drain = async ({ applications, proxy, tell }: Scene): Promise<readonly string[]> => {
  proxy.fault = null
  for (const application of applications) application.ceaseFire()
  await Promise.all(applications.map((application) => application.finishInput()))
  const beganMs = Date.now()
  let [left, movedMs]: [readonly string[], number] = [[], beganMs]
  for (;;) {
    await delay(500)
    const now = (await Promise.all(applications.map((application) => application.unfinished()))).flat()
    if (now.join() !== left.join()) movedMs = Date.now()
    left = now
    if (left.length === 0) break
    if (Date.now() > movedMs + stuckMs || Date.now() > beganMs + drainMsMax) {
      tell(`not drained, and nothing moved for ${((Date.now() - movedMs) / 1000).toFixed(0)} s:\n${left.join('\n')}`)
      break
    }
  }
  await Promise.all(applications.map((application) => application.stop()))
  await proxy.settled()
  return left
}

const progressOf = (scene: Scene): string => {
  const { faults, invocations } = countsOf(scene)
  const hits = Object.entries(faults).map(([kind, count]) => `${count} ${kind}`)
  return `${invocations} invocations; faults: ${hits.join(', ')}`
}

const countsOf = ({ applications, brokerFaults, proxy }: Scene) => {
  const functions = applications.flatMap((application) => application.functions)
  const faults: Record<string, number> = {}
  const errors: Record<string, number> = {}
  const add = (to: Record<string, number>, counts: Iterable<readonly [string, number]>): void => {
    for (const [kind, count] of counts) to[kind] = (to[kind] ?? 0) + count
  }
  for (const { counts } of functions) {
    add(faults, counts.strikes)
    add(errors, counts.errors)
  }
  add(faults, brokerFaults)
  add(faults, proxy.hits)
  for (const { deliveries } of applications) add(faults, Object.entries(deliveries))
  const sum = (of: (it: (typeof functions)[number]['counts']) => number): number =>
    functions.reduce((total, { counts }) => total + of(counts), 0)
  return { faults, errors, invocations: sum((it) => it.invocations), timeouts: sum((it) => it.timeouts) }
}

const report = async (scene: Scene, stuck: readonly string[]): Promise<ChaosReport> => {
  const { applications, takeovers, minutes, seed } = scene
  const general = createFindings('chaos')
  for (const what of stuck) general.add('losses', what)
  for (const { functions } of applications)
    for (const { counts } of functions) for (const crash of counts.crashes) general.add('wrong', `a process ended by itself: ${crash}`)
  const judgements: (Judgement & { readonly name: string })[] = []
  for (const application of applications) judgements.push({ name: application.name, ...(await application.judge()) })
  const counts = countsOf(scene)
  const total = (of: (it: Judgement) => number): number => judgements.reduce((sum, it) => sum + of(it), 0)
  const { timesMs } = takeovers
  return {
    ...{ minutes, seed, ...counts },
    kills: (counts.faults.kill ?? 0) + (counts.faults['broker kill'] ?? 0),
    workloads: judgements.map(({ name, findings: { examples: _, ...found }, ...numbers }) => ({ name, ...numbers, ...found })),
    transactions: total((it) => it.transactions),
    records: total((it) => it.recordsIn + it.recordsOut),
    findings: sumOf([general.all, ...judgements.map(({ findings }) => findings)]),
    takeover: {
      count: timesMs.length,
      p50Ms: percentile(timesMs, 0.5),
      p99Ms: percentile(timesMs, 0.99),
      maxMs: percentile(timesMs, 1),
    },
  }
}
