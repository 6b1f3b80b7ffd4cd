import { isStreamsError, StreamsError } from '../errors.ts'
import type { Checkpoint } from '../state/backend.ts'
import { type CommitRecord, writeCommitRecord } from './commit-record.ts'
import { initialTimes } from './effects.ts'
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

/** The old positions become bells: an event source may yet acknowledge all that was committed, and nobody else would come (R32). */
const pause = (request: ResetRequest, task: ResetTask, { gen, tell }: { readonly gen: number; readonly tell: Tell }): Promise<Positions> =>
  commit(request, task, async (facts) => {
    if (facts.gen >= gen && facts.commit !== undefined) return { positions: facts.positions, bells: facts.positions }
    tell({ step: 'pause', task, seq: facts.seq + 1, positions: facts.positions })
    return { next: recordOf(facts, { gen, paused: true }), positions: facts.positions, bells: facts.positions }
  })

const rewind = (request: ResetRequest, task: ResetTask, tell: Tell): Promise<Positions> =>
  commit(request, task, async (facts) => {
    const positions = await targetsOf(request, facts)
    tell({ step: 'rewind', task, seq: facts.seq + 1, positions })
    return { next: recordOf({ ...facts, positions }, { gen: facts.gen, paused: true }), positions, bells: positions, checkpoint: true }
  })

const resume = (request: ResetRequest, task: ResetTask, tell: Tell): Promise<Positions> =>
  commit(request, task, async (facts) => {
    if (!facts.paused) return { positions: facts.positions, bells: {} }
    tell({ step: 'resume', task, seq: facts.seq + 1, positions: facts.positions })
    return { next: recordOf(facts, { gen: facts.gen, paused: false }), positions: facts.positions, bells: {} }
  })

const recordOf = ({ plan, seq, positions }: TaskFacts, { gen, paused }: Pick<CommitRecord, 'gen' | 'paused'>): CommitRecord => ({
  ...{ gen, seq: seq + 1, paused, positions },
  times: initialTimes,
  topology: plan.fingerprint,
})

/** What a step wants of a task that it owns. */
interface Decision {
  /** What is committed; undefined: nothing. */
  readonly next?: CommitRecord
  readonly positions: Positions
  readonly bells: Positions
  readonly checkpoint?: boolean
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
      if (decision.checkpoint)
        checkpoint = await checkpointOf(ports, task, { commit: decision.next, end: written?.nextOffset ?? 0, deadlineMs })
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
  { reader }: ResetRequest['ports'],
  { plan, partition }: ResetTask,
  { commit, end, deadlineMs }: { readonly commit: CommitRecord; readonly end: number; readonly deadlineMs: number },
): Promise<Checkpoint> => {
  const fed = plan.stores.flatMap(({ sourceTopic }) =>
    sourceTopic !== undefined && commit.positions[sourceTopic] !== undefined ? [sourceTopic] : [],
  )
  const [logs, sources] = await Promise.all(
    [[...plan.changelogs.values()], fed].map((topics) =>
      reader.bounds(
        topics.map((topic) => ({ topic, partition })),
        deadlineMs,
      ),
    ),
  )
  return {
    seq: commit.seq,
    gen: commit.gen,
    ends: { [plan.commitTopic]: end, ...Object.fromEntries((logs ?? []).map((it) => [it.topic, it.highWatermark])) },
    positions: { ...commit.positions, ...Object.fromEntries((sources ?? []).map((it) => [it.topic, it.logStartOffset])) },
    wakeMs: 0,
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
