import { isStreamsError, StreamsError } from '../errors.ts'
import { invariant } from '../invariant.ts'
import type { StateStore } from '../processor/store.ts'
import { keyId } from '../serde/serde.ts'
import { readOnly } from '../state/read-only.ts'
import { type Row, Rows } from '../state/rows.ts'
import type { StoreSpec } from '../topology/nodes.ts'
import { initialTimes, type TaskTimes } from './effects.ts'
import type { InvocationPorts } from './invocation-request.ts'
import { syncLog } from './log-sync.ts'
import type { TaskPlan } from './plan.ts'
import { startPositions } from './start-positions.ts'
import { tableReader } from './table-rows.ts'
import { Task } from './task.ts'

/**
 * The global stores of an application as the tasks of one process read them, all from the same memory. What fills a store, its
 * materialiser, is a sub-topology like any other, with a task per partition of the global topic; a reader takes the rows that it has
 * written so far, and runs what the topic has beyond them through the same processor, for itself alone.
 */
export interface GlobalStores {
  /** Read only; undefined where the application has no global store of that name. From now on {@link refresh} keeps it up to date. */
  store(name: string): StateStore | undefined
  /** Brings every store that somebody asked for up to what its topic had, readable, when this was called. */
  refresh(deadlineMs: number): Promise<void>
}

export const createGlobalStores = (plans: readonly TaskPlan[], ports: InvocationPorts): GlobalStores => {
  const readers = new Map(plans.flatMap((plan) => plan.stores.map((spec) => [spec.name, readerOf(plan, spec, ports)])))
  return {
    store: (name) => readers.get(name)?.open(),
    refresh: async (deadlineMs) => {
      await Promise.all([...readers.values()].map((reader) => reader.refresh(deadlineMs)))
    },
  }
}

interface GlobalReader {
  open(): StateStore
  refresh(deadlineMs: number): Promise<void>
}

/** What a process holds of one global store: one task per partition of its topic, over the same rows. */
interface Loaded {
  readonly tasks: readonly Task[]
  /** Next offset, by partition. */
  readonly positions: number[]
}

const fetchBytesMax = 4 * 1024 * 1024
const waitMs = 100
/** What an invocation needs to end in order. */
const reserveMs = 2_000

const readerOf = (plan: TaskPlan, spec: StoreSpec, ports: InvocationPorts): GlobalReader => {
  let isRead = false
  let loaded: Loaded | undefined
  let lastDeadlineMs = 0
  let running: Promise<void> = Promise.resolve()
  let waiting: Promise<void> | undefined
  const drop = (): void => {
    for (const task of loaded?.tasks ?? []) task.close()
    loaded = undefined
  }
  const bringUpToDate = async (deadlineMs: number): Promise<void> => {
    const wasThere = loaded !== undefined
    try {
      loaded ??= await load({ plan, spec, ports, deadlineMs })
      await follow(loaded, { plan, ports, deadlineMs })
    } catch (error) {
      drop()
      // the topic does not reach back to what this process knew: the rows of the materialiser do
      if (!wasThere || !isStreamsError(error, 'LOG_TRUNCATED')) throw error
      await bringUpToDate(deadlineMs)
    }
  }
  const refresh = (deadlineMs: number): Promise<void> => {
    lastDeadlineMs = Math.max(lastDeadlineMs, deadlineMs)
    if (!isRead) return Promise.resolve()
    // one that has begun may have asked for the end of the topic too early for this call, one that still waits for its turn has not
    waiting ??= running
      .catch(() => undefined)
      .then(() => {
        waiting = undefined
        return bringUpToDate(lastDeadlineMs)
      })
    running = waiting
    return waiting
  }
  const now = (): StateStore | undefined => loaded?.tasks[0]?.store(spec.name)?.api
  const later = async (): Promise<StateStore> => {
    await refresh(lastDeadlineMs)
    const store = now()
    invariant(store, `the global store ${spec.name} is loaded`)
    return store
  }
  const api = readOnly(spec.name, { now, later })
  return {
    open: () => {
      isRead = true
      return api
    },
    refresh,
  }
}

interface Reading {
  readonly plan: TaskPlan
  readonly ports: InvocationPorts
  readonly deadlineMs: number
}

const topicOf = ({ sources }: TaskPlan): string => {
  const [topic] = sources.keys()
  invariant(topic !== undefined, 'a global store has a topic')
  return topic
}

/** What the materialiser has written, in all partitions, and tasks that go on from there. */
const load = async ({ spec, ...reading }: Reading & { readonly spec: StoreSpec }): Promise<Loaded> => {
  const { plan, ports } = reading
  const topic = topicOf(plan)
  const partitions = Array.from({ length: await ports.partitionsOf(topic) }, (_, partition) => partition)
  // a store whose rows are the topic's records may take one of them twice; what a processor makes of a record may not
  const loadOne = spec.sourceTopic === undefined ? lastCommit : lastCheckpoint
  const found = await Promise.all(partitions.map((partition) => loadOne(reading, spec.name, partition)))
  const rows = new Rows()
  for (const it of found) rows.overlay(it.rows)
  const tasks = found.map(
    ({ times }, partition) =>
      new Task({ plan, partition, clock: ports.clock, partitionsOf: ports.partitionsOf, rowsOf: () => rows, times }),
  )
  const count = found.reduce((sum, it) => sum + it.rows.length, 0)
  ports.log({ level: 'debug', message: 'loaded global store', store: spec.name, rows: count })
  return { tasks, positions: found.map(({ position }) => position) }
}

