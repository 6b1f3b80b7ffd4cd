import { describe, expect, it } from 'vitest'
import { createMemoryTable } from '../../src/adapters/memory/table.ts'
import { isStreamsError, StreamsError } from '../../src/errors.ts'
import { runInvocation } from '../../src/runtime/invocation.ts'
import { readLastCommit } from '../../src/runtime/last-commit.ts'
import { type ResetStep, runReset } from '../../src/runtime/reset.ts'
import { planReset } from '../../src/runtime/reset-plan.ts'
import { createTaskMemory } from '../../src/runtime/task-memory.ts'
import { died } from './faults.ts'
import { countsOf, resetScene } from './reset-scene.ts'

const lines = ['a b', 'b c', 'a a']

const shown = (step: ResetStep): string => {
  if (step.step === 'purge') return `purge ${step.topic}/${step.partition}@${step.offset}${step.done ? '' : ' refused'}`
  const task = `${step.task.plan.subTopology}/${step.task.partition}`
  if (step.step === 'wipe') return `wipe ${task} ${step.store} ${step.rows}`
  const at = Object.entries(step.positions).map(([topic, offset]) => ` ${topic}@${offset}`)
  return `${step.step} ${task} seq ${step.seq}${at.join('')}`
}

describe('a reset to the earliest records', () => {
  it('pauses every task, rewinds it, resumes it, and wipes the old rows', async () => {
    const it = await resetScene(lines, { partitions: 1 })
    await it.settle()
    const steps: string[] = []
    const plan = await runReset(it.request(), (step) => steps.push(shown(step)))
    expect({ state: plan.state, gen: plan.gen }).toEqual({ state: 'new', gen: 1 })
    expect(steps).toEqual([
      'pause lines/0 seq 2 lines@3',
      'pause words-repartition/0 seq 2 app-words-repartition@7',
      'rewind lines/0 seq 3 lines@0',
      'rewind words-repartition/0 seq 3 app-words-repartition@7',
      'purge app-words-repartition/0@7',
      'resume words-repartition/0 seq 4 app-words-repartition@7',
      'resume lines/0 seq 4 lines@0',
      'wipe words-repartition/0 counts 3',
    ])
    expect(await it.commits('lines')).toEqual([
      'gen 0 seq 1 lines@3',
      'gen 1 seq 2 paused lines@3',
      'gen 1 seq 3 paused lines@0',
      'gen 1 seq 4 lines@0',
    ])
    expect(await it.item('lines')).toMatchObject({
      ...{ lease: undefined, bells: { lines: 3 } },
      checkpoint: { seq: 3, gen: 1, positions: { lines: 0 }, wakeMs: 0 },
    })
    expect(await it.rows(0)).toEqual({})
  })

  it('makes the application count all of its input again, from nothing, with its outputs a second time', async () => {
    const it = await resetScene(lines)
    await it.settle()
    const before = await it.totals()
    await runReset(it.request())
    await it.settle()
    expect(await it.rows(0)).toEqual({})
    expect(await it.rows(1)).toEqual(countsOf(lines))
    expect(await it.fold(1)).toEqual(countsOf(lines))
    const again = (await it.totals()).slice(before.length)
    expect(Object.fromEntries(again.map((it) => it.split('=')))).toEqual(Object.fromEntries(before.map((it) => it.split('='))))
    it.feed(['c c'])
    await it.settle()
    expect(await it.rows(1)).toEqual(countsOf([...lines, 'c c']))
  })

  it('may be done again and again', async () => {
    const it = await resetScene(lines)
    await it.settle()
    for (const gen of [1, 2, 3]) {
      expect((await runReset(it.request())).gen).toBe(gen)
      await it.settle()
      expect(await it.rows(gen)).toEqual(countsOf(lines))
      expect(await it.rows(gen - 1)).toEqual({})
    }
  })

  it('of an application that never ran changes nothing that it does', async () => {
    const it = await resetScene([])
    await runReset(it.request())
    it.feed(lines)
    await it.settle()
    expect(await it.rows(1)).toEqual(countsOf(lines))
  })
})

