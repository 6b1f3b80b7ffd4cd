/** Kafka's murmur2 (F-01) of data[from, to): the hash behind the default partitioner; a signed 32-bit integer. */
export const murmur2 = (data: Uint8Array, from = 0, to = data.length): number => {
  const m = 0x5bd1e995
  const length = to - from
  let h = 0x9747b28c ^ length
  const words = from + (length & ~3)
  for (let i = from; i < words; i += 4) {
    let k = (data[i] as number) | ((data[i + 1] as number) << 8) | ((data[i + 2] as number) << 16) | ((data[i + 3] as number) << 24)
    k = Math.imul(k, m)
    k ^= k >>> 24
    h = Math.imul(h, m) ^ Math.imul(k, m)
  }
  const tail = length & 3
  if (tail === 3) h ^= (data[words + 2] as number) << 16
  if (tail >= 2) h ^= (data[words + 1] as number) << 8
  if (tail >= 1) h = Math.imul(h ^ (data[words] as number), m)
  h ^= h >>> 13
  h = Math.imul(h, m)
  return h ^ (h >>> 15)
}

/** Partition for the {@link murmur2} of a key, as Kafka's default partitioner chooses it. */
export const partitionOfHash = (hash: number, partitions: number): number => (hash & 0x7fffffff) % partitions

/** Partition of a key as Kafka's default partitioner chooses it. */
export const partitionOfKey = (key: Uint8Array, partitions: number): number =>
  partitions === 1 ? 0 : partitionOfHash(murmur2(key), partitions)
