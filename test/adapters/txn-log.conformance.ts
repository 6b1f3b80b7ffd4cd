import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { isStreamsError } from '../../src/errors.ts'
import type { LogRecord } from '../../src/runtime/ports.ts'
import {
  bytesOf,
  commitValues,
  fetchOne,
  type KafkaHarness,
  linesTo,
  type MakeKafkaHarness,
  newTopic,
  openSession,
  readTo,
  record,
  settle,
  soon,
  textOf,
  unique,
} from './kafka-harness.ts'

const codeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'no rejection',
    (error: unknown) => (isStreamsError(error) ? error.code : String(error)),
  )

const plain = ({ key, value, timestamp, headers }: LogRecord) => ({
  key: textOf(key),
  value: textOf(value),
  timestamp,
  headers: headers.map(([name, content]) => [name, textOf(content)]),
})

/** What every {@link TxnLog} must do. */
export const txnLogConformance = (name: string, make: MakeKafkaHarness): void => {
  describe(`TxnLog: ${name}`, () => {
    let harness: KafkaHarness
    beforeAll(async () => {
      harness = await make()
    })
    afterAll(() => harness.close())

    test('an append answers its offsets in request order', async () => {
      const [a, b] = [await newTopic(harness, 2), await newTopic(harness)]
      const session = await openSession(harness, unique('id'))
      const first = await session.append(
        [
          { topic: a, partition: 1, records: [record('1'), record('2')] },
          { topic: b, partition: 0, records: [record('3')] },
          { topic: a, partition: 0, records: [record('4')] },
        ],
        soon(),
      )
      const second = await session.append([{ topic: a, partition: 1, records: [record('5')] }], soon())
      await session.commit(soon())
      expect([...first, ...second]).toEqual([
        { topic: a, partition: 1, baseOffset: 0, nextOffset: 2 },
        { topic: b, partition: 0, baseOffset: 0, nextOffset: 1 },
        { topic: a, partition: 0, baseOffset: 0, nextOffset: 1 },
        { topic: a, partition: 1, baseOffset: 2, nextOffset: 3 },
      ])
    })

    test('a record keeps its key, value, time and headers, null and empty ones too', async () => {
      const at = { topic: await newTopic(harness), partition: 0 }
      const records: LogRecord[] = [
        { key: null, value: bytesOf('no key'), timestamp: 1_700_000_000_000, headers: [] },
        { key: bytesOf('no value'), value: null, timestamp: 1_700_000_000_500, headers: [] },
        { key: bytesOf(''), value: bytesOf(''), timestamp: 0, headers: [] },
        {
          key: bytesOf('kéy'),
          value: bytesOf('x'.repeat(200)),
          timestamp: 1_600_000_000_000,
          headers: [
            ['trace', bytesOf('1')],
            ['trace', null],
            ['größe', bytesOf('')],
          ],
        },
      ]
      const session = await openSession(harness, unique('id'))
      await session.append([{ ...at, records }], soon())
      await session.commit(soon())
      expect((await readTo(harness.ports.reader, at, 5)).map(plain)).toEqual(records.map(plain))
    })

    test('an open transaction is invisible and holds the last stable offset', async () => {
      const at = { topic: await newTopic(harness), partition: 0 }
      await commitValues(harness, at, ['before'])
      const session = await openSession(harness, unique('id'))
      await session.append([{ ...at, records: [record('open')] }], soon())
      await commitValues(harness, at, ['after'])
      expect(await linesTo(harness.ports.reader, at, 2)).toEqual(['0 before'])
      const held = await fetchOne(harness.ports.reader, at, 2)
      expect(held).toEqual({ ...at, records: [], nextOffset: 2, highWatermark: 5, lastStableOffset: 2, logStartOffset: 0 })
      await session.commit(soon())
      expect(await linesTo(harness.ports.reader, at, 6)).toEqual(['0 before', '2 open', '3 after'])
    })

    test('aborted records are invisible, and their marker takes an offset', async () => {
      const at = { topic: await newTopic(harness), partition: 0 }
      const session = await openSession(harness, unique('id'))
      await session.append([{ ...at, records: [record('wrong'), record('wrong')] }], soon())
      await session.abort(soon())
      await session.append([{ ...at, records: [record('right')] }], soon())
      await session.commit(soon())
      expect(await linesTo(harness.ports.reader, at, 5)).toEqual(['3 right'])
    })

    test('one session runs several transactions', async () => {
      const at = { topic: await newTopic(harness), partition: 0 }
      const session = await openSession(harness, unique('id'))
      for (const value of ['1', '2', '3', '4', '5']) {
        await session.append([{ ...at, records: [record(value)] }], soon())
        await session.append([{ ...at, records: [record(`${value}+`)] }], soon())
        await session.commit(soon())
      }
      expect(await linesTo(harness.ports.reader, at, 15)).toEqual([
        '0 1',
        '1 1+',
        '3 2',
        '4 2+',
        '6 3',
        '7 3+',
        '9 4',
        '10 4+',
        '12 5',
        '13 5+',
      ])
    })

    test('a session is reusable between its transactions, until it is closed or dead', async () => {
      const at = { topic: await newTopic(harness), partition: 0 }
      const session = await openSession(harness, unique('id'))
      const seen = [session.reusable]
      for (const end of ['commit', 'abort'] as const) {
        await session.append([{ ...at, records: [record(end)] }], soon())
        seen.push(session.reusable)
        await session[end](soon())
        seen.push(session.reusable)
      }
      session.close()
      expect([...seen, session.reusable]).toEqual([true, false, true, false, true, false])
    })

    test('several topics and partitions become visible together', async () => {
      const [a, b] = [await newTopic(harness, 2), await newTopic(harness)]
      const partitions = [
        { topic: a, partition: 0 },
        { topic: a, partition: 1 },
        { topic: b, partition: 0 },
      ]
      const session = await openSession(harness, unique('id'))
      await session.append(
        partitions.map((at, i) => ({ ...at, records: [record(`${i}`)] })),
        soon(),
      )
      const requests = partitions.map((at) => ({ ...at, offset: 0, bytesMax: 1000 }))
      const before = await harness.ports.reader.fetch(requests, { waitMs: 0, deadlineMs: soon() })
      expect(before.map(({ records }) => records.length)).toEqual([0, 0, 0])
      await session.commit(soon())
      const after = await Promise.all(partitions.map((at) => linesTo(harness.ports.reader, at, 2)))
      expect(after).toEqual([['0 0'], ['0 1'], ['0 2']])
    })

    test('opening again aborts what the older session left open, and fences it for ever', async () => {
      const at = { topic: await newTopic(harness), partition: 0 }
      const id = unique('id')
      const zombie = await openSession(harness, id)
      await zombie.append([{ ...at, records: [record('left open')] }], soon())
      const owner = await openSession(harness, id)
      expect(zombie.dead).toBe(false)
      expect(await codeOf(zombie.commit(soon()))).toBe('FENCED')
      expect(zombie.dead).toBe(true)
      expect(await codeOf(zombie.append([{ ...at, records: [record('zombie')] }], soon()))).toBe('FENCED')
      expect(await codeOf(zombie.commit(soon()))).toBe('FENCED')
      await owner.append([{ ...at, records: [record('owner')] }], soon())
      await owner.commit(soon())
      expect(await linesTo(harness.ports.reader, at, 4)).toEqual(['2 owner'])
    })

    test('the append of a fenced session is refused', async () => {
      const at = { topic: await newTopic(harness), partition: 0 }
      const id = unique('id')
      const zombie = await openSession(harness, id)
      await zombie.append([{ ...at, records: [record('first')] }], soon())
      await zombie.commit(soon())
      const owner = await openSession(harness, id)
      expect(await codeOf(zombie.append([{ ...at, records: [record('zombie')] }], soon()))).toBe('FENCED')
      await owner.append([{ ...at, records: [record('owner')] }], soon())
      await owner.commit(soon())
      expect(await linesTo(harness.ports.reader, at, 4)).toEqual(['0 first', '2 owner'])
    })

    test('a transaction that outlives its timeout is aborted, and its session is fenced', async () => {
      const at = { topic: await newTopic(harness), partition: 0 }
      const session = await openSession(harness, unique('id'), 100)
      await session.append([{ ...at, records: [record('too late')] }], soon())
      expect(await linesTo(harness.ports.reader, at, 2)).toEqual([])
      expect(await codeOf(session.commit(soon()))).toBe('FENCED')
    })

    test('overlapping transactions of two producers are told apart, whichever ends first', async () => {
      const at = { topic: await newTopic(harness), partition: 0 }
      const [a, b, c] = [
        await openSession(harness, unique('a')),
        await openSession(harness, unique('b')),
        await openSession(harness, unique('c')),
      ]
      const append = (session: typeof a, value: string) => session.append([{ ...at, records: [record(value)] }], soon())
      await append(a, 'a1')
      await append(b, 'b1')
      await append(a, 'a2')
      await append(c, 'c1')
      await b.abort(soon())
      await append(b, 'b2')
      await a.abort(soon())
      await append(a, 'a3')
      await c.commit(soon())
      await a.commit(soon())
      await b.abort(soon())
      expect(await linesTo(harness.ports.reader, at, 11)).toEqual(['3 c1', '7 a3'])
    })

    test('an append of several megabytes arrives whole and in order', async () => {
      const at = { topic: await newTopic(harness), partition: 0 }
      const values = Array.from({ length: 3500 }, (_, i) => `${i} ${'x'.repeat(1000)}`)
      const session = await openSession(harness, unique('id'))
      const appended = await session.append([{ ...at, records: values.map((value) => record(value)) }], soon())
      await session.commit(soon())
      expect(appended).toEqual([{ ...at, baseOffset: 0, nextOffset: 3500 }])
      const records = await readTo(harness.ports.reader, at, 3501)
      expect(records.map(({ offset, value }) => [offset, textOf(value)])).toEqual(values.map((value, i) => [i, value]))
    })

    test('a record above the limit of the topic is RECORD_INVALID and ends the session', async () => {
      const at = { topic: await newTopic(harness), partition: 0 }
      const session = await openSession(harness, unique('id'))
      expect(await codeOf(session.append([{ ...at, records: [record('x'.repeat(1_200_000))] }], soon()))).toBe('RECORD_INVALID')
      expect(session.dead).toBe(true)
      expect(await codeOf(session.append([{ ...at, records: [record('small')] }], soon()))).toBe('RECORD_INVALID')
      await session.abort(soon())
    })

    test('an append to a missing topic or partition is TOPIC_MISSING and ends the session', async () => {
      const topic = await newTopic(harness)
      const missing = unique('missing')
      const first = await openSession(harness, unique('id'))
      const second = await openSession(harness, unique('id'))
      expect(await codeOf(first.append([{ topic: missing, partition: 0, records: [record('x')] }], soon()))).toBe('TOPIC_MISSING')
      expect(await codeOf(second.append([{ topic, partition: 1, records: [record('x')] }], soon()))).toBe('TOPIC_MISSING')
      expect([first.dead, second.dead]).toEqual([true, true])
    })

    test('an abort without an open transaction does nothing, a commit without one is our own bug', async () => {
      const at = { topic: await newTopic(harness), partition: 0 }
      const session = await openSession(harness, unique('id'))
      await session.abort(soon())
      await session.append([{ ...at, records: [record('kept')] }], soon())
      await session.commit(soon())
      await session.abort(soon())
      await expect(session.commit(soon())).rejects.toThrow('invariant broken')
      expect(await linesTo(harness.ports.reader, at, 2)).toEqual(['0 kept'])
    })

    test('past its deadline a session sends nothing and is dead', async () => {
      const at = { topic: await newTopic(harness), partition: 0 }
      const id = unique('id')
      const session = await openSession(harness, id)
      await session.append([{ ...at, records: [record('never')] }], soon())
      expect(await codeOf(session.commit(Date.now() - 1))).toBe('DEADLINE_EXCEEDED')
      expect(session.dead).toBe(true)
      await settle(harness, id)
      expect(await linesTo(harness.ports.reader, at, 2)).toEqual([])
    })

    test('a deadline that never comes is one', async () => {
      const at = { topic: await newTopic(harness), partition: 0 }
      const deadlineMs = Number.POSITIVE_INFINITY
      const session = await harness.ports.txnLog.open({ transactionalId: unique('id'), transactionTimeoutMs: 30_000, deadlineMs })
      await session.append([{ ...at, records: [record('a')] }], deadlineMs)
      await session.commit(deadlineMs)
      const answers = await harness.ports.reader.fetch([{ ...at, offset: 0, bytesMax: 1000 }], { waitMs: 20_000, deadlineMs })
      expect(answers.map(({ records }) => records.map(({ value }) => textOf(value)))).toEqual([['a']])
    })

    test('a closed session is dead and refuses', async () => {
      const at = { topic: await newTopic(harness), partition: 0 }
      const session = await openSession(harness, unique('id'))
      session.close()
      expect(session.dead).toBe(true)
      await expect(session.append([{ ...at, records: [record('x')] }], soon())).rejects.toThrow('is closed')
    })
  })
}
