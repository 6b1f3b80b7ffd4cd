import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  commitValues,
  type KafkaHarness,
  linesTo,
  type MakeKafkaHarness,
  newTopic,
  openSession,
  record,
  soon,
  unique,
} from './kafka-harness.ts'

/** What every {@link TopicAdmin} must do. */
export const topicAdminConformance = (name: string, make: MakeKafkaHarness): void => {
  describe(`TopicAdmin: ${name}`, () => {
    let harness: KafkaHarness
    beforeAll(async () => {
      harness = await make()
    })
    afterAll(() => harness.close())

    test('describes the topics that exist, in request order', async () => {
      const [a, b] = [await newTopic(harness, 3), await newTopic(harness, 1)]
      expect(await harness.ports.admin.describe([b, unique('missing'), a], soon())).toEqual([
        { topic: b, partitions: 1 },
        { topic: a, partitions: 3 },
      ])
    })

    test('tells the settings that are in force, of the topics that exist and in request order', async () => {
      const { admin } = harness.ports
      const [plain, compacted] = [await newTopic(harness), unique('compacted')]
      const config = { 'cleanup.policy': 'compact,delete', 'delete.retention.ms': '1000' }
      await admin.create([{ topic: compacted, partitions: 1, config }], soon())
      const names = ['delete.retention.ms', 'cleanup.policy', 'message.timestamp.type', 'no.such.setting']
      const byDefault = { 'cleanup.policy': 'delete', 'message.timestamp.type': 'CreateTime', 'delete.retention.ms': '86400000' }
      expect(await admin.settings([compacted, unique('missing'), plain], names, soon())).toEqual([
        { topic: compacted, settings: { ...byDefault, ...config } },
        { topic: plain, settings: byDefault },
      ])
      expect(await admin.settings([], names, soon())).toEqual([])
    })

    test('a topic takes records as soon as it is created', async () => {
      const topic = unique('compacted')
      await harness.ports.admin.create([{ topic, partitions: 2, config: { 'cleanup.policy': 'compact' } }], soon())
      await commitValues(harness, { topic, partition: 1 }, ['a'])
      expect(await linesTo(harness.ports.reader, { topic, partition: 1 }, 2)).toEqual(['0 a'])
    })

    test('creating what exists leaves it as it is and creates the rest', async () => {
      const [old, fresh] = [await newTopic(harness, 2), unique('fresh')]
      await commitValues(harness, { topic: old, partition: 0 }, ['kept'])
      await harness.ports.admin.create(
        [
          { topic: old, partitions: 2, config: {} },
          { topic: fresh, partitions: 1, config: {} },
        ],
        soon(),
      )
      expect(await harness.ports.admin.describe([old, fresh], soon())).toEqual([
        { topic: old, partitions: 2 },
        { topic: fresh, partitions: 1 },
      ])
      expect(await linesTo(harness.ports.reader, { topic: old, partition: 0 }, 2)).toEqual(['0 kept'])
    })

    test('another partition count is TOPIC_MISMATCH and creates nothing', async () => {
      const [old, fresh] = [await newTopic(harness, 2), unique('fresh')]
      const specs = [
        { topic: fresh, partitions: 1, config: {} },
        { topic: old, partitions: 4, config: {} },
      ]
      const message = `topic ${old} has 2 partitions and 4 were asked for`
      await expect(harness.ports.admin.create(specs, soon())).rejects.toMatchObject({ code: 'TOPIC_MISMATCH', message })
      expect(await harness.ports.admin.describe([old, fresh], soon())).toEqual([{ topic: old, partitions: 2 }])
    })

    test('a deleted topic is gone, and a new one of its name is empty', async () => {
      const topic = await newTopic(harness)
      await commitValues(harness, { topic, partition: 0 }, ['a'])
      await harness.ports.admin.delete([topic, unique('missing')], soon())
      expect(await harness.ports.admin.describe([topic], soon())).toEqual([])
      await harness.ports.admin.create([{ topic, partitions: 1, config: {} }], soon())
      expect(await harness.ports.reader.bounds([{ topic, partition: 0 }], soon())).toEqual([
        { topic, partition: 0, logStartOffset: 0, highWatermark: 0 },
      ])
    })

    test('lists the topics whose names begin with a prefix, in order of their names', async () => {
      const prefix = unique('app')
      const topics = [`${prefix}-b`, `${prefix}-a`].map((topic, at) => ({ topic, partitions: at + 1, config: {} }))
      await harness.ports.admin.create([...topics, { topic: unique('other'), partitions: 1, config: {} }], soon())
      expect(await harness.ports.admin.list(`${prefix}-`, soon())).toEqual([
        { topic: `${prefix}-a`, partitions: 2 },
        { topic: `${prefix}-b`, partitions: 1 },
      ])
    })

    test('deleted records are below the start of the log, in the partitions that are named and no other', async () => {
      const topic = await newTopic(harness, 3)
      for (const partition of [0, 1, 2]) await commitValues(harness, { topic, partition }, ['a', 'b'])
      const below = [
        { topic, partition: 2, offset: 3 },
        { topic, partition: 0, offset: 1 },
      ]
      await harness.ports.admin.deleteRecords(below, soon())
      await harness.ports.admin.deleteRecords([], soon())
      const all = [0, 1, 2].map((partition) => ({ topic, partition }))
      const starts = (await harness.ports.reader.bounds(all, soon())).map(({ logStartOffset }) => logStartOffset)
      expect(starts).toEqual([1, 0, 3])
    })

    test('records of a compacted topic, and records that are not there yet, are not deleted', async () => {
      const { admin } = harness.ports
      const [topic, compacted] = [await newTopic(harness), unique('compacted')]
      await admin.create([{ topic: compacted, partitions: 1, config: { 'cleanup.policy': 'compact' } }], soon())
      await commitValues(harness, { topic: compacted, partition: 0 }, ['a'])
      await expect(admin.deleteRecords([{ topic: compacted, partition: 0, offset: 1 }], soon())).rejects.toMatchObject({
        code: 'BROKER_REFUSED',
      })
      await expect(admin.deleteRecords([{ topic, partition: 0, offset: 9 }], soon())).rejects.toMatchObject({ code: 'LOG_TRUNCATED' })
      await expect(admin.deleteRecords([{ topic: unique('missing'), partition: 0, offset: 0 }], soon())).rejects.toMatchObject({
        code: 'TOPIC_MISSING',
      })
    })

    test('finds the first record that is not older than a time, and the end where there is none', async () => {
      const topic = await newTopic(harness, 2)
      const session = await openSession(harness, unique('writer'))
      const records = [1_000, 3_000, 2_000].map((time) => record('a', 1_700_000_000_000 + time))
      await session.append([{ topic, partition: 1, records }], soon())
      await session.commit(soon())
      // EndTxn is answered before the marker is written
      await linesTo(harness.ports.reader, { topic, partition: 1 }, 4)
      const all = [1, 0].map((partition) => ({ topic, partition }))
      const at = async (time: number) =>
        (await harness.ports.admin.offsetsAt(all, 1_700_000_000_000 + time, soon())).map((it) => `${it.partition}@${it.offset}`)
      expect(await at(0)).toEqual(['1@0', '0@0'])
      expect(await at(1_001)).toEqual(['1@1', '0@0'])
      // beyond the marker of the transaction, which has the broker's time
      expect(await at(1e12)).toEqual(['1@4', '0@0'])
    })

    test('group offsets are kept by group and partition, the last commit wins', async () => {
      const topic = await newTopic(harness, 3)
      const [one, other] = [unique('group'), unique('group')]
      const { admin } = harness.ports
      const partitions = [2, 1, 0].map((partition) => ({ topic, partition }))
      expect(await admin.groupOffsets(one, partitions, soon())).toEqual([])
      await admin.commitGroupOffsets(
        one,
        [
          { topic, partition: 0, offset: 5 },
          { topic, partition: 2, offset: 7 },
        ],
        soon(),
      )
      await admin.commitGroupOffsets(one, [{ topic, partition: 0, offset: 6 }], soon())
      await admin.commitGroupOffsets(other, [{ topic, partition: 1, offset: 0 }], soon())
      expect(await admin.groupOffsets(one, partitions, soon())).toEqual([
        { topic, partition: 2, offset: 7 },
        { topic, partition: 0, offset: 6 },
      ])
      expect(await admin.groupOffsets(other, partitions, soon())).toEqual([{ topic, partition: 1, offset: 0 }])
    })

    test('an offset for a topic that does not exist is TOPIC_MISSING', async () => {
      const offsets = [{ topic: unique('missing'), partition: 0, offset: 1 }]
      await expect(harness.ports.admin.commitGroupOffsets(unique('group'), offsets, soon())).rejects.toMatchObject({
        code: 'TOPIC_MISSING',
      })
    })
  })
}
