import { randomUUID } from 'node:crypto'
import { StreamsError } from '../errors.ts'
import { isLost, type ResetStep, runReset, skipLost } from '../runtime/reset.ts'
import { type PlannedTask, planReset, type ResetPlan, type ResetRequest, type ResetTo } from '../runtime/reset-plan.ts'
import { checkApplicationId } from '../topology/topology.ts'
import { type App, loadApp } from './apps.ts'
import { type ClusterOptions, connect } from './connect.ts'
import { count } from './progress.ts'
import { textTable, timeText } from './text-table.ts'

export interface ResetOptions extends ClusterOptions {
  readonly toEarliest?: boolean
  readonly toLatest?: boolean
  readonly toCurrent?: boolean
  readonly toDatetime?: string
  readonly toOffset?: readonly string[]
  readonly skipLost?: boolean
  readonly inputTopics?: string
  readonly dryRun?: boolean
  readonly execute?: boolean
}

/** `millrace reset`: says what a reset would do; with `--execute` it does it. */
export const reset = async (name: string, options: ResetOptions): Promise<void> => {
  const app = await loadApp(name)
  const applicationId = checkApplicationId(options.applicationId ?? name)
  if (options.execute && options.dryRun) throw conflict('--execute and --dry-run')
  const to = targetOf(options)
  const offsets = (options.toOffset ?? []).map(offsetOf)
  if (options.brokers === undefined) {
    throw new StreamsError('CONFIG_INVALID', 'An embedded engine is gone with its process: --brokers and --table-endpoint are missing', {
      remedy: 'Say where the application runs: --brokers HOST:PORT --table-endpoint URL',
    })
  }
  const connection = await connect(options, applicationId)
  try {
    const { kafka, table } = connection
    const request: ResetRequest = {
      ports: { ...kafka, table, clock: { nowMs: () => Date.now() }, token: randomUUID },
      ...{ topology: app.topology, applicationId, to, offsets },
      ...(options.inputTopics === undefined ? {} : { inputTopics: options.inputTopics.split(',') }),
    }
    process.stderr.write(`${app.name} as ${applicationId} on ${connection.description}\n`)
    if (options.skipLost) {
      await skip(request, options.execute ?? false)
      return
    }
    if (!options.execute) {
      process.stdout.write(`${planText(await planReset(request), app)}\nNothing was changed: this was a dry run. Do it with --execute\n`)
      return
    }
    const tell = teller(process.stderr)
    const plan = await runReset(request, tell.step)
    tell.end()
    process.stdout.write(`${doneText(plan, app)}\n`)
  } finally {
    await connection.close()
  }
}

const skip = async (request: ResetRequest, execute: boolean): Promise<void> => {
  const tell = teller(process.stderr)
  const plan = execute ? await skipLost(request, tell.step) : await planReset({ ...request, to: { kind: 'current' } })
  const tasks = plan.tasks.filter((task) => task.commit !== undefined && isLost(task.positions, task.after))
  const text = [
    tasks.length === 0
      ? 'Every position is in its topic: nothing is lost'
      : textTable(['task', 'seq', 'gen', 'held', 'position'], tasks.flatMap(taskRows)),
    execute ? 'Done: stores stay as they are, what was lost is left out.' : 'Nothing was changed: this was a dry run. Do it with --execute',
  ]
  process.stdout.write(`${text.join('\n\n')}\n`)
}

const conflict = (what: string): StreamsError =>
  new StreamsError('CONFIG_INVALID', `${what} contradict each other`, { remedy: 'Leave out one of them.' })

const targetOf = ({ toEarliest, toLatest, toCurrent, toDatetime, toOffset, skipLost }: ResetOptions): ResetTo => {
  const given = [toEarliest, toLatest, toCurrent, toDatetime].filter((it) => it !== undefined)
  if (given.length > 1) throw conflict('--to-earliest, --to-latest, --to-current and --to-datetime')
  if (skipLost && (given.length > 0 || toOffset)) throw conflict('--skip-lost and another position')
  if (toLatest) return { kind: 'latest' }
  if (toCurrent) return { kind: 'current' }
  if (toDatetime === undefined) return { kind: 'earliest' }
  // without a zone it would be this machine's
  const timestampMs = /(Z|[+-]\d\d:?\d\d)$/.test(toDatetime) ? Date.parse(toDatetime) : Number.NaN
  if (Number.isFinite(timestampMs)) return { kind: 'time', timestampMs }
  throw new StreamsError('CONFIG_INVALID', `--to-datetime takes a time with its zone, not "${toDatetime}"`, {
    remedy: 'Write e.g. --to-datetime 2026-03-01T12:00:00Z',
  })
}

