import { StreamsError } from '../errors.ts'
import { long } from './numbers.ts'
import { keyId, type Serde, toBuffer } from './serde.ts'

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
    serialize: ({ key, window }: Windowed<K>, topic: string) =>
      Buffer.concat([inner.serialize(key, topic), long.serialize(window.startMs, topic)]),
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
    serialize: ({ key, window }: Windowed<K>, topic: string) =>
      Buffer.concat([inner.serialize(key, topic), long.serialize(window.endMs, topic), long.serialize(window.startMs, topic)]),
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
  const bytes = Buffer.concat([key, long.serialize(startMs, ''), Buffer.alloc(sequenceBytes)])
  bytes.writeInt32BE(sequence, bytes.length - sequenceBytes)
  return bytes
}

const noKey = new Uint8Array()
const tailsMax = 1_000

/** The {@link keyId} of what follows a key in {@link windowStoreKey}: many keys have the same windows. */
export const createTails = (): ((startMs: number, sequence: number) => string) => {
  const known = new Map<number, string>()
  return (startMs, sequence) => {
    if (sequence !== 0) return keyId(windowStoreKey(noKey, startMs, sequence))
    const found = known.get(startMs)
    if (found !== undefined) return found
    if (known.size >= tailsMax) known.clear()
    const tail = keyId(windowStoreKey(noKey, startMs))
    known.set(startMs, tail)
    return tail
  }
}

/** A window's key where a store keeps duplicates: `sequence` tells them apart. */
export interface StoredWindow<K> extends Windowed<K> {
  readonly sequence?: number
}

/** {@link windowStoreKey} as a serde. */
export const windowStoreKeys = <K>(inner: Serde<K>, sizeMs: number): Serde<StoredWindow<K>> => {
  const name = `window store ${inner.name}`
  const tailOf = createTails()
  return Object.freeze({
    name,
    serialize: ({ key, window, sequence = 0 }: StoredWindow<K>, topic: string) =>
      windowStoreKey(inner.serialize(key, topic), window.startMs, sequence),
    ...(inner.idOf
      ? {
          idOf: ({ key, window, sequence = 0 }: StoredWindow<K>, topic: string) =>
            inner.idOf?.(key, topic) + tailOf(window.startMs, sequence),
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
