import type { Mutant } from './mutant.ts'
import type { Patch } from './mutation.ts'

const logSync = 'src/runtime/log-sync.ts'
const memoryLog = 'src/adapters/memory/transactions.ts'

const openReader: Patch = {
  file: logSync,
  find: 'if (answer.highWatermark >= end && answer.lastStableOffset < end) throw fenced(`a transaction is open on ${topic}/${partition}`)',
  replace: 'if (answer.highWatermark >= end && answer.lastStableOffset < end) break',
}
const lateMarkers: Patch = {
  file: memoryLog,
  find: '      await markers\n    }\n    this.#owners',
  replace: '      break\n    }\n    this.#owners',
}

const olderCommit: Patch = { file: logSync, find: 'if (checkpoint && (commit.seq < checkpoint.seq || ', replace: 'if (checkpoint && (' }

const earlyEnds: readonly Patch[] = [
  {
    file: logSync,
    find: '  const log = await readLog(request, plan.commitTopic, {',
    replace:
      '  const early = new Map((await request.reader.bounds([...plan.changelogs.values()].map((topic) => ({ topic, partition })), request.deadlineMs)).map((it) => [it.topic, it.highWatermark]))\n  const log = await readLog(request, plan.commitTopic, {',
  },
  {
    file: logSync,
    find: 'since: added.has(store) ? undefined : rebuilt ? (commit.logStarts?.[topic] ?? 0) : checkpoint?.ends[topic],',
    replace:
      'since: added.has(store) ? undefined : rebuilt ? (commit.logStarts?.[topic] ?? 0) : checkpoint?.ends[topic], until: early.get(topic) ?? 0,',
  },
]

const tolds: readonly Patch[] = [
  { file: logSync, find: '        reaches: commit.logEnds?.[topic],\n', replace: '' },
  { file: logSync, find: '      checkReached(request, topic, read, commit)\n', replace: '' },
]

/** Of what SYNC makes of the log, and of what the broker promises. */
export const logMutants: readonly Mutant[] = [
  {
    rule: 'R35, stable offset',
    without: 'SYNC is content with what is readable',
    patches: [openReader],
  },
  {
    rule: 'R35, newer records',
    without: 'SYNC takes records that are newer than the commit record',
    patches: [
      {
        file: logSync,
        find: '    if (stamp.seq > commit.seq) throw fenced(`a changelog has transaction ${stamp.seq}, the commit topic ${commit.seq}`)\n',
        replace: '',
      },
    ],
  },
  {
    rule: 'R35, older commit',
    without: 'SYNC takes a commit record that is older than the checkpoint',
    patches: [olderCommit],
    coveredBy: 'FENCE, which waits for the markers of whatever the checkpoint may say (E1)',
  },
  {
    rule: 'R35, older commit, and E1',
    without: 'as R35 and E1: an older commit record, read while markers are missing',
    patches: [olderCommit, lateMarkers, openReader],
  },
  {
    rule: 'R36',
    without: 'the ends of the changelogs are asked for before the commit topic is read',
    patches: earlyEnds,
  },
  {
    rule: 'Old ends, commit topic',
    without: 'nobody looks whether a commit comes to stand where the commit topic was said to end',
    patches: [{ file: 'src/runtime/chunk.ts', find: '  checkWasTheEnd(appended.at(-1), listed?.[plan.commitTopic])\n', replace: '' }],
  },
  {
    rule: 'Old ends, changelogs',
    without: 'nobody looks whether a changelog reaches as far as the last commit tells',
    patches: tolds,
  },
  {
    rule: 'R36, and old ends',
    without: 'as R36, and nobody looks how far the changelogs reach',
    patches: [...earlyEnds, ...tolds],
  },
  {
    rule: 'R38',
    without: 'a query lays the tail over rows that are newer than its commit record',
    patches: [
      {
        file: 'src/runtime/snapshot.ts',
        find: 'rowsIn(request, log.commit)',
        replace: 'rowsIn(request, { seq: Number.MAX_SAFE_INTEGER, gen: log.commit.gen })',
      },
    ],
  },
  {
    rule: 'E1',
    without: 'InitProducerId does not wait for the last markers',
    patches: [lateMarkers],
  },
  {
    rule: 'E1 and R35',
    without: 'as E1, and SYNC is content with what is readable',
    patches: [lateMarkers, openReader],
  },
  {
    rule: 'E2',
    without: 'requests of an older epoch are accepted',
    patches: [
      { file: memoryLog, find: 'if (!this.#coordinator.owns(this.transactionalId, this)) {', replace: 'if (this.#coordinator.closed) {' },
    ],
  },
]
