import { isStreamsError, StreamsError } from '../errors.ts'
import type { Checkpoint } from '../state/backend.ts'
import { type CommitRecord, writeCommitRecord } from './commit-record.ts'
import { initialTimes } from './effects.ts'
import { endsByName } from './named-ends.ts'
import {
  factsOf,
  missingTopics,
  oldSpaces,
  planReset,
  purgesOf,
  type ResetPlan,
  type ResetRequest,
  type ResetTask,
  requestMs,
  type TaskFacts,
  targetsOf,
} from './reset-plan.ts'
import { shapeOf, succeeding } from './shape.ts'

/** What a reset does, step by step: `pause`, `rewind` and `resume` once per task, `purge` and `wipe` once per topic and store of one. */
export type ResetStep =
  | { readonly step: 'pause' | 'rewind' | 'resume'; readonly task: ResetTask; readonly seq: number; readonly positions: Positions }
  | { readonly step: 'purge'; readonly topic: string; readonly partition: number; readonly offset: number; readonly done: boolean }
  | { readonly step: 'wipe'; readonly task: ResetTask; readonly store: string; readonly rows: number }

type Positions = Readonly<Record<string, number>>

/** A task that another committer keeps fencing is given up after so many tries; the next run goes on. */
const attemptsMax = 50
const tasksInParallel = 8
const leaseSlackMs = 10_000

/**
 * Application reset (protocol §10): every task gets a new generation, hence empty stores, and positions of one's choice. First all tasks
 * are paused in their logs, then rewound, then, those that read of others first, resumed; a sweeper's tick finds them by their bells.
 * At last the rows of older generations are deleted, which nobody reads any more. A run that died is finished by the next one: while a
 * task is paused with that reset's generation, and where only old rows are left with nothing but their deletion.
 */
export const runReset = async (request: ResetRequest, tell: (step: ResetStep) => void = () => {}): Promise<ResetPlan> => {
  const plan = await planReset(request)
  const { tasks, gen, state } = plan
  const { admin, clock } = request.ports
  if (state !== 'wiping') {
    await admin.create(await missingTopics(request), clock.nowMs() + requestMs)
    const resumes = tasks.some((task) => task.gen === gen && !task.paused && task.commit !== undefined)
    if (!resumes) {
      await eachTask(tasks, (task) => pause(request, task, { gen, tell }))
      const rewound = await eachTask(tasks, async (task) => ({ ...task, after: await rewind(request, task, tell) }))
      await purge(request, purgesOf(request, rewound), tell)
    }
    await eachTask(tasks.toReversed(), (task) => resume(request, task, tell))
  }
  for (const { subTopology, partition, gen: old, store } of oldSpaces(tasks.map((task) => ({ ...task, gen })))) {
    const task = tasks.find((it) => it.plan.subTopology === subTopology && it.partition === partition)
    let rows = 0
    for (let more = -1; more !== 0; rows += Math.max(0, more))
      more = await request.ports.table.wipe({ subTopology, partition, gen: old, store }, clock.nowMs() + requestMs)
    if (task && rows > 0) tell({ step: 'wipe', task, store, rows })
  }
  return plan
}

type Tell = (step: ResetStep) => void

/**
 * Moves positions whose records are gone, in topics that were cut off or made again, to the first record that is there. Stores stay as
 * they are, and so does every other position: what was lost is left out. Nothing is paused; done twice it does nothing.
 */
export const skipLost = async (request: ResetRequest, tell: (step: ResetStep) => void = () => {}): Promise<ResetPlan> => {
  const here: ResetRequest = { ...request, to: { kind: 'current' }, offsets: [] }
  const plan = await planReset(here)
  if (plan.state === 'unfinished') throw unfinished()
  const lost = plan.tasks.filter((task) => task.commit !== undefined && isLost(task.positions, task.after))
  await eachTask(lost, (task) =>
    commit(here, task, async (facts) => {
      const positions = await targetsOf(here, facts)
      if (facts.commit === undefined || !isLost(facts.positions, positions)) return { positions, bells: {} }
      const seq = facts.seq + 1
      tell({ step: 'rewind', task, seq, positions })
      const moved = Object.keys(positions).filter((topic) => positions[topic] !== facts.positions[topic])
      return {
        ...{ next: { ...facts.commit, seq, positions }, positions },
        // up to where there is something: a tick comes for it
        bells: Object.fromEntries(moved.map((topic) => [topic, Number.MAX_SAFE_INTEGER])),
        checkpoint: async (end) => flushed(facts, { seq, positions, end }),
      }
    }),
  )
  return { ...plan, tasks: lost }
}

