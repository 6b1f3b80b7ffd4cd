import { describe, expect, it } from 'vitest'
import { type Findings, isClean, sumOf } from './findings.ts'
import { checkEnds, checkTask, type TaskCopy } from './verify-log.ts'
import { checkEach, checkRows, checkStates, checkVersions, type Entry } from './verify-outputs.ts'

const entries = (...lines: readonly string[]): readonly Entry[] =>
  lines.map((line) => ({ key: line.slice(0, 1), value: line.length === 1 ? null : line.slice(2) }))
const clean: Findings = { losses: 0, duplicates: 0, reorderings: 0, wrong: 0, examples: [] }

describe('records that must be there once each', () => {
  const written = entries('a 1', 'b 1', 'a 2', 'a 3', 'b 2')
  const check = (...found: readonly string[]): Findings => checkEach('echo', written, entries(...found))

  it('are right in any order of keys', () => {
    expect(check('b 1', 'b 2', 'a 1', 'a 2', 'a 3')).toEqual(clean)
  })
  it('miss a lost one', () => {
    expect(check('a 1', 'a 3', 'b 1', 'b 2')).toEqual({ ...clean, losses: 1, examples: ['echo: a has no "2"'] })
  })
  it('show a duplicate, wherever it is', () => {
    expect(check('a 1', 'a 2', 'a 3', 'b 1', 'b 2', 'a 1')).toEqual({ ...clean, duplicates: 1, examples: ['echo: a has "1" again'] })
  })
  it('show a swapped pair', () => {
    expect(check('a 2', 'a 1', 'a 3', 'b 1', 'b 2')).toEqual({ ...clean, reorderings: 1, examples: ['echo: a has "1" after "2"'] })
  })
  it('show what nobody wrote', () => {
    expect(check('a 1', 'a 2', 'a 3', 'b 1', 'b 2', 'b 9', 'c 1')).toEqual({
      ...{ ...clean, wrong: 2 },
      examples: ['echo: b has "9", which nobody wrote', 'echo: "1" of c, which nobody wrote'],
    })
  })
})

describe('states of which each transaction tells the last', () => {
  const states = new Map([['a', ['1', '2', '3']]])
  const check = (...found: readonly string[]): Findings => checkStates('counts', states, entries(...found))

  it('may be left out, but not the last one', () => {
    expect(check('a 2', 'a 3')).toEqual(clean)
    expect(check('a 1', 'a 2')).toEqual({ ...clean, losses: 1, examples: ['counts: a ends with "2" and not with "3"'] })
    expect(check()).toMatchObject({ losses: 1 })
  })
  it('are told once', () => {
    expect(check('a 2', 'a 2', 'a 3')).toEqual({ ...clean, duplicates: 1, examples: ['counts: a is "2" again'] })
  })
  it('never go back', () => {
    expect(check('a 2', 'a 1', 'a 3')).toEqual({ ...clean, reorderings: 1, examples: ['counts: a is "1" after "2"'] })
  })
  it('are those that the input leads to', () => {
    expect(check('a 3', 'a 4', 'a', 'b 1')).toEqual({
      ...{ ...clean, wrong: 3 },
      examples: ['counts: a is "4", which it never was', 'counts: a is "null", which it never was', 'counts: b, which nobody wrote'],
    })
  })
})

