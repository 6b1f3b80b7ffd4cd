import { describe, expect, it } from 'vitest'
import type { KStream } from '../../src/dsl/k-stream.ts'
import { StreamsBuilder } from '../../src/dsl/streams-builder.ts'
import { StreamsError } from '../../src/errors.ts'
import type { ProcessorContext } from '../../src/processor/processor.ts'
import type { TaskTimes } from '../../src/runtime/effects.ts'
import { planWhole } from '../../src/runtime/plan.ts'
import type { FetchedRecord } from '../../src/runtime/ports.ts'
import { Task, type TaskOptions } from '../../src/runtime/task.ts'
import { Serdes } from '../../src/serde/serdes.ts'
import { Rows } from '../../src/state/rows.ts'
import type { ProcessorNode } from '../../src/topology/nodes.ts'
import { Topology } from '../../src/topology/topology.ts'
import { joinWindows, tumbling } from '../../src/topology/windows.ts'
import { record, startMs, strings, textOf } from './scene.ts'

const inputs = (...keys: readonly string[]): readonly FetchedRecord[] => keys.map((key, offset) => ({ ...record(key, key), offset }))

const taskOf = (topology: Topology, change: Partial<TaskOptions> = {}): Task =>
  new Task({
    ...{ plan: planWhole(topology, 'app'), partition: 3, clock: { nowMs: () => startMs + 9 } },
    ...{ partitionsOf: () => 4, rowsOf: () => new Rows() },
    ...change,
  })

const drawn = (draw: (stream: KStream<string, string>) => void): Topology => {
  const builder = new StreamsBuilder()
  draw(builder.stream('words', strings))
  return builder.build()
}

/** One processor of one's own between topic `words` and topic `out`. */
const custom = (
  process: (record: { readonly key: string }, context: ProcessorContext<string, string>) => void | Promise<void>,
  closed = () => {},
) => {
  const topology = new Topology()
  const node: ProcessorNode = {
    ...{ kind: 'processor', name: 'own', parents: ['in'], stores: [], keepsKey: true, readsByKey: [] },
    supplier: () => {
      let context: ProcessorContext<string, string>
      return {
        init: (given) => {
          context = given
        },
        process: (one) => process(one, context),
        close: closed,
      }
    },
  }
  topology.add({ kind: 'source', name: 'in', topics: [{ name: 'words', internal: false }], ...strings })
  topology.add(node)
  topology.add({ kind: 'sink', name: 'out', parents: ['own'], topic: { name: 'out', internal: false }, ...strings })
  return topology
}

const outputsOf = async (task: Task): Promise<readonly string[]> =>
  (await task.commit()).outputs.flatMap(({ topic, partition, records }) => records.map(({ key }) => `${topic}/${partition} ${textOf(key)}`))

