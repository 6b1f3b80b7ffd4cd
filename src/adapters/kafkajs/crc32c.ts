/** CRC-32C (Castagnoli), eight bytes a step, of a part of a buffer. */
export const crc32c = (bytes: Uint8Array, from: number, to: number): number => {
  let crc = -1
  let at = from
  for (const last = to - 7; at < last; at += 8) {
    const low = crc ^ (byte(bytes, at) | (byte(bytes, at + 1) << 8) | (byte(bytes, at + 2) << 16) | (byte(bytes, at + 3) << 24))
    crc =
      word(t7, low & 255) ^
      word(t6, (low >>> 8) & 255) ^
      word(t5, (low >>> 16) & 255) ^
      word(t4, low >>> 24) ^
      word(t3, byte(bytes, at + 4)) ^
      word(t2, byte(bytes, at + 5)) ^
      word(t1, byte(bytes, at + 6)) ^
      word(t0, byte(bytes, at + 7))
  }
  for (; at < to; at++) crc = word(t0, (crc ^ byte(bytes, at)) & 255) ^ (crc >>> 8)
  return (crc ^ -1) >>> 0
}

const byte = (bytes: Uint8Array, at: number): number => bytes[at] as number
const word = (table: Int32Array, at: number): number => table[at] as number

const firstTable = (): Int32Array =>
  Int32Array.from({ length: 256 }, (_, n) => {
    let crc = n
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1
    return crc
  })
const t0 = firstTable()
const next = (table: Int32Array): Int32Array => table.map((crc) => word(t0, crc & 255) ^ (crc >>> 8))
const t1 = next(t0)
const t2 = next(t1)
const t3 = next(t2)
const t4 = next(t3)
const t5 = next(t4)
const t6 = next(t5)
const t7 = next(t6)