describe('rows that are left in the end', () => {
  const rows = new Map([['a', '1 x']])
  const check = (...found: readonly string[]): Findings => checkRows('overview', rows, entries(...found), '0 0')

  it('are the last ones told; deleted and empty ones are none', () => {
    expect(check('a 0 y', 'a 1 x', 'b 1', 'b', 'c 0 0')).toEqual(clean)
  })
  it('show a lost, a wrong and a superfluous one', () => {
    expect(check('a 1 x', 'a')).toEqual({ ...clean, losses: 1, examples: ['overview: a should be "1 x", and is not there'] })
    expect(check('a 1 x', 'a 1 z')).toEqual({ ...clean, wrong: 1, examples: ['overview: a is "1 z" and should be "1 x"'] })
    expect(check('a 1 x', 'b 1')).toEqual({ ...clean, wrong: 1, examples: ['overview: b is "1" and should not be there'] })
  })
  it('never go back to an older version on the way', () => {
    const versions = (...found: readonly string[]) => checkVersions('overview', entries(...found), Number)
    expect(versions('a 1', 'b 3', 'a 1', 'a', 'a 2')).toEqual(clean)
    expect(versions('a 2', 'a 1')).toEqual({ ...clean, reorderings: 1, examples: ['overview: a has version 1 after version 2'] })
  })
})

describe('a task at rest', () => {
  const item = (seq: number, bells: Readonly<Record<string, number>> = { lines: 9 }): TaskCopy['item'] => ({
    checkpoint: { seq, gen: 0, ends: {}, positions: { lines: 9 } },
    bells,
  })
  const rows = new Map([['k', 'v at 3']])
  const task: TaskCopy = { task: 't/0', commits: [1, 2, 3], item: item(3), stores: [{ store: 's', log: rows, table: rows }] }
  const check = (change: Partial<TaskCopy>): Findings => checkTask({ ...task, ...change })

  it('has nothing to find', () => {
    expect([check({}), check({ commits: [], item: undefined, stores: [] })]).toEqual([clean, clean])
  })
  it('shows a lost, a repeated and a swapped commit', () => {
    expect(check({ commits: [1, 3] })).toMatchObject({ losses: 1, examples: ['task t/0: no commit between 1 and 3'] })
    expect(check({ commits: [1, 2, 2, 3] })).toMatchObject({ duplicates: 1, examples: ['task t/0: commit 2 twice'] })
    expect(check({ commits: [1, 3, 2, 3] })).toMatchObject({ reorderings: 1, losses: 1 })
    expect(check({ commits: [2, 3] })).toMatchObject({ losses: 1 })
  })
  it('shows a checkpoint elsewhere than at the last commit, and a promise that was not kept', () => {
    expect(check({ item: item(2) })).toMatchObject({ wrong: 1, examples: ['task t/0: the checkpoint is at 2, the last commit is 3'] })
    expect(check({ item: item(3, { lines: 10 }) })).toMatchObject({ losses: 1 })
  })
  it('shows a table that is not the fold of its changelog', () => {
    const stores = (table: ReadonlyMap<string, string>) => [{ store: 's', log: rows, table }]
    expect(check({ stores: stores(new Map()) })).toMatchObject({ losses: 1 })
    expect(check({ stores: stores(new Map([['k', 'v at 2']])) })).toMatchObject({
      ...{ wrong: 1, examples: ['task t/0: k in s is v at 2 in the table and v at 3 in the changelog'] },
    })
    expect(check({ stores: stores(new Map([...rows, ['l', 'v']])) })).toMatchObject({ wrong: 1 })
  })
  it('has no transaction that hangs', () => {
    const end = { topic: 'echo', partition: 1, lastStableOffset: 7, highWatermark: 7 }
    expect(checkEnds([end])).toEqual(clean)
    expect(checkEnds([end, { ...end, highWatermark: 8 }])).toEqual({
      ...{ ...clean, wrong: 1 },
      examples: ['hanging transaction: echo/1 is readable up to 7 of 8'],
    })
  })
})

it('findings add up', () => {
  const one = { losses: 1, duplicates: 2, reorderings: 3, wrong: 4, examples: ['one'] }
  expect(sumOf([one, { ...one, examples: ['other'] }])).toEqual({
    losses: 2,
    duplicates: 4,
    reorderings: 6,
    wrong: 8,
    examples: ['one', 'other'],
  })
  expect([isClean(clean), isClean(one)]).toEqual([true, false])
})
