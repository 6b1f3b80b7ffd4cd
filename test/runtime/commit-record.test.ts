import { expect, it } from 'vitest'
import { changelogHeaders, changelogStamp, outputHeaders, readCommitRecord, writeCommitRecord } from '../../src/runtime/commit-record.ts'
import { bytes, textOf } from './scene.ts'

const commit = {
  ...{ gen: 1, seq: 7, paused: false, positions: { words: 12 }, topology: 'abc' },
  times: { streamTime: 5, partitionTimes: { words: 5 } },
}

it('is one key and compact JSON, and reads back as it was', () => {
  const { key, value, timestamp, headers } = writeCommitRecord(commit, 99)
  expect({ key: textOf(key), value: textOf(value), timestamp, headers }).toEqual({
    ...{ key: 'commit', timestamp: 99, headers: [] },
    value: '{"gen":1,"seq":7,"paused":false,"topology":"abc","times":{"streamTime":5,"partitionTimes":{"words":5}},"pos":{"words":12}}',
  })
  expect(readCommitRecord(value, 'here')).toEqual(commit)
})

it.each([
  ['null', null],
  ['text', bytes('hello')],
  ['another document', bytes('{"seq":1}')],
  ['a number that is none', bytes('{"gen":0,"seq":"1","pos":{}}')],
  ['no positions', bytes('{"gen":0,"seq":1,"pos":null}')],
])('that is %s is refused with its place', (_what, value) => {
  expect(() => readCommitRecord(value, 'app-words-commits/0@3')).toThrow(
    expect.objectContaining({
      code: 'LOG_TRUNCATED',
      message: 'The record at app-words-commits/0@3 is no commit record of this application',
    }),
  )
})

it('stamps changelog records so that they tell gen and seq, and knows a record of another writer', () => {
  expect(changelogStamp(changelogHeaders(3, 2 ** 40))).toEqual({ gen: 3, seq: 2 ** 40 })
  const strange = [
    [],
    [['__millrace.gen', bytes('1')]],
    [
      ['__millrace.gen', bytes('x')],
      ['__millrace.seq', bytes('2')],
    ],
    [['__millrace.seq', null]],
  ] as const
  expect(strange.map((headers) => changelogStamp(headers))).toEqual([undefined, undefined, undefined, undefined])
})

it('adds its seq to the headers of outputs, in place of an older one', () => {
  const stamp = outputHeaders(5)
  const shown = (headers: Parameters<typeof stamp>[0]) => stamp(headers).map(([name, value]) => `${name}=${textOf(value)}`)
  expect(shown([])).toEqual(['__millrace.seq=5'])
  expect(shown([['trace', bytes('t')]])).toEqual(['trace=t', '__millrace.seq=5'])
  expect(
    shown([
      ['__millrace.seq', bytes('4')],
      ['trace', bytes('t')],
    ]),
  ).toEqual(['trace=t', '__millrace.seq=5'])
})