/** The table has every row of the last commit, hence of the next, which changes none; otherwise it stays as it is. */
const flushed = (
  { checkpoint, plan, commit }: TaskFacts,
  { seq, positions, end }: Pick<Checkpoint, 'seq' | 'positions'> & { readonly end: number },
): Checkpoint | undefined =>
  checkpoint === undefined || checkpoint.seq !== commit?.seq || checkpoint.gen !== commit.gen
    ? undefined
    : { ...checkpoint, seq, positions, ends: { ...checkpoint.ends, [plan.commitTopic]: end } }

export const isLost = (before: Positions, after: Positions): boolean =>
  Object.entries(before).some(([topic, offset]) => after[topic] !== undefined && after[topic] !== offset)

const unfinished = (): StreamsError =>
  new StreamsError('INPUT_INVALID', 'A reset of this application was not finished: its tasks are paused', {
    remedy: 'Finish it: millrace reset --execute',
  })

/** The old positions become bells: an event source may yet acknowledge all that was committed, and nobody else would come (R32). */
const pause = (request: ResetRequest, task: ResetTask, { gen, tell }: { readonly gen: number; readonly tell: Tell }): Promise<Positions> =>
  commit(request, task, async (facts) => {
    if (facts.gen >= gen && facts.commit !== undefined) return { positions: facts.positions, bells: facts.positions }
    tell({ step: 'pause', task, seq: facts.seq + 1, positions: facts.positions })
    return { next: recordOf(facts, { gen, paused: true }), positions: facts.positions, bells: facts.positions }
  })

const rewind = (request: ResetRequest, task: ResetTask, tell: Tell): Promise<Positions> =>
  commit(request, task, async (facts) => {
    // an earlier run was not dead yet when this one began: it has resumed, and the new generation has rows
    if (!facts.paused) return { positions: facts.positions, bells: {} }
    const positions = await targetsOf(request, facts)
    tell({ step: 'rewind', task, seq: facts.seq + 1, positions })
    const { plan, partition } = task
    const topics = [...plan.changelogs.values()].map((topic) => ({ topic, partition }))
    const logs = await request.ports.reader.bounds(topics, request.ports.clock.nowMs() + requestMs)
    const logStarts = Object.fromEntries(logs.map(({ topic, highWatermark }) => [topic, highWatermark]))
    const next = { ...recordOf({ ...facts, positions }, { gen: facts.gen, paused: true }), logStarts }
    return { next, positions, bells: positions, checkpoint: (end) => checkpointOf(request.ports, task, { commit: next, end }) }
  })

const resume = (request: ResetRequest, task: ResetTask, tell: Tell): Promise<Positions> =>
  commit(request, task, async (facts) => {
    if (!facts.paused) return { positions: facts.positions, bells: {} }
    tell({ step: 'resume', task, seq: facts.seq + 1, positions: facts.positions })
    return { next: recordOf(facts, { gen: facts.gen, paused: false }), positions: facts.positions, bells: {} }
  })

/** As this code would commit it, whatever stores the last one had: theirs are empty now. */
const recordOf = ({ plan, seq, positions, commit }: TaskFacts, { gen, paused }: Pick<CommitRecord, 'gen' | 'paused'>): CommitRecord => ({
  ...{ gen, seq: seq + 1, paused, positions },
  times: initialTimes,
  topology: plan.fingerprint,
  ...(commit?.logStarts ? { logStarts: commit.logStarts } : {}),
  ...succeeding(commit, shapeOf(plan)),
})

/** What a step wants of a task that it owns. */
interface Decision {
  /** What is committed; undefined: nothing. */
  readonly next?: CommitRecord
  readonly positions: Positions
  readonly bells: Positions
  /** What the table gets of it, given the end of the commit topic. */
  readonly checkpoint?: (end: number) => Promise<Checkpoint | undefined>
}

/**
 * One transaction of a task: takes the lease whoever has it, fences, reads what was committed, and commits. Where another committer is
 * faster it starts over; `decide` is then asked again, of what is there now.
 */
const commit = async (request: ResetRequest, task: ResetTask, decide: (facts: TaskFacts) => Promise<Decision>): Promise<Positions> => {
  for (let attempt = 1; ; attempt++) {
    try {
      return await commitOnce(request, task, decide)
    } catch (error) {
      const again = ['FENCED', 'TRANSACTION_ABORTED', 'OUTCOME_UNKNOWN'].some((code) => isStreamsError(error) && error.code === code)
      if (!again || attempt >= attemptsMax) throw error
    }
  }
}