describe('a task', () => {
  it('works in the turn of its caller as long as nothing has to be waited for', async () => {
    const task = taskOf(drawn((stream) => stream.filter((key) => key !== 'b').to('out')))
    task.add('words', inputs('abc', 'b', 'kafka'))
    expect(task.process()).toBeUndefined()
    expect(await outputsOf(task)).toEqual(['out/0 kafka', 'out/3 abc'])
    expect(await outputsOf(task)).toEqual([])
  })

  it('waits for a processor before it takes the next record', async () => {
    const seen: string[] = []
    const wait = async ({ key }: { readonly key: string }): Promise<void> => {
      seen.push(`in ${key}`)
      await Promise.resolve()
      seen.push(`out ${key}`)
    }
    const task = taskOf(custom(wait))
    task.add('words', inputs('a', 'b'))
    await task.process()
    expect(seen).toEqual(['in a', 'out a', 'in b', 'out b'])
  })

  it('sends a record without a key to its own partition, and asks for the partitions of a topic once', async () => {
    const asked: string[] = []
    const partitionsOf = async (topic: string): Promise<number> => {
      asked.push(topic)
      return 2
    }
    const task = taskOf(
      drawn((stream) => stream.selectKey((): string | null => null).to('out', strings)),
      { partitionsOf },
    )
    task.add('words', inputs('a', 'b'))
    await task.process()
    expect(await outputsOf(task)).toEqual(['out/1 null', 'out/1 null'])
    expect(asked).toEqual(['out'])
  })

  it('names the sink where the partitions of its topic cannot be learned', async () => {
    const partitionsOf = async (): Promise<number> => {
      throw new StreamsError('TOPIC_MISSING', 'Topic "out" does not exist')
    }
    const task = taskOf(
      drawn((stream) => stream.filter(() => true).to('out')),
      { partitionsOf },
    )
    task.add('words', inputs('a'))
    await expect(task.process()).rejects.toMatchObject({
      code: 'TOPIC_MISSING',
      message: 'Node KSTREAM-SINK-0000000002 failed at words/3@0: Topic "out" does not exist',
    })
  })

  it('tells its processors who and where they are, and what time it is', async () => {
    const told: unknown[] = []
    const task = taskOf(
      custom((_record, context) => {
        const { applicationId, taskId, recordMetadata } = context
        const { topic, partition, offset } = recordMetadata ?? {}
        told.push(
          { applicationId, taskId, topic, partition, offset },
          context.currentStreamTimeMs() - startMs,
          context.currentSystemTimeMs() - startMs,
        )
        expect(() => context.getStateStore('counts')).toThrow(
          expect.objectContaining({ code: 'CONFIG_INVALID', message: 'Node own asks for store "counts" but is connected to no store' }),
        )
      }),
    )
    task.add('words', [{ ...record('a', '', { timestamp: startMs + 5 }), offset: 17 }])
    await task.process()
    expect(told).toEqual([{ applicationId: 'app', taskId: '0_3', topic: 'words', partition: 3, offset: 17 }, 5, 9])
  })

  it('counts what its processors drop, by node and reason', async () => {
    const task = taskOf(custom(({ key }, context) => context.drop(key === 'a' ? 'too early' : 'too late')))
    task.add('words', inputs('a', 'b', 'b'))
    await task.process()
    expect([...task.dropped]).toEqual([
      ['own: too early', 1],
      ['own: too late', 2],
    ])
  })

  it('closes its processors when it is closed', () => {
    let closed = 0
    const task = taskOf(
      custom(
        () => {},
        () => closed++,
      ),
    )
    task.close()
    expect(closed).toBe(1)
  })

  it('starts at the times that it is given, and commits those that it has reached', async () => {
    const topology = drawn((stream) => stream.to('out'))
    const times: TaskTimes = { streamTime: startMs + 50, partitionTimes: { words: startMs + 40 } }
    const task = taskOf(topology, { times })
    expect((await task.commit()).times).toEqual(times)
    task.add('words', [{ ...record('a', '', { timestamp: startMs + 45 }), offset: 0 }])
    await task.process()
    expect((await task.commit()).times).toEqual({ streamTime: startMs + 50, partitionTimes: { words: startMs + 45 } })
  })

  it('prefetches by keys that can be read; one that cannot fails where it is processed', async () => {
    const asked: number[] = []
    const reader = {
      get: async (keys: readonly Uint8Array[]) => {
        asked.push(keys.length)
        return keys.map(() => undefined)
      },
      range: async () => [],
    }
    const builder = new StreamsBuilder()
    builder
      .stream('words', { keySerde: Serdes.long, valueSerde: Serdes.string })
      .groupByKey()
      .count({ store: { name: 'counts', keySerde: Serdes.json() } })
    const task = taskOf(builder.build(), { rowsOf: () => new Rows({ reader }) })
    const good = { ...record('x', 'v'), key: Serdes.long.serialize(1, ''), offset: 0 }
    const batch = [good, { ...record('bad', 'v'), offset: 1 }]
    await task.prefetch('words', batch)
    expect(asked).toEqual([1])
    task.add('words', batch)
    expect(() => task.process()).toThrow('Cannot read the key of words/3@1 with the long serde: A long takes 8 bytes, got 3')
  })

  it('joins prefetched records without waiting; the table is asked once per key and store', async () => {
    const asked: string[] = []
    const reader = {
      get: async () => [],
      range: async (from: Uint8Array | null) => {
        asked.push(`${textOf(from)}`.slice(0, 1))
        return []
      },
    }
    const builder = new StreamsBuilder()
    const [words, more] = ['words', 'more'].map((topic) => builder.stream(topic, strings)) as [
      KStream<string, string>,
      KStream<string, string>,
    ]
    words
      .join(more, (one, other) => one + other, joinWindows({ timeDifferenceMs: 5, graceMs: 0 }), { storeName: 'met' })
      .to('totals', strings)
    const remembered = { 'met-this-join-store/latest-window': startMs, 'met-other-join-store/latest-window': startMs }
    const times = { streamTime: startMs, partitionTimes: {}, remembered }
    const task = taskOf(builder.build(), { rowsOf: () => new Rows({ reader }), times })
    for (const topic of ['words', 'more']) {
      await task.prefetch(topic, inputs('a', 'b', 'a'))
      task.add(topic, inputs('a', 'b', 'a'))
      expect(task.process()).toBeUndefined()
    }
    expect(asked).toEqual(['a', 'b', 'a', 'b'])
    expect((await outputsOf(task)).length).toBe(5)
  })

  it('reads the windows that tasks before it left open once, when the first of them closes', async () => {
    const asked: (Uint8Array | null)[] = []
    const reader = {
      get: async (keys: readonly Uint8Array[]) => keys.map(() => undefined),
      range: async (from: Uint8Array | null) => {
        asked.push(from)
        return []
      },
    }
    const topology = drawn((stream) => {
      const windowed = stream.groupByKey().windowedBy(tumbling({ sizeMs: 10, graceMs: 0 }))
      windowed.emitStrategy('onWindowClose').count({ store: 'counts' }).toStream().to('out')
    })
    const remembered = { 'counts/stream-time': startMs, 'counts/closed': startMs, 'counts/first-end': startMs + 40 }
    const times = { streamTime: startMs, partitionTimes: {}, remembered }
    const task = taskOf(topology, { rowsOf: () => new Rows({ reader }), times })
    const readsAt: number[] = []
    for (const [offset, later] of [25, 35, 45, 55, 65].entries()) {
      task.add('words', [{ ...record('k', 'v', { timestamp: startMs + later }), offset }])
      await task.process()
      readsAt.push(asked.length)
    }
    // at first nothing can close: the first window that is open ends later
    expect(readsAt).toEqual([0, 1, 1, 1, 1])
    expect(asked).toEqual([null])
  })
})
