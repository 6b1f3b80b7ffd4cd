import type { MemoryKafka } from '../../src/adapters/memory/log.ts'
import type { CommitRecord } from '../../src/runtime/commit-record.ts'
import { initialTimes, type TaskTimes } from '../../src/runtime/effects.ts'
import type { TaskPlan } from '../../src/runtime/plan.ts'
import type { Appended, PartitionBatch, TopicPartition } from '../../src/runtime/ports.ts'
import type { ResetTo } from '../../src/runtime/reset-plan.ts'
import { Task } from '../../src/runtime/task.ts'
import { keyId } from '../../src/serde/serde.ts'
import type { TableBackend, TaskItem } from '../../src/state/backend.ts'
import { type Row, Rows } from '../../src/state/rows.ts'
import { applicationId } from './apps.ts'
import { planOf, type SimulatedTask } from './process.ts'
import { sorted } from './words.ts'
import type { WrittenLogs } from './written-logs.ts'

export interface AppendedBatch {
  readonly batch: PartitionBatch
  readonly at: Appended
}

/** What a key of a store, in one generation, is after the transactions that changed it. */
export interface KeyHistory {
  readonly gen: number
  readonly store: string
  readonly key: Uint8Array
  latest: number
  row: Row
  readonly bySeq: Map<number, string>
}

export interface Audited {
  readonly task: SimulatedTask
  /** Of the code that committed last, and as that code has it. */
  version: number
  plan: TaskPlan
  reference: Task
  /** The newest version that ever committed, and when it last did. */
  newest: { version: number; atMs: number }
  readonly commits: CommitRecord[]
  readonly keys: Map<string, KeyHistory>
  /** Of each transaction, where its records begin in the log. */
  readonly begins: { readonly seq: number; readonly offsets: ReadonlyMap<string, number> }[]
  readonly acknowledged: Map<string, number>
  item: TaskItem | undefined
}

export interface AuditorOptions {
  readonly kafka: MemoryKafka
  readonly table: TableBackend
  readonly tasks: readonly SimulatedTask[]
  readonly partitionsOf: (topic: string) => number
  readonly nowMs: () => number
}

/** So long older code must keep still behind a commit of newer code, whatever clocks say that are off. */
const overlapMs = 16 * 60_000

export const idOf = (gen: number, store: string, key: Uint8Array): string => `${gen}/${store}/${keyId(key)}`

/** Of the sources that code may have, those too that the last did not. */
export const positionsOf = (commit: CommitRecord | undefined): Readonly<Record<string, number>> => ({
  ...commit?.parked,
  ...commit?.positions,
})

type World = Pick<AuditorOptions, 'nowMs' | 'partitionsOf'>

/** A task that begins anew, or that goes on over what another has left. */
export const referenceOf = (
  { nowMs, partitionsOf }: World,
  { plan, partition }: { readonly plan: TaskPlan; readonly partition: number },
  over?: { readonly keys: readonly KeyHistory[]; readonly times: TaskTimes },
): Task =>
  new Task({
    ...{ plan, partition, clock: { nowMs }, partitionsOf },
    ...(over ? { times: over.times } : {}),
    rowsOf: ({ name }) => {
      const rows = new Rows()
      rows.overlay((over?.keys ?? []).flatMap(({ store, row }) => (store === name ? [row] : [])))
      return rows
    },
  })

/** Other code goes on over the same rows and times, but no older code behind newer. Says what is otherwise. */
export const changeCode = (
  audited: Audited,
  { topology }: CommitRecord,
  { deployed, ...world }: World & { readonly deployed: number },
): string | undefined => {
  const { task, keys, commits, newest } = audited
  const version = task.plans.findIndex(({ fingerprint }) => fingerprint === topology)
  if (version < 0 || version > deployed) return `${task.name}: a commit of code that was never deployed`
  const nowMs = world.nowMs()
  // code that never committed cannot be known as older
  const isOld = version !== audited.version && version < newest.version && commits.some((it) => it.topology === topology)
  if (isOld && nowMs < newest.atMs + overlapMs)
    return `${task.name}: version ${version} of the code commits after version ${newest.version}`
  if (version >= newest.version) audited.newest = { version, atMs: nowMs }
  if (version === audited.version) return undefined
  const { gen = 0, times = initialTimes } = commits.at(-1) ?? {}
  audited.version = version
  audited.plan = planOf(task, version)
  const own = [...keys.values()].filter((history) => history.gen === gen)
  audited.reference = referenceOf(world, { plan: audited.plan, partition: task.partition }, { keys: own, times })
  return undefined
}

/** The steps of a reset write nothing but where the task is to go on, in a generation of its own. Says what is otherwise. */
export const checkReset = (
  audited: Audited,
  commit: CommitRecord,
  { batches, logs, to, ...world }: World & { readonly batches: number; readonly logs: WrittenLogs; readonly to: ResetTo['kind'] },
): string | undefined => {
  const { task, plan, commits } = audited
  const { name, partition } = task
  const last = commits.at(-1)
  if (batches > 1) return `${name}: transaction ${commit.seq} writes more than its commit record during a reset`
  const begins = commit.gen !== (last?.gen ?? 0)
  if (begins && !commit.paused) return `${name}: generation ${commit.gen} begins while nobody is paused`
  if (sorted(commit.times) !== sorted(initialTimes)) return `${name}: a reset leaves times ${sorted(commit.times)}`
  const stays = begins || !commit.paused || to === 'current'
  for (const topic of plan.sources.keys()) {
    const at = { topic, partition }
    const [was, is] = [positionsOf(last)[topic], commit.positions[topic]]
    if (is === undefined && was === undefined) continue
    const [least, most] = targetOf(at, { was: was ?? 0, to, logs })
    const passes = is !== undefined && is >= (was ?? 0) && !logs.hasBetween(at, was ?? 0, is)
    if (stays ? !passes : is === undefined || is < least || is > most) return `${name}: a reset takes ${topic} from ${was} to ${is}`
  }
  if (begins) audited.reference = referenceOf(world, { plan, partition })
  return undefined
}

/** Where a reset may move a source to. */
const targetOf = (
  at: TopicPartition,
  { was, to, logs }: { readonly was: number; readonly to: ResetTo['kind']; readonly logs: WrittenLogs },
): readonly [least: number, most: number] => {
  const [start, end] = [logs.startOf(at), logs.read(at).highWatermark]
  if (at.topic.startsWith(`${applicationId}-`)) return [end, end]
  return to === 'earliest' ? [start, start] : [was, end]
}
