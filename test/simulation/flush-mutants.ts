import type { Mutant } from './mutant.ts'
import type { Patch } from './mutation.ts'

const heldTask = 'src/runtime/held-task.ts'
const release = 'src/runtime/release.ts'
const apps = ['deferred'] as const
const leaving: Patch = { file: heldTask, find: " && held.trigger.kind !== 'tick'", replace: '' }

/** Of the rules for rows that are flushed later (protocol §7, A), and for what a checkpoint tells of the sizes of stores. */
export const flushMutants: readonly Mutant[] = [
  {
    rule: 'R21',
    without: 'rows that are not flushed are evicted',
    apps,
    patches: [{ file: 'src/state/rows.ts', find: '      if (pinned?.has(id)) continue\n', replace: '' }],
  },
  {
    rule: 'R34',
    without: 'a tick leaves rows to be flushed later',
    apps,
    patches: [leaving],
    coveredBy: 'the limit of the interval: after ten minutes at most nothing waits any more',
  },
  {
    rule: 'R34, and no interval',
    without: 'as R34, and rows may wait for ever',
    apps,
    patches: [leaving, { file: 'src/runtime/flush.ts', find: 'ageMs < later.intervalMs', replace: 'ageMs < Number.POSITIVE_INFINITY' }],
  },
  {
    rule: 'R12, deferred',
    without: 'a checkpoint is written although rows wait for their flush',
    apps,
    patches: [{ file: release, find: 'if (flush.isBehind && !deferred) await', replace: 'if (flush.isBehind) await' }],
  },
  {
    rule: 'R17, deferred',
    without: 'a refused DEFER writes the checkpoint',
    apps,
    patches: [{ file: release, find: 'if (checkpoint && !deferred) await', replace: 'if (checkpoint) await' }],
  },
  {
    rule: 'R20, deferred',
    without: 'what is not flushed is forgotten between two invocations of a warm task',
    apps,
    patches: [{ file: heldTask, find: 'unflushed: flush.rest', replace: 'unflushed: { ...flush.rest, rows: new Map() }' }],
  },
  {
    rule: 'R11, sizes',
    without: 'a store whose only rows came from the tail of the log is said to have none',
    apps: ['deferred', 'counting'],
    patches: [{ file: 'src/state/rows.ts', find: '    if (rows.length > 0) this.#everWritten = true\n', replace: '' }],
  },
  {
    rule: 'R12, sizes',
    without: 'stores are said to have no rows at every checkpoint',
    apps: ['deferred', 'counting'],
    patches: [
      { file: 'src/runtime/store-sizes.ts', find: 'return { ...before, ...Object.fromEntries(own) }', replace: 'return own && {}' },
    ],
  },
  {
    rule: 'R15, sweeper and deferred flushes',
    without: 'the sweeper does not look at what is not flushed',
    apps,
    patches: [{ file: 'src/runtime/sweep.ts', find: '  if ((item.deferredSeq ?? 0) > seq) return true\n', replace: '' }],
  },
]
