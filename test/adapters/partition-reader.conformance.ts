import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { noHeaders } from '../../src/processor/record.ts'
import {
  commitValues,
  fetchOne,
  type KafkaHarness,
  linesTo,
  type MakeKafkaHarness,
  newTopic,
  openSession,
  record,
  soon,
  textOf,
  unique,
} from './kafka-harness.ts'

/** What every {@link PartitionReader} must do. */
export const partitionReaderConformance = (name: string, make: MakeKafkaHarness): void => {
  describe(`PartitionReader: ${name}`, () => {
    let harness: KafkaHarness
    beforeAll(async () => {
      harness = await make()
    })
    afterAll(() => harness.close())

    test('bounds are answered in request order, and count the markers', async () => {
      const topic = await newTopic(harness, 3)
      await commitValues(harness, { topic, partition: 1 }, ['a', 'b', 'c'])
      await commitValues(harness, { topic, partition: 2 }, ['d'])
      const asked = [2, 0, 1].map((partition) => ({ topic, partition }))
      expect(await harness.ports.reader.bounds(asked, soon())).toEqual([
        { topic, partition: 2, logStartOffset: 0, highWatermark: 2 },
        { topic, partition: 0, logStartOffset: 0, highWatermark: 0 },
        { topic, partition: 1, logStartOffset: 0, highWatermark: 4 },
      ])
    })

    test('the high watermark counts what is still open', async () => {
      const at = { topic: await newTopic(harness), partition: 0 }
      const session = await openSession(harness, unique('id'))
      await session.append([{ ...at, records: [record('open')] }], soon())
      expect(await harness.ports.reader.bounds([at], soon())).toEqual([{ ...at, logStartOffset: 0, highWatermark: 1 }])
      await session.abort(soon())
    })

    test('a fetch begins in the middle of a batch and ends behind its marker', async () => {
      const at = { topic: await newTopic(harness), partition: 0 }
      await commitValues(harness, at, ['a', 'b', 'c'])
      const { records } = await fetchOne(harness.ports.reader, at, 1)
      expect(records.map(({ offset, value }) => `${offset} ${textOf(value)}`)).toEqual(['1 b', '2 c'])
      expect(await linesTo(harness.ports.reader, at, 4)).toEqual(['0 a', '1 b', '2 c'])
      const end = { ...at, records: [], nextOffset: 4, highWatermark: 4, lastStableOffset: 4, logStartOffset: 0 }
      expect(await fetchOne(harness.ports.reader, at, 3)).toEqual(end)
      expect(await fetchOne(harness.ports.reader, at, 4)).toEqual(end)
    })

    test('a fetch of several partitions answers in request order', async () => {
      const [a, b] = [await newTopic(harness, 2), await newTopic(harness)]
      await commitValues(harness, { topic: a, partition: 0 }, ['a0'])
      await commitValues(harness, { topic: a, partition: 1 }, ['a1'])
      await commitValues(harness, { topic: b, partition: 0 }, ['b0'])
      const asked = [
        { topic: a, partition: 1 },
        { topic: b, partition: 0 },
        { topic: a, partition: 0 },
      ]
      const requests = asked.map((at) => ({ ...at, offset: 0, bytesMax: 1000 }))
      const answers = await harness.ports.reader.fetch(requests, { waitMs: 0, deadlineMs: soon() })
      expect(answers.map(({ topic, partition, records }) => [topic, partition, records.map(({ value }) => textOf(value))])).toEqual([
        [a, 1, ['a1']],
        [b, 0, ['b0']],
        [a, 0, ['a0']],
      ])
    })

    test('a small bytesMax answers at least one batch, and following nextOffset misses nothing', async () => {
      const at = { topic: await newTopic(harness), partition: 0 }
      for (const value of ['a', 'b', 'c']) await commitValues(harness, at, [value.repeat(500), value])
      const seen: string[] = []
      for (let offset = 0; offset < 9; ) {
        const { records, nextOffset } = await fetchOne(harness.ports.reader, at, offset, { bytesMax: 1 })
        expect(nextOffset).toBeGreaterThan(offset)
        for (const { offset: found, value } of records) seen.push(`${found} ${textOf(value)?.length}`)
        offset = nextOffset
      }
      expect(seen).toEqual(['0 500', '1 1', '3 500', '4 1', '6 500', '7 1'])
    })

    test('a fetch passes a log that holds nothing but aborted records', async () => {
      const at = { topic: await newTopic(harness), partition: 0 }
      const session = await openSession(harness, unique('id'))
      for (let i = 0; i < 3; i++) {
        await session.append([{ ...at, records: [record('wrong')] }], soon())
        await session.abort(soon())
      }
      expect(await linesTo(harness.ports.reader, at, 6)).toEqual([])
    })

    test('a waiting fetch answers as soon as something is committed', async () => {
      const at = { topic: await newTopic(harness), partition: 0 }
      const waiting = fetchOne(harness.ports.reader, at, 0, { waitMs: 20_000 })
      await commitValues(harness, at, ['news'])
      expect((await waiting).records.map(({ value }) => textOf(value))).toEqual(['news'])
    })

    test('a waiting fetch that sees nothing answers with nothing', async () => {
      const at = { topic: await newTopic(harness), partition: 0 }
      const answer = await fetchOne(harness.ports.reader, at, 0, { waitMs: 20 })
      expect(answer).toEqual({ ...at, records: [], nextOffset: 0, highWatermark: 0, lastStableOffset: 0, logStartOffset: 0 })
    })

    test('records without headers share one empty list', async () => {
      const at = { topic: await newTopic(harness), partition: 0 }
      await commitValues(harness, at, ['a', 'b'])
      const { records } = await fetchOne(harness.ports.reader, at, 0)
      expect(records.map(({ headers }) => headers === noHeaders)).toEqual([true, true])
    })

    test('an offset outside of the log is LOG_TRUNCATED, at its start and at its end', async () => {
      const at = { topic: await newTopic(harness), partition: 0 }
      await commitValues(harness, at, ['a', 'b'])
      await commitValues(harness, at, ['c'])
      await harness.truncate({ ...at, offset: 3 })
      expect(await harness.ports.reader.bounds([at], soon())).toEqual([{ ...at, logStartOffset: 3, highWatermark: 5 }])
      await expect(fetchOne(harness.ports.reader, at, 2)).rejects.toMatchObject({ code: 'LOG_TRUNCATED' })
      await expect(fetchOne(harness.ports.reader, at, 6)).rejects.toMatchObject({ code: 'LOG_TRUNCATED' })
      expect((await fetchOne(harness.ports.reader, at, 3)).records.map(({ value }) => textOf(value))).toEqual(['c'])
    })

    test('a topic or a partition that does not exist is TOPIC_MISSING', async () => {
      const topic = await newTopic(harness)
      const { reader } = harness.ports
      for (const at of [
        { topic: unique('missing'), partition: 0 },
        { topic, partition: 1 },
      ]) {
        await expect(reader.bounds([at], soon())).rejects.toMatchObject({ code: 'TOPIC_MISSING' })
        await expect(fetchOne(reader, at, 0)).rejects.toMatchObject({ code: 'TOPIC_MISSING' })
      }
    })

    test('past the deadline nothing is asked', async () => {
      const at = { topic: await newTopic(harness), partition: 0 }
      const late = Date.now() - 1
      await expect(harness.ports.reader.bounds([at], late)).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' })
      await expect(fetchOne(harness.ports.reader, at, 0, { deadlineMs: late })).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' })
    })
  })
}
