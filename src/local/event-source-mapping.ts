import type { KafkaEvent } from '../lambda/kafka-event.ts'
import type { PartitionReader, TopicAdmin } from '../runtime/ports.ts'
import type { MappingEvent, MappingFaults, ProvisionedMode } from './event-delivery.ts'
import { createDispatcher } from './event-dispatcher.ts'
import { createPoller } from './event-poller.ts'
import type { InvokeReply } from './invoke-reply.ts'
import { createLane, type Lane, waitingIn } from './lane.ts'
import { createLifetime } from './lifetime.ts'

export interface EventSourceMappingConfig {
  readonly reader: PartitionReader
  readonly admin: TopicAdmin
  readonly topic: string
  readonly partitions: number
  readonly groupId: string
  /** Shown in the event. Default: `localhost:9092`. */
  readonly bootstrapServers?: readonly string[]
  /** Makes it an event of Amazon MSK. */
  readonly eventSourceArn?: string
  /** Counts only where the group has no commit. Default: TRIM_HORIZON. */
  readonly startingPosition?: 'TRIM_HORIZON' | 'LATEST'
  /** Default: 100. */
  readonly batchSize?: number
  /** How long a batch may wait to fill; begins anew when an invocation ends. Default: 500. */
  readonly windowMs?: number
  /** Default: 6 MB. A single record above it is dropped, as the service does. */
  readonly payloadBytesMax?: number
  /** Invocations at the same time. Default: 5, as one poller of the service. */
  readonly concurrencyMax?: number
  /** A batch takes from the partition that waits longest first (default), or evenly from all. */
  readonly mix?: 'greedy' | 'spread'
  /**
   * Of each partition of a batch send the last record alone, without key, value and headers, for a function in this
   * process that reads the log itself: it costs next to nothing. Bytes are no limit then. Default: false.
   */
  readonly doorbells?: boolean
  /** Default: 100 ms, doubled up to 5 s. */
  readonly retryDelayMs?: (attempt: number) => number
  readonly provisioned?: ProvisionedMode
  readonly faults?: MappingFaults
  /** Must not reject for a failing function, though a rejection counts as one. */
  readonly invoke: (event: KafkaEvent) => Promise<InvokeReply>
  readonly onEvent?: (event: MappingEvent) => void
}

export interface MappingPosition {
  readonly partition: number
  /** Everything below it was delivered. */
  readonly position: number
  readonly lastStableOffset: number
  readonly highWatermark: number
}

export interface EventSourceMapping {
  /** Resolves once the positions are known; polling goes on until `stop`. A mapping is started once. */
  start(): Promise<void>
  /** Resolves when everything that is readable was delivered and committed, or when the mapping is stopped. */
  idle(): Promise<void>
  /** Takes no more batches, ends retries, and waits for the invocations that run. */
  stop(): Promise<void>
  positions(): readonly MappingPosition[]
}

/**
 * A Kafka event source mapping on this machine, over any Kafka ports. As the service: one topic; records of several
 * partitions in one event; one batch in flight per partition; an event when the window, the batch size or 6 MB is
 * reached; offsets are committed after success; a failed batch comes again, whole and for ever, unless the provisioned
 * mode says otherwise; throttles are not attempts. Not emulated: scaling of pollers, rebalances, filters, schema registry.
 */
export function createEventSourceMapping(config: EventSourceMappingConfig): EventSourceMapping {
  const lanes: Lane[] = []
  const lifetime = createLifetime()
  const changed = createSignal()
  const dispatcher = createDispatcher(config, lanes, lifetime, changed.fire)
  const poller = createPoller(config, lanes, lifetime, () => {
    dispatcher.pump()
    changed.fire()
  })
  const quiet = () => dispatcher.idle() && lanes.every((lane) => waitingIn(lane) === 0)

  return {
    async start() {
      const offsets = await poller.startingOffsets()
      for (const [partition, offset] of offsets.entries()) lanes.push(createLane(partition, offset))
      void poller.run()
    },
    async idle() {
      while (!lifetime.over) {
        const next = changed.next()
        if (quiet() && (await poller.nothingReadable()) && quiet()) return
        await Promise.race([next, lifetime.end])
      }
    },
    async stop() {
      lifetime.finish()
      await dispatcher.stop()
    },
    positions: () =>
      lanes.map((lane) => ({
        partition: lane.partition,
        // Behind the last record there may be markers, which nobody delivers: a drained partition has no lag.
        position: lane.busy || waitingIn(lane) > 0 ? lane.position : lane.fetchOffset,
        lastStableOffset: lane.lastStableOffset,
        highWatermark: lane.highWatermark,
      })),
  }
}

/** `next` resolves with the first `fire` after it. */
function createSignal() {
  let current = Promise.withResolvers<void>()
  return {
    next: () => current.promise,
    fire: () => {
      current.resolve()
      current = Promise.withResolvers<void>()
    },
  }
}
