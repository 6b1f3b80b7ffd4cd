/**
 * How values become bytes and back (Kafka's `Serde`). `null` never reaches a serde: the runtime maps null to null bytes
 * and null bytes to null, as Kafka's built-in serdes do. Both functions may throw; the runtime adds topic, partition and
 * offset and asks the error handler.
 */
export interface Serde<T> {
  /** Shown in error messages. */
  readonly name: string
  serialize(value: T, topic: string): Uint8Array
  deserialize(bytes: Uint8Array, topic: string): T | null
  /** As `deserialize` of bytes[from, to), where that is cheaper than a view of them. */
  deserializeFrom?(bytes: Buffer, from: number, to: number): T | null
  /** Writes the bytes of `serialize` to `out` from `at` on and answers where they end; -1, and nothing is lost, where they may not fit. */
  serializeInto?(value: T, out: Buffer, at: number): number
  /** How many bytes at the end do not decide the partition; absent: 0. A windowed key goes where its inner key goes (S-40). */
  readonly windowBytes?: number
  /** {@link keyId} of the bytes, where that is cheaper than making them. */
  idOf?(value: T, topic: string): string
}

/** The same bytes as a Buffer, not copied. */
export const toBuffer = (bytes: Uint8Array): Buffer =>
  bytes instanceof Buffer ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)

/** Key bytes as a string that a Map can hold: one character per byte, so string order is unsigned byte order. */
export const keyId = (key: Uint8Array): string => toBuffer(key).toString('latin1')

/** The bytes behind a {@link keyId}. */
export const bytesOfId = (id: string): Uint8Array => Buffer.from(id, 'latin1')

/** The value type of a serde. */
export type ValueOf<S> = S extends Serde<infer T> ? T : never

/** A serde of one's own. */
export const serde = <T>(parts: {
  readonly name?: string
  readonly serialize: (value: T, topic: string) => Uint8Array
  readonly deserialize: (bytes: Uint8Array, topic: string) => T
}): Serde<T> => Object.freeze({ name: parts.name ?? 'custom', serialize: parts.serialize, deserialize: parts.deserialize })
