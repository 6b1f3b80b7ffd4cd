import { StreamsError } from '../errors.ts'
import type { Clock } from '../processor/processor.ts'
import type { Checkpoint, Lease, TableBackend } from '../state/backend.ts'
import { topicName } from '../topology/nodes.ts'
import { tableStoresOf } from '../topology/table-options.ts'
import type { Topology } from '../topology/topology.ts'
import { type CommitRecord, changelogStamp } from './commit-record.ts'
import { readLastCommit } from './last-commit.ts'
import { planOf, type TaskPlan } from './plan.ts'
import type { Bounds, KafkaPorts, TopicPartition } from './ports.ts'

/** What a reset needs of the world. */
export interface ResetPorts extends KafkaPorts {
  readonly table: TableBackend
  readonly clock: Clock
  /** A random token, new at every call. */
  token(): string
}

/** Where the input topics are read from afterwards. `current`: where they are, or from the first record if that is gone. */
export type ResetTo =
  | { readonly kind: 'earliest' }
  | { readonly kind: 'latest' }
  | { readonly kind: 'current' }
  | { readonly kind: 'time'; readonly timestampMs: number }

export interface ResetRequest {
  readonly ports: ResetPorts
  readonly topology: Topology
  readonly applicationId: string
  readonly to: ResetTo
  /** Instead of `to`, for single partitions. */
  readonly offsets?: readonly (TopicPartition & { readonly offset: number })[]
  /** Default: every topic that the application reads and does not write. Others stay where they are. */
  readonly inputTopics?: readonly string[]
}

export interface ResetTask {
  readonly plan: TaskPlan
  readonly partition: number
}

/** What the log and the table say of a task. */
export interface TaskFacts extends ResetTask {
  /** 0 and 0 where it never committed. */
  readonly seq: number
  readonly gen: number
  readonly paused: boolean
  /** Of the last commit; undefined where the commit topic has none, or an older one than the table. */
  readonly commit: CommitRecord | undefined
  readonly positions: Readonly<Record<string, number>>
  readonly lease: Lease | undefined
  readonly checkpoint: Checkpoint | undefined
}

/** `new`: every task gets a new generation; `unfinished`: an earlier reset has paused tasks; `wiping`: it has left rows of theirs. */
export type ResetState = 'new' | 'unfinished' | 'wiping'

export interface PlannedTask extends TaskFacts {
  readonly after: Readonly<Record<string, number>>
}

export interface ResetPlan {
  readonly state: ResetState
  /** In which every task is afterwards. */
  readonly gen: number
  readonly tasks: readonly PlannedTask[]
  /** Records of the application's own topics that nobody will read: below `offset`. */
  readonly purges: readonly (TopicPartition & { readonly offset: number })[]
  /** Internal topics that do not exist: they are created. */
  readonly missing: readonly string[]
}

export const requestMs = 60_000
const soon = ({ clock }: ResetPorts): number => clock.nowMs() + requestMs

/** Reads, and changes nothing: what a reset with these options would do now. */
export const planReset = async (request: ResetRequest): Promise<ResetPlan> => {
  checkTopics(request)
  const tasks = await tasksOf(request)
  const facts = await Promise.all(tasks.map((task) => factsOf(request.ports, task)))
  const state = facts.some(({ paused }) => paused) ? 'unfinished' : (await hasOldRows(request.ports, facts)) ? 'wiping' : 'new'
  const gen = Math.max(...facts.map((it) => it.gen)) + (state === 'new' ? 1 : 0)
  const planned = await Promise.all(
    facts.map(async (it) => ({ ...it, after: state === 'wiping' ? it.positions : await targetsOf(request, it) })),
  )
  return {
    state,
    gen,
    tasks: planned,
    purges: state === 'wiping' ? [] : purgesOf(request, planned),
    missing: (await missingTopics(request)).map(({ topic }) => topic),
  }
}

const checkTopics = ({ topology, inputTopics = [], offsets = [] }: ResetRequest): void => {
  const known = topology.sourceTopics
  for (const topic of [...inputTopics, ...offsets.map((it) => it.topic)]) {
    if (known.includes(topic)) continue
    throw new StreamsError('INPUT_INVALID', `The application does not read topic ${topic}`, { remedy: `Choose among: ${known.join(', ')}` })
  }
}

