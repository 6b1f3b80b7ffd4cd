import { StreamsError } from '../errors.ts'
import { integer, long } from './numbers.ts'
import { type Serde, toBuffer } from './serde.ts'

/** Unix milliseconds. Whether the end belongs to the window is for those who made it to say. */
export interface Window {
  readonly startMs: number
  readonly endMs: number
}

/** The key of a windowed aggregation: the record's key and the window (Kafka's `Windowed`). */
export interface Windowed<K> {
  readonly key: K
  readonly window: Window
}

const longBytes = 8

const tooShort = (name: string, bytes: Uint8Array): StreamsError =>
  new StreamsError('SERDE_FAILED', `The ${name} serde got ${bytes.length} bytes, too few for a window`)

const at = (bytes: Uint8Array, offset: number): number => long.deserializeFrom?.(toBuffer(bytes), offset, offset + longBytes) ?? 0
const writeLong = (value: number, out: Buffer, offset: number): number => long.serializeInto?.(value, out, offset) ?? -1
const idOfLong = (value: number): string => long.idOf?.(value, '') ?? ''

/** The key bytes, with room for so many behind them. */
const withRoom = (key: Uint8Array, bytes: number): Buffer => {
  const all = Buffer.allocUnsafe(key.length + bytes)
  all.set(key)
  return all
}

const refuseEmpty = (endMs: number, startMs: number): void => {
  if (!(endMs > startMs)) throw new StreamsError('SERDE_FAILED', `A time window from ${startMs} to ${endMs} has no length`)
}

/**
 * The key bytes, then the window's start (F-03): what Kafka Streams writes to topics. The end is not written; a reader adds
 * `sizeMs`, and where there is no end (Infinity) there is none. Partitions go by the inner key (S-40).
 */
export const timeWindowed = <K>(inner: Serde<K>, sizeMs: number): Serde<Windowed<K>> => {
  const name = `time-windowed ${inner.name}`
  return Object.freeze({
    name,
    serialize: ({ key, window }: Windowed<K>, topic: string) => {
      const bytes = withRoom(inner.serialize(key, topic), longBytes)
      writeLong(window.startMs, bytes, bytes.length - longBytes)
      return bytes
    },
    ...(inner.idOf ? { idOf: ({ key, window }: Windowed<K>, topic: string) => inner.idOf?.(key, topic) + idOfLong(window.startMs) } : {}),
    deserialize: (bytes: Uint8Array, topic: string) => {
      const split = bytes.length - longBytes
      if (split < 0) throw tooShort(name, bytes)
      const startMs = at(bytes, split)
      const endMs = startMs + sizeMs
      refuseEmpty(endMs, startMs)
      return { key: inner.deserialize(bytes.subarray(0, split), topic) as K, window: { startMs, endMs } }
    },
    ...(inner.serializeInto
      ? {
          serializeInto: ({ key, window }: Windowed<K>, out: Buffer, from: number) => {
            const split = inner.serializeInto?.(key, out, from) ?? -1
            return split < 0 ? split : writeLong(window.startMs, out, split)
          },
        }
      : {}),
    windowBytes: longBytes,
  })
}

/** The key bytes, then the session's end, then its start (F-04): in topics, changelogs and stores. Partitions go by the inner key. */
export const sessionWindowed = <K>(inner: Serde<K>): Serde<Windowed<K>> => {
  const name = `session-windowed ${inner.name}`
  return Object.freeze({
    name,
    serialize: ({ key, window }: Windowed<K>, topic: string) => {
      const bytes = withRoom(inner.serialize(key, topic), 2 * longBytes)
      writeLong(window.startMs, bytes, writeLong(window.endMs, bytes, bytes.length - 2 * longBytes))
      return bytes
    },
    ...(inner.idOf
      ? {
          idOf: ({ key, window }: Windowed<K>, topic: string) =>
            inner.idOf?.(key, topic) + idOfLong(window.endMs) + idOfLong(window.startMs),
        }
      : {}),
    deserialize: (bytes: Uint8Array, topic: string) => {
      const split = bytes.length - 2 * longBytes
      if (split < 0) throw tooShort(name, bytes)
      const window = { startMs: at(bytes, split + longBytes), endMs: at(bytes, split) }
      return { key: inner.deserialize(bytes.subarray(0, split), topic) as K, window }
    },
    ...(inner.serializeInto
      ? {
          serializeInto: ({ key, window }: Windowed<K>, out: Buffer, from: number) => {
            const split = inner.serializeInto?.(key, out, from) ?? -1
            const middle = split < 0 ? split : writeLong(window.endMs, out, split)
            return middle < 0 ? middle : writeLong(window.startMs, out, middle)
          },
        }
      : {}),
    windowBytes: 2 * longBytes,
  })
}

const sequenceBytes = 4

/** Key bytes of a window store and of its changelog (F-05); `sequence` tells duplicates apart where a store keeps them. */
export const windowStoreKey = (key: Uint8Array, startMs: number, sequence = 0): Uint8Array => {
  const bytes = withRoom(key, longBytes + sequenceBytes)
  bytes.writeInt32BE(sequence, writeLong(startMs, bytes, key.length))
  return bytes
}

const noSequence = '\0'.repeat(sequenceBytes)

/** The {@link keyId} of what follows a key in {@link windowStoreKey}. */
export const windowStoreTail = (startMs: number, sequence = 0): string =>
  idOfLong(startMs) + (sequence === 0 ? noSequence : (integer.idOf?.(sequence, '') ?? ''))

/** A window's key where a store keeps duplicates: `sequence` tells them apart. */
export interface StoredWindow<K> extends Windowed<K> {
  readonly sequence?: number
}

/** {@link windowStoreKey} as a serde. */
export const windowStoreKeys = <K>(inner: Serde<K>, sizeMs: number): Serde<StoredWindow<K>> => {
  const name = `window store ${inner.name}`
  return Object.freeze({
    name,
    serialize: ({ key, window, sequence = 0 }: StoredWindow<K>, topic: string) =>
      windowStoreKey(inner.serialize(key, topic), window.startMs, sequence),
    ...(inner.idOf
      ? {
          idOf: ({ key, window, sequence = 0 }: StoredWindow<K>, topic: string) =>
            inner.idOf?.(key, topic) + windowStoreTail(window.startMs, sequence),
        }
      : {}),
    deserialize: (bytes: Uint8Array, topic: string) => {
      const split = bytes.length - sequenceBytes - longBytes
      if (split < 0) throw tooShort(name, bytes)
      const startMs = at(bytes, split)
      const window = { startMs, endMs: startMs + sizeMs }
      const key = inner.deserialize(bytes.subarray(0, split), topic) as K
      const sequence = toBuffer(bytes).readInt32BE(bytes.length - sequenceBytes)
      return sequence === 0 ? { key, window } : { key, window, sequence }
    },
  })
}
