import type { KStream } from '../../src/dsl/k-stream.ts'
import { StreamsBuilder } from '../../src/dsl/streams-builder.ts'
import { isStreamsError, StreamsError } from '../../src/errors.ts'
import { changelogStamp } from '../../src/runtime/commit-record.ts'
import type { LogRecord } from '../../src/runtime/ports.ts'
import { needsTick } from '../../src/runtime/sweep.ts'
import { createTaskMemory } from '../../src/runtime/task-memory.ts'
import { Serdes } from '../../src/serde/serdes.ts'
import { TopologyTestDriver } from '../../src/testing/topology-test-driver.ts'
import type { Topology } from '../../src/topology/topology.ts'
import { joinWindows } from '../../src/topology/windows.ts'
import { type Around, died, type PortCall } from './faults.ts'
import { numberOf, record, type Scene, scene, startMs, strings, textOf } from './scene.ts'

export const sourceTopics = ['words', 'more'] as const
export type SourceTopic = (typeof sourceTopics)[number]

/** What happens at the nth call of a port, counted over all invocations of a run. */
export type Fault =
  | 'lost request'
  | 'lost answer'
  | 'death before'
  | 'death after'
  | 'another delivery'
  | 'tick'
  | 'frozen, then tick'
  | 'frozen, then delivery'
  | 'slow'

export interface Plot {
  /** Input, batch by batch: keys with `+` (one more) or `0` (forget the key). Every record is later than all before it. */
  readonly batches: readonly {
    readonly topic: SourceTopic
    readonly how: 'plain' | 'committed' | 'open' | 'aborted'
    readonly words: readonly string[]
  }[]
  /** Position of the call, counted from the fault before, and what happens there. */
  readonly faults: readonly (readonly [gap: number, fault: Fault])[]
  /** Which of three processes takes the next invocation, in turn. */
  readonly processes: readonly number[]
  readonly chunkBytesMax: number
}

/** What runs, and the records that stand for the words of a plot. */
export interface Story {
  readonly topology: Topology
  readonly recordAt: (word: string, time: number) => LogRecord
}

/** Counts words that may be forgotten. */
export const counting = (): Story => {
  const builder = new StreamsBuilder()
  builder
    .stream(sourceTopics, strings)
    .groupByKey()
    .aggregate(
      () => 0,
      (_key, value, count) => (value === '0' ? null : count + 1),
      { store: { name: 'counts', valueSerde: Serdes.long } },
    )
    .toStream()
    .to('totals')
  const recordAt = (word: string, time: number) => record(word.slice(0, 1), word.slice(1), { timestamp: startMs + time })
  return { topology: builder.build(), recordAt }
}

/** Joins both topics, with all that waits, closes and comes late: words with `0` are older than those before them. */
export const joining = (): Story => {
  const builder = new StreamsBuilder()
  const [words, more] = sourceTopics.map((topic) => builder.stream(topic, strings)) as [KStream<string, string>, KStream<string, string>]
  words
    .outerJoin(more, (left, right) => `${left} and ${right}`, joinWindows({ beforeMs: 3, afterMs: 6, graceMs: 4 }), { storeName: 'met' })
    .to('totals', strings)
  const recordAt = (word: string, time: number) =>
    record(word.slice(0, 1), `${time}`, { timestamp: startMs + 2 * time - (word.endsWith('0') ? Math.min(2 * time, 7) : 0) })
  return { topology: builder.build(), recordAt }
}

/** What a port says when an answer is lost: the contracts of the ports, not more. */
const lost = (call: PortCall): StreamsError => {
  if (call === 'append') return new StreamsError('TRANSACTION_ABORTED', 'append was lost')
  if (call === 'commit') return new StreamsError('OUTCOME_UNKNOWN', 'EndTxn was lost')
  const kafka: readonly PortCall[] = ['open', 'abort', 'bounds', 'fetch']
  return new StreamsError(kafka.includes(call) ? 'BROKER_UNREACHABLE' : 'TABLE_UNREACHABLE', `${call} was lost`)
}