const offsetOf = (text: string): { readonly topic: string; readonly partition: number; readonly offset: number } => {
  const [, topic, partition, offset] = /^([^:]+):(\d+):(\d+)$/.exec(text) ?? []
  if (topic !== undefined) return { topic, partition: Number(partition), offset: Number(offset) }
  throw new StreamsError('CONFIG_INVALID', `--to-offset takes TOPIC:PARTITION:OFFSET, not "${text}"`, {
    remedy: 'Write e.g. --to-offset lines:0:1200, once for each partition.',
  })
}

const headOf = ({ state, gen }: ResetPlan): string => {
  switch (state) {
    case 'new':
      return `A reset to generation ${gen}`
    case 'unfinished':
      return `The reset to generation ${gen} was not finished: it goes on`
    case 'wiping':
      return `The reset to generation ${gen} was finished but for old rows: they are deleted, and nothing else. Another reset takes another run`
    default:
      return state satisfies never
  }
}

const planText = (plan: ResetPlan, app: App): string => {
  const { tasks, purges, missing, state } = plan
  const stores = [...new Set(tasks.flatMap((task) => task.plan.stores.map((store) => store.name)))]
  return [
    headOf(plan),
    '',
    textTable(['task', 'seq', 'gen', 'held', 'position'], tasks.flatMap(taskRows)),
    '',
    ...(stores.length === 0 ? [] : [`Rows are deleted of: ${stores.join(', ')}`]),
    ...(purges.length === 0
      ? []
      : [
          `Records are deleted of: ${purges.map(({ topic, partition, offset }) => `${topic}/${partition} below ${count(offset)}`).join(', ')}`,
        ]),
    ...(missing.length === 0 ? [] : [`Topics are created: ${missing.join(', ')}`]),
    ...(state === 'wiping' ? [] : keptTexts(app)),
  ].join('\n')
}

const keptTexts = ({ topology }: App): readonly string[] =>
  topology.sinkTopics.length === 0 ? [] : [`Records stay, and new ones are written behind them, in: ${topology.sinkTopics.join(', ')}`]

/** One line per source topic. */
const taskRows = ({ plan, partition, seq, gen, paused, lease, positions, after }: PlannedTask) =>
  [...plan.sources.keys()]
    .filter((topic) => positions[topic] !== undefined || after[topic] !== undefined)
    .map((topic, at) => [
      ...(at > 0 ? ['', '', ''] : [`${plan.subTopology}/${partition}`, String(seq), `${gen}${paused ? ', paused' : ''}`]),
      at > 0 || lease === undefined ? '' : `by ${lease.source} until ${timeText(lease.expiresAtMs)}`,
      `${topic} ${positions[topic] === undefined ? 'none' : count(positions[topic])} -> ${after[topic] === undefined ? 'none' : count(after[topic])}`,
    ])

const doneText = (plan: ResetPlan, app: App): string => {
  if (plan.state === 'wiping') return `${headOf(plan)}.`
  return [
    `Done: ${count(plan.tasks.length)} tasks are in generation ${plan.gen}. The next tick, within a minute, begins with what is to be read again.`,
    ...keptTexts(app),
  ].join('\n')
}

/** A line per task and step; the rows that were wiped by store, at the end. */
const teller = (output: NodeJS.WriteStream) => {
  const wiped = new Map<string, number>()
  const step = (done: ResetStep): void => {
    switch (done.step) {
      case 'wipe':
        wiped.set(done.store, (wiped.get(done.store) ?? 0) + done.rows)
        return
      case 'purge':
        output.write(`  ${done.done ? 'purged' : 'could not purge'} ${done.topic}/${done.partition} below ${count(done.offset)}\n`)
        return
      default: {
        const at = Object.entries(done.positions).map(([topic, offset]) => ` ${topic} ${count(offset)}`)
        output.write(`  ${past[done.step]} ${done.task.plan.subTopology}/${done.task.partition}:${at.join(',') || ' no position'}\n`)
      }
    }
  }
  const end = (): void => {
    for (const [store, rows] of wiped) output.write(`  deleted ${count(rows)} ${rows === 1 ? 'row' : 'rows'} of ${store}\n`)
  }
  return { step, end }
}
const past = { pause: 'paused', rewind: 'rewound', resume: 'resumed' } as const
