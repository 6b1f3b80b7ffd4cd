import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Axis, linearAxis, logAxis } from '../../scripts/plots/axis.ts'
import { bars } from '../../scripts/plots/bars.ts'
import { lines } from '../../scripts/plots/lines.ts'
import { benchesOf, pageWith, picturesOf } from '../../scripts/plots/pages.ts'
import { type Result, readResults } from '../../scripts/plots/results.ts'
import { stacks } from '../../scripts/plots/stacks.ts'
import { resultText } from '../../scripts/plots/tables.ts'

const docs = fileURLToPath(new URL('../../docs', import.meta.url))
const page = readFileSync(join(docs, 'performance.md'), 'utf8')
const results = readResults()

describe('docs/performance.md', () => {
  it('has the tables of the results that are kept (npm run plots)', () => {
    expect(page).toBe(pageWith(page, results))
  })

  it('has a block for every result that is kept', () => {
    expect([...results.keys()].filter((bench) => !benchesOf(page).includes(bench))).toEqual([])
  })

  it('names every benchmark once where it tells how to run them', () => {
    const bench = fileURLToPath(new URL('../../bench', import.meta.url))
    const told = benchesOf(page)
    expect(told).toEqual([...new Set(told)])
    const files = readdirSync(bench).filter((file) => file.endsWith('.ts'))
    expect(told.filter((name) => !files.includes(`${name}.ts`))).toEqual([])
    expect([...page.matchAll(/^\| `([\w-]+)` \|/gm)].map(([, name]) => name).toSorted()).toEqual(told.toSorted())
  })

  it('has the pictures that the results give, and no others', () => {
    const kept = readdirSync(join(docs, 'performance')).filter((file) => file.endsWith('.svg'))
    const drawn = picturesOf(results)
    expect(kept.toSorted()).toEqual([...drawn.keys()].toSorted())
    for (const [file, svg] of drawn) expect(readFileSync(join(docs, 'performance', file), 'utf8'), file).toBe(svg)
  })
})

const machine = { cpu: 'a CPU', cores: 2, memoryGb: 4, platform: 'linux x64', node: 'v24.0.0', loadBefore: 0.1 }
const result = (some: Partial<Result>): Result => ({ bench: 'engine', machine, rows: [], ratios: [], ...some })
const ratio = { workload: 'word-count, warm tasks', against: 'Java', recordsPerSecond: 9.5, perCpuSecond: 12 }

describe('the table of a result', () => {
  it('says which ratios miss their target, and on what machine it was', () => {
    const rows = [{ workload: 'word-count', records: 25_000, 'driver per CPU s': 1.25 }]
    expect(resultText(result({ rows, ratios: [ratio, { ...ratio, recordsPerSecond: 10 }] }))).toBe(
      [
        'a CPU, 2 cores, 4 GB, linux x64, Node v24.0.0.',
        '',
        '| workload | records | driver per CPU s |',
        '| --- | ---: | ---: |',
        '| word-count | 25,000 | 1.25 |',
        '',
        '| workload | ours divided by | records/s | per CPU second | target |  |',
        '| --- | --- | ---: | ---: | --- | --- |',
        '| word-count, warm tasks | Java | 9.5 | 12 | 10 records/s | **missed** |',
        '| word-count, warm tasks | Java | 10 | 12 | 10 records/s |  |',
      ].join('\n'),
    )
  })

  it('says that the machine was busy', () => {
    const [first] = resultText(result({ machine: { ...machine, loadBefore: 3.4 } })).split('\n')
    expect(first).toBe(
      'a CPU, 2 cores, 4 GB, linux x64, Node v24.0.0. **The machine was busy with other work (load 3.4): these times say little.**',
    )
  })
})

/** Texts in their order, without those of the style. */
const textsOf = (svg: string): readonly string[] => [...svg.matchAll(/<text[^>]*>([^<]*)<\/text>/g)].map(([, text = '']) => text)
const numbersOf = (svg: string, pattern: RegExp): readonly number[] => [...svg.matchAll(pattern)].map(([, value]) => Number(value))