/** Plays a plot to its end, then without faults until nothing is left to do. */
export const play = async (plot: Plot, { topology, recordAt }: Story = counting()) => {
  const it = await scene({ topology, topics: { words: 1, more: 1, totals: 1 } })
  const memories = [createTaskMemory(), createTaskMemory(), createTaskMemory()]
  const faults = new Map<number, Fault>()
  let at = 0
  for (const [gap, fault] of plot.faults) {
    at += 1 + gap
    faults.set(at, fault)
  }
  let [calls, invocations, depth, time] = [0, 0, 0, 0]
  const acknowledged = { words: 0, more: 0 }

  const around = (): Around => {
    let dead = false
    return async (call, run) => {
      const fault = depth > 3 ? undefined : faults.get(++calls)
      if (dead) throw new Error(died)
      if (fault === 'lost request') throw lost(call)
      if (fault === 'death before' || fault === 'death after') {
        if (fault === 'death after') await run().catch(() => undefined)
        dead = true
        throw new Error(died)
      }
      if (fault === 'slow') it.clock.nowMs += 25_000
      if (fault?.startsWith('frozen')) it.clock.nowMs += 100_000
      if (fault?.endsWith('delivery')) {
        const topic = calls % 3 === 0 ? 'more' : 'words'
        if (calls % 2 === 0) it.feed(topic, recordAt('a+', time++))
        await invoke(topic)
      }
      if (fault?.endsWith('tick')) await invoke('tick')
      const answer = await run()
      if (fault === 'lost answer') throw lost(call)
      return answer
    }
  }

  const invoke = async (what: SourceTopic | 'tick'): Promise<boolean> => {
    depth++
    const memory = memories[plot.processes[invocations++ % plot.processes.length] ?? 0] ?? createTaskMemory()
    const topic = what === 'tick' ? 'words' : what
    // what an event source has delivered: everything that is in the log, committed or not
    const target = await it.end(topic)
    try {
      await it.run({ tick: what === 'tick', topic, target, memory, around: around(), chunkBytesMax: plot.chunkBytesMax })
      if (what !== 'tick') acknowledged[topic] = Math.max(acknowledged[topic], target)
      for (const source of sourceTopics) await promisesAreKept(it, source, acknowledged[source])
      return true
    } catch (error) {
      if (!(error instanceof Error && error.message === died) && !isStreamsError(error)) throw error
      return false
    } finally {
      depth--
    }
  }

  for (const [number, batch] of plot.batches.entries()) {
    const records = batch.words.map((word) => recordAt(word, time++))
    const close = await feed(it, batch, { records, transactionalId: `producer-${number}` })
    for (let attempt = 0; attempt < 3 && !(await invoke(batch.topic)); attempt++) it.clock.nowMs += 1_000
    await close()
  }
  faults.clear()
  for (const topic of sourceTopics)
    for (let attempt = 0; !(await invoke(topic)); attempt++) if (attempt > 5) throw new Error('deliveries fail without any fault')
  await sweep(it, () => invoke('tick'))
  return it
}

/** L1: what was acknowledged is processed or promised, but for aborted records, which nobody will ever read. */
const promisesAreKept = async (it: Scene, topic: SourceTopic, acknowledged: number): Promise<void> => {
  const item = await it.item()
  const last = (await it.commits()).at(-1)
  const position = Math.max(item?.checkpoint?.positions[topic] ?? 0, last?.positions[topic] ?? 0)
  const promised = Math.max(position, item?.bells[topic] ?? 0)
  const [left] = await it.kafka.reader.fetch([{ topic, partition: 0, offset: promised, bytesMax: 1e6 }], {
    ...{ waitMs: 0, deadlineMs: it.clock.nowMs },
  })
  const forgotten = left?.records.filter(({ offset }) => offset < acknowledged) ?? []
  const uncommitted = promised < acknowledged && (left?.lastStableOffset ?? 0) < acknowledged
  if (forgotten.length > 0 || uncommitted)
    throw new Error(`L1: ${topic} up to ${acknowledged} was acknowledged, but only ${promised} is processed or promised`)
}

/** The sweeper, once a minute, until it finds nothing to do. */
const sweep = async (it: Scene, tick: () => Promise<boolean>): Promise<void> => {
  for (let minute = 0; minute < 30; minute++) {
    it.clock.nowMs += 60_000
    if (needsTick(await it.item(), { nowMs: it.clock.nowMs, partition: 0 })) await tick()
  }
}

