import type { Mutant } from './mutant.ts'

const reset = 'src/runtime/reset.ts'
const logSync = 'src/runtime/log-sync.ts'
const snapshot = 'src/runtime/snapshot.ts'

/** Of resets and deployments. */
const anyGeneration = { file: logSync, find: '    if (stamp.gen !== commit.gen) continue\n', replace: '' }

export const operationMutants: readonly Mutant[] = [
  {
    rule: 'R31, fence',
    without: 'a reset commits under a transactional id of its own, and fences nobody',
    patches: [
      {
        file: reset,
        find: '${plan.subTopology}.${partition}`,\n    transactionTimeoutMs',
        replace: '${plan.subTopology}.${partition}.reset`,\n    transactionTimeoutMs',
      },
    ],
  },
  {
    rule: 'R31, lease',
    without: 'a reset does not take the lease',
    patches: [{ file: reset, find: '  await table.acquire(id, lease, deadlineMs)\n', replace: '' }],
  },
  {
    rule: 'R32',
    without: 'a reset rings no bells at the old positions',
    patches: [
      {
        file: reset,
        find: 'paused: true }), positions: facts.positions, bells: facts.positions }',
        replace: 'paused: true }), positions: facts.positions, bells: {} }',
      },
      {
        file: reset,
        find: 'return { positions: facts.positions, bells: facts.positions }',
        replace: 'return { positions: facts.positions, bells: {} }',
      },
    ],
  },
  {
    rule: 'R33',
    without: 'all generations have one key space, which is wiped',
    patches: [
      {
        file: 'src/adapters/memory/table.ts',
        find: '${id.subTopology}/${id.partition}/${id.gen}/${id.store}`',
        replace: '${id.subTopology}/${id.partition}/${id.store}`',
      },
    ],
  },
  {
    rule: 'R37',
    without: 'rows of older generations in the log are taken for state',
    patches: [anyGeneration],
    coveredBy: 'a rebuild begins where the generation does: the commit record of the reset tells where (logStarts)',
  },
  {
    rule: 'R37, and rebuilds from the start',
    without: 'as R37, and a rebuild reads what was there before the generation',
    patches: [anyGeneration, { file: logSync, find: 'rebuilt ? (commit.logStarts?.[topic] ?? 0)', replace: 'rebuilt ? 0' }],
  },
  {
    rule: 'Reset, paused',
    without: 'who finds a task paused goes on',
    patches: [{ file: 'src/runtime/held-task.ts', find: 'if (log.commit.paused) {', replace: 'if (log.commit.seq < 0) {' }],
  },
  {
    rule: 'Reset, finished late',
    without: 'a run rewinds what an earlier one, which was not dead, has resumed since',
    patches: [
      {
        file: reset,
        find: '    if (!facts.paused) return { positions: facts.positions, bells: {} }\n    const positions',
        replace: '    const positions',
      },
    ],
  },
  {
    rule: 'Reset, queries',
    without: 'a query takes rows that a reset has deleted for rows that are not there',
    apps: ['counting', 'changing'],
    patches: [
      {
        file: snapshot,
        find: 'rows.includes(undefined) && (await checkpointOf(request)).gen > gen',
        replace: 'rows.includes(undefined) && gen < 0',
      },
    ],
  },
  {
    rule: 'Deployment, older code',
    without: 'older code goes on although newer code has committed',
    apps: ['changing'],
    patches: [
      {
        file: 'src/runtime/shape.ts',
        find: 'if (former.includes(is) && nowMs < committedMs + overlapMs) throw',
        replace: 'if (former.includes(is) && nowMs < 0) throw',
      },
    ],
  },
  {
    rule: 'Deployment, added stores',
    without: 'a store that comes, or comes back, is not read from its changelog',
    apps: ['changing'],
    patches: [
      {
        file: logSync,
        find: 'const added = new Set([...addedStores(plan, commit), ...(fresh ? [] : unnamedStores(plan, request.checkpoint ?? checkpoint))])',
        replace: 'const added = new Set(addedStores(plan, commit).keys().filter(() => false))',
      },
    ],
  },
  {
    rule: 'Deployment, positions',
    without: 'positions of topics that other code did not read are taken from its checkpoint',
    apps: ['changing'],
    patches: [{ file: 'src/runtime/held-task.ts', find: 'isNewer || offset > (checkpointed?.[topic] ?? 0))', replace: 'isNewer)' }],
  },
  {
    rule: 'Deployment, left topics',
    without: 'what is read early has topics that newer code has left',
    apps: ['changing'],
    patches: [
      {
        file: 'src/runtime/held-task.ts',
        find: '  const from: Record<string, number> = {}\n',
        replace: '  const from: Record<string, number> = { ...positions }\n',
      },
    ],
  },
]
