import { expect, it } from 'vitest'
import { StreamsBuilder } from '../../src/dsl/streams-builder.ts'
import { createTaskMemory } from '../../src/runtime/task-memory.ts'
import { untilTimeLimit } from '../../src/topology/suppressed.ts'
import { type Around, died, type PortCall } from './faults.ts'
import { record, scene, startMs, strings, textOf } from './scene.ts'

const suppressed = () => {
  const builder = new StreamsBuilder()
  builder
    .table('words', strings)
    .suppress(untilTimeLimit(10, { name: 'held' }))
    .toStream()
    .to('totals', strings)
  return builder.build()
}
const at = (key: string, value: string | null, ms: number) => record(key, value, { timestamp: startMs + ms })
const open = () => scene({ topology: suppressed() })
const sent = async (it: Awaited<ReturnType<typeof open>>) =>
  (await it.committed('totals')).map(({ key, value, timestamp }) => `${textOf(key)}=${textOf(value)} @${timestamp - startMs}`)

const deaths: readonly (readonly [PortCall, 'before' | 'after'])[] = [
  ...[['append', 'after'] as const, ['commit', 'before'] as const, ['commit', 'after'] as const],
  ...[['put', 'before'] as const, ['put', 'after'] as const, ['release', 'before'] as const],
]
it.each(deaths)('what a buffer holds is there after a death around %s (%s)', async (call, when) => {
  const it = await open()
  it.feed('words', at('a', '1', 0), at('b', '1', 5))
  await it.run()
  let isDead = false
  const dying: Around = async (what, go) => {
    if (isDead) throw new Error(died)
    if (what !== call) return go()
    isDead = true
    if (when === 'after') await go()
    throw new Error(died)
  }
  // the first row is sent, the second one changes
  it.feed('words', at('b', '2', 12))
  await expect(it.run({ around: dying })).rejects.toThrow(died)
  it.clock.nowMs += 100_000
  it.feed('words', at('c', '1', 40))
  await it.run()
  expect(await sent(it)).toEqual(['a=1 @0', 'b=2 @12'])
})

it('a warm task and a cold one hold the same, and write the same rows', async () => {
  const [warm, cold] = [await open(), await open()]
  const memory = createTaskMemory()
  for (const [ms, key] of [...'abacbdabcdae'].entries()) {
    for (const it of [warm, cold]) it.feed('words', at(key, `${ms}`, 3 * ms))
    await warm.run({ memory })
    await cold.run()
  }
  expect(await sent(warm)).toEqual(await sent(cold))
  expect(await warm.rows('held-store')).toEqual(await cold.rows('held-store'))
  expect(await cold.rows('held-store')).toEqual(await cold.fold('held-store'))
})

it('the changelog has the header with the version of the form, before ours', async () => {
  const it = await open()
  it.feed('words', at('a', '1', 0))
  await it.run()
  const [change] = await it.committed('app-held-store-changelog')
  expect(change?.headers.map(([name]) => name)).toEqual(['v', '__millrace.gen', '__millrace.seq'])
  expect(change?.headers[0]?.[1]).toEqual(Buffer.of(3))
})
