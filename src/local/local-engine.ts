import { isStreamsError, StreamsError } from '../errors.ts'
import { type Adapters, type LogEntry, streamsHandler } from '../lambda/index.ts'
import type { CommittedChunk, InvocationOutcome } from '../runtime/invocation-request.ts'
import { checkRenamed } from '../runtime/renamed.ts'
import { topicName } from '../topology/nodes.ts'
import type { SubTopology } from '../topology/sub-topologies.ts'
import { flushOf } from '../topology/table-options.ts'
import { checkTopicSettings, settingNames } from '../topology/topic-settings.ts'
import type { Topology } from '../topology/topology.ts'
import { createEventSourceMapping, type EventSourceMapping, type MappingPosition } from './event-source-mapping.ts'
import type { InvokeReply } from './invoke-reply.ts'
import { inputProgressTopic } from './local-input.ts'

export interface LocalEngineOptions {
  readonly topology: Topology
  readonly applicationId: string
  readonly adapters: Adapters
  /** For user topics that do not exist yet. Default 4. */
  readonly partitions?: number
  /** Default true; false: a missing source topic is TOPIC_MISSING. Sinks are checked at the first record. */
  readonly createUserTopics?: boolean
  /** Records per event. Default 10,000: nothing is paid per invocation here. */
  readonly batchSize?: number
  readonly windowMs?: number
  /** How long a function may run. Default 60,000. */
  readonly timeoutMs?: number
  readonly log?: (entry: LogEntry) => void
}

/** What went through one sub-topology so far. */
export interface SubTopologyStats {
  readonly name: string
  readonly invocations: number
  readonly transactions: number
  readonly recordsRead: number
  readonly recordsWritten: number
  readonly rowsWritten: number
}

export interface SourceLag {
  readonly topic: string
  /** Records not yet delivered, per partition. */
  readonly lag: readonly number[]
}

export interface LocalEngine {
  /** Creates missing topics and the table: records may be written, and wait. */
  open(): Promise<void>
  /** Starts the event sources and the tick, after {@link open} if that was not called. */
  start(): Promise<void>
  /** Resolves when everything that is in the source topics is processed; rejects as {@link failed} does. */
  drained(): Promise<void>
  /** Never resolves; rejects with the first error that a retry cannot mend. Nothing is lost: the record is still there. */
  readonly failed: Promise<never>
  stop(): Promise<void>
  partitionsOf(topic: string): number
  stats(): readonly SubTopologyStats[]
  lag(): readonly SourceLag[]
}

const requestMs = 60_000
const tickMs = 60_000

/**
 * The event sources, the scheduler and the functions of one application, on this machine: every event goes through the
 * handler that Lambda calls, over whatever Kafka and table it is given.
 */