/** Every task, sub-topologies in the order of the topology: those that write to others come first. */
const tasksOf = async ({ topology, applicationId, ports }: ResetRequest): Promise<readonly ResetTask[]> => {
  const counts = await partitionCounts({ topology, applicationId, ports })
  return topology.subTopologies.flatMap((sub) => {
    const plan = planOf(topology, applicationId, sub)
    const partitions = Math.max(0, ...[...plan.sources.keys()].map((topic) => counts.get(topic) ?? 0))
    return Array.from({ length: partitions }, (_, partition) => ({ plan, partition }))
  })
}

type Reach = Pick<ResetRequest, 'topology' | 'applicationId' | 'ports'>

const partitionCounts = async ({ topology, applicationId, ports }: Reach): Promise<ReadonlyMap<string, number>> => {
  const users = await ports.admin.describe([...new Set(topology.sourceTopics)], soon(ports))
  const counts = new Map(users.map(({ topic, partitions }) => [topic, partitions]))
  return new Map([...counts, ...topology.partitionCounts(applicationId, counts)])
}

/** As they have to be created. */
export const missingTopics = async (reach: Reach) => {
  const internal = reach.topology.internalTopics(reach.applicationId)
  const counts = await partitionCounts(reach)
  const existing = await reach.ports.admin.describe(
    internal.map(({ name }) => name),
    soon(reach.ports),
  )
  return internal
    .filter(({ name }) => !existing.some(({ topic }) => topic === name))
    .map(({ name, config }) => ({ topic: name, partitions: counts.get(name) ?? 1, config }))
}

/** `fenced`: nobody else can commit any more; a transaction that is open all the same is FENCED. */
export const factsOf = async (ports: ResetPorts, task: ResetTask, { fenced = false } = {}): Promise<TaskFacts> => {
  const { plan, partition } = task
  const item = await ports.table.readTask({ subTopology: plan.subTopology, partition }, soon(ports))
  const known = item?.checkpoint
  const at = { topic: plan.commitTopic, partition, since: known?.ends[plan.commitTopic] }
  const commit = await readLastCommit(ports.reader, at, { fenced, deadlineMs: soon(ports) })
  const [seq, gen] = [commit?.seq ?? 0, commit?.gen ?? 0]
  const isLost = commit === undefined || seq < (known?.seq ?? 0)
  const logged = isLost ? await lastInChangelogs(ports, task) : { seq: 0, gen: 0 }
  return {
    ...task,
    seq: Math.max(seq, known?.seq ?? 0, logged.seq),
    gen: Math.max(gen, known?.gen ?? 0, logged.gen),
    paused: commit?.paused ?? false,
    commit: isLost ? undefined : commit,
    positions: furthest(
      [{ ...commit?.parked, ...commit?.positions }, known !== undefined && known.seq >= seq ? known.positions : {}],
      task,
    ),
    lease: item?.lease,
    checkpoint: known,
  }
}

/** Of this code's sources, whoever committed: a checkpoint may have passed markers, and be behind in a topic that its code did not read. */
const furthest = (all: readonly Readonly<Record<string, number>>[], { plan }: ResetTask): Readonly<Record<string, number>> => {
  const topics = [...plan.sources.keys()].filter((topic) => all.some((positions) => positions[topic] !== undefined))
  return Object.fromEntries(topics.map((topic) => [topic, Math.max(...all.map((positions) => positions[topic] ?? 0))]))
}

/** Without a commit record the numbers go on after the highest that anything has. */
const lastInChangelogs = async ({ reader, clock }: ResetPorts, { plan, partition }: ResetTask): Promise<{ seq: number; gen: number }> => {
  const last = { seq: 0, gen: 0 }
  const deadlineMs = clock.nowMs() + 10 * requestMs
  for (const topic of plan.changelogs.values()) {
    const [bounds] = await boundsOf(reader, [{ topic, partition }], deadlineMs)
    for (let offset = bounds?.logStartOffset ?? 0; offset < (bounds?.highWatermark ?? 0); ) {
      const [answer] = await reader.fetch([{ topic, partition, offset, bytesMax: 8 * 1024 * 1024 }], { waitMs: 0, deadlineMs })
      for (const { headers } of answer?.records ?? []) {
        const { seq = 0, gen = 0 } = changelogStamp(headers) ?? {}
        last.seq = Math.max(last.seq, seq)
        last.gen = Math.max(last.gen, gen)
      }
      if (answer === undefined || answer.nextOffset === offset) break
      offset = answer.nextOffset
    }
  }
  return last
}

