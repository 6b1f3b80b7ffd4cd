import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { createKafkaJs } from '../../src/adapters/kafkajs/kafkajs.ts'
import { isStreamsError } from '../../src/errors.ts'
import type { TxnSession } from '../../src/runtime/ports.ts'
import {
  commitValues,
  type KafkaHarness,
  linesTo,
  newTopic,
  openSession,
  readTo,
  record,
  settle,
  soon,
  textOf,
  unique,
} from '../adapters/kafka-harness.ts'
import { type RunningKafka, startKafka } from './kafka.ts'

describe.skipIf(inject('kafka') === null)('kafkajs, with three brokers', () => {
  let kafka: RunningKafka
  let harness: KafkaHarness

  beforeAll(async () => {
    kafka = await startKafka({ brokers: 3 })
    const ports = createKafkaJs({ brokers: kafka.bootstrap })
    harness = {
      ports,
      truncate: async () => {},
      close: async () => void (await Promise.all([ports.txnLog.close(), ports.reader.close(), ports.admin.close()])),
    }
    await settle(harness, unique('warm-up'))
  }, 180_000)
  afterAll(async () => {
    await harness?.close()
    await kafka?.stop()
  })

  test('a waiting fetch of several leaders answers as soon as one of them has something', async () => {
    const topic = await newTopic(harness, 6)
    const requests = [0, 1, 2, 3, 4, 5].map((partition) => ({ topic, partition, offset: 0, bytesMax: 1000 }))
    const waiting = harness.ports.reader.fetch(requests, { waitMs: 20_000, deadlineMs: soon() })
    await commitValues(harness, { topic, partition: 4 }, ['news'])
    const answers = await waiting
    expect(answers.map(({ partition, records }) => [partition, records.map(({ value }) => textOf(value))])).toEqual([
      [0, []],
      [1, []],
      [2, []],
      [3, []],
      [4, ['news']],
      [5, []],
    ])
  })

  test('every transaction takes effect exactly once while each broker is killed in turn', async () => {
    const transactions = 40
    const [log, out] = [await newTopic(harness), await newTopic(harness, 6)]
    const transactionalId = unique('task')
    const outputs = [0, 1, 2, 3, 4, 5].map((partition) => ({ topic: out, partition }))

    /** Fences, then reads from the log how far it got: the only truth after any failure. */
    const takeOver = async (): Promise<{ session: TxnSession; done: number }> => {
      const session = await openSession(harness, transactionalId)
      const at = { topic: log, partition: 0 }
      const [bounds] = await harness.ports.reader.bounds([at], soon())
      const records = await readTo(harness.ports.reader, at, bounds?.highWatermark ?? 0)
      return { session, done: Number(textOf(records.at(-1)?.value ?? null) ?? 0) }
    }
    const retrying = async <T>(run: () => Promise<T>): Promise<T> => {
      for (const deadlineMs = Date.now() + 60_000; ; ) {
        try {
          return await run()
        } catch (error) {
          if (!isStreamsError(error) || !error.retryable || Date.now() > deadlineMs) throw error
        }
      }
    }

    let { session, done } = await takeOver()
    const faults = new Map([
      [8, () => kafka.kill(0)],
      [12, () => kafka.start(0)],
      [18, () => kafka.kill(1)],
      [22, () => kafka.start(1)],
      [28, () => kafka.kill(2)],
      [32, () => kafka.start(2)],
    ])
    while (done < transactions) {
      const next = record(String(done + 1))
      const fault = faults.get(done)
      faults.delete(done)
      try {
        const happening = fault?.()
        await session.append([{ topic: log, partition: 0, records: [next] }, ...outputs.map((at) => ({ ...at, records: [next] }))], soon())
        await session.commit(soon())
        await happening
        done += 1
      } catch (error) {
        if (!isStreamsError(error) || !error.retryable) throw error
        ;({ session, done } = await retrying(takeOver))
      }
    }
    await settle(harness, transactionalId)
    const expected = Array.from({ length: transactions }, (_, i) => String(i + 1))
    for (const at of outputs) {
      const [bounds] = await harness.ports.reader.bounds([at], soon())
      const lines = await linesTo(harness.ports.reader, at, bounds?.highWatermark ?? 0)
      expect(lines.map((line) => line.split(' ')[1])).toEqual(expected)
    }
  }, 300_000)
})
