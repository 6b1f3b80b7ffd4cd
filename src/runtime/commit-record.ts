import { StreamsError } from '../errors.ts'
import type { Header, Headers } from '../processor/record.ts'
import type { Row } from '../state/rows.ts'
import type { TaskTimes } from './effects.ts'
import type { LogRecord } from './ports.ts'
import type { Shape } from './shape.ts'

/** Progress of a task, written in every transaction to its commit topic (protocol D2 and §3). */
export interface CommitRecord {
  /** Names the key space of the state rows; raised by a reset. */
  readonly gen: number
  /** Number of the transaction: exactly the previous one + 1, never restarted. */
  readonly seq: number
  /** While true nobody processes: a reset is under way. */
  readonly paused: boolean
  /** Source topic to next offset. */
  readonly positions: Readonly<Record<string, number>>
  readonly times: TaskTimes
  readonly topology: string
  /** Stores and sources of the deployment that committed; absent in old records. */
  readonly shape?: Shape
  /** Shapes that were given up, the last one at the end: no deployment goes back to one while a newer one may be at work. */
  readonly former?: readonly string[]
  /**
   * Changelog to where it ends at least once this transaction is committed, its marker counted; absent in old records. A broker that
   * tells less stood still, and does not know yet that it leads no more.
   */
  readonly logEnds?: Readonly<Record<string, number>>
  /** Changelog to where this generation's rows begin; absent: 0. A reset tells it, and nobody needs what is before. */
  readonly logStarts?: Readonly<Record<string, number>>
  /** Positions in topics that the topology does not read for the time being. */
  readonly parked?: Readonly<Record<string, number>>
}

const key = Buffer.from('commit', 'utf8')

export const writeCommitRecord = ({ positions, ...rest }: CommitRecord, timestamp: number): LogRecord => ({
  key,
  value: Buffer.from(JSON.stringify({ ...rest, pos: positions }), 'utf8'),
  timestamp,
  headers: [],
})

/** Bytes that are no commit record are LOG_TRUNCATED: somebody else wrote to the commit topic. */
export const readCommitRecord = (value: Uint8Array | null, where: string): CommitRecord => {
  try {
    const parsed: unknown = JSON.parse(Buffer.from(value ?? []).toString('utf8'))
    const { gen, seq, paused, pos, times, topology, shape, former, logEnds, logStarts, parked } = parsed as {
      readonly [name: string]: unknown
    }
    if (!Number.isSafeInteger(gen) || !Number.isSafeInteger(seq) || typeof pos !== 'object' || pos === null)
      throw new Error('a field is missing')
    return {
      gen: gen as number,
      seq: seq as number,
      paused: paused === true,
      positions: pos as Record<string, number>,
      times: times as TaskTimes,
      topology: String(topology),
      ...(shape ? { shape: shape as Shape } : {}),
      ...(former ? { former: former as readonly string[] } : {}),
      ...(logEnds ? { logEnds: logEnds as Record<string, number> } : {}),
      ...(logStarts ? { logStarts: logStarts as Record<string, number> } : {}),
      ...(parked ? { parked: parked as Record<string, number> } : {}),
    }
  } catch (cause) {
    throw new StreamsError('LOG_TRUNCATED', `The record at ${where} is no commit record of this application`, {
      cause,
      remedy: 'Give the application an id of its own, or delete the commit topic and begin anew: millrace reset (docs/operations.md).',
    })
  }
}

const genHeader = '__millrace.gen'
const seqHeader = '__millrace.seq'
const timeHeader = '__millrace.ts'
const text = (value: number): Uint8Array => Buffer.from(String(value), 'ascii')

/** Headers of a changelog record: key space and transaction (protocol R37). */
export const changelogHeaders = (gen: number, seq: number): Headers =>
  Object.freeze([[genHeader, text(gen)] as const, [seqHeader, text(seq)] as const])

/** Of a changelog record whose own time is another than its row's. */
export const timeHeaderOf = (timestamp: number): Header => [timeHeader, text(timestamp)]

/** Adds the transaction's number to what leaves the application, for readers that want to see their own writes. */
export const outputHeaders = (seq: number): ((headers: Headers) => Headers) => {
  const own: Header = [seqHeader, text(seq)]
  const alone: Headers = Object.freeze([own])
  return (headers) => (headers.length === 0 ? alone : [...headers.filter(([name]) => name !== seqHeader), own])
}

/** A changelog record as it was before it was stamped: with its row's time, and the headers of a store that holds headers. */
export const withoutStamp = ({ key, value, timestamp, headers }: LogRecord): Row => {
  const held = headers.filter(([name]) => name !== genHeader && name !== seqHeader && name !== timeHeader)
  const row = { key: key ?? Buffer.of(), value, timestamp: numberIn(headers, timeHeader) ?? timestamp }
  return held.length === 0 ? row : { ...row, headers: held }
}

/** gen and seq of a changelog record; a record of another writer has none. */
export const changelogStamp = (headers: Headers): { readonly gen: number; readonly seq: number } | undefined => {
  const [gen, seq] = [numberIn(headers, genHeader), numberIn(headers, seqHeader)]
  return gen === undefined || seq === undefined ? undefined : { gen, seq }
}

const numberIn = (headers: Headers, name: string): number | undefined => {
  const number = Number(Buffer.from(headers.find(([it]) => it === name)?.[1] ?? []).toString('ascii') || Number.NaN)
  return Number.isSafeInteger(number) ? number : undefined
}
