const mask = (1n << 64n) - 1n
const c1 = 0x87c37b91114253d5n
const c2 = 0x4cf5ad432745937fn
/** Kafka's own, for the hashes of joins by foreign key. */
const seed = 104_729n

const rotate = (value: bigint, by: bigint): bigint => ((value << by) | (value >> (64n - by))) & mask
const mix1 = (k1: bigint): bigint => (rotate((k1 * c1) & mask, 31n) * c2) & mask
const mix2 = (k2: bigint): bigint => (rotate((k2 * c2) & mask, 33n) * c1) & mask

const finish = (hash: bigint): bigint => {
  let h = hash ^ (hash >> 33n)
  h = (h * 0xff51afd7ed558ccdn) & mask
  h ^= h >> 33n
  h = (h * 0xc4ceb9fe1a85ec53n) & mask
  return h ^ (h >> 33n)
}

/** The bytes that are left over, at most eight, as a little-endian number. */
const tailOf = (data: Buffer, from: number): bigint => {
  let value = 0n
  for (let at = Math.min(data.length, from + 8) - 1; at >= from; at--) value = (value << 8n) | BigInt(data[at] as number)
  return value
}

/** Murmur3, 128 bits for 64-bit machines, as Kafka Streams uses it (F-08): 16 bytes, two big-endian halves. */
export const murmur3 = (bytes: Uint8Array): Uint8Array => {
  const data = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let [h1, h2] = [seed, seed]
  const blocks = data.length & ~15
  for (let at = 0; at < blocks; at += 16) {
    h1 ^= mix1(data.readBigUInt64LE(at))
    h1 = ((rotate(h1, 27n) + h2) * 5n + 0x52dce729n) & mask
    h2 ^= mix2(data.readBigUInt64LE(at + 8))
    h2 = ((rotate(h2, 31n) + h1) * 5n + 0x38495ab5n) & mask
  }
  if (data.length > blocks + 8) h2 ^= mix2(tailOf(data, blocks + 8))
  if (data.length > blocks) h1 ^= mix1(tailOf(data, blocks))
  const length = BigInt(data.length)
  h1 = ((h1 ^ length) + (h2 ^ length)) & mask
  h2 = ((h2 ^ length) + h1) & mask
  const [f1, f2] = [finish(h1), finish(h2)]
  const first = (f1 + f2) & mask
  const hash = Buffer.alloc(16)
  hash.writeBigUInt64BE(first, 0)
  hash.writeBigUInt64BE((f2 + first) & mask, 8)
  return hash
}
