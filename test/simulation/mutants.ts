import { flushMutants } from './flush-mutants.ts'
import { logMutants } from './log-mutants.ts'
import type { Mutant, NotApplicable } from './mutant.ts'
import type { Patch } from './mutation.ts'
import { operationMutants } from './operation-mutants.ts'
import { pageMutants } from './page-mutants.ts'

const heldTask = 'src/runtime/held-task.ts'
const freshTask = 'src/runtime/fresh-task.ts'
const release = 'src/runtime/release.ts'
const chunks = 'src/runtime/chunks.ts'
const chunk = 'src/runtime/chunk.ts'
const snapshot = 'src/runtime/snapshot.ts'
const invocation = 'src/runtime/invocation.ts'
const logSync = 'src/runtime/log-sync.ts'
const memoryTable = 'src/adapters/memory/table.ts'

const onwards: Patch = {
  file: chunks,
  find: '      await settled()\n      if (isLate())',
  replace: '      await settled().catch(() => undefined)\n      if (isLate())',
}

const refusedForNothing: Patch = {
  file: release,
  find: '    if (checkpoint && !deferred) await held.ports.table.checkpoint(taskIdOf(held), checkpoint, held.deadlineMs)\n',
  replace: '',
}

const onlyItems: Patch = {
  file: 'src/runtime/sweep.ts',
  find: '% regularMinutes === partition % regularMinutes) return true',
  replace: '% regularMinutes < 0) return true',
}

