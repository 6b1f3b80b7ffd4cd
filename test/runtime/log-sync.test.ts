import { expect, it } from 'vitest'
import { StreamsBuilder } from '../../src/dsl/streams-builder.ts'
import { type CommitRecord, changelogHeaders, writeCommitRecord } from '../../src/runtime/commit-record.ts'
import { initialTimes } from '../../src/runtime/effects.ts'
import { type SyncRequest, syncLog } from '../../src/runtime/log-sync.ts'
import { planOf, type TaskPlan } from '../../src/runtime/plan.ts'
import type { FetchedPartition, FetchedRecord, LogRecord } from '../../src/runtime/ports.ts'
import { Serdes } from '../../src/serde/serdes.ts'
import type { Checkpoint } from '../../src/state/backend.ts'
import { applicationId, counting, record, startMs, strings, textOf } from './scene.ts'

const topology = counting()
const [sub] = topology.subTopologies
if (!sub) throw new Error('the topology is empty')
const plan = planOf(topology, applicationId, sub)
const [commits, changelog] = ['app-words-commits', 'app-counts-changelog']

interface Log {
  readonly records?: readonly LogRecord[]
  readonly highWatermark?: number
  readonly lastStableOffset?: number
}

/** A cluster that shows exactly these logs, for a reader that was fenced meanwhile and may see half a commit. */
const sync = async (logs: Readonly<Record<string, readonly Log[]>>, checkpoint?: Checkpoint, of: TaskPlan = plan) => {
  const asked: string[] = []
  const turns = new Map(Object.entries(logs).map(([topic, list]) => [topic, [...list]]))
  const turn = (topic: string): Log => {
    const list = turns.get(topic) ?? []
    return (list.length > 1 ? list.shift() : list[0]) ?? {}
  }
  const answer = (topic: string, offset: number): FetchedPartition => {
    const { records = [], highWatermark = records.length, lastStableOffset = highWatermark } = turn(topic)
    const fetched = records.map((it, at): FetchedRecord => ({ ...it, offset: at })).filter((it) => it.offset >= offset)
    const nextOffset = Math.max(offset, Math.min(records.length, highWatermark))
    return { topic, partition: 0, records: fetched, nextOffset, highWatermark, lastStableOffset, logStartOffset: 0 }
  }
  const request: SyncRequest = {
    ...{ plan: of, partition: 0, checkpoint, nowMs: startMs, deadlineMs: startMs },
    reader: {
      bounds: async (all) => {
        asked.push(`bounds ${all.map(({ topic }) => topic).join(' ')}`)
        return all.map(({ topic }) => {
          const { highWatermark, records = [] } = turns.get(topic)?.at(-1) ?? {}
          return { topic, partition: 0, logStartOffset: 0, highWatermark: highWatermark ?? records.length }
        })
      },
      fetch: async ([at]) => {
        asked.push(`fetch ${at?.topic} ${at?.offset}`)
        return [answer(at?.topic ?? '', at?.offset ?? 0)]
      },
      close: async () => {},
    },
  }
  const { tail, committedMs: _, ...state } = await syncLog(request)
  const rows = (tail.get('counts') ?? []).map(({ key, value, seq }) => `${textOf(key)}=${textOf(value)} seq ${seq}`)
  return { ...state, rows, asked }
}

const commit = (seq: number, gen = 0): CommitRecord => {
  return { gen, seq, paused: false, positions: { words: seq }, times: initialTimes, topology: topology.fingerprint }
}
const committed = (seq: number, gen = 0): LogRecord => writeCommitRecord(commit(seq, gen), startMs)
const change = (key: string, value: string | null, seq: number, gen = 0): LogRecord =>
  record(key, value, { headers: changelogHeaders(gen, seq) })
const checkpoint = (seq: number, end: number, gen = 0): Checkpoint => ({
  seq,
  gen,
  ends: { [commits]: seq, [changelog]: end },
  positions: { words: seq },
})

it('reads the commit topic alone when the checkpoint is as new', async () => {
  const logs = { [commits]: [{ records: [committed(1), committed(2)] }], [changelog]: [{ highWatermark: 8 }] }
  expect(await sync(logs, checkpoint(2, 7))).toEqual({
    ...{ commit: commit(2), rows: [], rebuilt: false, ends: { [commits]: 2, [changelog]: 7 } },
    ...{ listed: { [commits]: 2, [changelog]: 8 }, asked: [`fetch ${commits} 1`, `bounds ${commits} ${changelog}`] },
  })
})

it('asks for the changelogs only after the commit topic, each from its own offset, and keeps the last row per key', async () => {
  const changes = [change('a', '1', 1), change('a', '2', 2), change('b', '1', 2), change('a', null, 3)]
  expect(
    await sync(
      { [commits]: [{ records: [committed(1), committed(2), committed(3)] }], [changelog]: [{ records: changes }] },
      checkpoint(1, 1),
    ),
  ).toEqual({
    ...{ commit: commit(3), rows: ['a=null seq 3', 'b=1 seq 2'], rebuilt: false, ends: { [commits]: 3, [changelog]: 4 } },
    unflushed: { bytes: 589, records: 3, sinceMs: startMs },
    ...{
      listed: { [commits]: 3, [changelog]: 4 },
      asked: [`fetch ${commits} 0`, `bounds ${commits} ${changelog}`, `bounds ${changelog}`, `fetch ${changelog} 1`],
    },
  })
})

