/** Numbers as records have them: zigzag, seven bits a byte, the lowest first (Kafka's `ByteUtils`). */

const zigzag = (value: number): number => ((value << 1) ^ (value >> 31)) >>> 0

export const varintLength = (value: number): number => {
  const rest = zigzag(value)
  return rest < 0x80 ? 1 : rest < 0x4000 ? 2 : rest < 0x200000 ? 3 : rest < 0x10000000 ? 4 : 5
}

export const writeVarint = (out: Buffer, start: number, value: number): number => {
  let at = start
  let rest = zigzag(value)
  for (; rest > 127; rest >>>= 7) out[at++] = (rest & 127) | 128
  out[at++] = rest
  return at
}

const isInt32 = (value: number): boolean => value === (value | 0)

export const varlongLength = (value: number): number => {
  if (isInt32(value)) return varintLength(value)
  let length = 1
  for (let rest = BigInt.asUintN(64, (BigInt(value) << 1n) ^ (BigInt(value) >> 63n)); rest > 127n; rest >>= 7n) length++
  return length
}

export const writeVarlong = (out: Buffer, start: number, value: number): number => {
  if (isInt32(value)) return writeVarint(out, start, value)
  let at = start
  let rest = BigInt.asUintN(64, (BigInt(value) << 1n) ^ (BigInt(value) >> 63n))
  for (; rest > 127n; rest >>= 7n) out[at++] = Number(rest & 127n) | 128
  out[at++] = Number(rest)
  return at
}

/** Where a reader stands; it goes on with each number. */
export interface Cursor {
  readonly body: Buffer
  at: number
}

export const readVarint = (cursor: Cursor): number => {
  const { body } = cursor
  let byte = body[cursor.at++] as number
  if (byte < 128) return (byte >>> 1) ^ -(byte & 1)
  let value = byte & 127
  for (let shift = 7; byte > 127; shift += 7) {
    byte = body[cursor.at++] as number
    value |= (byte & 127) << shift
  }
  return (value >>> 1) ^ -(value & 1)
}

export const readVarlong = (cursor: Cursor): number => {
  const { body } = cursor
  let value = 0
  let scale = 1
  for (let byte = 128; byte > 127; scale *= 128) {
    byte = body[cursor.at++] as number
    value += (byte & 127) * scale
  }
  return value % 2 === 0 ? value / 2 : -(value + 1) / 2
}
