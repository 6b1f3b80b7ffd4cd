import { expect, it } from 'vitest'
import { needsTick } from '../../src/runtime/sweep.ts'
import type { TaskItem } from '../../src/state/backend.ts'

const minute = 60_000
/** A minute in which it is not the turn of partition 0. */
const nowMs = 1_700_000_040_000 + minute * 3
const item = (change: Partial<TaskItem>): TaskItem => ({ checkpoint: undefined, bells: {}, lease: undefined, ...change })
const checkpoint = (words: number) => ({ seq: 1, gen: 0, ends: {}, positions: { words } })
const lease = (expiresAtMs: number) => ({ token: 't', source: 'tick', expiresAtMs })

it.each([
  ['a task that never ran', undefined, false],
  ['a task at rest', item({ checkpoint: checkpoint(5), bells: { words: 5 } }), false],
  ['an unanswered bell', item({ checkpoint: checkpoint(5), bells: { words: 6 } }), true],
  ['a bell of a task without a checkpoint', item({ bells: { words: 1 } }), true],
  ['a lease that holds, whatever was rung', item({ lease: lease(nowMs), bells: { words: 9 } }), false],
  ['a task that is to be woken later', item({ checkpoint: { ...checkpoint(5), wakeMs: nowMs + 1 } }), false],
  ['a task that is to be woken now', item({ checkpoint: { ...checkpoint(5), wakeMs: nowMs } }), true],
  ['a task that is not to be woken any more', item({ checkpoint: { ...checkpoint(5), wakeMs: 0 } }), false],
  ['a transaction that is committed and not flushed', item({ checkpoint: checkpoint(5), deferredSeq: 2 }), true],
  ['one that was flushed', item({ checkpoint: checkpoint(5), deferredSeq: 1 }), false],
  ['a first one that is not flushed', item({ deferredSeq: 1 }), true],
  ['a lease that has expired', item({ lease: lease(nowMs - 1) }), true],
] as const)('decides for %s', (_what, task, needed) => {
  expect(needsTick(task, { nowMs, partition: 0 })).toBe(needed)
})

it('looks at every task once in ten minutes, whatever its item says, and not at all of them at once', () => {
  const turns = (partition: number) =>
    Array.from({ length: 20 }, (_, at) => at).filter((at) => needsTick(undefined, { nowMs: at * minute + 1_234, partition }))
  expect([0, 3, 13, 29].map(turns)).toEqual([
    [0, 10],
    [3, 13],
    [3, 13],
    [9, 19],
  ])
})