export const mutants: readonly Mutant[] = [
  {
    rule: 'R1',
    without: 'the log is read before FENCE',
    patches: [
      {
        file: heldTask,
        find: '    session = await (held.early ?? fence(held))\n    const input = readEarly(held)\n',
        replace: '    const input = readEarly(held)\n',
      },
      {
        file: heldTask,
        find: '.finally(() => input?.read.catch(() => undefined))\n',
        replace: '.finally(() => input?.read.catch(() => undefined))\n    session = await (held.early ?? fence(held))\n',
      },
    ],
  },
  {
    rule: 'R2',
    without: "the log's end is what a Fetch says, not ListOffsets",
    patches: [
      {
        file: logSync,
        find: 'Math.min(bounds?.highWatermark ?? 0, until)]',
        replace:
          'Math.min((await reader.fetch([{ topic, partition, offset: since ?? bounds?.logStartOffset ?? 0, bytesMax }], { waitMs: 0, deadlineMs }))[0]?.highWatermark ?? 0, until)]',
      },
    ],
  },
  {
    rule: 'R3',
    without: 'each committer has a transactional id of its own, and fences nobody',
    patches: [
      { file: heldTask, find: '${plan.subTopology}.${partition}`,', replace: '${plan.subTopology}.${partition}.${ports.token()}`,' },
    ],
  },
  {
    rule: 'R5',
    without: 'an unanswered EndTxn is taken for a commit',
    patches: [
      { file: chunk, find: 'await session.commit(deadlineMs)', replace: 'await session.commit(deadlineMs).catch(() => undefined)' },
    ],
  },
  {
    rule: 'R6',
    without: 'success without having reached the own target',
    patches: [
      {
        file: release,
        find: "return ownReached(held, progress) ? endedAs('done', progress) : undefined",
        replace: "return endedAs('done', progress)",
      },
    ],
  },
  {
    rule: 'R7',
    without: 'EndTxn is sent while batches are not acknowledged',
    patches: [
      {
        file: chunk,
        find: '  const appended = await session.append([...effects.outputs, ...changelogs, progress], deadlineMs)\n',
        replace:
          '  const appending = session.append([...effects.outputs, ...changelogs, progress], deadlineMs)\n  appending.catch(() => undefined)\n  await session.commit(deadlineMs)\n  const appended = await appending\n',
      },
      { file: chunk, find: '  await session.commit(deadlineMs)\n  const log', replace: '  const log' },
    ],
  },
  {
    rule: 'R8',
    without: 'a PUT also over a newer row',
    patches: [{ file: memoryTable, find: '    if (current && current.seq >= row.seq) return\n', replace: '' }],
  },
  {
    rule: 'R9',
    without: 'a deleted row leaves nothing behind',
    patches: [
      {
        file: memoryTable,
        find: '    space.rows.set(key, row)',
        replace: '    if (row.value === null) space.rows.delete(key)\n    else space.rows.set(key, row)',
      },
    ],
  },
  {
    rule: 'R10',
    without: 'tombstones that live no longer than a second',
    patches: [{ file: 'src/runtime/table-rows.ts', find: 'const tombstoneSeconds = 7 * 24 * 3600', replace: 'const tombstoneSeconds = 0' }],
  },
  {
    rule: 'R11, overlay',
    without: "rows of the log's tail are not laid over the table",
    patches: [{ file: freshTask, find: '      rows.overlay(tail)\n', replace: '' }],
  },
  {
    rule: 'R11, after COMMIT',
    without: 'rows are written before they are committed',
    patches: [
      {
        file: chunks,
        find: '  const written = await writeChunk(',
        replace: '  flush.add(rows, 0)\n  await flush.all()\n  const written = await writeChunk(',
      },
    ],
  },
  {
    rule: 'R12',
    without: 'the checkpoint does not wait for its rows',
    patches: [
      {
        file: heldTask,
        find: '    await at.written\n',
        replace: '    at.written?.catch(() => undefined)\n',
      },
    ],
  },
  {
    rule: 'R13, RELEASE',
    without: 'the lease is given back while a bell stands',
    patches: [
      {
        file: memoryTable,
        find: ' && (handover || sources.every(answered))',
        replace: ' && (handover || sources.every(answered) || true)',
      },
    ],
  },
  {
    rule: 'R13, RING',
    without: 'a bell is rung where nobody holds the lease',
    patches: [{ file: memoryTable, find: 'if (!item?.lease || item.lease.token === token)', replace: 'if (item?.lease?.token === token)' }],
  },
  {
    rule: 'R13, loser',
    without: 'who finds the lease taken leaves without ringing',
    patches: [
      {
        file: invocation,
        find: 'await ports.table.ring(task, { token, topic: trigger.topic, target: trigger.target }, deadlineMs)',
        replace: "'rung'",
      },
    ],
  },
  {
    rule: 'R13, fenced',
    without: 'who was fenced leaves without ringing',
    patches: [
      {
        file: invocation,
        find: '      if (!goesOn(error) || outOfTime(request)) throw error\n',
        replace:
          "      if (isStreamsError(error, 'FENCED')) return { ...stats, result: 'rung', seq: 0, positions: {} }\n      if (!goesOn(error) || outOfTime(request)) throw error\n",
      },
    ],
  },
  {
    rule: 'R14',
    without: 'ACQUIRE does not know its own token',
    patches: [{ file: memoryTable, find: '!held || held.token === token || ', replace: '!held || ' }],
  },
  {
    rule: 'R15, expiry',
    without: 'leases never expire',
    patches: [{ file: memoryTable, find: ' || held.expiresAtMs < nowMs', replace: '' }],
  },
  {
    rule: 'R15, sweeper and leases',
    without: 'the sweeper does not look at leases',
    patches: [
      {
        file: 'src/runtime/sweep.ts',
        find: 'if (item.lease) return nowMs > item.lease.expiresAtMs',
        replace: 'if (item.lease) return false',
      },
    ],
  },
  {
    rule: 'R15, sweeper and bells',
    without: 'the sweeper does not look at bells',
    patches: [
      {
        file: 'src/runtime/sweep.ts',
        find: 'return Object.entries(item.bells).some(([topic, target]) => target > (item.checkpoint?.positions[topic] ?? 0))',
        replace: 'return false',
      },
    ],
  },
  {
    rule: 'R15, regular ticks',
    without: 'the sweeper only looks at task items',
    patches: [onlyItems],
  },
  {
    rule: 'R16',
    without: 'success below the target, where its records are not readable yet',
    patches: [{ file: heldTask, find: 'unfinished: late || !reached(held, progress, chunks.ahead),', replace: 'unfinished: late,' }],
  },
  {
    rule: 'R17',
    without: 'a refused RELEASE leaves the checkpoint as it is',
    patches: [refusedForNothing],
    coveredBy: 'the tick that every task gets every ten minutes (protocol §8): whoever took the lease writes the checkpoint before that',
  },
  {
    rule: 'R17, and no regular ticks',
    without: 'as R17, and the sweeper only looks at task items',
    patches: [refusedForNothing, onlyItems],
  },
  {
    rule: 'R18, lease',
    without: 'everybody gets the lease',
    patches: [{ file: memoryTable, find: 'const won = !held || ', replace: 'const won = true || !held || ' }],
  },
  {
    rule: 'R18, steal',
    without: 'a delivery steals again and again',
    patches: [{ file: invocation, find: '    if (lease) maySteal = false\n', replace: '' }],
  },
  {
    rule: 'R18, fenced',
    without: 'who was fenced throws',
    patches: [{ file: invocation, find: "isStreamsError(error, 'FENCED') || ", replace: '' }],
  },
  {
    rule: 'R19',
    without: 'a kept task is used whatever was committed since',
    patches: [
      {
        file: heldTask,
        find: 'kept?.commit.gen === log.commit.gen && kept.commit.seq === log.commit.seq ? kept.task : undefined',
        replace: 'kept?.task',
      },
    ],
  },
  {
    rule: 'R20, flush',
    without: 'a session stays warm although its rows are not written',
    patches: [
      {
        file: heldTask,
        find: "    held.memory.forget()\n    held.ports.log({ level: 'warn', message: 'committed but not flushed'",
        replace: "    keep(held, at)\n    held.ports.log({ level: 'warn', message: 'committed but not flushed'",
      },
    ],
  },
  {
    rule: 'R20, end',
    without: 'a task is kept although it has processed what is not committed, or is another’s',
    patches: [{ file: heldTask, find: '(ended || !held.item) && !progress.spoiled) keep', replace: '(ended || !held.item)) keep' }],
  },
  {
    rule: 'R22',
    without: 'a transaction without state changes has no commit record',
    apps: ['joined'],
    patches: [
      {
        file: chunk,
        find: '[...effects.outputs, ...changelogs, progress], deadlineMs)',
        replace:
          '[...outputs, ...changelogs, ...(changelogs.length + outputs.length === 0 || changelogs.length > 0 ? [progress] : [])], deadlineMs)',
      },
    ],
  },
  {
    rule: 'R23',
    without: 'two versions of the code have transactional ids of their own',
    patches: [
      { file: heldTask, find: '${plan.subTopology}.${partition}`,', replace: '${plan.subTopology}.${partition}.${deadlineMs % 2}`,' },
    ],
  },
  {
    rule: 'R24, newer rows',
    without: 'a query takes rows that are newer than the checkpoint',
    patches: [{ file: snapshot, find: 'rowsIn(request, { seq, gen })', replace: 'rowsIn(request, { seq: Number.MAX_SAFE_INTEGER, gen })' }],
  },
  {
    rule: 'R24, order',
    without: 'a query reads the checkpoint after the rows',
    patches: [
      {
        file: snapshot,
        find: '  const checkpoint = await checkpointOf(request)\n',
        replace:
          '  const early = await rowsIn(request, { seq: Number.MAX_SAFE_INTEGER, gen: 0 })\n  const checkpoint = await checkpointOf(request)\n',
      },
      {
        file: snapshot,
        find: 'const rows = await rowsIn(request, { seq, gen })',
        replace: 'const rows = early?.every((row) => row === undefined || row.seq <= seq) ? early : undefined',
      },
    ],
  },
  {
    rule: 'R26',
    without: 'the next transaction begins before the last one has ended',
    patches: [{ file: chunks, find: '      await settled()\n      if (isLate())', replace: '      if (isLate())' }],
  },
  {
    rule: 'R27',
    without: 'the next chunk reads from the table what the last one wrote',
    patches: [
      { file: freshTask, find: 'bytesMax: storeBytesMax,', replace: 'bytesMax: 0,' },
      {
        file: chunks,
        find: '    const effects = await task.commit()\n',
        replace: '    const effects = await task.commit()\n    for (const { name } of held.plan.stores) task.store(name)?.rows.evict()\n',
      },
    ],
  },
  {
    rule: 'R28',
    without: 'the next chunk goes on although the last one was not committed',
    patches: [onwards],
  },
  {
    rule: 'R28, and sessions that live on',
    without: 'as R28, and a session goes on after a rejection',
    patches: [onwards, { file: 'test/simulation/network.ts', find: '      this.#failure = error\n', replace: '' }],
  },
  {
    rule: 'R29',
    without: 'the checkpoint of a chunk does not wait for the rows of the chunk before',
    patches: [
      {
        file: 'src/runtime/flush.ts',
        find: '      for (const row of committed) {\n',
        replace: '      rows.clear()\n      for (const row of committed) {\n',
      },
    ],
  },
  {
    rule: 'R29, going on',
    without: 'the checkpoint waits for the rows that were written last alone, not for those that were on their way before',
    patches: [{ file: heldTask, find: 'at.written ??= deferred', replace: 'at.written = deferred' }],
  },
  ...flushMutants,
  ...pageMutants,
  ...logMutants,
  ...operationMutants,
]

export const notApplicable: readonly NotApplicable[] = [
  {
    rule: 'R4',
    why: 'brokers without KIP-890: the Kafka adapter never repeats an EndTxn there, and its session ends (test/adapters, test/broker)',
  },
  {
    rule: 'R25',
    why: 'no state is read before SYNC has ended: rows are read by a task that is built from what SYNC answers. A task from before is R19',
  },
  { rule: 'R30', why: 'option F (the payload instead of a Fetch) is not built: input is always read from the committed position' },
]
