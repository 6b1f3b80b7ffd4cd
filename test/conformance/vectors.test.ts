import { fileURLToPath } from 'node:url'
import { beforeAll, describe, expect, it } from 'vitest'
import { conform, failureLines, type Result } from './conformance.ts'
import { type Mode, modes } from './run-scenario.ts'
import { readVectors } from './vector-files.ts'

const vectors = readVectors([fileURLToPath(new URL('vectors', import.meta.url))])
const areaOf = ({ name }: { readonly name: string }): string => name.split('/')[0] ?? name

/** Local formats of Kafka Streams, which nobody else reads (F-10, F-11). */
const notSupported: readonly string[] = [
  "formats/headers: a format of Kafka's stores on a disk",
  "formats/partition-metadata-read: metadata of a consumer group's offsets, which we do not commit",
  "formats/partition-metadata: metadata of a consumer group's offsets, which we do not commit",
  "formats/value-and-timestamp: a format of Kafka's stores on a disk",
  "formats/value-timestamp-headers: a format of Kafka's stores on a disk",
]

const runAll = async (mode: Mode): Promise<readonly Result[]> => {
  const results: Result[] = []
  for (const vector of vectors) results.push(await conform(vector, mode))
  return results
}

describe.each(modes)('%s tasks do what Kafka Streams does', (mode) => {
  let results: readonly Result[] = []
  beforeAll(async () => {
    results = await runAll(mode)
  }, 300_000)

  it.each([...new Set(vectors.map(areaOf))])('in %s', (area) => {
    const failed = results.filter((result) => areaOf(result) === area && result.outcome === 'failed')
    expect(failed.flatMap(failureLines)).toEqual([])
  })

  it('in all vectors but those of formats that only stores on a disk and consumer groups have', () => {
    const skipped = results.filter((result) => result.outcome === 'skipped')
    expect(skipped.map(({ name, missing }) => `${name}: ${[...missing.verbs, ...missing.features].join(', ')}`).sort()).toEqual(
      notSupported,
    )
  })
})
