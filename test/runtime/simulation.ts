import { StreamsBuilder } from '../../src/dsl/streams-builder.ts'
import { isStreamsError, StreamsError } from '../../src/errors.ts'
import { changelogStamp } from '../../src/runtime/commit-record.ts'
import { needsTick } from '../../src/runtime/sweep.ts'
import { createTaskMemory } from '../../src/runtime/task-memory.ts'
import { Serdes } from '../../src/serde/serdes.ts'
import { type Around, died, type PortCall } from './faults.ts'
import { numberOf, record, type Scene, scene, strings, textOf } from './scene.ts'

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
  /** Input, batch by batch: keys with `+` (one more) or `0` (forget the key). */
  readonly batches: readonly { readonly how: 'plain' | 'committed' | 'open' | 'aborted'; readonly words: readonly string[] }[]
  /** Position of the call, counted from the fault before, and what happens there. */
  readonly faults: readonly (readonly [gap: number, fault: Fault])[]
  /** Which of three processes takes the next invocation, in turn. */
  readonly processes: readonly number[]
  readonly chunkBytesMax: number
}

const resettable = () => {
  const builder = new StreamsBuilder()
  builder
    .stream('words', strings)
    .groupByKey()
    .aggregate(
      () => 0,
      (_key, value, count) => (value === '0' ? null : count + 1),
      { store: { name: 'counts', valueSerde: Serdes.long } },
    )
    .toStream()
    .to('totals')
  return builder.build()
}

/** What a port says when an answer is lost: the contracts of the ports, not more. */
const lost = (call: PortCall): StreamsError => {
  if (call === 'append') return new StreamsError('TRANSACTION_ABORTED', 'append was lost')
  if (call === 'commit') return new StreamsError('OUTCOME_UNKNOWN', 'EndTxn was lost')
  const kafka: readonly PortCall[] = ['open', 'abort', 'bounds', 'fetch']
  return new StreamsError(kafka.includes(call) ? 'BROKER_UNREACHABLE' : 'TABLE_UNREACHABLE', `${call} was lost`)
}

/** Plays a plot to its end, then without faults until nothing is left to do. */
export const play = async (plot: Plot) => {
  const it = await scene({ topology: resettable() })
  const memories = [createTaskMemory(), createTaskMemory(), createTaskMemory()]
  const faults = new Map<number, Fault>()
  let at = 0
  for (const [gap, fault] of plot.faults) {
    at += 1 + gap
    faults.set(at, fault)
  }
  let [calls, invocations, depth, acknowledged] = [0, 0, 0, 0]

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
      if (fault?.endsWith('delivery')) await invoke(false)
      if (fault?.endsWith('tick')) await invoke(true)
      const answer = await run()
      if (fault === 'lost answer') throw lost(call)
      return answer
    }
  }

  const invoke = async (tick: boolean): Promise<boolean> => {
    depth++
    const memory = memories[plot.processes[invocations++ % plot.processes.length] ?? 0] ?? createTaskMemory()
    const target = await delivered(it)
    try {
      await it.run({ tick, target, memory, around: around(), chunkBytesMax: plot.chunkBytesMax })
      if (!tick) acknowledged = Math.max(acknowledged, target)
      await promisesAreKept(it, acknowledged)
      return true
    } catch (error) {
      if (!(error instanceof Error && error.message === died) && !isStreamsError(error)) throw error
      return false
    } finally {
      depth--
    }
  }

  for (const [number, { how, words }] of plot.batches.entries()) {
    const close = await feed(it, how, words, `producer-${number}`)
    for (let attempt = 0; attempt < 3 && !(await invoke(false)); attempt++) it.clock.nowMs += 1_000
    await close()
  }
  faults.clear()
  for (let attempt = 0; !(await invoke(false)); attempt++) if (attempt > 5) throw new Error('deliveries fail without any fault')
  await sweep(it, () => invoke(true))
  return it
}

/** What an event source has delivered: everything that is in the log, committed or not. */
const delivered = (it: Scene): Promise<number> => it.end('words')

/** L1: what was acknowledged is processed or promised, but for aborted records, which nobody will ever read. */
const promisesAreKept = async (it: Scene, acknowledged: number): Promise<void> => {
  const item = await it.item()
  const last = (await it.commits()).at(-1)
  const position = Math.max(item?.checkpoint?.positions.words ?? 0, last?.positions.words ?? 0)
  const promised = Math.max(position, item?.bells.words ?? 0)
  const [words] = await it.kafka.reader.fetch([{ topic: 'words', partition: 0, offset: promised, bytesMax: 1e6 }], {
    ...{ waitMs: 0, deadlineMs: it.clock.nowMs },
  })
  const forgotten = words?.records.filter(({ offset }) => offset < acknowledged) ?? []
  const uncommitted = promised < acknowledged && (words?.lastStableOffset ?? 0) < acknowledged
  if (forgotten.length > 0 || uncommitted)
    throw new Error(`L1: ${acknowledged} was acknowledged, but only ${promised} is processed or promised`)
}

/** The sweeper, once a minute, until it finds nothing to do. */
const sweep = async (it: Scene, tick: () => Promise<boolean>): Promise<void> => {
  for (let minute = 0; minute < 30; minute++) {
    it.clock.nowMs += 60_000
    if (needsTick(await it.item(), { nowMs: it.clock.nowMs, partition: 0 })) await tick()
  }
}

const feed = async (it: Scene, how: Plot['batches'][number]['how'], words: readonly string[], transactionalId: string) => {
  const records = words.map((word) => record(word.slice(0, 1), word.slice(1)))
  const done = async (): Promise<void> => {}
  if (how === 'plain') {
    it.feed('words', ...records)
    return done
  }
  const now = it.clock.nowMs
  const producer = await it.kafka.txnLog.open({ transactionalId, transactionTimeoutMs: 1e9, deadlineMs: now })
  await producer.append([{ topic: 'words', partition: 0, records }], now)
  const close = (): Promise<void> => producer.commit(it.clock.nowMs)
  if (how === 'open') return close
  await (how === 'committed' ? close() : producer.abort(now))
  return done
}

/** What must be there, computed from nothing but the input and where the committed transactions cut it. */
export const expectedOf = async (it: Scene) => {
  const input = await it.committed('words')
  const counts = new Map<string, number>()
  const outputs: string[] = []
  const changes: string[] = []
  let from = 0
  for (const { seq, positions } of await it.commits()) {
    const to = positions.words ?? 0
    const before = new Map(counts)
    const touched = new Set<string>()
    for (const { key, value } of input.filter(({ offset }) => offset >= from && offset < to)) {
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
    from = to
  }
  return { outputs, changes, counts: Object.fromEntries([...counts].sort()), position: from }
}

/** What is there. */
export const foundIn = async (it: Scene) => {
  const changes = (await it.committed('app-counts-changelog')).map(
    ({ key, value, headers }) => `${textOf(key)}=${numberOf(value)} seq ${changelogStamp(headers)?.seq}`,
  )
  const counts = Object.entries(await it.rows()).map(([key, shown]) => [key, Number.parseInt(shown, 16)] as const)
  return {
    outputs: await it.totals(),
    changes,
    counts: Object.fromEntries(counts.sort()),
    position: (await it.commits()).at(-1)?.positions.words ?? 0,
  }
}
