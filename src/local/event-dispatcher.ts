import type { Batch, BatchPart } from './event-batch.ts'
import { type DeliveryConfig, deliver, drop } from './event-delivery.ts'
import type { EventSourceMappingConfig } from './event-source-mapping.ts'
import { type Lane, take, takeDoorbell, waitingIn } from './lane.ts'
import type { Lifetime } from './lifetime.ts'
import { createOffsetCommits } from './offset-commits.ts'

export interface Dispatcher {
  /** Sends batches as long as one is due and an invocation is free. */
  pump(): void
  /** No batch is with the function, and what was delivered is committed. */
  idle(): boolean
  /** Resolves when no batch is with the function any more, and all is committed; to be called after the lifetime is over. */
  stop(): Promise<void>
}

interface Shipment {
  readonly batch: Batch
  readonly lanes: readonly Lane[]
  /** A single record above the limit. */
  readonly tooLarge: boolean
}

const envelopeBytes = 1024

/** Decides when a batch is due, forms it, and commits what was delivered. `onSettled` runs after each batch. */
export function createDispatcher(
  config: EventSourceMappingConfig,
  lanes: readonly Lane[],
  lifetime: Lifetime,
  onSettled: () => void,
): Dispatcher {
  const {
    admin,
    topic,
    groupId,
    batchSize = 100,
    windowMs = 500,
    payloadBytesMax = 6 * 2 ** 20,
    concurrencyMax = 5,
    doorbells = false,
  } = config
  const delivery = deliveryOf(config, lifetime)
  const commits = createOffsetCommits(admin, groupId, {
    settled: onSettled,
    failure: (offsets, detail) =>
      delivery.onEvent({ kind: 'problem', records: 0, partitions: offsets.map(({ partition }) => partition), detail }),
  })
  const inFlight = new Set<Promise<void>>()
  let windowBeganMs = 0
  let timer: NodeJS.Timeout | undefined

  function pump(): void {
    clearTimeout(timer)
    while (!lifetime.over && inFlight.size < concurrencyMax) {
      const free = lanes.filter((lane) => !lane.busy && waitingIn(lane) > 0).sort((one, other) => one.sinceMs - other.sinceMs)
      if (free.length === 0) return
      const waitingMs = dueInMs(free)
      if (waitingMs > 0) {
        timer = setTimeout(pump, waitingMs)
        return
      }
      send(load(free))
    }
  }

  function dueInMs(free: readonly Lane[]): number {
    let records = 0
    let bytes = 0
    for (const lane of free) {
      records += waitingIn(lane)
      bytes += lane.bytes
    }
    if (records >= batchSize || bytes >= payloadBytesMax) return 0
    return Math.max(free[0]?.sinceMs ?? 0, windowBeganMs) + windowMs - Date.now()
  }

  function load(free: readonly Lane[]): Shipment {
    const batch: BatchPart[] = []
    const share = config.mix === 'spread' ? Math.max(1, Math.floor(batchSize / free.length)) : batchSize
    let records = batchSize
    let bytes = payloadBytesMax - envelopeBytes
    for (const lane of free) {
      if (records === 0) break
      const count = Math.min(records, share, waitingIn(lane))
      const part = doorbells
        ? takeDoorbell(lane, topic, count)
        : take(lane, topic, { records: count, bytes, atLeastOne: batch.length === 0 })
      if (part.records.length === 0) break
      batch.push({ partition: lane.partition, records: part.records })
      records -= doorbells ? count : part.records.length
      bytes -= part.bytes
    }
    return { batch, lanes: free.slice(0, batch.length), tooLarge: bytes < 0 }
  }

  function send(shipment: Shipment): void {
    for (const lane of shipment.lanes) lane.busy = true
    const run = handle(shipment).finally(() => {
      inFlight.delete(run)
      windowBeganMs = Date.now()
      pump()
      onSettled()
    })
    inFlight.add(run)
  }

  async function handle({ batch, lanes, tooLarge }: Shipment): Promise<void> {
    if (tooLarge) await drop(delivery, batch, 'MaximumPayloadSizeExceeded')
    else if (!(await deliver(delivery, batch))) return
    const offsets = batch.map(({ partition, records }) => ({ topic, partition, offset: (records.at(-1)?.offset ?? 0) + 1 }))
    for (const [i, lane] of lanes.entries()) lane.position = offsets[i]?.offset ?? lane.position
    if (!config.faults?.loseCommit?.()) commits.add(offsets)
    for (const lane of lanes) lane.busy = false
  }

  return {
    pump,
    idle: () => inFlight.size === 0 && commits.done,
    async stop() {
      clearTimeout(timer)
      await Promise.all(inFlight)
      await commits.settled()
    },
  }
}

const backOffMs = (attempt: number) => Math.min(100 * 2 ** (attempt - 1), 5_000)

const deliveryOf = (config: EventSourceMappingConfig, { pause }: Lifetime): DeliveryConfig => ({
  topic: config.topic,
  bootstrapServers: config.bootstrapServers ?? ['localhost:9092'],
  ...(config.eventSourceArn !== undefined && { eventSourceArn: config.eventSourceArn }),
  invoke: config.invoke,
  retryDelayMs: config.retryDelayMs ?? backOffMs,
  ...(config.provisioned && { provisioned: config.provisioned }),
  ...(config.faults && { faults: config.faults }),
  onEvent: config.onEvent ?? (() => {}),
  pause,
})
