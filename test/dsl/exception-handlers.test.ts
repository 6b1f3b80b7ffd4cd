import { describe, expect, it } from 'vitest'
import { StreamsBuilder } from '../../src/dsl/streams-builder.ts'
import { StreamsError } from '../../src/errors.ts'
import type { StreamsConfig } from '../../src/index.ts'
import type { DeserializationExceptionHandler, ProcessingExceptionHandler } from '../../src/processor/exception-handlers.ts'
import { defaultHandlers } from '../../src/processor/exception-handlers.ts'
import { createFailures } from '../../src/runtime/failures.ts'
import { Serdes } from '../../src/serde/serdes.ts'
import { TopologyTestDriver } from '../../src/testing/topology-test-driver.ts'
import { modes } from './run.ts'

const longs = { keySerde: Serdes.string, valueSerde: Serdes.long }
const good = (value: number) => Buffer.from(Serdes.long.serialize(value, 'in'))

/** Reads longs, refuses negative ones, sums them; gives the sums and the dead letters. */
const run = async (cutAfter: (typeof modes)[number], config: StreamsConfig, values: readonly Uint8Array[]) => {
  const builder = new StreamsBuilder(config)
  builder
    .stream('in', longs)
    .mapValues((value) => {
      if (value < 0) throw new Error(`${value} is negative`)
      return value
    })
    .groupByKey(longs)
    .reduce((sum, value) => sum + value, { store: 'sums' })
    .toStream()
    .to('out')
  await using driver = new TopologyTestDriver(builder.build(), { cutAfter })
  for (const value of values) await driver.pipe('in', { key: Buffer.from('k'), value, timestamp: 7, headers: [['h', Buffer.from('1')]] })
  const letters = driver.producedTo('dead').map(({ key, value, timestamp, headers }) => ({
    key: String(key),
    value: Buffer.from(value ?? []).toString('hex'),
    timestamp,
    headers: Object.fromEntries(headers.map(([name, bytes]) => [name.replace('__streams.errors.', ''), String(bytes)])),
  }))
  const sums = driver
    .createOutputTopic('out', longs)
    .readRecords()
    .map(({ value }) => value)
  return { sums, letters, dropped: driver.dropped }
}

const continueWithLetters: StreamsConfig = {
  'deserialization.exception.handler': 'LogAndContinue',
  'processing.exception.handler': 'LogAndContinue',
  'errors.dead.letter.queue.topic.name': 'dead',
}

describe('an error of the table or the cluster', () => {
  it('is never asked about, so it costs no record', () => {
    const failures = createFailures({
      handlers: { ...defaultHandlers, processing: 'LogAndContinue' },
      ...{ holder: { current: undefined }, taskId: '0_0', partition: 0, dropped: () => {} },
    })
    const record = { key: null, value: null, timestamp: 0, headers: [] }
    const goesOn = (error: unknown) => failures.processing('node', record, error)
    expect([new Error('a'), new StreamsError('SERDE_FAILED', 'b')].map(goesOn)).toEqual([true, true])
    const codes = ['TABLE_UNREACHABLE', 'DEADLINE_EXCEEDED', 'FENCED', 'TOPIC_MISSING', 'TABLE_REFUSED'] as const
    expect(codes.map((code) => goesOn(new StreamsError(code, 'c')))).toEqual(codes.map(() => false))
  })
})

describe.each(modes)('exception handlers (new task: %s)', (mode) => {
  it('fail by default, and the error names the record', async () => {
    await expect(run(mode, {}, [Buffer.from('12345')])).rejects.toThrow('Cannot read the value of in/0@0 with the long serde')
    await expect(run(mode, {}, [good(1), good(-1)])).rejects.toThrow('Node KSTREAM-MAPVALUES-0000000001 failed at in/0@1: -1 is negative')
  })

  it('send what they drop to a dead letter queue, as it came and with what is known of the error', async () => {
    const { sums, letters, dropped } = await run(mode, continueWithLetters, [good(1), Buffer.from([1]), good(-1), good(2)])
    expect({ sums, dropped }).toEqual({ sums: [1, 3], dropped: 2 })
    const place = { h: '1', topic: 'in', partition: '0', stacktrace: expect.stringContaining('at ') }
    expect(letters).toEqual([
      {
        ...{ key: 'k', value: '01', timestamp: 7 },
        headers: {
          ...{ ...place, offset: '1', exception: 'StreamsError' },
          message: 'Cannot read the value of in/0@1 with the long serde: A long takes 8 bytes, got 1',
        },
      },
      {
        ...{ key: 'k', value: 'ffffffffffffffff', timestamp: 7 },
        headers: { ...place, offset: '2', exception: 'Error', message: '-1 is negative' },
      },
    ])
  })

  it('may decide by the error, and write what they like', async () => {
    const reading: DeserializationExceptionHandler = ({ topic, offset, timestamp }) => ({
      response: 'resume',
      deadLetters: [{ topic: 'dead', key: Buffer.from('unread'), value: Buffer.from(`${topic}@${offset}`), timestamp, headers: [] }],
    })
    const processing: ProcessingExceptionHandler = (_context, record) => (record?.value === -1 ? 'resume' : 'fail')
    const handlers = { 'deserialization.exception.handler': reading, 'processing.exception.handler': processing }
    const { sums, letters } = await run(mode, handlers, [good(5), Buffer.from([1]), good(-1), good(1)])
    expect(sums).toEqual([5, 6])
    expect(letters).toEqual([{ key: 'unread', value: Buffer.from('in@1').toString('hex'), timestamp: 7, headers: {} }])
    await expect(run(mode, handlers, [good(-2)])).rejects.toThrow('-2 is negative')
  })
})
