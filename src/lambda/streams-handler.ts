import { randomUUID } from 'node:crypto'
import middy from '@middy/core'
import { messageOf, StreamsError } from '../errors.ts'
import { createGlobalStores, type GlobalStores } from '../runtime/global-stores.ts'
import { runInvocation } from '../runtime/invocation.ts'
import type { CommittedChunk, InvocationOutcome, InvocationPorts, LogEntry, Trigger } from '../runtime/invocation-request.ts'
import { planOf, subTopologyNamed, type TaskPlan } from '../runtime/plan.ts'
import { needsTick } from '../runtime/sweep.ts'
import { createTaskMemory, type TaskMemory } from '../runtime/task-memory.ts'
import { topicName } from '../topology/nodes.ts'
import type { Topology } from '../topology/topology.ts'
import { doorbellOf } from './doorbells.ts'
import { type Adapters, adaptersFromEnvironment, type Identity, identityFromEnvironment } from './environment.ts'
import type { KafkaBatchResponse } from './kafka-event.ts'

/** What the handler uses of Lambda's context. */
export interface HandlerContext {
  getRemainingTimeInMillis(): number
}

export interface StreamsHandlerOptions {
  /** Default: `MILLRACE_APPLICATION_ID` and `MILLRACE_SUB_TOPOLOGY`. */
  readonly identity?: Identity
  /** Default: kafkajs and DynamoDB by the environment variables; opened at the first event. */
  readonly adapters?: () => Adapters | Promise<Adapters>
  /** Default: one JSON line per entry to standard output; `debug` only with `MILLRACE_LOG=debug`. */
  readonly log?: (entry: LogEntry) => void
  /**
   * Whether an event of one partition goes on, for a second at most, with records that come while its rows are written: they wait neither for
   * the table nor for the next event, and the function runs for longer. Default: with a batching window of 0, as `MILLRACE_BATCHING_WINDOW` says.
   */
  readonly goesOn?: boolean
  /** Told of every committed transaction. */
  readonly onCommit?: (chunk: CommittedChunk) => void
  /** Told of every finished invocation of a task. */
  readonly onOutcome?: (outcome: InvocationOutcome & { readonly subTopology: string; readonly partition: number }) => void
}

export type StreamsHandler = (event: unknown, context: HandlerContext) => Promise<KafkaBatchResponse>

/** Tasks of one event that run side by side over the same sockets (protocol §11). */
const parallelMax = 8
/** Nobody waits for the end of an event of one partition but what comes next of that partition. */
const goOnMs = 1_000
/** Of Lambda's time, to leave room for the answer itself. */
const answerMs = 500

interface Running {
  readonly plan: TaskPlan
  readonly ports: InvocationPorts
  readonly memories: Map<number, TaskMemory>
  /** Shared by the tasks of this process. */
  readonly globals: GlobalStores
  readonly partitions: () => Promise<number>
}

/**
 * The Lambda handler of one sub-topology. It takes the events of a Kafka event source mapping (Amazon MSK and self-managed)
 * and the schedule's tick, uses them as doorbells only, and returns when everything it owes is done or promised by a task
 * that runs elsewhere. If a task fails the others of the event still finish; then the first failure is thrown, so that the
 * event source delivers the batch again.
 */
export const streamsHandler = (topology: Topology, options: StreamsHandlerOptions = {}): StreamsHandler => {
  const { log = logLine, goesOn = process.env.MILLRACE_BATCHING_WINDOW === '0' } = options
  let running: Promise<Running> | undefined
  const start = (): Promise<Running> => {
    running ??= startRunning(topology, options, log).catch((error: unknown) => {
      running = undefined
      throw error
    })
    return running
  }
  /** Failures of tasks, which are logged with the task. */
  const said = new WeakSet<Error>()
  // an answer before the tasks have ended would freeze them half-way: Lambda's own timeout ends the process with them
  const handler = middy<unknown, KafkaBatchResponse, Error, HandlerContext & object>({ timeoutEarlyInMillis: 0 })
    .use({
      onError: ({ error }) => {
        if (!(error instanceof Error && said.has(error))) log(errorEntry(error))
      },
    })
    .handler(async (event, context) => {
      const deadlineMs = Date.now() + context.getRemainingTimeInMillis() - answerMs
      const { plan, ports, memories, globals, partitions } = await start()
      const doorbell = doorbellOf(event, plan)
      const tasks =
        doorbell.kind === 'tick'
          ? await ticksOf(plan, ports, { partitions: await partitions(), all: doorbell.all, deadlineMs })
          : doorbell.tasks
      const runOne = async (partition: number, trigger: Trigger): Promise<void> => {
        const memory = memories.get(partition) ?? createTaskMemory()
        memories.set(partition, memory)
        const task = { applicationId: plan.applicationId, subTopology: plan.subTopology, partition, trigger: trigger.kind }
        const more = goesOn && tasks.size === 1 ? { goOnMs } : {}
        const request = { ports, plan, partition, trigger, deadlineMs, memory, globals, ...more }
        const outcome = await runInvocation(request).catch((error: unknown) => {
          log({ ...errorEntry(error), ...task })
          if (error instanceof Error) said.add(error)
          throw error
        })
        options.onOutcome?.({ ...outcome, subTopology: plan.subTopology, partition })
        log({
          level: 'info',
          message: outcome.result,
          ...task,
          seq: outcome.seq,
          offsets: outcome.positions,
          transactions: outcome.transactions,
          recordsRead: outcome.recordsRead,
          recordsWritten: outcome.recordsWritten,
          rowsWritten: outcome.rowsWritten,
        })
      }
      await allOf([...tasks], runOne)
      return { batchItemFailures: [] }
    })
  return (event, context) => handler(event, context as HandlerContext & object)
}

