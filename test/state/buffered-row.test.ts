import { expect, it } from 'vitest'
import { type BufferedRow, bufferedBytes, readBufferedRow, writeBufferedRow } from '../../src/state/buffered-row.ts'

const bytes = (text: string): Uint8Array => Buffer.from(text)

const row: BufferedRow = {
  timestamp: 46,
  offset: 9,
  topic: 'in',
  partition: 0,
  headers: [['n', bytes('9')]],
  prior: bytes('g'),
  oldValue: bytes('h'),
  newValue: null,
  timeMs: 37,
}

it('is what Kafka Streams writes to the changelog of its buffer', () => {
  expect(Buffer.from(writeBufferedRow(row)).toString('hex')).toBe(
    '000000000000002e000000000000000900000002696e0000000000000001000000016e000000013900000001670000000168ffffffff0000000000000025',
  )
})

it.each([
  ['as it was written', row],
  ['with an old value that equals the prior', { ...row, oldValue: bytes('g') }],
  ['of a row that was not there', { ...row, prior: null, oldValue: null, newValue: bytes('') }],
  ['with a header without a value', { ...row, headers: [['n', null] as const] }],
  ['of a window without an end', { ...row, timeMs: Number.POSITIVE_INFINITY }],
])('is read back %s', (_what, written) => {
  const read = readBufferedRow(writeBufferedRow(written))
  const plain = (value: Uint8Array | null) => value && Buffer.from(value).toString()
  const comparable = ({ headers, prior, oldValue, newValue, ...rest }: BufferedRow) => ({
    ...rest,
    headers: headers.map(([name, value]) => [name, plain(value)]),
    values: [prior, oldValue, newValue].map(plain),
  })
  expect(comparable(read)).toEqual(comparable(written))
})

it('counts as in Kafka: 48 bytes for two headers of a name of three characters, once without a value', () => {
  const headers = [['näm', null] as const, ['näm', bytes('12345678')] as const]
  const counted = { ...row, headers, prior: bytes('1'), oldValue: bytes('1'), newValue: bytes('11') }
  expect(bufferedBytes(bytes('a'), counted)).toBe(48)
})

it('says so where the bytes end too early', () => {
  expect(() => readBufferedRow(writeBufferedRow(row).subarray(0, 30))).toThrow('A suppressed row ends in the middle, after 30 bytes')
})
