import { describe, expect, it } from 'vitest'
import { StreamsBuilder } from '../../src/dsl/streams-builder.ts'
import { checkRenamed } from '../../src/runtime/renamed.ts'
import { runReset } from '../../src/runtime/reset.ts'
import type { Topology } from '../../src/topology/topology.ts'
import { cluster } from './cluster.ts'
import { applicationId, record, strings } from './scene.ts'

/** Copies topics to `out`, in one sub-topology each. */
const copying = (...groups: readonly (readonly string[])[]): Topology => {
  const builder = new StreamsBuilder()
  for (const topics of groups) builder.stream(topics, strings).to('out')
  return builder.build()
}

const ran = async (topology: Topology) => {
  const it = await cluster(topology, { a: 2, b: 2, c: 2, out: 1 })
  for (const topic of topology.sourceTopics) it.kafka.produce([{ topic, partition: 1, records: [record('k', 'v')] }])
  await it.settle()
  const check = (next: Topology, id = applicationId) =>
    checkRenamed(it.kafka, { applicationId: id, subTopologies: next.subTopologies }, it.clock.nowMs)
  return { ...it, check }
}

describe('a sub-topology with a new name', () => {
  it.each([
    [
      'its first topic is another one of its topics',
      copying(['a', 'b']),
      copying(['b', 'a']),
      'Sub-topology "b" is new, but "a", which is no more, has read b/1 up to 1: it was renamed',
    ],
    [
      'its first topic is a new one',
      copying(['a']),
      copying(['c', 'a']),
      'Sub-topology "c" is new, but "a", which is no more, has read a/1 up to 1: it was renamed',
    ],
    [
      'its first topic is gone',
      copying(['a', 'b']),
      copying(['b']),
      'Sub-topology "b" is new, but "a", which is no more, has read b/1 up to 1: it was renamed',
    ],
    [
      'it was part of another',
      copying(['a', 'b'], ['c']),
      copying(['b'], ['c', 'a']),
      'Sub-topology "b" is new, but "a", which is no more, has read b/1 up to 1: it was renamed',
    ],
  ])('is refused where %s', async (_what, before, after, message) => {
    const it = await ran(before)
    await expect(it.check(after)).rejects.toMatchObject({
      ...{ code: 'TOPOLOGY_MISMATCH', message },
      remedy:
        'Keep the name: "a" must be its first source topic. Or let the old code finish its input, then say with the new code where to begin: millrace reset (docs/operations.md).',
    })
  })

  it('is taken once a reset has said where it begins', async () => {
    const it = await ran(copying(['a', 'b']))
    const next = copying(['b', 'a'])
    const reset = { ...it.kafka, reader: it.ports.reader, table: it.table, clock: it.ports.clock, token: it.ports.token }
    await runReset({ ports: reset, topology: next, applicationId, to: { kind: 'latest' } })
    await expect(it.check(next)).resolves.toBeUndefined()
  })

  it('of other topics is new, and one that is gone is gone', async () => {
    const it = await ran(copying(['a'], ['b']))
    await expect(it.check(copying(['a'], ['c']))).resolves.toBeUndefined()
    await expect(it.check(copying(['a', 'b'])))
      .rejects.toMatchObject({ code: 'TOPOLOGY_MISMATCH' })
      .catch(() => undefined)
    await expect(it.check(copying(['a'], ['b']))).resolves.toBeUndefined()
  })

  it('is no matter of applications whose ids only begin alike', async () => {
    const it = await ran(copying(['a']))
    // app-a-commits might be that of "a" in "app", or of nothing in "ap"
    await expect(it.check(copying(['a']), 'ap')).resolves.toBeUndefined()
    const other = await ran(copying(['a']))
    await other.kafka.admin.create([{ topic: 'app-2-a-commits', partitions: 1, config: {} }], other.clock.nowMs)
    await expect(other.check(copying(['a']), 'app-2')).resolves.toBeUndefined()
  })
})
