import { StreamsError } from '../errors.ts'
import type { Windowed } from '../serde/windowed.ts'
import { checkName } from './naming.ts'

/** The buffer of a suppression (Kafka's `BufferConfig`, D-71). Without a limit it grows as it must. */
export interface BufferConfig {
  readonly maxRecords?: number
  /** Keys, values and record contexts as Kafka Streams counts them. */
  readonly maxBytes?: number
  /** Topic configuration for the changelog; false: no changelog, what the buffer holds is lost with a lost table. Default: a changelog. */
  readonly logging?: false | Readonly<Record<string, string>>
  /** Of the operator; its store is then called `<name>-store`. */
  readonly name?: string
}

/** A buffer that holds everything until its time (`StrictBufferConfig`): beyond its limit the task stops with PROCESSING_FAILED. */
export interface StrictBufferConfig extends BufferConfig {
  readonly whenFull?: 'shutDown'
}

/** A buffer that may send rows before their time (`EagerBufferConfig`): beyond its limit, the oldest first. */
export interface EagerBufferConfig extends BufferConfig {
  /** Default `emitEarly`. */
  readonly whenFull?: 'emitEarly' | 'shutDown'
}

/** What a table holds back, and for how long (Kafka's `Suppressed`). Made by {@link untilWindowCloses} or {@link untilTimeLimit}. */
export interface Suppressed<K> {
  /** From when a row waits: the time by which rows are ordered and become due. */
  readonly bufferTime: (key: K, timestamp: number) => number
  /** How long it waits, in stream time; undefined: the grace of the windowed aggregation above. */
  readonly waitMs: number | undefined
  /** A deleted row need not be sent: nothing of it was sent before. */
  readonly dropsDeletions: boolean
  readonly maxRecords: number
  readonly maxBytes: number
  readonly whenFull: 'emitEarly' | 'shutDown'
  readonly logging: false | Readonly<Record<string, string>>
  readonly name: string | undefined
}

const wrong = (why: string): StreamsError => new StreamsError('TOPOLOGY_INVALID', why)

const limitOf = (name: string, limit: number | undefined): number => {
  if (limit === undefined) return Number.POSITIVE_INFINITY
  if (!(limit >= 0)) throw wrong(`${name} of a suppression must not be negative, got ${limit}.`)
  return limit
}

const bufferOf = ({ maxRecords, maxBytes, logging = {}, name }: BufferConfig) => ({
  maxRecords: limitOf('maxRecords', maxRecords),
  maxBytes: limitOf('maxBytes', maxBytes),
  logging,
  name: name === undefined ? undefined : checkName(name),
})

/**
 * Holds each row of a windowed table back until its window is closed, and sends it once, in its final form
 * (`Suppressed.untilWindowCloses`, D-71). A row that was deleted by then is not sent. Throws TOPOLOGY_INVALID for a limit or a
 * name that makes no sense.
 */
export const untilWindowCloses = (buffer: StrictBufferConfig = {}): Suppressed<Windowed<unknown>> =>
  Object.freeze({
    ...bufferOf(buffer),
    bufferTime: ({ window }: Windowed<unknown>) => window.endMs,
    waitMs: undefined,
    dropsDeletions: true,
    whenFull: 'shutDown' as const,
  })

/**
 * Holds each row back until stream time is `timeLimitMs` beyond its first update, and sends what it is by then
 * (`Suppressed.untilTimeLimit`, D-71); later updates do not make it wait longer. Throws TOPOLOGY_INVALID for a limit or a name
 * that makes no sense.
 */
export const untilTimeLimit = (timeLimitMs: number, buffer: EagerBufferConfig = {}): Suppressed<unknown> => {
  if (!(timeLimitMs >= 0)) throw wrong(`The time limit of a suppression must not be negative, got ${timeLimitMs}.`)
  return Object.freeze({
    ...bufferOf(buffer),
    bufferTime: (_key: unknown, timestamp: number) => timestamp,
    waitMs: timeLimitMs,
    dropsDeletions: false,
    whenFull: buffer.whenFull ?? 'emitEarly',
  })
}