it('a reset lets the logs before it go: the rows are read again from behind it', async () => {
  const it = await resetScene(lines, { partitions: 1 })
  await it.settle()
  await runReset(it.request())
  await it.settle()
  const { plan } = it.tasks[1] ?? {}
  if (!plan) throw new Error('there are two tasks')
  const [topic, at] = [plan.changelogs.get('counts') ?? '', { topic: plan.commitTopic, partition: 0 }]
  const { logStarts = {} } = (await readLastCommit(it.ports.reader, at, { fenced: false, deadlineMs: it.clock.nowMs })) ?? {}
  it.kafka.truncate({ topic, partition: 0, offset: logStarts[topic] ?? 0 })
  const table = createMemoryTable()
  const trigger = { kind: 'tick' } as const
  const request = {
    ports: { ...it.ports, table },
    plan,
    partition: 0,
    trigger,
    deadlineMs: it.clock.nowMs + 60_000,
    memory: createTaskMemory(),
  }
  expect(await runInvocation(request)).toMatchObject({ result: 'done', rowsWritten: Object.keys(countsOf(lines)).length })
  expect(logStarts[topic]).toBeGreaterThan(0)
})

describe('the plan of a reset', () => {
  it('says where every task is and will be, and changes nothing', async () => {
    const it = await resetScene(lines, { partitions: 1 })
    await it.settle()
    const item = { token: 't', source: 'src:lines', nowMs: it.clock.nowMs, expiresAtMs: it.clock.nowMs + 5_000, steal: false }
    await it.table.acquire({ subTopology: 'lines', partition: 0 }, item, it.clock.nowMs)
    const writes: string[] = []
    const { tasks, ...plan } = await planReset(
      it.request({}, (call, run) => {
        writes.push(call)
        return run()
      }),
    )
    expect([...new Set(writes)].sort()).toEqual(['admin.describe', 'reader.bounds', 'reader.fetch', 'table.readTask'])
    expect(plan).toEqual({ state: 'new', gen: 1, missing: [], purges: [{ topic: 'app-words-repartition', partition: 0, offset: 7 }] })
    expect(tasks.map(({ plan: _, commit: __, checkpoint: ___, ...task }) => task)).toEqual([
      {
        ...{ partition: 0, seq: 1, gen: 0, paused: false, positions: { lines: 3 }, after: { lines: 0 } },
        lease: { token: 't', source: 'src:lines', expiresAtMs: it.clock.nowMs + 5_000 },
      },
      {
        ...{ partition: 0, seq: 1, gen: 0, paused: false, lease: undefined },
        ...{ positions: { 'app-words-repartition': 7 }, after: { 'app-words-repartition': 7 } },
      },
    ])
  })

  it('goes to the latest record, to a time, to an offset, or stays', async () => {
    const it = await resetScene([], { partitions: 1 })
    const times = [1_000, 3_000, 2_000, 4_000]
    it.kafka.produce([
      { topic: 'lines', partition: 0, records: times.map((timestamp) => ({ key: null, value: Buffer.from('a'), timestamp, headers: [] })) },
    ])
    const [lines] = it.tasks
    if (lines) await it.invoke(lines, { kind: 'delivery', topic: 'lines', target: 4 })
    it.feed(['b'])
    const offsets = (offset: number) => [{ topic: 'lines', partition: 0, offset }]
    const targets = async (change: Parameters<typeof it.request>[0]) =>
      (await planReset(it.request(change))).tasks.map((task) => Object.values(task.after)[0])
    expect(await targets({ to: { kind: 'latest' } })).toEqual([5, 5])
    expect(await targets({ to: { kind: 'time', timestampMs: 1_500 } })).toEqual([1, 5])
    expect(await targets({ to: { kind: 'time', timestampMs: 1e15 } })).toEqual([5, 5])
    // what the counting task has not read yet stays
    expect(await targets({ to: { kind: 'current' } })).toEqual([4, undefined])
    expect(await targets({ offsets: offsets(2) })).toEqual([2, 5])
    expect(await targets({ offsets: offsets(9) })).toEqual([5, 5])
    expect(await targets({ inputTopics: ['lines'] })).toEqual([0, 5])
    await expect(targets({ inputTopics: ['words'] })).rejects.toMatchObject({
      ...{ code: 'INPUT_INVALID', message: 'The application does not read topic words', remedy: 'Choose among: lines' },
    })
  })
})

