import { StreamsError } from '../errors.ts'
import type { Headers } from '../processor/record.ts'
import { keyId } from '../serde/serde.ts'
import type { Row } from './rows.ts'

/** A row of a page: it is there, and its id is known. */
export interface PackedRow extends Row {
  readonly id: string
  readonly value: Uint8Array
}

/** Where a page is: rows of one window (of a store without windows: all rows) whose hashes end alike, in `level` bits. */
export interface PagePlace {
  /** The eight bytes of the window's start, as an id; empty where there are no windows. */
  readonly group: string
  readonly level: number
  readonly index: number
}

/** Up to 65,536 pages of a group. */
export const levelMax = 16

const windowBytes = 8
/** Behind the window's start: what tells duplicates apart. */
const sequenceBytes = 4
const placeBytes = 5

/** The group of a row: of a window store its key ends with the window's start and a sequence (F-05). */
export const groupOf = (id: string, hasWindows: boolean): string =>
  hasWindows ? id.slice(Math.max(0, id.length - windowBytes - sequenceBytes), -sequenceBytes) : ''

/** When the window of a group starts. */
export const startMsOf = (group: string): number => Number(Buffer.from(group, 'latin1').readBigInt64BE(0))

/** FNV-1a, and a mix behind it so that each bit of the key moves each of the hash: the keys of a task have murmur2's last bits in common. */
export const hashOf = (id: string): number => {
  let hash = 0x811c9dc5
  for (let at = 0; at < id.length; at++) hash = Math.imul(hash ^ id.charCodeAt(at), 0x01000193)
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d)
  hash = Math.imul(hash ^ (hash >>> 12), 0x297a2d39)
  return (hash ^ (hash >>> 15)) >>> 0
}

/** The page of a hash at a level. */
export const indexAt = (hash: number, level: number): number => hash & (2 ** level - 1)

export const pageKey = ({ group, level, index }: PagePlace): Uint8Array => {
  const bytes = Buffer.alloc(group.length + placeBytes)
  bytes.write(group, 0, 'latin1')
  bytes[group.length] = level
  bytes.writeUInt32BE(index, group.length + 1)
  return bytes
}

export const placeOf = (key: Uint8Array): PagePlace => {
  const bytes = Buffer.from(key.buffer, key.byteOffset, key.byteLength)
  const at = bytes.length - placeBytes
  return { group: bytes.toString('latin1', 0, at), level: bytes[at] as number, index: bytes.readUInt32BE(at + 1) }
}

/** What a row takes in a page, roughly. */
export const packedBytes = ({ key, value, headers = [] }: Row): number =>
  headers.reduce((sum, [name, bytes]) => sum + 3 * name.length + (bytes?.length ?? 0) + 4, key.length + (value?.length ?? 0) + 6)

const format = 1

/**
 * The rows of a page: a byte for the format, the number of rows, the time that the others are told from, and each row: key, value, time and
 * headers. Numbers are varints of seven bits a byte, the lowest first. Rows are in the order of their keys, so that the same rows are the same bytes.
 */
export const encodePage = (rows: Iterable<PackedRow>): Uint8Array => {
  const sorted = [...rows].sort((one, other) => (one.id < other.id ? -1 : 1))
  const base = sorted.reduce((least, { timestamp }) => Math.min(least, timestamp), sorted[0]?.timestamp ?? 0)
  const out = new PageWriter(sorted.reduce((sum, row) => sum + packedBytes(row), 32))
  out.number(format)
  out.number(sorted.length)
  out.number(base < 0 ? 1 : 0)
  out.number(Math.abs(base))
  for (const { key, value, timestamp, headers = [] } of sorted) {
    out.bytes(key)
    out.bytes(value)
    out.number(timestamp - base)
    out.number(headers.length)
    for (const [name, bytes] of headers) {
      out.bytes(Buffer.from(name, 'utf8'))
      out.optional(bytes)
    }
  }
  return out.done()
}

/** Throws SERDE_FAILED for bytes that are no page, e.g. of a newer format. `where` names it. */
export const decodePage = (bytes: Uint8Array, where: string): readonly PackedRow[] => {
  const input = new PageReader(bytes)
  try {
    const found = input.number()
    if (found !== format) throw new RangeError(`its format is ${found}, known is ${format}`)
    const count = input.number()
    const sign = input.number() === 1 ? -1 : 1
    const base = sign * input.number()
    const rows: PackedRow[] = []
    for (let at = 0; at < count; at++) {
      const key = input.bytes()
      const value = input.bytes()
      const row = { key, id: keyId(key), value, timestamp: base + input.number() }
      const headers = headersFrom(input)
      rows.push(headers.length > 0 ? { ...row, headers } : row)
    }
    input.end()
    return rows
  } catch (cause) {
    throw new StreamsError('SERDE_FAILED', `${where} is no page of rows: ${cause instanceof Error ? cause.message : cause}`, {
      cause,
      remedy: 'Deploy the code that wrote it, or empty the store: millrace reset (docs/operations.md).',
    })
  }
}

const headersFrom = (input: PageReader): Headers =>
  Array.from({ length: input.number() }, () => [Buffer.from(input.bytes()).toString('utf8'), input.optional()] as const)

class PageWriter {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytesMax: number) {
    // a row may have more and longer headers than numbers of seven bits: twice is always enough
    this.#bytes = Buffer.alloc(2 * bytesMax)
  }

  number(value: number): void {
    let left = value
    while (left >= 0x80) {
      this.#bytes[this.#at++] = (left % 0x80) | 0x80
      left = Math.floor(left / 0x80)
    }
    this.#bytes[this.#at++] = left
  }

  bytes(value: Uint8Array): void {
    this.number(value.length)
    this.#bytes.set(value, this.#at)
    this.#at += value.length
  }

  optional(value: Uint8Array | null): void {
    this.number(value === null ? 0 : value.length + 1)
    if (value === null) return
    this.#bytes.set(value, this.#at)
    this.#at += value.length
  }

  done(): Uint8Array {
    return this.#bytes.subarray(0, this.#at)
  }
}

class PageReader {
  readonly #bytes: Uint8Array
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  number(): number {
    let value = 0
    for (let unit = 1; ; unit *= 0x80) {
      const byte = this.#bytes[this.#at++]
      if (byte === undefined) throw new RangeError('it ends too early')
      value += (byte & 0x7f) * unit
      if (byte < 0x80) return value
    }
  }

  bytes(): Uint8Array {
    return this.#take(this.number())
  }

  optional(): Uint8Array | null {
    const length = this.number()
    return length === 0 ? null : this.#take(length - 1)
  }

  end(): void {
    if (this.#at !== this.#bytes.length) throw new RangeError(`${this.#bytes.length - this.#at} bytes are left`)
  }

  #take(length: number): Uint8Array {
    const end = this.#at + length
    if (end > this.#bytes.length) throw new RangeError('it ends too early')
    const taken = this.#bytes.subarray(this.#at, end)
    this.#at = end
    return taken
  }
}
