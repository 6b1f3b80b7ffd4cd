import { StreamsBuilder } from '../../src/dsl/streams-builder.ts'
import { isStreamsError } from '../../src/errors.ts'
import type { InvocationOutcome } from '../../src/runtime/invocation-request.ts'
import { createTaskMemory } from '../../src/runtime/task-memory.ts'
import { type Around, died, dies, fails, meanwhile, type PortCall } from '../runtime/faults.ts'
import { record, type Scene, type SceneOptions, scene, strings } from '../runtime/scene.ts'
import { unanswered } from './faults.ts'

/** A step of the invocation: the call that it is, and how a run gets there. */
interface Step {
  readonly name: string
  readonly call: PortCall
  readonly nth: number
  /** Default: a store that is flushed at once. */
  readonly options?: SceneOptions
  /** Before the invocation begins. */
  readonly prepare?: (it: Scene) => Promise<unknown>
  /** What comes while it stands still; default: its source delivers again. */
  readonly another?: (it: Scene) => Promise<unknown>
  /** Stands around all calls as well. */
  readonly around?: (it: Scene) => Around
}

const never = Number.POSITIVE_INFINITY
const task = { subTopology: 'words', partition: 0 }
const other = 'other'

/** Somebody else holds the lease, from now on. */
const takes = (it: Scene, source: string) => {
  const { nowMs } = it.clock
  return it.table.acquire(task, { token: other, source, nowMs, expiresAtMs: nowMs + 70_000, steal: true }, never)
}
const gives = (it: Scene) => it.table.release(task, { token: other, checkpoint: undefined, sources: [], handover: {} }, never)

const flushedLater = (): SceneOptions => {
  const builder = new StreamsBuilder()
  builder
    .stream('words', strings)
    .groupByKey()
    .count({ store: { name: 'counts', flush: { intervalMs: 60_000 } } })
    .toStream()
    .to('totals')
  return { topology: builder.build() }
}

const steps: readonly Step[] = [
  { name: 'ACQUIRE', call: 'acquire', nth: 1 },
  { name: 'RING, as a tick holds the lease', call: 'ring', nth: 1, prepare: (it) => takes(it, 'tick'), another: gives },
  { name: 'FENCE', call: 'open', nth: 1 },
  { name: 'SYNC, end of the commit topic', call: 'bounds', nth: 1 },
  { name: 'SYNC, commit topic; READ', call: 'fetch', nth: 1 },
  { name: 'READ, state', call: 'query', nth: 1 },
  { name: 'TXN: append', call: 'append', nth: 1 },
  { name: 'COMMIT', call: 'commit', nth: 1 },
  { name: 'FLUSH, first row', call: 'put', nth: 1 },
  { name: 'FLUSH, last row', call: 'put', nth: 2 },
  { name: 'RELEASE', call: 'release', nth: 1 },
  {
    name: 'CKPT, as the lease was stolen',
    call: 'checkpoint',
    nth: 1,
    around: (it) => meanwhile('release', () => takes(it, 'src:words')),
  },
  { name: 'COMMIT, flushed later', call: 'commit', nth: 1, options: flushedLater() },
  { name: 'DEFER, flushed later', call: 'release', nth: 1, options: flushedLater() },
]

const columns = ['crash before', 'crash after', 'answer lost', 'frozen before, another invocation comes'] as const
type Column = (typeof columns)[number]

/** What an outsider sees. */
interface Sight {
  readonly outputs: number
  readonly rows: Readonly<Record<string, string>>
  readonly open: boolean
  readonly held: boolean
  readonly bell: number | undefined
}

const look = async (it: Scene): Promise<Sight> => {
  const item = await it.item()
  const { lastStableOffset, highWatermark } = it.kafka.read({ topic: it.plan.commitTopic, partition: 0, offset: 0, bytesMax: 1e6 })
  return {
    outputs: (await it.totals()).length,
    rows: await it.rows(),
    open: lastStableOffset < highWatermark,
    held: item?.lease !== undefined,
    bell: item?.bells.words,
  }
}

const count = (number: number, what: string): string => `${number === 0 ? 'no' : number} ${what}${number === 1 ? '' : 's'}`
const changed = (before: Sight, after: Sight): number => Object.entries(after.rows).filter(([key, row]) => before.rows[key] !== row).length