const errorEntry = (error: unknown): LogEntry => ({
  level: 'error',
  message: messageOf(error),
  ...(error instanceof StreamsError
    ? { code: error.code, retryable: error.retryable, remedy: error.remedy }
    : { stack: error instanceof Error ? error.stack : undefined }),
})

const startRunning = async (topology: Topology, options: StreamsHandlerOptions, log: (entry: LogEntry) => void): Promise<Running> => {
  const { applicationId, subTopology } = options.identity ?? identityFromEnvironment()
  const sub = subTopologyNamed(topology, subTopology)
  const plan = planOf(topology, applicationId, sub)
  const { kafka, table } = await (options.adapters ?? adaptersFromEnvironment)()
  const counts = new Map<string, number>()
  const partitionsOf = async (topic: string): Promise<number> => {
    const known = counts.get(topic)
    if (known !== undefined) return known
    const [found] = await kafka.admin.describe([topic], Date.now() + 30_000)
    if (!found) throw new StreamsError('TOPIC_MISSING', `Topic "${topic}" does not exist`)
    counts.set(topic, found.partitions)
    return found.partitions
  }
  const ports: InvocationPorts = {
    txnLog: kafka.txnLog,
    reader: kafka.reader,
    table,
    clock: { nowMs: () => Date.now() },
    token: randomUUID,
    partitionsOf: (topic) => counts.get(topic) ?? partitionsOf(topic),
    log: (entry) => log({ applicationId, ...entry }),
    ...(options.onCommit === undefined ? {} : { committed: options.onCommit }),
  }
  return {
    plan,
    memories: new Map(),
    globals: createGlobalStores(plan.globals, ports),
    partitions: async () =>
      Math.max(...(await Promise.all(sub.sourceTopics.map((topic) => partitionsOf(topicName(topic, applicationId)))))),
    ports,
  }
}

/** All tasks, or those that need a tick: somebody rang and nobody came, rows wait for their flush, a lease ran out, or it is their turn for the regular look. */
const ticksOf = async (
  plan: TaskPlan,
  { table, clock }: InvocationPorts,
  { partitions, all, deadlineMs }: { readonly partitions: number; readonly all: boolean; readonly deadlineMs: number },
): Promise<ReadonlyMap<number, Trigger>> => {
  const due = new Map<number, Trigger>()
  await allOf(
    Array.from({ length: partitions }, (_, partition) => [partition, undefined] as const),
    async (partition) => {
      const isDue = async (): Promise<boolean> => {
        const item = await table.readTask({ subTopology: plan.subTopology, partition }, deadlineMs)
        return needsTick(item, { nowMs: clock.nowMs(), partition })
      }
      if (all || (await isDue())) due.set(partition, { kind: 'tick' })
    },
  )
  return due
}

/** Runs all, a bounded number at a time; throws the first failure after the last one has ended. */
const allOf = async <T>(items: readonly (readonly [number, T])[], run: (partition: number, item: T) => Promise<void>): Promise<void> => {
  const failures: unknown[] = []
  const queue = [...items]
  const worker = async (): Promise<void> => {
    for (let next = queue.shift(); next; next = queue.shift()) {
      try {
        await run(...next)
      } catch (error) {
        failures.push(error)
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(parallelMax, items.length) }, worker))
  if (failures.length > 0) throw failures[0]
}

/** One JSON line per entry; `debug` only with `MILLRACE_LOG=debug`. */
export const logLine = (entry: LogEntry): void => {
  if (entry.level === 'debug' && process.env.MILLRACE_LOG !== 'debug') return
  process.stdout.write(`${JSON.stringify({ time: new Date().toISOString(), ...entry })}\n`)
}
