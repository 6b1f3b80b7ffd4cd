import { expect, it } from 'vitest'
import { Serdes } from '../../src/serde/serdes.ts'
import { subscriptionResponseSerde, subscriptionSerde } from '../../src/serde/subscription.ts'

const hash = Buffer.from('00112233445566778899aabbccddeeff', 'hex')

it('a subscription keeps hash, instruction, key and partition', () => {
  const key = Buffer.from('ann')
  for (const it of [hash, null]) {
    const subscription = { hash: it, instruction: 3, primaryKey: key, partition: 258 } as const
    expect(subscriptionSerde.deserialize(subscriptionSerde.serialize(subscription, 't'), 't')).toEqual(subscription)
  }
})

it('an answer keeps hash and value, and not the partition that it is sent to', () => {
  const serde = subscriptionResponseSerde(Serdes.string)
  const bytes = serde.serialize({ hash, value: 'rome', partition: 3 }, 't')
  expect(serde.deserialize(bytes, 't')).toEqual({ hash, value: 'rome' })
  expect(serde.deserialize(serde.serialize({ hash: null, value: null }, 't'), 't')).toEqual({ hash: null, value: null })
})

it('bytes of another version, or too few, are refused', () => {
  expect(() => subscriptionSerde.deserialize(Uint8Array.of(2, 0, 0, 0, 0, 0), 't')).toThrow(
    'A subscription of version 2 was read, version 1 is known',
  )
  expect(() => subscriptionSerde.deserialize(Uint8Array.of(0x81, 0, 0), 't')).toThrow('A subscription takes more than 3 bytes')
  expect(() => subscriptionResponseSerde(Serdes.string).deserialize(Uint8Array.of(1), 't')).toThrow(
    'A subscription response of version 1 was read',
  )
})
