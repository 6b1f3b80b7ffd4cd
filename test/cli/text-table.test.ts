import { describe, expect, it } from 'vitest'
import { byKey, keyValueTable, timeText } from '../../src/cli/text-table.ts'

const lines = (text: string): readonly string[] => text.split('\n').filter((_, at) => at !== 1)

describe('a table of keys and values', () => {
  it('has a column for each field where all values have the same ones, and says what was deleted', () => {
    const entries = [
      ['a', { n: 1_000.5, ok: true }],
      ['b', null],
    ] as const
    expect(lines(keyValueTable(entries))).toEqual(['  key  n        ok', '  a    1,000.5  true', '  b    deleted'])
  })

  it('has one column where values differ or hold more than plain fields, cut where it is long', () => {
    const long = 'x'.repeat(200)
    const entries = [
      ['a', { n: 1 }],
      ['b', { m: [1] }],
      ['c', long],
      ['d', Uint8Array.of(1, 2)],
    ] as const
    expect(lines(keyValueTable(entries)).slice(1)).toEqual([
      '  a    {"n":1}',
      '  b    {"m":[1]}',
      `  c    ${long.slice(0, 99)}…`,
      '  d    0102',
    ])
  })

  it('takes a row for each object of a list, up to a limit, and shows windows and times as times', () => {
    const key = { key: 'k', window: { startMs: 0, endMs: 3_600_000 } }
    const table = keyValueTable([[key, [{ rank: 1 }, { rank: 2 }, { rank: 3 }]]], { times: [86_400_000], rowsMax: 2 })
    expect(lines(table)).toEqual([
      '  time        key  from        to                   rank',
      '  1970-01-02  k    1970-01-01  1970-01-01 01:00:00     1',
      '  1970-01-02  k    1970-01-01  1970-01-01 01:00:00     2',
    ])
  })

  it('orders keys by their text and then by their windows', () => {
    const at = (key: string, startMs: number) => [{ key, window: { startMs, endMs: startMs + 1 } }, 0] as const
    expect([at('b', 0), at('a', 9), at('a', 2)].sort(byKey)).toEqual([at('a', 2), at('a', 9), at('b', 0)])
  })

  it('calls a time without end open', () => {
    expect([timeText(Number.POSITIVE_INFINITY), timeText(1)]).toEqual(['open', '1970-01-01 00:00:00.001'])
  })
})
