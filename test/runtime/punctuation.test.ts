import { describe, expect, it } from 'vitest'
import { StreamsBuilder } from '../../src/dsl/streams-builder.ts'
import type { Processor } from '../../src/processor/processor.ts'
import { needsTick } from '../../src/runtime/sweep.ts'
import { createTaskMemory } from '../../src/runtime/task-memory.ts'
import { Serdes } from '../../src/serde/serdes.ts'
import { Stores } from '../../src/topology/stores.ts'
import { type Around, died } from './faults.ts'
import { record, scene, startMs, strings, textOf } from './scene.ts'

const counts = Stores.keyValueStore('counts', { keySerde: Serdes.string, valueSerde: Serdes.long })

/** Counts, and every ten minutes of the clock sends the counts and forgets them. */
const reporting = () => {
  const builder = new StreamsBuilder()
  builder.addStateStore(counts)
  builder
    .stream('words', strings)
    .process(
      (): Processor<string, string, string, string> => {
        let count: (word: string) => Promise<void>
        return {
          init: (context) => {
            const store = context.getStateStore(counts)
            count = async (word) => store.put(word, ((await store.get(word)) ?? 0) + 1)
            context.schedule({ intervalMs: 600_000, type: 'WALL_CLOCK_TIME' }, async (timestamp) => {
              for (const [word, value] of await store.all()) {
                await context.forward({ key: word, value: String(value), timestamp, headers: [] })
                store.put(word, null)
              }
            })
          },
          process: ({ key }) => count(key),
        }
      },
      { stores: ['counts'] },
    )
    .to('totals', strings)
  return builder.build()
}

const start = () => scene({ topology: reporting(), topics: { words: 1, totals: 1 } })
const sent = async (it: Awaited<ReturnType<typeof start>>) =>
  (await it.committed('totals')).map(({ key, value, timestamp }) => `${textOf(key)}=${textOf(value)} after ${timestamp - startMs}`)

describe('a punctuation by the clock', () => {
  it('is due one interval after the first invocation, at whichever invocation comes then, in new processes too', async () => {
    const it = await start()
    it.feed('words', record('a'), record('b'), record('a'))
    await it.run({ memory: createTaskMemory() })
    expect((await it.item())?.checkpoint?.wakeMs).toBe(startMs + 600_000)
    it.clock.nowMs += 599_000
    await it.run({ tick: true, memory: createTaskMemory() })
    expect(await sent(it)).toEqual([])
    it.clock.nowMs += 2_000
    await it.run({ tick: true, memory: createTaskMemory() })
    expect(await sent(it)).toEqual(['a=2 after 601000', 'b=1 after 601000'])
    expect((await it.item())?.checkpoint?.wakeMs).toBe(startMs + 1_200_000)
    expect(await it.fold()).toEqual(await it.rows())
  })

  it('keeps its rhythm and skips what was missed', async () => {
    const it = await start()
    it.feed('words', record('a'))
    await it.run()
    it.clock.nowMs += 3 * 600_000 + 5_000
    it.feed('words', record('a'))
    await it.run({ memory: createTaskMemory() })
    expect(await sent(it)).toEqual(['a=2 after 1805000'])
    expect((await it.item())?.checkpoint?.wakeMs).toBe(startMs + 2_400_000)
  })

  it('is told to the sweeper by the next owner where the one before died after its commit', async () => {
    const it = await start()
    it.feed('words', record('a'))
    const around: Around = async (call, run) => {
      if (call === 'put') throw new Error(died)
      return run()
    }
    await expect(it.run({ around })).rejects.toThrow(died)
    it.clock.nowMs += 120_000
    await it.run({ tick: true })
    expect((await it.item())?.checkpoint).toMatchObject({ seq: 1, wakeMs: startMs + 600_000 })
  })

  it('wakes the sweeper when it is due, and not before', async () => {
    const it = await start()
    it.feed('words', record('a'))
    await it.run()
    // a partition whose regular turn is in none of these minutes
    const partition = (Math.floor(startMs / 60_000) + 5) % 10
    const at = async (afterMs: number) => needsTick(await it.item(), { nowMs: startMs + afterMs, partition })
    expect([await at(0), await at(540_000), await at(600_000), await at(700_000)]).toEqual([false, false, true, true])
  })
})