/** Appends a batch; what it answers closes the transaction that is left open. */
const feed = async (
  it: Scene,
  { topic, how }: Plot['batches'][number],
  { records, transactionalId }: { readonly records: readonly LogRecord[]; readonly transactionalId: string },
): Promise<() => Promise<void>> => {
  const done = async (): Promise<void> => {}
  if (how === 'plain') {
    it.feed(topic, ...records)
    return done
  }
  const now = it.clock.nowMs
  const producer = await it.kafka.txnLog.open({ transactionalId, transactionTimeoutMs: 1e9, deadlineMs: now })
  await producer.append([{ topic, partition: 0, records }], now)
  const close = (): Promise<void> => producer.commit(it.clock.nowMs)
  if (how === 'open') return close
  await (how === 'committed' ? close() : producer.abort(now))
  return done
}

/** What a driver without any fault makes of the records that the committed transactions took, cut as they cut them. */
export const replayOf = async (it: Scene, { topology }: Story): Promise<readonly string[]> => {
  await using driver = new TopologyTestDriver(topology)
  const inputs = await Promise.all(sourceTopics.map(async (topic) => ({ topic, records: await it.committed(topic) })))
  let from: Readonly<Record<string, number>> = {}
  for (const { positions } of await it.commits()) {
    const chunk = inputs.flatMap(({ topic, records }) =>
      records
        .filter(({ offset }) => offset >= (from[topic] ?? 0) && offset < (positions[topic] ?? 0))
        .map(({ key, value, timestamp }) => ({ topic, record: { key, value, timestamp, headers: [] } })),
    )
    await driver.pipeAll(chunk)
    from = positions
  }
  return driver.producedTo('totals').map(lineOf)
}

export const lineOf = ({ key, value, timestamp }: Pick<LogRecord, 'key' | 'value' | 'timestamp'>): string =>
  `${textOf(key)}: ${textOf(value)} @${timestamp - startMs}`

/** What must be there, computed from nothing but the input and where the committed transactions cut it. */
export const expectedOf = async (it: Scene) => {
  const inputs = await Promise.all(sourceTopics.map(async (topic) => ({ topic, records: await it.committed(topic) })))
  const counts = new Map<string, number>()
  const outputs: string[] = []
  const changes: string[] = []
  let from: Readonly<Record<string, number>> = {}
  for (const { seq, positions } of await it.commits()) {
    const chunk = inputs.flatMap(({ topic, records }) =>
      records.filter(({ offset }) => offset >= (from[topic] ?? 0) && offset < (positions[topic] ?? 0)),
    )
    const before = new Map(counts)
    const touched = new Set<string>()
    for (const { key, value } of chunk.sort((a, b) => a.timestamp - b.timestamp)) {
      const word = `${textOf(key)}`
      if (textOf(value) === '0') counts.delete(word)
      else counts.set(word, (counts.get(word) ?? 0) + 1)
      touched.delete(word)
      touched.add(word)
    }
    for (const word of touched) {
      if (!before.has(word) && !counts.has(word)) continue
      outputs.push(`${word}=${counts.get(word) ?? null}`)
      changes.push(`${word}=${counts.get(word) ?? null} seq ${seq}`)
    }
    from = positions
  }
  return { outputs, changes, counts: Object.fromEntries([...counts].sort()), done: inputs.map(({ records }) => records.length) }
}

/** What is there. */
export const foundIn = async (it: Scene) => {
  const changes = (await it.committed('app-counts-changelog')).map(
    ({ key, value, headers }) => `${textOf(key)}=${numberOf(value)} seq ${changelogStamp(headers)?.seq}`,
  )
  const counts = Object.entries(await it.rows()).map(([key, shown]) => [key, Number.parseInt(shown, 16)] as const)
  const { positions } = (await it.commits()).at(-1) ?? { positions: {} as Readonly<Record<string, number>> }
  const done = sourceTopics.map(
    async (topic) => (await it.committed(topic)).filter(({ offset }) => offset < (positions[topic] ?? 0)).length,
  )
  return { outputs: await it.totals(), changes, counts: Object.fromEntries(counts.sort()), done: await Promise.all(done) }
}
