import { describe, expect, it } from 'vitest'
import { StreamsBuilder } from '../../src/dsl/streams-builder.ts'
import { isStreamsError } from '../../src/errors.ts'
import { Serdes } from '../../src/serde/serdes.ts'
import { TopologyTestDriver } from '../../src/testing/topology-test-driver.ts'
import type { StreamsConfig } from '../../src/topology/config.ts'
import { logAndSkipOnInvalidTimestamp, usePartitionTimeOnInvalidTimestamp } from '../../src/topology/timestamps.ts'
import { joinWindows } from '../../src/topology/windows.ts'

const strings = { keySerde: Serdes.string, valueSerde: Serdes.string }
const bytesOf = (text: string | null) => (text === null ? null : Buffer.from(text))

const counting = (config: StreamsConfig = {}, extractor?: typeof logAndSkipOnInvalidTimestamp) => {
  const builder = new StreamsBuilder(config)
  builder
    .stream('in', { keySerde: Serdes.string, valueSerde: Serdes.long, ...(extractor ? { timestampExtractor: extractor } : {}) })
    .mapValues((value) => value + 1, { name: 'add-one' })
    .groupByKey({ keySerde: Serdes.string, valueSerde: Serdes.long })
    .count({ name: 'count', store: 'counts' })
  return builder.build()
}

const long = (value: number | null) => (value === null ? null : Serdes.long.serialize(value, 'in'))
const record = (key: string | null, value: Uint8Array | null, timestamp = 0) => ({
  topic: 'in',
  record: { key: bytesOf(key), value, timestamp, headers: [] },
})

/** What the driver says when it is fed, by error or by what it dropped. */
const told = async (topology: ReturnType<typeof counting>, ...inputs: readonly ReturnType<typeof record>[]) => {
  await using driver = new TopologyTestDriver(topology)
  try {
    for (const input of inputs) await driver.pipeAll([input])
  } catch (error) {
    return isStreamsError(error) ? `${error.code}: ${error.message}` : String(error)
  }
  return Object.fromEntries(driver.droppedRecords)
}

describe('a bad input record', () => {
  it('with a null key or value is dropped by an aggregation, which says so', async () => {
    expect(await told(counting(), record(null, long(1)), record('k', null), record('k', long(1)))).toEqual({
      'count: null key or value': 1,
    })
  })

  it('with a null key or value is dropped by a join of streams, which says so', async () => {
    const builder = new StreamsBuilder()
    const left = builder.stream('in', strings)
    left.join(builder.stream('other', strings), (a, b) => `${a}${b}`, joinWindows({ timeDifferenceMs: 10, graceMs: 0 }), { name: 'both' })
    const dropped = await told(builder.build(), record(null, bytesOf('v')), record('k', null))
    expect(dropped).toEqual({ 'both-this-join: null key or value': 2 })
  })

  it('with a negative timestamp fails with its place and a remedy, is skipped, or takes the time of its partition', async () => {
    expect(await told(counting(), record('k', long(1), -1))).toBe('RECORD_INVALID: The record at in/0@0 has the invalid timestamp -1')
    const skipping = await told(counting({}, logAndSkipOnInvalidTimestamp), record('k', long(1), -1))
    expect(skipping).toEqual({ 'KSTREAM-SOURCE-0000000000: negative timestamp': 1 })
    const partitionTime = counting({}, usePartitionTimeOnInvalidTimestamp)
    expect(await told(partitionTime, record('k', long(1), 7), record('k', long(1), -1))).toEqual({})
    expect(await told(partitionTime, record('k', long(1), -1))).toBe(
      'RECORD_INVALID: The record at in/0@0 has no valid timestamp, and its partition has none yet',
    )
  })

  it('that cannot be read fails with its place and serde, or is dropped where the handler resumes', async () => {
    const bad = record('k', Buffer.from([1, 2]))
    expect(await told(counting(), bad)).toBe(
      'SERDE_FAILED: Cannot read the value of in/0@0 with the long serde: A long takes 8 bytes, got 2',
    )
    expect(await told(counting({ 'deserialization.exception.handler': 'LogAndContinue' }), bad, record('k', long(1)))).toEqual({
      'KSTREAM-SOURCE-0000000000: cannot be read': 1,
    })
  })
})

describe('an exception handler', () => {
  const failing = (handler: NonNullable<StreamsConfig['processing.exception.handler']>) => {
    const builder = new StreamsBuilder({ 'processing.exception.handler': handler })
    builder.stream('in', strings).foreach(
      () => {
        throw new Error('no such luck')
      },
      { name: 'act' },
    )
    return builder.build()
  }

  it('that throws stops the task with both errors, and is not asked again', async () => {
    let asked = 0
    const topology = failing(() => {
      asked++
      throw new Error('nor here')
    })
    expect(await told(topology, record('k', bytesOf('v')))).toBe(
      'PROCESSING_FAILED: The exception handler of node act at in/0@0, asked about "no such luck", threw: nor here',
    )
    expect(asked).toBe(1)
  })

  it('that answers nothing stops the task and says what to answer', async () => {
    expect(await told(failing((() => undefined) as never), record('k', bytesOf('v')))).toBe(
      'PROCESSING_FAILED: The exception handler of node act at in/0@0, asked about "no such luck", answered nothing',
    )
  })
})