const commitOnce = async (
  { ports }: ResetRequest,
  task: ResetTask,
  decide: (facts: TaskFacts) => Promise<Decision>,
): Promise<Positions> => {
  const { plan, partition } = task
  const { table, txnLog, clock } = ports
  const id = { subTopology: plan.subTopology, partition }
  const deadlineMs = clock.nowMs() + requestMs
  const token = ports.token()
  // a lease counts as expired however long it is to last
  const lease = { token, source: 'reset', nowMs: Number.MAX_SAFE_INTEGER, expiresAtMs: deadlineMs + leaseSlackMs, steal: true }
  await table.acquire(id, lease, deadlineMs)
  const session = await txnLog.open({
    transactionalId: `${plan.applicationId}.${plan.subTopology}.${partition}`,
    transactionTimeoutMs: requestMs,
    deadlineMs,
  })
  try {
    const decision = await decide(await factsOf(ports, task, { fenced: true }))
    await ring(ports, task, { bells: decision.bells, deadlineMs })
    let checkpoint: Checkpoint | undefined
    if (decision.next) {
      const records = [writeCommitRecord(decision.next, clock.nowMs())]
      const [written] = await session.append([{ topic: plan.commitTopic, partition, records }], deadlineMs)
      await session.commit(deadlineMs)
      checkpoint = await decision.checkpoint?.(written?.nextOffset ?? 0)
    }
    const { released } = await table.release(id, { token, checkpoint, sources: [...plan.sources.keys()], handover: {} }, deadlineMs)
    if (!released && checkpoint) await table.checkpoint(id, checkpoint, deadlineMs)
    return decision.positions
  } catch (error) {
    await table.release(id, { token, checkpoint: undefined, sources: [], handover: {} }, deadlineMs).catch(() => undefined)
    throw error
  } finally {
    session.close()
  }
}

/** A bell beyond the end of a topic, of one that was made anew, would ring for ever. */
const ring = async (
  { table, reader, token }: ResetRequest['ports'],
  { plan, partition }: ResetTask,
  { bells, deadlineMs }: { readonly bells: Positions; readonly deadlineMs: number },
): Promise<void> => {
  const bounds = await reader.bounds(
    Object.keys(bells).map((topic) => ({ topic, partition })),
    deadlineMs,
  )
  for (const { topic, highWatermark } of bounds) {
    const target = Math.min(bells[topic] ?? 0, highWatermark)
    if (target === 0) continue
    // as another would, since nobody rings at himself
    const rung = await table.ring({ subTopology: plan.subTopology, partition }, { token: token(), topic, target }, deadlineMs)
    if (rung === 'free') throw new StreamsError('FENCED', `The lease of ${plan.subTopology}/${partition} was taken away`)
  }
}

/** The table is as empty as the new generation; of a topic that stands for a changelog it has nothing yet. */
const checkpointOf = async (
  { reader, clock }: ResetRequest['ports'],
  { plan, partition }: ResetTask,
  { commit, end }: { readonly commit: CommitRecord; readonly end: number },
): Promise<Checkpoint> => {
  const fed = plan.stores.flatMap(({ sourceTopic }) =>
    sourceTopic !== undefined && commit.positions[sourceTopic] !== undefined ? [sourceTopic] : [],
  )
  const sources = await reader.bounds(
    fed.map((topic) => ({ topic, partition })),
    clock.nowMs() + requestMs,
  )
  return {
    seq: commit.seq,
    gen: commit.gen,
    ends: endsByName(plan, { ...commit.logStarts, [plan.commitTopic]: end }),
    positions: { ...commit.positions, ...Object.fromEntries(sources.map((it) => [it.topic, it.logStartOffset])) },
    wakeMs: 0,
    sizes: {},
  }
}

/** Nobody needs them; where they cannot be deleted they stay. */
const purge = async ({ ports }: ResetRequest, purges: ResetPlan['purges'], tell: Tell): Promise<void> => {
  for (const at of purges) {
    const refused = await ports.admin.deleteRecords([at], ports.clock.nowMs() + requestMs).then(
      () => undefined,
      (error: unknown) => error,
    )
    if (refused !== undefined && !isStreamsError(refused, 'BROKER_REFUSED')) throw refused
    tell({ step: 'purge', ...at, done: refused === undefined })
  }
}

/** Sub-topologies one after the other, some tasks of each at a time. */
const eachTask = async <T extends ResetTask, R>(tasks: readonly T[], run: (task: T) => Promise<R>): Promise<readonly R[]> => {
  const results: R[] = []
  for (const name of new Set(tasks.map(({ plan }) => plan.subTopology))) {
    const queue = tasks.filter(({ plan }) => plan.subTopology === name)
    const work = async (): Promise<void> => {
      for (let next = queue.shift(); next; next = queue.shift()) results.push(await run(next))
    }
    await Promise.all(Array.from({ length: Math.min(tasksInParallel, queue.length) }, work))
  }
  return results
}