export const createLocalEngine = (options: LocalEngineOptions): LocalEngine => {
  const { topology, applicationId, adapters } = options
  const { kafka, table } = adapters
  const soon = (): number => Date.now() + requestMs
  const counts = new Map<string, number>()
  const functions = topology.subTopologies.map((sub) => localFunction(options, sub))
  const failure = Promise.withResolvers<never>()
  failure.promise.catch(() => undefined)
  let mappings: readonly { readonly topic: string; readonly mapping: EventSourceMapping }[] = []
  let tick: NodeJS.Timeout | undefined
  let over = false

  const createTopics = async (): Promise<void> => {
    const users = [...new Set([...topology.sourceTopics, ...topology.sinkTopics])]
    const existing = new Map((await kafka.admin.describe(users, soon())).map((it) => [it.topic, it.partitions]))
    const partitions = options.partitions ?? 4
    const create = options.createUserTopics ?? true
    for (const topic of users) {
      const count = existing.get(topic) ?? (create ? partitions : undefined)
      if (count !== undefined) counts.set(topic, count)
    }
    for (const [topic, count] of topology.partitionCounts(applicationId, counts)) counts.set(topic, count)
    const internalTopics = topology.internalTopics(applicationId)
    const internal = internalTopics.map(({ name, config }) => ({ topic: name, partitions: counts.get(name) ?? 1, config }))
    const progress = topology.sourceTopics.map((topic) => ({
      topic: inputProgressTopic(topic),
      partitions: 1,
      config: { 'cleanup.policy': 'compact' },
    }))
    await checkRenamed(kafka, { applicationId, subTopologies: topology.subTopologies }, soon())
    const settings = await kafka.admin.settings(
      internalTopics.map(({ name }) => name),
      settingNames(internalTopics),
      soon(),
    )
    for (const message of checkTopicSettings(internalTopics, settings)) options.log?.({ level: 'warn', message, applicationId })
    const missing = users.filter((topic) => create && !existing.has(topic)).map((topic) => ({ topic, partitions, config: {} }))
    await kafka.admin.create([...missing, ...internal, ...progress], soon())
  }

  const waiting = functions.filter(({ sub }) => flushOf(sub.stores) !== undefined)
  let opened: Promise<void> | undefined
  const open = (): Promise<void> => {
    opened ??= table.ensure(soon()).then(createTopics)
    return opened
  }

  const mappingOf = ({ sub, invoke }: LocalFunction, topic: string): EventSourceMapping =>
    createEventSourceMapping({
      reader: kafka.reader,
      admin: kafka.admin,
      topic,
      partitions: counts.get(topic) ?? 1,
      groupId: `${applicationId}-${sub.name}-${topic}`,
      batchSize: options.batchSize ?? 10_000,
      windowMs: options.windowMs ?? 20,
      mix: 'spread',
      doorbells: true,
      // nothing is sent anywhere: a large record needs no smaller event
      payloadBytesMax: 64 * 2 ** 20,
      onEvent: ({ kind, detail = '' }) => {
        if (kind === 'problem') options.log?.({ level: 'error', message: detail, applicationId, topic })
      },
      invoke: async (event) => {
        const { reply, error } = await invoke(event)
        if (error !== undefined && !(error instanceof StreamsError && error.retryable)) failure.reject(error)
        return reply
      },
    })

  const caughtUp = async (): Promise<boolean> => {
    for (const { sub } of functions) {
      for (const topic of sub.sourceTopics.map((it) => topicName(it, applicationId))) {
        const partitions = Array.from({ length: counts.get(topic) ?? 0 }, (_, partition) => partition)
        const items = await Promise.all(partitions.map((partition) => table.readTask({ subTopology: sub.name, partition }, soon())))
        const bounds = await kafka.reader.bounds(
          partitions.map((partition) => ({ topic, partition })),
          soon(),
        )
        const requests = partitions.map((partition) => ({
          topic,
          partition,
          offset: items[partition]?.checkpoint?.positions[topic] ?? bounds[partition]?.logStartOffset ?? 0,
          bytesMax: 1,
        }))
        const answers = await kafka.reader.fetch(requests, { waitMs: 0, deadlineMs: soon() })
        if (answers.some((it) => it.records.length > 0 || it.nextOffset < it.lastStableOffset || it.lastStableOffset < it.highWatermark))
          return false
      }
    }
    return true
  }

  return {
    open,
    start: async () => {
      await open()
      mappings = functions.flatMap((fn) =>
        fn.sub.sourceTopics.map((it) => topicName(it, applicationId)).map((topic) => ({ topic, mapping: mappingOf(fn, topic) })),
      )
      await Promise.all(mappings.map(({ mapping }) => mapping.start()))
      const ring = () => {
        for (const fn of functions) void fn.invoke({ source: 'millrace.tick' })
      }
      tick = setInterval(ring, tickMs)
      tick.unref()
      // what was promised before, by another process or by a reset
      ring()
    },
    drained: async () => {
      const drain = async (): Promise<void> => {
        for (;;) {
          for (const { mapping } of mappings) await mapping.idle()
          // work that was promised to a task of another process shows only in the table
          await new Promise((resolve) => setTimeout(resolve, 20))
          if (over || (await caughtUp())) return
          // what waits for its flush is processed, and behind the checkpoint
          await Promise.all(waiting.map((fn) => fn.invoke({ source: 'millrace.tick', all: true })))
        }
      }
      await Promise.race([drain(), failure.promise])
    },
    failed: failure.promise,
    stop: async () => {
      over = true
      clearInterval(tick)
      await Promise.all(mappings.map(({ mapping }) => mapping.stop()))
    },
    partitionsOf: (topic) => counts.get(topic) ?? 1,
    stats: () => functions.map((fn) => fn.stats()),
    lag: () => mappings.map(({ topic, mapping }) => ({ topic, lag: mapping.positions().map(lagOf) })),
  }
}

const lagOf = ({ lastStableOffset, position }: MappingPosition): number => Math.max(0, lastStableOffset - position)

interface LocalFunction {
  readonly sub: SubTopology
  invoke(event: unknown): Promise<{ readonly reply: InvokeReply; readonly error?: unknown }>
  stats(): SubTopologyStats
}

/** One sub-topology's function in this process. */
const localFunction = (
  { topology, applicationId, adapters, timeoutMs = 60_000, log = () => {} }: LocalEngineOptions,
  sub: SubTopology,
): LocalFunction => {
  const total = { invocations: 0, transactions: 0, recordsRead: 0, recordsWritten: 0, rowsWritten: 0 }
  const onOutcome = (outcome: InvocationOutcome): void => {
    total.invocations++
    total.rowsWritten += outcome.rowsWritten
  }
  const onCommit = (chunk: CommittedChunk): void => {
    total.transactions++
    total.recordsRead += chunk.recordsRead
    total.recordsWritten += chunk.recordsWritten
  }
  const handler = streamsHandler(topology, {
    identity: { applicationId, subTopology: sub.name },
    adapters: () => adapters,
    log,
    onCommit,
    onOutcome,
  })
  return {
    sub,
    invoke: async (event) => {
      // over an in-memory log nothing ever waits: timers and progress must get their turn between two invocations
      await new Promise(setImmediate)
      const deadlineMs = Date.now() + timeoutMs
      try {
        const answer = await handler(event, { getRemainingTimeInMillis: () => deadlineMs - Date.now() })
        return { reply: { status: 200, payload: JSON.stringify(answer) } }
      } catch (error) {
        const errorType = isStreamsError(error) ? error.code : 'Error'
        return { reply: { status: 200, error: 'Unhandled', payload: JSON.stringify({ errorType, errorMessage: String(error) }) }, error }
      }
    },
    stats: () => ({ name: sub.name, ...total }),
  }
}