interface LoadedPartition {
  readonly rows: readonly Row[]
  readonly times: TaskTimes
  /** Where the topic goes on. */
  readonly position: number
}

type LoadPartition = (reading: Reading, store: string, partition: number) => Promise<LoadedPartition>

/**
 * The rows as they are, and the position of the checkpoint: rows that are newer get their value from the topic once more. It waits for
 * nobody, whatever the materialiser is about.
 */
const lastCheckpoint: LoadPartition = async (reading, store, partition) => {
  const { checkpoint, rows } = await readRows(reading, store, partition)
  return { rows, times: initialTimes, position: await startOf(reading, partition, checkpoint?.positions ?? {}) }
}

/** The state at the materialiser's last commit, exactly. While it commits its log cannot be read so: it is waited for. */
const lastCommit: LoadPartition = async (reading, store, partition) => {
  const { plan, ports, deadlineMs } = reading
  for (;;) {
    try {
      return await readCommit(reading, store, partition)
    } catch (error) {
      if (!isStreamsError(error, 'FENCED')) throw error
      if (ports.clock.nowMs() > deadlineMs - reserveMs)
        throw new StreamsError('DEADLINE_EXCEEDED', `No time left to load global store ${store}: ${error.message}`, { cause: error })
      const at = { topic: plan.commitTopic, partition }
      const [bounds] = await ports.reader.bounds([at], deadlineMs)
      await ports.reader.fetch([{ ...at, offset: bounds?.highWatermark ?? 0, bytesMax: 1 }], { waitMs, deadlineMs })
    }
  }
}

/** The rows come before the log: none is newer than the log then, and its tail tells those that are newer than the checkpoint (protocol §9). */
const readCommit: LoadPartition = async (reading, store, partition) => {
  const { plan, ports, deadlineMs } = reading
  const { checkpoint, rows } = await readRows(reading, store, partition)
  const log = await syncLog({ plan, partition, reader: ports.reader, checkpoint, nowMs: ports.clock.nowMs(), deadlineMs })
  const merged = new Map((log.rebuilt ? [] : rows).map((row) => [keyId(row.key), row]))
  for (const row of log.tail.get(store) ?? []) merged.set(keyId(row.key), row)
  const position = await startOf(reading, partition, { ...checkpoint?.positions, ...log.commit.positions })
  return { rows: [...merged.values()], times: log.commit.times, position }
}

/** The checkpoint first: the rows are at least as new. */
const readRows = async ({ plan, ports, deadlineMs }: Reading, store: string, partition: number) => {
  const task = { subTopology: plan.subTopology, partition }
  const checkpoint = (await ports.table.readTask(task, deadlineMs))?.checkpoint
  if (checkpoint === undefined) return { checkpoint, rows: [] }
  const rows = await tableReader(ports.table, { ...task, gen: checkpoint.gen, store }, () => deadlineMs).range(null, null)
  return { checkpoint, rows }
}

const startOf = async (reading: Reading, partition: number, known: Readonly<Record<string, number>>): Promise<number> =>
  (await startPositions({ ...reading, partition }, known))[topicOf(reading.plan)] ?? 0

/** Runs what the topic has, and readers may see, through the processor of the store; nothing of it is committed. */
const follow = async ({ tasks, positions }: Loaded, { plan, ports, deadlineMs }: Reading): Promise<void> => {
  const topic = topicOf(plan)
  const bounds = await ports.reader.bounds(
    tasks.map((_, partition) => ({ topic, partition })),
    deadlineMs,
  )
  let behind = bounds.filter(({ partition, highWatermark }) => (positions[partition] ?? 0) < highWatermark)
  for (let pauseMs = 0; behind.length > 0; pauseMs = waitMs) {
    const requests = behind.map(({ partition }) => ({ topic, partition, offset: positions[partition] ?? 0, bytesMax: fetchBytesMax }))
    const answers = await ports.reader.fetch(requests, { waitMs: pauseMs, deadlineMs })
    for (const { partition, records, nextOffset } of answers) {
      const task = tasks[partition]
      invariant(task, `partition ${partition} of ${topic} has a task`)
      task.add(topic, records)
      await task.process()
      await task.commit()
      positions[partition] = nextOffset
    }
    behind = behind.filter(({ partition, highWatermark: end }) => {
      const answer = answers.find((it) => it.partition === partition)
      const position = positions[partition] ?? 0
      // an answer that does not reach the end that was listed comes from a broker that lags
      const isHeldBack = answer !== undefined && answer.highWatermark >= end && position >= answer.lastStableOffset
      return position < end && !isHeldBack
    })
  }
}
