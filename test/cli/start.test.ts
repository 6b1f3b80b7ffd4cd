import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { runCli } from './run-cli.ts'

const folder = mkdtempSync(join(tmpdir(), 'millrace-start-'))
afterAll(() => rmSync(folder, { recursive: true }))
const file = (name: string, text: string): string => {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}

describe('millrace start, embedded', { timeout: 60_000 }, () => {
  it("counts the user's own lines and says what went where", async () => {
    // no word is in two lines: they may be counted by different transactions
    const input = file('own.txt', 'To be, or not to be. TO\nthat is the question!\n\nindeed\n')
    const { code, stdout } = await runCli(['start', 'word-count', '--quiet', '--input', input])
    const [rows = '', topic = '', flow = ''] = stdout.trim().split('\n\n')
    expect(code).toBe(0)
    expect(topic.split('\n')[0]).toBe('Topic word-counts: 9 records')
    expect(rows).toBe(
      [
        'Store counts: 9 rows',
        '  key       value',
        '  --------  -----',
        '  to            3',
        '  be            2',
        ...sortedTail(rows, ['indeed', 'is', 'not', 'or', 'question', 'that', 'the']),
      ].join('\n'),
    )
    expect(flow.split('\n')[2]?.trim().split(/\s+/).slice(0, 1)).toEqual(['lines'])
    expect(columns(flow, 'lines')).toMatchObject({ 'records in': 4, 'records out': 12 })
    expect(columns(flow, 'counts-repartition')).toMatchObject({ 'records in': 12, 'state writes': 9 })
  })

  it('shows the rows of a store with windows by key and window', async () => {
    const lines = [1_000, 9_000, 12_000].map((timestamp) => JSON.stringify({ key: 'home', value: 'x', timestamp }))
    const input = file('visits.jsonl', `${lines.join('\n')}\n`)
    const { code, stdout } = await runCli(
      ['start', 'visits', '--quiet', '--input', input],
      undefined,
      join(import.meta.dirname, 'fixtures'),
    )
    const [rows = ''] = stdout.trim().split('\n\n')
    expect(code).toBe(0)
    expect(rows.split('\n').map((line) => line.trim().split(/\s{2,}/))).toEqual([
      ['Store per-window: 2 rows'],
      ['key', 'from', 'to', 'value'],
      Array.from({ length: 4 }, () => expect.stringMatching(/^-+$/)),
      ['home', '1970-01-01', '1970-01-01 00:00:10', '2'],
      ['home', '1970-01-01 00:00:10', '1970-01-01 00:00:20', '1'],
    ])
  })

  it('fills global tables, and shows what a suppression holds back as it will be sent', async () => {
    const { code, stdout } = await runCli(['start', 'shop', '--quiet'], undefined, join(import.meta.dirname, 'fixtures'))
    expect(code).toBe(0)
    const stores = stdout
      .trim()
      .split('\n\n')
      .flatMap((part) => {
        const [title = '', , , ...rows] = part.split('\n')
        return title.startsWith('Store ')
          ? [
              [
                title,
                ...rows.map((row) =>
                  row
                    .trim()
                    .split(/\s{2,}/)
                    .join(': '),
                ),
              ],
            ]
          : []
      })
    expect(stores).toEqual([
      ['Store products: 1 row', 'tea: Tea'],
      ['Store orders: 1 row', 'o1: milk'],
      ['Store held-store: 1 row', 'o1: milk'],
    ])
  })

  it('shows versions and waiting records with their times, and of the subscriptions of a join by foreign key how many there are', async () => {
    const { code, stdout } = await runCli(['start', 'prices', '--quiet'], undefined, join(import.meta.dirname, 'fixtures'))
    expect(code).toBe(0)
    const rows = stdout.split('\n').filter((line) => / @ |^ {2}b |^Store |^Kept /.test(line))
    expect(rows.map((line) => line.trim().split(/\s{2,}/)).sort()).toEqual([
      ['Kept for joins: made-subscription-store 1 row'],
      ...[['Store makers: 1 row'], ['Store priced-Buffer: 1 row'], ['Store prices: 2 rows']],
      ['b', 'bob'],
      ['tea @ 1970-01-01T00:00:01.000Z', 'a3'],
      ['tea @ 1970-01-01T00:00:02.000Z', 'b4'],
      ['tea @ 1970-01-01T00:00:40.000Z', 'cid'],
    ])
  })

  it('shows what it wrote to topics, as tables of the fields of their values', async () => {
    const payment = { account: 'a1', amount: 1_500, currency: 'EUR', country: 'DE' }
    const input = file('payments.jsonl', `${JSON.stringify({ key: 'p1', value: payment, timestamp: Date.UTC(2026, 2, 3, 9) })}\n`)
    const { stdout } = await runCli(['start', 'payment-filter', '--quiet', '--input', input])
    expect(stdout.trim().split('\n\n').slice(0, 3)).toEqual([
      'Topic invalid-payments: 0 records',
      'Topic suspicious-payments: 0 records',
      [
        'Topic approved-payments: 1 record',
        '  time                 key  account  amount  currency  country',
        '  -------------------  ---  -------  ------  --------  -------',
        '  2026-03-03 09:00:00  p1   a1        1,500  EUR       DE',
      ].join('\n'),
    ])
  })

  it("feeds each topic from the file that is given or named for it, and the others from the app's own input", async () => {
    const order = { customer: 'c9', item: 'mug', euros: 8 }
    const orders = file('mine.jsonl', `${JSON.stringify({ key: 'o1', value: order })}\n`)
    const customers = file('customers.jsonl', `${JSON.stringify({ key: 'c9', value: { name: 'Eve', city: 'Rome' } })}\n`)
    const { stdout, stderr } = await runCli(['start', 'orders-and-customers', '--input', `orders=${orders}`, '--input', customers])
    expect(stderr.split('\n')[1]).toBe('input: orders from mine.jsonl, customers from customers.jsonl, shipments from shipments.jsonl')
    const parts = stdout.trim().split('\n\n')
    expect(parts.find((part) => part.startsWith('Store order-overview'))?.split('\n')).toEqual([
      'Store order-overview: 1 row',
      '  key  item  euros  name  city  carrier',
      '  ---  ----  -----  ----  ----  -----------',
      '  o1   mug       8  Eve   Rome  not shipped',
    ])
    expect(parts).toContain('Kept for joins: order-customer-subscription-store 1 row')
  })

  it('reads standard input', async () => {
    const { code, stdout } = await runCli(['start', 'word-count', '--quiet', '--input', '-'], 'one two two\n')
    expect(code).toBe(0)
    expect(stdout).toContain('  two      2\n  one      1\n')
  })

  it('takes lines of standard input for records where they look like some, and values are no text', async () => {
    const vote = JSON.stringify({ key: 'mill', value: { user: 'ann', text: 'bob++' } })
    const { stdout } = await runCli(['start', 'chat-bot', '--quiet', '--input', '-'], `${vote}\n`)
    expect(stdout.trim().split('\n\n')[0]).toBe('Store karma: 1 row\n  key  value\n  ---  -----\n  bob      1')
    const text = await runCli(['start', 'word-count', '--quiet', '--input', '-'], '{"value":"a"}\n')
    expect(text.stdout).toContain('Store counts: 2 rows\n')
  })

  it('shows plain lines of progress when nobody sits at a terminal', async () => {
    const { stderr } = await runCli(['start', 'word-count', '--input', file('progress.txt', 'a b c\n')])
    expect(stderr).toMatch(/^word-count as word-count on embedded Kafka and table, in memory$/m)
    expect(stderr).toMatch(
      /^ +\d+\.\d s {2}fed 1 of 1 {2}[\d,]+ records\/s {2}lag lines \[0 0 0 0\] {2}word-count-counts-repartition \[0 0 0 0\]$/m,
    )
  })

  const refusals: readonly (readonly [what: string, args: () => readonly string[], message: RegExp, remedy: RegExp])[] = [
    ['an unknown app', () => ['start', 'nope'], /There is no app "nope" in .*functions/, /Choose one of: .*word-count/],
    ['a missing file', () => ['start', 'word-count', '--input', '/no/such/file'], /There is no file \/no\/such\/file/, /--input/],
    [
      'an application id that no topic may begin with',
      () => ['start', 'word-count', '--application-id', 'a b'],
      /The application id "a b" cannot be the prefix/,
      /word-count/,
    ],
    [
      'a partition count that is none',
      () => ['start', 'word-count', '--partitions', 'many'],
      /--partitions takes a positive number, not "many"/,
      /Correct/,
    ],
    [
      'a table without a Kafka',
      () => ['start', 'word-count', '--table-endpoint', 'http://localhost:1'],
      /--brokers is missing/,
      /--brokers HOST:PORT/,
    ],
    [
      'a Kafka without a table',
      () => ['start', 'word-count', '--brokers', 'localhost:1'],
      /--table-endpoint is missing/,
      /--table-endpoint URL/,
    ],
    [
      'brokers elsewhere without saying how to log in',
      () => ['start', 'word-count', '--brokers', 'localhost.example.com:9092', '--table-endpoint', 'http://localhost:1'],
      /MILLRACE_AUTH is not set and localhost\.example\.com:9092 is not on this machine/,
      /Set MILLRACE_AUTH/,
    ],
    [
      'a file for a topic that the app does not read',
      () => ['start', 'click-stream', '--input', 'orders=x.jsonl'],
      /click-stream does not read topic orders/,
      /Feed one of: profile-changes, searches, clicks/,
    ],
    [
      'a line that is no record',
      () => ['start', 'word-count', '--quiet', '--input', file('bad.jsonl', '{"value":"a"}\nnope\n')],
      /bad\.jsonl:2 is not a record/,
      /\{"key":"a","value":1\}/,
    ],
    [
      'a value that its serde refuses',
      () => ['start', 'word-count', '--quiet', '--input', file('wrong.jsonl', '{"value":5}\n')],
      /wrong\.jsonl:1 does not fit topic lines/,
      /string serde/,
    ],
  ]
  it.each(refusals)('refuses %s with a message, a remedy and exit code 1', async (_what, args, message, remedy) => {
    const { code, stderr, stdout } = await runCli(args())
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr).toMatch(message)
    expect(stderr).toMatch(new RegExp(`what to do: .*${remedy.source}`))
    expect(stderr).not.toContain('    at ')
  })

  it('helps', async () => {
    const { code, stdout } = await runCli(['start', '--help'])
    expect(code).toBe(0)
    expect(stdout).toContain('--input <file>')
  })

  it('describes an app', async () => {
    const { stdout } = await runCli(['describe', 'word-count'])
    expect(stdout.split('\n').slice(0, 3)).toEqual([
      'Topologies:',
      '   Sub-topology: 0',
      '    Source: KSTREAM-SOURCE-0000000000 (topics: [lines])',
    ])
  })
})

/** Rows with equal counts come in the order of the table's partitions: the names are a set. */
const sortedTail = (text: string, words: readonly string[]): readonly string[] => {
  const tail = text.split('\n').slice(5)
  expect(tail.map((line) => line.trim().split(/\s+/)).sort()).toEqual(words.map((word) => [word, '1']))
  return tail
}

const columns = (table: string, name: string): Record<string, number> => {
  const [head = '', , ...rows] = table.split('\n')
  const names = head.trim().split(/\s{2,}/)
  const row =
    rows
      .find((it) => it.trim().startsWith(`${name} `))
      ?.trim()
      .split(/\s{2,}/) ?? []
  return Object.fromEntries(names.map((column, at) => [column, Number(row[at]?.replaceAll(',', ''))]))
}
