import fc from 'fast-check'
import { expect, it } from 'vitest'
import { expectedOf, type Fault, foundIn, joining, lineOf, type Plot, play, replayOf, sourceTopics } from './simulation.ts'

const fault = fc.constantFrom<Fault>(
  ...(['lost request', 'lost answer', 'death before', 'death after', 'another delivery'] as const),
  ...(['tick', 'frozen, then tick', 'frozen, then delivery', 'slow'] as const),
)
const plot: fc.Arbitrary<Plot> = fc.record({
  batches: fc.array(
    fc.record({
      topic: fc.constantFrom(...sourceTopics),
      how: fc.constantFrom('plain', 'plain', 'committed', 'open', 'aborted'),
      words: fc.array(fc.constantFrom('a+', 'b+', 'c+', 'a0', 'b0'), { minLength: 1, maxLength: 5 }),
    }),
    { minLength: 1, maxLength: 5 },
  ),
  faults: fc.array(fc.tuple(fc.nat(20), fault), { minLength: 1, maxLength: 12 }),
  processes: fc.array(fc.nat(2), { minLength: 1, maxLength: 6 }),
  chunkBytesMax: fc.constantFrom(1, 1_000_000),
})

it('takes every record once, whatever fails, dies, freezes or overlaps', { timeout: 60_000 }, async () => {
  let committed = 0
  await fc.assert(
    fc.asyncProperty(plot, async (story) => {
      const scene = await play(story)
      const commits = await scene.commits()
      expect(commits.map(({ seq }) => seq)).toEqual(commits.map((_, at) => at + 1))
      expect(await foundIn(scene)).toEqual(await expectedOf(scene))
      expect(await scene.rows()).toEqual(await scene.fold())
      const end = (await scene.item()).checkpoint
      const ends = { words: await scene.end('words'), more: await scene.end('more') }
      expect({ seq: end?.seq, positions: end?.positions }).toEqual({ seq: commits.length, positions: ends })
      committed += commits.length
    }),
    { seed: 73, numRuns: 1_000 },
  )
  expect(committed).toBeGreaterThan(1_000)
})

it('joins every record once, however its tasks are cut', { timeout: 60_000 }, async () => {
  const story = joining()
  const stores = story.topology.subTopologies.flatMap((sub) => sub.stores.map((store) => store.name))
  const seen = { alone: 0, met: 0 }
  await fc.assert(
    fc.asyncProperty(plot, async (faulty) => {
      const scene = await play(faulty, story)
      const found = (await scene.committed('totals')).map(lineOf)
      expect(found).toEqual(await replayOf(scene, story))
      for (const store of stores) expect(await scene.rows(store)).toEqual(await scene.fold(store))
      for (const line of found) seen[line.includes('null') ? 'alone' : 'met']++
    }),
    { seed: 74, numRuns: 1_000 },
  )
  expect(seen.alone).toBeGreaterThan(100)
  expect(seen.met).toBeGreaterThan(100)
})
