import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { conform, failureLines, type Result, tally } from './conformance.ts'
import { type Mode, modes } from './run-scenario.ts'
import { readVectors, type Vector } from './scenario.ts'

const vectors = readVectors([fileURLToPath(new URL('vectors', import.meta.url))])
const areas = Map.groupBy(vectors, ({ name }) => name.split('/')[0] ?? name)

const runAll = async (some: readonly Vector[], mode: Mode): Promise<readonly Result[]> => {
  const results: Result[] = []
  for (const vector of some) results.push(await conform(vector, mode))
  return results
}

describe.each(modes)('%s tasks do what Kafka Streams does', (mode) => {
  const results: Result[] = []

  it.each([...areas.keys()])('in %s', async (area) => {
    const ofArea = await runAll(areas.get(area) ?? [], mode)
    results.push(...ofArea)
    expect(ofArea.filter(({ outcome }) => outcome === 'failed').flatMap(failureLines)).toEqual([])
  })

  it('in as many vectors as are supported', () => {
    expect(tally(results)).toBe('174 passed, 0 failed, 999 skipped')
  })
})
