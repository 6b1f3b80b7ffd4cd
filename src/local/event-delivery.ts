import { messageOf } from '../errors.ts'
import type { KafkaEvent } from '../lambda/kafka-event.ts'
import { type Batch, countOf, type EventSource, eventOf, failedOf, halvesOf } from './event-batch.ts'
import type { InvokeReply } from './invoke-reply.ts'

/** What only the provisioned mode of an event source mapping offers. Every one of them but partial responses can lose records. */
export interface ProvisionedMode {
  /** Default: for ever; with a destination 10, as the service silently does. */
  readonly retriesMax?: number
  readonly recordAgeMsMax?: number
  /** Split a failed batch in two before it is tried again. */
  readonly bisect?: boolean
  readonly partialBatchResponse?: boolean
  /** The destination of what was given up. */
  readonly onFailure?: (event: KafkaEvent, condition: DropCondition) => Promise<void>
}

export type DropCondition = 'RetryAttemptsExhausted' | 'MaximumRecordAgeExceeded' | 'MaximumPayloadSizeExceeded'

/** Faults of tests: each is asked once per delivery. */
export interface MappingFaults {
  /** Deliver the batch again after its success. */
  readonly duplicate?: () => boolean
  /** Forget the commit after a success: after a restart the batch comes again. */
  readonly loseCommit?: () => boolean
  /** Run the batch twice at the same time, as across a rebalance. */
  readonly overlap?: () => boolean
}

export interface MappingEvent {
  readonly kind: 'invoke' | 'success' | 'failure' | 'throttle' | 'dropped' | 'reset' | 'problem'
  readonly records: number
  readonly partitions: readonly number[]
  readonly durationMs?: number
  readonly detail?: string
}

export interface DeliveryConfig extends EventSource {
  readonly invoke: (event: KafkaEvent) => Promise<InvokeReply>
  readonly retryDelayMs: (attempt: number) => number
  readonly provisioned?: ProvisionedMode
  readonly faults?: MappingFaults
  readonly onEvent: (event: MappingEvent) => void
  /** Resolves after the time, or with false as soon as the mapping is stopped. */
  readonly pause: (ms: number) => Promise<boolean>
}

/** Invokes until every record of the batch is handled or given up by policy; false: stopped before that. */
export async function deliver(config: DeliveryConfig, batch: Batch): Promise<boolean> {
  let left = batch
  for (let attempt = 0, throttled = 0; ; ) {
    const startMs = performance.now()
    const event = eventOf(config, left)
    config.onEvent({ kind: 'invoke', ...about(left) })
    const reply = await invokeOnce(config, event)
    if (reply.status === 429 || reply.status >= 500) {
      config.onEvent({ kind: 'throttle', ...about(left), detail: reply.payload })
      if (!(await config.pause(config.retryDelayMs(++throttled)))) return false
      continue
    }
    const failed =
      reply.status !== 200 || reply.error
        ? left
        : config.provisioned?.partialBatchResponse
          ? failedOf(config.topic, left, reply.payload)
          : []
    const durationMs = performance.now() - startMs
    if (failed.length === 0) {
      config.onEvent({ kind: 'success', ...about(left), durationMs })
      if (config.faults?.duplicate?.()) await invokeOnce(config, event)
      return true
    }
    left = failed
    attempt++
    config.onEvent({ kind: 'failure', ...about(left), durationMs, detail: reply.payload })
    const condition = givenUp(config.provisioned, left, attempt)
    if (condition) {
      await drop(config, left, condition)
      return true
    }
    if (!(await config.pause(config.retryDelayMs(attempt)))) return false
    if (config.provisioned?.bisect && countOf(left) > 1) {
      const [first, second] = halvesOf(left)
      return (await deliver(config, first)) && (await deliver(config, second))
    }
  }
}

/** Tells the destination and gives up. */
export async function drop(config: DeliveryConfig, batch: Batch, condition: DropCondition): Promise<void> {
  await config.provisioned?.onFailure?.(eventOf(config, batch), condition)
  config.onEvent({ kind: 'dropped', ...about(batch), detail: condition })
}

// A call that rejects is a function that failed: in-process functions need no wrapping.
async function invokeOnce({ invoke, faults }: DeliveryConfig, event: KafkaEvent): Promise<InvokeReply> {
  const call = () => invoke(event).catch((error): InvokeReply => ({ status: 200, error: 'Unhandled', payload: messageOf(error) }))
  const zombie = faults?.overlap?.() ? call() : undefined
  const reply = await call()
  await zombie
  return reply
}

function givenUp(provisioned: ProvisionedMode | undefined, batch: Batch, attempt: number): DropCondition | undefined {
  if (!provisioned) return undefined
  const { retriesMax = provisioned.onFailure ? 10 : Number.POSITIVE_INFINITY, recordAgeMsMax } = provisioned
  if (attempt > retriesMax) return 'RetryAttemptsExhausted'
  if (recordAgeMsMax === undefined) return undefined
  const oldestMs = Math.min(...batch.map(({ records }) => records[0]?.timestamp ?? Number.POSITIVE_INFINITY))
  return Date.now() - oldestMs > recordAgeMsMax ? 'MaximumRecordAgeExceeded' : undefined
}

const about = (batch: Batch) => ({ records: countOf(batch), partitions: batch.map(({ partition }) => partition) })
