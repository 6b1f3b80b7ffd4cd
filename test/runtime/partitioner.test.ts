import { expect, it } from 'vitest'
import { murmur2, partitionOfKey } from '../../src/runtime/partitioner.ts'
import { Serdes } from '../../src/serde/serdes.ts'
import { bytes } from './scene.ts'

const long = 'lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8'

it.each([
  ['21', -973932308],
  ['foobar', -790332482],
  ['a-little-bit-long-string', -985981536],
  ['a-little-bit-longer-string', -1486304829],
  [long, -58897971],
  ['abc', 479470107],
  ['', 275646681],
  ['key1', 28543940],
  ['kafka', -798503068],
  ['日本', -700811021],
])('hashes %j as Kafka does', (text, hash) => {
  expect(murmur2(bytes(text))).toBe(hash)
})

it('hashes numbers by their big-endian bytes', () => {
  expect([murmur2(Serdes.long.serialize(1, '')), murmur2(Serdes.integer.serialize(42, ''))]).toEqual([2100486060, 1606757304])
})

it('hashes a view into a larger buffer by its own bytes', () => {
  expect(murmur2(bytes('xxfoobarxx').subarray(2, 8))).toBe(-790332482)
})

it('masks the sign instead of taking the absolute value: negative hashes fall where Kafka puts them', () => {
  const keys = ['21', 'foobar', 'a-little-bit-long-string', 'kafka', 'abc', 'key1']
  expect(keys.map((key) => partitionOfKey(bytes(key), 7))).toEqual([3, 0, 1, 3, 4, 5])
})