it('reads everything where there is no checkpoint, or one of another generation', async () => {
  const logs = {
    [commits]: [{ records: [committed(1), committed(2, 1)] }],
    [changelog]: [{ records: [change('a', '1', 1), change('b', '1', 2, 1)] }],
  }
  const all = { commit: commit(2, 1), rows: ['b=1 seq 2'], rebuilt: true, ends: { [commits]: 2, [changelog]: 2 } }
  expect(await sync(logs)).toMatchObject(all)
  expect(await sync(logs, checkpoint(1, 1))).toMatchObject(all)
})

it('leaves out what others wrote to a changelog', async () => {
  const logs = { [commits]: [{ records: [committed(1)] }], [changelog]: [{ records: [record('x', 'alien'), change('a', '1', 1)] }] }
  expect(await sync(logs)).toMatchObject({ rows: ['a=1 seq 1'] })
})

it('reads a table whose source topic is its changelog from there: what was committed since the checkpoint, not what is still input', async () => {
  const builder = new StreamsBuilder({ 'topology.optimization': 'all' })
  builder.table('words', { keySerde: Serdes.string, valueSerde: Serdes.string, store: 'counts' }).toStream().to('totals')
  const [table] = builder.build().subTopologies
  if (!table) throw new Error('the topology is empty')
  const reused = planOf(builder.build(), applicationId, table)
  const words = [record('a', 'old'), record('a', '1'), record('b', '1'), record(null, 'lost'), record('a', null), record('b', 'next')]
  const logs = { [commits]: [{ records: [committed(1), committed(5)] }], words: [{ records: words, lastStableOffset: 5 }] }
  expect(await sync(logs, checkpoint(1, 0), reused)).toEqual({
    ...{ commit: commit(5), rows: ['a=null seq 5', 'b=1 seq 5'], rebuilt: false, ends: { [commits]: 2 } },
    // of a topic that is not the application's own nobody counts the bytes
    unflushed: { bytes: 196, records: 0, sinceMs: startMs },
    ...{ listed: { [commits]: 2 }, asked: [`fetch ${commits} 0`, `bounds ${commits}`, 'bounds words', 'fetch words 1'] },
  })
  expect(await sync(logs, undefined, reused)).toMatchObject({ rows: ['a=null seq 5', 'b=1 seq 5'], rebuilt: true })
})

it('of a task that never committed is at transaction 0, with nothing to read', async () => {
  expect(await sync({})).toEqual({
    commit: { ...commit(0), positions: {} },
    ...{
      rows: [],
      rebuilt: true,
      ends: { [changelog]: 0 },
      listed: { [commits]: 0, [changelog]: 0 },
      asked: [`bounds ${commits} ${changelog}`],
    },
  })
})

it('fetches again while the broker lags behind the end that it listed (R2)', async () => {
  const lagging = { records: [committed(1)], highWatermark: 1, lastStableOffset: 1 }
  const { asked, commit: last } = await sync({ [commits]: [lagging, { records: [committed(1), committed(2)] }] }, checkpoint(2, 0))
  expect({ asked, seq: last.seq }).toEqual({
    asked: [`fetch ${commits} 1`, `bounds ${commits} ${changelog}`, `fetch ${commits} 1`],
    seq: 2,
  })
})

it.each([
  [
    'a transaction is open below the listed end',
    { [commits]: [{ records: [committed(1)], highWatermark: 2, lastStableOffset: 1 }] },
    undefined,
  ],
  [
    'a changelog is ahead of the commit record',
    { [commits]: [{ records: [committed(1)] }], [changelog]: [{ records: [change('a', '1', 1), change('a', '2', 2)] }] },
    undefined,
  ],
  [
    'a changelog is ahead in a newer generation',
    { [commits]: [{ records: [committed(1)] }], [changelog]: [{ records: [change('a', '1', 2, 1)] }] },
    undefined,
  ],
  ['the checkpoint is ahead of the log', { [commits]: [{ records: [committed(1), committed(2)] }] }, checkpoint(3, 0)],
  ['the checkpoint has a newer generation', { [commits]: [{ records: [committed(1), committed(2)] }] }, checkpoint(2, 0, 1)],
] as const)('finds itself fenced where %s (R35)', async (_what, logs, at) => {
  await expect(sync(logs, at && { ...at, ends: { ...at.ends, [commits]: 2 } })).rejects.toMatchObject({ code: 'FENCED' })
})

it('stops at a commit topic that is empty though the table knows of commits', async () => {
  await expect(sync({}, { ...checkpoint(2, 0), ends: {} })).rejects.toMatchObject({
    code: 'LOG_TRUNCATED',
    message: 'The commit topic app-words-commits/0 is empty, but the table has commit 2',
  })
})

it('lays a changelog of versions over the table as a row per version, without those that came too late', async () => {
  const builder = new StreamsBuilder()
  builder.table('words', { ...strings, store: { name: 'counts', versioned: { historyRetentionMs: 10 } } })
  const versioned = builder.build()
  const [only] = versioned.subTopologies
  if (!only) throw new Error('the topology is empty')
  const late: LogRecord = { ...change('a', 'z', 1), timestamp: 1, headers: [['__millrace.late', null], ...changelogHeaders(0, 1)] }
  const versions = [
    change('a', 'x', 1),
    { ...change('a', 'y', 1), timestamp: startMs + 5 },
    late,
    { ...change('a', null, 1), timestamp: startMs + 9 },
  ]
  const logs = { [commits]: [{ records: [committed(1)] }], [changelog]: [{ records: versions }] }
  const { rows } = await sync(logs, undefined, planOf(versioned, applicationId, only))
  expect(rows).toHaveLength(3)
  expect(rows.map((row) => row.slice(9))).toEqual(['=\u0001x seq 1', '=\u0001y seq 1', '=\u0000 seq 1'])
})