const lost = (call: string): StreamsError => {
  if (call === 'session.append') return new StreamsError('TRANSACTION_ABORTED', 'append was lost')
  if (call === 'session.commit') return new StreamsError('OUTCOME_UNKNOWN', 'EndTxn was lost')
  return new StreamsError(call.startsWith('table') ? 'TABLE_UNREACHABLE' : 'BROKER_UNREACHABLE', `${call} was lost`)
}

/** After the one rewind the position only grows: nothing is read a third time. */
const countedLines = (commits: readonly string[]): boolean => {
  const positions = commits.map((it) => Number(/lines@(\d+)/.exec(it)?.[1] ?? 0))
  const back = positions.flatMap((position, at) => (at > 0 && position < (positions[at - 1] ?? 0) ? [at] : []))
  return back.length === 1 && commits.every((it, at) => at <= (back[0] ?? 0) || it.includes('paused') || it.startsWith('gen 1'))
}

describe('a reset that dies', { timeout: 60_000 }, () => {
  /** What an operator does who looks first: where nothing is left to do, another run would be another reset. */
  const finish = async (it: Awaited<ReturnType<typeof resetScene>>): Promise<void> => {
    if ((await planReset(it.request())).gen === 1) await runReset(it.request())
  }

  /** Counts the calls of a whole reset. */
  const callsOf = async (): Promise<number> => {
    const it = await resetScene(lines, { partitions: 1 })
    await it.settle()
    let calls = 0
    await runReset(
      it.request({}, (_call, run) => {
        calls++
        return run()
      }),
    )
    return calls
  }

  it('at any call, before or after it, is finished by the next run: everything is counted once again, and no more', async () => {
    const calls = await callsOf()
    expect(calls).toBeGreaterThan(40)
    const after = 'c d'
    for (let at = 0; at < calls; at++) {
      for (const when of ['before', 'after'] as const) {
        const it = await resetScene(lines, { partitions: 1 })
        await it.settle()
        let seen = 0
        let dead = false
        const dying = it.request({}, async (_call, run) => {
          const now = !dead && seen++ === at
          if (now && when === 'after') await run()
          if (now) dead = true
          if (dead) throw new Error(died)
          return run()
        })
        await expect(runReset(dying)).rejects.toThrow(died)
        // whoever is triggered meanwhile
        it.clock.nowMs += 1_000
        it.feed([after])
        for (const task of it.tasks) expect(await it.deliver(task)).toBe(true)
        await finish(it)
        await it.settle()
        const where = `${when} call ${at}`
        const found = { where, rows: await it.rows(1), fold: await it.fold(1), old: await it.rows(0), next: await it.rows(2) }
        expect(found).toEqual({ where, rows: countsOf([...lines, after]), fold: countsOf([...lines, after]), old: {}, next: {} })
        expect({ where, lines: countedLines(await it.commits('lines')) }).toEqual({ where, lines: true })
      }
    }
  })

  it.each(['lost request', 'lost answer'] as const)(
    'of no %s: what a retry can mend is tried again, anything else by the next run',
    async (fault) => {
      const calls = await callsOf()
      for (let at = 0; at < calls; at++) {
        const it = await resetScene(lines, { partitions: 1 })
        await it.settle()
        let seen = 0
        const failing = it.request({}, async (call, run) => {
          const now = seen++ === at
          if (now && fault === 'lost answer') await run()
          if (now) throw lost(call)
          return run()
        })
        await runReset(failing).catch((error: unknown) => {
          if (!isStreamsError(error)) throw error
          return finish(it)
        })
        await it.settle()
        const where = `${fault} ${at}`
        expect({ where, rows: await it.rows(1), old: await it.rows(0) }).toEqual({ where, rows: countsOf(lines), old: {} })
      }
    },
  )
})
