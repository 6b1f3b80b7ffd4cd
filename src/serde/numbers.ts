import { StreamsError } from '../errors.ts'
import type { Serde } from './serde.ts'

const view = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)

/** Without a view, which would have to be made for each number. */
const int32At = (bytes: Uint8Array, at: number): number =>
  ((bytes[at] as number) << 24) | ((bytes[at + 1] as number) << 16) | ((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number)

const writeInt32At = (bytes: Uint8Array, at: number, value: number): void => {
  bytes[at] = value >>> 24
  bytes[at + 1] = value >>> 16
  bytes[at + 2] = value >>> 8
  bytes[at + 3] = value
}

/** A number of a fixed size, big-endian as Kafka's serdes write it. */
const fixed = <T extends number | bigint>(
  name: string,
  size: number,
  codec: {
    readonly fits: (value: T) => boolean
    readonly write: (bytes: Buffer, value: T, at: number) => void
    readonly read: (bytes: Uint8Array, at: number) => T
    /** The bytes as characters. */
    readonly id?: (value: T) => string
  },
): Serde<T> => {
  const { id } = codec
  const check = (value: T): void => {
    if (!codec.fits(value)) throw new StreamsError('SERDE_FAILED', `The ${name} serde got ${typeof value} ${String(value).slice(0, 80)}`)
  }
  const deserializeFrom = (bytes: Uint8Array, from: number, to: number): T => {
    if (to - from !== size) throw new StreamsError('SERDE_FAILED', `A ${name} takes ${size} bytes, got ${to - from}`)
    return codec.read(bytes, from)
  }
  return Object.freeze({
    name,
    serialize: (value: T) => {
      check(value)
      const bytes = Buffer.allocUnsafe(size)
      codec.write(bytes, value, 0)
      return bytes
    },
    serializeInto: (value: T, out: Buffer, at: number) => {
      check(value)
      if (at + size > out.length) return -1
      codec.write(out, value, at)
      return at + size
    },
    deserialize: (bytes: Uint8Array) => deserializeFrom(bytes, 0, bytes.length),
    deserializeFrom,
    ...(id
      ? {
          idOf: (value: T) => {
            check(value)
            return id(value)
          },
        }
      : {}),
  })
}

const integral = (min: number, max: number) => (value: number) => Number.isInteger(value) && value >= min && value <= max

export const short = fixed<number>('short', 2, {
  fits: integral(-0x8000, 0x7fff),
  write: (bytes, value, at) => bytes.writeInt16BE(value, at),
  read: (bytes, at) => view(bytes).getInt16(at),
})

export const integer = fixed<number>('integer', 4, {
  fits: integral(-0x80000000, 0x7fffffff),
  write: (bytes, value, at) => writeInt32At(bytes, at, value),
  read: int32At,
  id: (value) => String.fromCharCode(value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255),
})

export const long = fixed<number>('long', 8, {
  fits: Number.isSafeInteger,
  // two halves: several times faster than a BigInt
  write: (bytes, value, at) => {
    writeInt32At(bytes, at, Math.floor(value / 0x100000000))
    writeInt32At(bytes, at + 4, value | 0)
  },
  read: (bytes, at) => {
    const value = int32At(bytes, at) * 0x100000000 + (int32At(bytes, at + 4) >>> 0)
    if (!Number.isSafeInteger(value)) {
      throw new StreamsError('SERDE_FAILED', `The long ${view(bytes).getBigInt64(at)} is beyond what a JavaScript number holds exactly`, {
        remedy: 'Use Serdes.bigint for this topic.',
      })
    }
    return value
  },
  id: (value) => {
    const [high, low] = [Math.floor(value / 0x100000000), value | 0]
    // all at once: eight bytes made a string by way of a buffer take ten times as long
    return String.fromCharCode(
      (high >>> 24) & 255,
      (high >>> 16) & 255,
      (high >>> 8) & 255,
      high & 255,
      low >>> 24,
      (low >>> 16) & 255,
      (low >>> 8) & 255,
      low & 255,
    )
  },
})

export const longAsBigint = fixed<bigint>('bigint', 8, {
  fits: (value) => typeof value === 'bigint' && BigInt.asIntN(64, value) === value,
  write: (bytes, value, at) => bytes.writeBigInt64BE(value, at),
  read: (bytes, at) => view(bytes).getBigInt64(at),
})

const anyNumber = (value: number): boolean => typeof value === 'number'

export const float = fixed<number>('float', 4, {
  fits: anyNumber,
  write: (bytes, value, at) => bytes.writeFloatBE(value, at),
  read: (bytes, at) => view(bytes).getFloat32(at),
})

export const double = fixed<number>('double', 8, {
  fits: anyNumber,
  write: (bytes, value, at) => bytes.writeDoubleBE(value, at),
  read: (bytes, at) => view(bytes).getFloat64(at),
})
