import { invariant } from '../../invariant.ts'

const two32 = 0x1_0000_0000

/** Writes Kafka's flexible wire format: big-endian integers, compact strings, bytes and arrays, tag sections. */
export class Writer {
  #buffer: Buffer
  #at = 0

  constructor(sizeHint = 256) {
    this.#buffer = Buffer.allocUnsafe(sizeHint)
  }

  int8(value: number): this {
    const at = this.#room(1)
    this.#buffer[at] = value & 255
    return this
  }

  boolean(value: boolean): this {
    return this.int8(value ? 1 : 0)
  }

  int16(value: number): this {
    const at = this.#room(2)
    this.#buffer.writeInt16BE(value, at)
    return this
  }

  int32(value: number): this {
    const at = this.#room(4)
    this.#buffer.writeInt32BE(value, at)
    return this
  }

  int64(value: number): this {
    const at = this.#room(8)
    this.#buffer.writeInt32BE(Math.floor(value / two32), at)
    this.#buffer.writeUInt32BE(value - Math.floor(value / two32) * two32, at + 4)
    return this
  }

  unsignedVarint(value: number): this {
    let rest = value
    for (; rest > 127; rest >>>= 7) this.int8((rest & 127) | 128)
    return this.int8(rest)
  }

  raw(bytes: Uint8Array): this {
    const at = this.#room(bytes.length)
    this.#buffer.set(bytes, at)
    return this
  }

  string(text: string | null): this {
    if (text === null) return this.unsignedVarint(0)
    const length = Buffer.byteLength(text)
    this.unsignedVarint(length + 1)
    const at = this.#room(length)
    this.#buffer.write(text, at)
    return this
  }

  /** The length is two bytes: request headers only. */
  shortString(text: string): this {
    const length = Buffer.byteLength(text)
    this.int16(length)
    const at = this.#room(length)
    this.#buffer.write(text, at)
    return this
  }

  bytes(bytes: Uint8Array): this {
    return this.unsignedVarint(bytes.length + 1).raw(bytes)
  }

  array<T>(items: readonly T[], write: (item: T) => void): this {
    this.unsignedVarint(items.length + 1)
    for (const item of items) write(item)
    return this
  }

  nullArray(): this {
    return this.unsignedVarint(0)
  }

  noTags(): this {
    return this.int8(0)
  }

  /** What was written; the writer may not be used afterwards. */
  finish(): Buffer {
    return this.#buffer.subarray(0, this.#at)
  }

  #room(bytes: number): number {
    const at = this.#at
    this.#at += bytes
    if (this.#at > this.#buffer.length) {
      const grown = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, this.#at))
      this.#buffer.copy(grown, 0, 0, at)
      this.#buffer = grown
    }
    return at
  }
}

/** Reads what {@link Writer} writes. Byte strings are views of the buffer, not copies. */
export class Reader {
  readonly #buffer: Buffer
  #at = 0

  constructor(buffer: Buffer) {
    this.#buffer = buffer
  }

  int8(): number {
    return this.#buffer.readInt8(this.#skip(1))
  }

  boolean(): boolean {
    return this.int8() !== 0
  }

  int16(): number {
    return this.#buffer.readInt16BE(this.#skip(2))
  }

  int32(): number {
    return this.#buffer.readInt32BE(this.#skip(4))
  }

  int64(): number {
    return int64At(this.#buffer, this.#skip(8))
  }

  unsignedVarint(): number {
    let value = 0
    for (let shift = 0; ; shift += 7) {
      const byte = this.#buffer.readUInt8(this.#skip(1))
      value |= (byte & 127) << shift
      if (byte < 128) return value >>> 0
    }
  }

  string(): string {
    return this.nullableString() ?? ''
  }

  nullableString(): string | null {
    const length = this.unsignedVarint() - 1
    if (length < 0) return null
    const at = this.#skip(length)
    return this.#buffer.toString('utf8', at, at + length)
  }

  nullableBytes(): Buffer | null {
    const length = this.unsignedVarint() - 1
    if (length < 0) return null
    const at = this.#skip(length)
    return this.#buffer.subarray(at, at + length)
  }

  array<T>(read: () => T): T[] {
    const items: T[] = []
    for (let left = this.unsignedVarint(); left > 1; left--) items.push(read())
    return items
  }

  uuid(): void {
    this.#skip(16)
  }

  tags(): void {
    for (let left = this.unsignedVarint(); left > 0; left--) {
      this.unsignedVarint()
      const length = this.unsignedVarint()
      this.#skip(length)
    }
  }

  #skip(bytes: number): number {
    const at = this.#at
    this.#at = at + bytes
    if (this.#at > this.#buffer.length) throw new RangeError(`an answer of ${this.#buffer.length} bytes ends early`)
    return at
  }
}

/** A 64-bit integer as a number; offsets, times and producer ids beyond 2^53 - 1 are refused. */
export const int64At = (buffer: Buffer, at: number): number => {
  const value = buffer.readInt32BE(at) * two32 + buffer.readUInt32BE(at + 4)
  invariant(Number.isSafeInteger(value), 'a 64-bit integer of the broker is beyond 2^53 - 1')
  return value
}