/** Since a moment: what became visible, and how the task item stands. */
const seen = (begin: Sight, now: Sight): string =>
  [
    now.open ? 'an open transaction' : undefined,
    now.outputs === begin.outputs ? 'nothing visible' : `${count(now.outputs - begin.outputs, 'output')} visible`,
    now.outputs === begin.outputs ? undefined : `${changed(begin, now)} of 2 rows written`,
    now.held ? 'lease held' : 'lease free',
    now.bell === undefined ? undefined : `bell at ${now.bell}`,
  ]
    .filter((it) => it !== undefined)
    .join(', ')

/** How something ended, and what it has changed. */
interface Done {
  readonly ended: string
  readonly transactions: number
  readonly rows: number
}

const did = async (it: Scene, run: () => Promise<InvocationOutcome>): Promise<Done> => {
  const before = await look(it)
  const commits = (await it.commits()).length
  const ended = await run().then(
    ({ result }) => result,
    (error: unknown) => (isStreamsError(error) ? `fails with ${error.code}` : messageOfDeath(error)),
  )
  return { ended, transactions: (await it.commits()).length - commits, rows: changed(before, await look(it)) }
}

const wordsOf = ({ ended, transactions, rows }: Done): string =>
  [ended, ...(transactions + rows === 0 ? ['writes nothing'] : [count(transactions, 'transaction'), count(rows, 'row')])].join(', ')

const messageOfDeath = (error: unknown): string => {
  if (error instanceof Error && error.message === died) return died
  throw error
}

/** Two records were processed and flushed; two more, which change one row and make another, are delivered. */
const begin = async (step: Step): Promise<Scene> => {
  const it = await scene(step.options)
  it.feed('words', record('a'), record('b'))
  await it.run()
  it.feed('words', record('a'), record('c'))
  await step.prepare?.(it)
  return it
}

const both = (one: Around, two: Around | undefined): Around => (two ? (call, run) => two(call, () => one(call, run)) : one)

const cell = async (step: Step, column: Column): Promise<string> => {
  const it = await begin(step)
  const start = await look(it)
  const again = (): Promise<InvocationOutcome> => it.run({ memory: createTaskMemory() })
  let theirs: Done = { ended: 'nobody', transactions: 0, rows: 0 }
  const another = async (): Promise<void> => {
    if (step.another) await step.another(it)
    else theirs = await did(it, again)
  }
  const { call, nth } = step
  const arounds: Readonly<Record<Column, Around>> = {
    'crash before': dies('before', call, nth),
    'crash after': dies('after', call, nth),
    'answer lost': fails(call, () => unanswered(call), { nth, times: 1, after: true }),
    'frozen before, another invocation comes': meanwhile(call, another, { nth }),
  }
  const first = await did(it, () => it.run({ around: both(arounds[column], step.around?.(it)) }))
  const sight = seen(start, await look(it))
  const next = `next: ${wordsOf(await did(it, again))}`
  await settle(it, step.name)
  if (first.ended === died) return `${sight}; ${next}`
  const own = { ...first, transactions: first.transactions - theirs.transactions, rows: first.rows - theirs.rows }
  if (column === 'answer lost') return `it: ${wordsOf(own)}; ${next}`
  return `${step.another ? 'the holder gives the lease back' : `the other: ${wordsOf(theirs)}`}; it: ${wordsOf(own)}; ${next}`
}

/** Whatever it was, once leases have expired and the sweeper came by all is there once. */
const settle = async (it: Scene, where: string): Promise<void> => {
  it.clock.nowMs += 100_000
  await it.run({ tick: true, memory: createTaskMemory() })
  const found = JSON.stringify([await it.totals(), await it.rows(), (await it.item()).lease])
  const should = JSON.stringify([['a=1', 'b=1', 'a=2', 'c=1'], await it.fold(), undefined])
  if (found !== should) throw new Error(`${where}: ${found} is not ${should}`)
}

/** The Markdown table of docs/exactly-once.md: every cell is what a run of its own has shown. */
export const crashMatrix = async (): Promise<string> => {
  const lines = [`| step | ${columns.join(' | ')} |`, `|---|${columns.map(() => '---|').join('')}`]
  for (const step of steps) {
    const cells: string[] = []
    for (const column of columns) cells.push(await cell(step, column))
    lines.push(`| ${step.name} | ${cells.join(' | ')} |`)
  }
  return lines.join('\n')
}