describe('a picture', () => {
  it('has bars as long as their values, marks at the targets, and says both', () => {
    const groups = [
      { name: 'one & other', values: [2, 4], targets: [null, 3] },
      { name: 'last', values: [1, 0.5], targets: [null, null] },
    ]
    const svg = bars({ title: 'Ratios', axis: 'ours / theirs', series: ['a', 'b'], groups })
    expect(numbersOf(svg, /<rect class="s\d fill"[^>]* x="300"[^>]* width="([\d.]+)" height="11"/g).map((width) => width / 115)).toEqual([
      2, 4, 1, 0.5,
    ])
    expect(numbersOf(svg, /<line class="target" x1="([\d.]+)"/g)).toEqual([300 + 3 * 115])
    expect(textsOf(svg)).toEqual([
      'Ratios',
      'a',
      'b',
      '| target',
      '0',
      '1',
      '2',
      '3',
      '4',
      'one &amp; other',
      '2',
      '4',
      'last',
      '1',
      '0.5',
      'ours / theirs',
    ])
  })

  it('has a dot for every value of a line, further right and higher for greater ones', () => {
    const series = [
      { name: 'slow', points: [[10, 100] as const, [100, 200] as const, [1_000, 400] as const] },
      { name: 'quick', points: [[10, 1] as const, [1_000, 2] as const] },
    ]
    const axes = { x: { name: 'records/s', log: true }, y: { name: 'ms', log: true } }
    const svg = lines({ title: 'Latency', ...axes, series, target: { name: '50 ms', value: 50 } })
    expect(numbersOf(svg, /<circle class="s0 fill" cx="([\d.]+)"/g)).toEqual([74, 345, 616])
    const [low = 0, middle = 0, high = 0] = numbersOf(svg, /<circle class="s0 fill"[^>]* cy="([\d.]+)"/g)
    expect([low > middle, middle > high, Math.abs(low - middle - (middle - high)) < 0.2]).toEqual([true, true, true])
    expect(textsOf(svg)).toEqual(['Latency', 'slow', 'quick', '1', '10', '100', '10', '100', '1,000', 'records/s', 'ms', '50 ms'])
  })
})

describe('a picture of shares', () => {
  it('has the pieces of a bar one behind the other, as long as their values', () => {
    const bars = [
      { name: 'one', values: [50, 25, 25] },
      { name: 'other', values: [0, 90, 10.1] },
    ]
    const svg = stacks({ title: 'Shares', axis: '%', whole: 100, series: ['a', 'b', 'c'], bars })
    const pieces = [...svg.matchAll(/<rect class="s(\d) fill" x="([\d.]+)" y="([\d.]+)" width="([\d.]+)" height="14"/g)]
    expect(pieces.map(([, ...numbers]) => numbers.map(Number))).toEqual([
      [0, 200, 72, 290],
      [1, 490, 72, 145],
      [2, 635, 72, 145],
      [0, 200, 92, 0],
      [1, 200, 92, 522],
      [2, 722, 92, 58.6],
    ])
    expect(textsOf(svg)).toEqual(['Shares', 'a', 'b', 'c', '0', '20', '40', '60', '80', '100', 'one', 'other', '%'])
  })
})

interface Box {
  readonly text: string
  readonly left: number
  readonly right: number
  readonly top: number
  readonly bottom: number
}

/** Where the texts stand, by the width that a letter has in most fonts. */
const boxesOf = (svg: string): readonly Box[] =>
  [...svg.matchAll(/<text( class="\w+")? x="(-?[\d.]+)" y="(-?[\d.]+)" text-anchor="(\w+)"( transform="[^"]*")?>([^<]*)</g)].map(
    ([, name = '', x, y, anchor, turned, text = '']) => {
      const width = text.length * (name.includes('title') ? 8 : 6.5)
      const before = { start: 0, middle: width / 2, end: width }[anchor ?? ''] ?? 0
      const [left, top] = [Number(x) - before, Number(y) - 10]
      if (turned === undefined) return { text, left, right: left + width, top, bottom: top + 12 }
      return { text, left: Number(x) - 10, right: Number(x) + 2, top: Number(y) - width / 2, bottom: Number(y) + width / 2 }
    },
  )

describe.each([...picturesOf(results)])('the picture %s', (_, svg) => {
  it('has no text on another or beyond its edge', () => {
    const boxes = boxesOf(svg)
    const [, width = 0, height = 0] = (/viewBox="0 0 (\d+) (\d+)"/.exec(svg) ?? []).map(Number)
    const over = boxes.filter(({ left, right, top, bottom }) => left < 0 || top < 0 || right > width || bottom > height)
    const pairs = boxes.flatMap((one, n) => boxes.slice(n + 1).map((other) => [one, other] as const))
    const apart = (one: Box, other: Box): boolean =>
      one.right <= other.left || other.right <= one.left || one.bottom <= other.top || other.bottom <= one.top
    expect(over.map(({ text }) => text)).toEqual([])
    expect(pairs.filter(([one, other]) => !apart(one, other)).map(([one, other]) => [one.text, other.text])).toEqual([])
  })
})

describe('an axis', () => {
  const values = fc.array(fc.double({ min: 1e-3, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 20 })
  const fits = (axis: Axis, given: readonly number[]): boolean =>
    given.every((value) => axis.at(value) >= -1e-6 && axis.at(value) <= 1 + 1e-6) &&
    axis.ticks.length >= 2 &&
    axis.ticks.every((tick, n) => n === 0 || tick > (axis.ticks[n - 1] ?? 0))

  it('has all values between its ends, and ticks that go up', () => {
    fc.assert(fc.property(values, (given) => fits(linearAxis(given), given) && fits(logAxis(given), given)))
  })
})
