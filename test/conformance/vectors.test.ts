import { fileURLToPath } from 'node:url'
import { beforeAll, describe, expect, it } from 'vitest'
import { conform, failureLines, type Result, tally } from './conformance.ts'
import { type Mode, modes } from './run-scenario.ts'
import { readVectors } from './scenario.ts'

const vectors = readVectors([fileURLToPath(new URL('vectors', import.meta.url))])
const areaOf = ({ name }: { readonly name: string }): string => name.split('/')[0] ?? name

const runAll = async (mode: Mode): Promise<readonly Result[]> => {
  const results: Result[] = []
  for (const vector of vectors) results.push(await conform(vector, mode))
  return results
}

describe.each(modes)('%s tasks do what Kafka Streams does', (mode) => {
  let results: readonly Result[] = []
  beforeAll(async () => {
    results = await runAll(mode)
  })

  it.each([...new Set(vectors.map(areaOf))])('in %s', (area) => {
    const failed = results.filter((result) => areaOf(result) === area && result.outcome === 'failed')
    expect(failed.flatMap(failureLines)).toEqual([])
  })

  it('in as many vectors as are supported', () => {
    expect(tally(results)).toBe('1204 passed, 0 failed, 30 skipped')
  })
})