/** Of those that exist. */
const boundsOf = async (
  reader: ResetPorts['reader'],
  partitions: readonly TopicPartition[],
  deadlineMs: number,
): Promise<readonly Bounds[]> => {
  const found = await Promise.all(
    partitions.map((at) =>
      reader.bounds([at], deadlineMs).catch((error: unknown) => {
        if (error instanceof StreamsError && error.code === 'TOPIC_MISSING') return []
        throw error
      }),
    ),
  )
  return found.flat()
}

const hasOldRows = async (ports: ResetPorts, tasks: readonly TaskFacts[]): Promise<boolean> => {
  for (const space of oldSpaces(tasks)) for await (const page of ports.table.query(space, soon(ports))) if (page.length > 0) return true
  return false
}

/** The key spaces of earlier generations. */
export const oldSpaces = (tasks: readonly Pick<TaskFacts, 'plan' | 'partition' | 'gen'>[]) =>
  tasks.flatMap(({ plan, partition, gen }) =>
    plan.stores.flatMap((spec) =>
      tableStoresOf(spec).flatMap((store) =>
        Array.from({ length: gen }, (_, old) => ({ subTopology: plan.subTopology, partition, gen: old, store })),
      ),
    ),
  )

/** The positions of a task after the reset. */
export const targetsOf = async (
  request: ResetRequest,
  { plan, partition, positions }: TaskFacts,
): Promise<Readonly<Record<string, number>>> => {
  const { ports, offsets = [] } = request
  const own = ownTopics(request)
  const at = [...plan.sources.keys()].map((topic) => ({ topic, partition }))
  const bounds = await boundsOf(ports.reader, at, soon(ports))
  const target = async ({ topic, logStartOffset: start, highWatermark: end }: Bounds): Promise<number | undefined> => {
    const within = (offset: number): number => Math.min(Math.max(offset, start), end)
    const now = positions[topic]
    const stays = now === undefined ? undefined : now >= start && now <= end ? now : start
    const explicit = offsets.find((it) => it.topic === topic && it.partition === partition)
    if (explicit !== undefined) return within(explicit.offset)
    if (own.internal.has(topic)) return request.to.kind === 'current' ? stays : end
    // what reads a global store must find all of its topic in it
    if (plan.subTopologyId < 0) return start
    if (request.inputTopics === undefined && own.written.has(topic)) return request.to.kind === 'current' ? stays : end
    if (request.inputTopics !== undefined && !request.inputTopics.includes(topic)) return stays
    return toOffset(request, { topic, partition }, { start, end, stays })
  }
  const found = await Promise.all(bounds.map(async (it) => [it.topic, await target(it)] as const))
  return Object.fromEntries(found.flatMap(([topic, offset]) => (offset === undefined ? [] : [[topic, offset]])))
}

const toOffset = async (
  { to, ports }: ResetRequest,
  at: TopicPartition,
  { start, end, stays }: { readonly start: number; readonly end: number; readonly stays: number | undefined },
): Promise<number | undefined> => {
  switch (to.kind) {
    case 'earliest':
      return start
    case 'latest':
      return end
    case 'current':
      return stays
    case 'time':
      return (await ports.admin.offsetsAt([at], to.timestampMs, soon(ports)))[0]?.offset
    default:
      return to satisfies never
  }
}

/** Topics whose records the application makes itself: read again they would be there twice. */
const ownTopics = ({ topology, applicationId }: ResetRequest) => ({
  internal: new Set(
    topology.subTopologies.flatMap((sub) => sub.sourceTopics.filter((it) => it.internal).map((it) => topicName(it, applicationId))),
  ),
  written: new Set(topology.sinkTopics),
})

export const purgesOf = (request: ResetRequest, tasks: readonly Pick<PlannedTask, 'partition' | 'after'>[]): ResetPlan['purges'] => {
  const { internal } = ownTopics(request)
  return tasks.flatMap(({ partition, after }) =>
    Object.entries(after).flatMap(([topic, offset]) => (internal.has(topic) && offset > 0 ? [{ topic, partition, offset }] : [])),
  )
}
