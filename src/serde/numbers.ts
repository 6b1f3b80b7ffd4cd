import { StreamsError } from '../errors.ts'
import type { Serde } from './serde.ts'

const view = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)

/** Without a view, which would have to be made for each number. */
const int32At = (bytes: Uint8Array, at: number): number =>
  ((bytes[at] as number) << 24) | ((bytes[at + 1] as number) << 16) | ((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number)

/** A number of a fixed size, big-endian as Kafka's serdes write it. */
const fixed = <T extends number | bigint>(
  name: string,
  size: number,
  codec: {
    readonly fits: (value: T) => boolean
    readonly write: (bytes: Buffer, value: T) => void
    readonly read: (bytes: Uint8Array) => T
  },
): Serde<T> =>
  Object.freeze({
    name,
    serialize: (value: T) => {
      if (!codec.fits(value)) throw new StreamsError('SERDE_FAILED', `The ${name} serde got ${typeof value} ${String(value).slice(0, 80)}`)
      const bytes = Buffer.allocUnsafe(size)
      codec.write(bytes, value)
      return bytes
    },
    deserialize: (bytes: Uint8Array) => {
      if (bytes.length !== size) throw new StreamsError('SERDE_FAILED', `A ${name} takes ${size} bytes, got ${bytes.length}`)
      return codec.read(bytes)
    },
  })

const integral = (min: number, max: number) => (value: number) => Number.isInteger(value) && value >= min && value <= max

export const short = fixed<number>('short', 2, {
  fits: integral(-0x8000, 0x7fff),
  write: (bytes, value) => bytes.writeInt16BE(value),
  read: (bytes) => view(bytes).getInt16(0),
})

export const integer = fixed<number>('integer', 4, {
  fits: integral(-0x80000000, 0x7fffffff),
  write: (bytes, value) => bytes.writeInt32BE(value),
  read: (bytes) => int32At(bytes, 0),
})

export const long = fixed<number>('long', 8, {
  fits: Number.isSafeInteger,
  // two halves: several times faster than a BigInt
  write: (bytes, value) => {
    const high = Math.floor(value / 0x100000000)
    bytes.writeInt32BE(high, 0)
    bytes.writeUInt32BE(value - high * 0x100000000, 4)
  },
  read: (bytes) => {
    const value = int32At(bytes, 0) * 0x100000000 + (int32At(bytes, 4) >>> 0)
    if (!Number.isSafeInteger(value)) {
      throw new StreamsError('SERDE_FAILED', `The long ${view(bytes).getBigInt64(0)} is beyond what a JavaScript number holds exactly`, {
        remedy: 'Use Serdes.bigint for this topic.',
      })
    }
    return value
  },
})

export const longAsBigint = fixed<bigint>('bigint', 8, {
  fits: (value) => typeof value === 'bigint' && BigInt.asIntN(64, value) === value,
  write: (bytes, value) => bytes.writeBigInt64BE(value),
  read: (bytes) => view(bytes).getBigInt64(0),
})

const anyNumber = (value: number): boolean => typeof value === 'number'

export const float = fixed<number>('float', 4, {
  fits: anyNumber,
  write: (bytes, value) => bytes.writeFloatBE(value),
  read: (bytes) => view(bytes).getFloat32(0),
})

export const double = fixed<number>('double', 8, {
  fits: anyNumber,
  write: (bytes, value) => bytes.writeDoubleBE(value),
  read: (bytes) => view(bytes).getFloat64(0),
})
