import { describe, expect, it } from 'vitest'
import { StreamsBuilder } from '../../src/dsl/streams-builder.ts'
import type { EmitStrategy } from '../../src/operators/windowed-rows.ts'
import { Serdes } from '../../src/serde/serdes.ts'
import type { SlidingWindows, Windows } from '../../src/topology/windows.ts'
import { hopping, session, sliding, tumbling, unlimited } from '../../src/topology/windows.ts'
import { type Input, json, type Mode, modes, out, run, strings } from './run.ts'

const joined = (
  mode: Mode,
  windows: Windows | SlidingWindows,
  inputs: readonly Input[],
  emit: EmitStrategy = 'onWindowUpdate',
  caching = true,
) =>
  out(
    mode,
    (stream) =>
      stream
        .groupByKey()
        .windowedBy(windows)
        .emitStrategy(emit)
        .reduce((before, value) => before + value, { store: { name: 'texts', valueSerde: Serdes.string, caching } })
        .toStream()
        .map(({ key, window }, value) => [`${key}@${window.startMs}`, value] as const)
        .to('out', json()),
    inputs,
  )

describe.each(modes)('windows of time (new task: %s)', (mode) => {
  it.each([true, false])('have a row per key and window, at the latest time of its records (caching: %s)', async (caching) => {
    const inputs: readonly Input[] = [
      ['a', '1', 3],
      ['b', '2', 9],
      ['a', '3', 1],
      ['a', '4', 10],
    ]
    const lines = await joined(mode, tumbling({ sizeMs: 10, graceMs: 0 }), inputs, 'onWindowUpdate', caching)
    expect(lines).toEqual(['"a@0"="1" @3', '"b@0"="2" @9', '"a@0"="13" @3', '"a@10"="4" @10'])
  })

  it('overlap where they hop', async () => {
    const lines = await joined(mode, hopping({ sizeMs: 10, advanceMs: 5, graceMs: 0 }), [['a', '1', 7]])
    expect(lines).toEqual(['"a@0"="1" @7', '"a@5"="1" @7'])
  })

  it('are closed by the latest time that came by, of any key; what comes later is dropped', async () => {
    const { dropped, lines } = await run(
      mode,
      (stream) =>
        stream
          .groupByKey()
          .windowedBy(tumbling({ sizeMs: 10, graceMs: 5 }))
          .count({ store: 'counts' })
          .toStream((windowed) => windowed.window.startMs)
          .to('out', json()),
      [
        ['a', 'x', 1],
        ['b', 'x', 14],
        ['a', 'x', 2],
        ['b', 'x', 15],
        ['a', 'x', 3],
        [null, 'x', 16],
      ],
    )
    expect({ dropped, lines }).toEqual({ dropped: 2, lines: ['out: 0=1 @1', 'out: 10=1 @14', 'out: 0=2 @2', 'out: 10=2 @15'] })
  })

  it.each([true, false])('are sent once, when they close, by start and key (caching: %s)', async (caching) => {
    const inputs: readonly Input[] = [
      ['b', '1', 1],
      ['a', '2', 2],
      ['b', '3', 3],
      ['a', '4', 14],
      ['a', '5', 15],
      ['c', '6', 90],
      ['c', '7', 91],
    ]
    const lines = await joined(mode, tumbling({ sizeMs: 10, graceMs: 5 }), inputs, 'onWindowClose', caching)
    expect(lines).toEqual(['"a@0"="2" @2', '"b@0"="13" @3', '"a@10"="45" @15'])
  })

  it('may have no end', async () => {
    const inputs: readonly Input[] = [
      ['a', '1', 4],
      ['a', '2', 5],
      ['a', '3', 99],
    ]
    expect(await joined(mode, unlimited({ startMs: 5 }), inputs)).toEqual(['"a@5"="2" @5', '"a@5"="23" @99'])
  })
})

describe.each(modes)('sliding windows (new task: %s)', (mode) => {
  it('end at each record and begin right after one, both ends inclusive', async () => {
    const inputs: readonly Input[] = [
      ['a', '1', 20],
      ['a', '2', 30],
      ['aa', 'x', 25],
      ['a', '3', 24],
    ]
    const lines = await joined(mode, sliding({ timeDifferenceMs: 10, graceMs: 50 }), inputs)
    expect(lines).toEqual([
      '"a@10"="1" @20',
      '"a@21"="2" @30',
      '"a@20"="12" @30',
      '"aa@15"="x" @25',
      '"a@21"="23" @30',
      '"a@20"="123" @30',
      '"a@14"="13" @24',
      '"a@25"="2" @30',
    ])
  })

  it('are sent once, when they close; records before the first full window share one', async () => {
    const inputs: readonly Input[] = [
      ['a', '1', 3],
      ['a', '2', 5],
      ['a', null, 6],
      ['a', '3', 100],
    ]
    const lines = await joined(mode, sliding({ timeDifferenceMs: 10, graceMs: 0 }), inputs, 'onWindowClose')
    expect(lines).toEqual(['"a@0"="12" @5', '"a@4"="2" @5'])
  })
})

describe.each(modes)('sessions (new task: %s)', (mode) => {
  const joinedSessions = (inputs: readonly Input[], emit: EmitStrategy = 'onWindowUpdate', caching = true) =>
    run(
      mode,
      (stream) =>
        stream
          .groupByKey()
          .windowedBy(session({ inactivityGapMs: 5, graceMs: 10 }))
          .emitStrategy(emit)
          .aggregate(
            () => '',
            (_key, value, text) => text + value,
            (_key, one, other) => one + other,
            { store: { name: 'texts', valueSerde: Serdes.string, caching } },
          )
          .toStream()
          .map(({ key, window }, value) => [`${key}@${window.startMs}-${window.endMs}`, value] as const)
          .to('out', json()),
      inputs,
    )

  it.each([true, false])('grow with their records; one that comes between two makes them one (caching: %s)', async (caching) => {
    const inputs: readonly Input[] = [
      ['a', '1', 10],
      ['a', '2', 20],
      ['b', 'x', 15],
      ['a', '3', 15],
    ]
    const { lines } = await joinedSessions(inputs, 'onWindowUpdate', caching)
    expect(lines).toEqual([
      'out: "a@10-10"="1" @10',
      'out: "a@20-20"="2" @20',
      'out: "b@15-15"="x" @15',
      'out: "a@10-10"=null @10',
      'out: "a@20-20"=null @20',
      'out: "a@10-20"="123" @20',
    ])
  })

  it('are sent once, when they close; what comes later, or without a key, is dropped', async () => {
    const inputs: readonly Input[] = [
      ['a', '1', 0],
      ['a', '2', 3],
      [null, 'x', 4],
      ['b', '3', 19],
      ['a', '4', 2],
      ['a', '5', 1],
    ]
    const { lines, dropped } = await joinedSessions(inputs, 'onWindowClose')
    expect({ lines, dropped }).toEqual({ lines: ['out: "a@0-3"="12" @3'], dropped: 3 })
  })
})

describe('an aggregation by windows', () => {
  const draw = (windows: Windows, store: object, emit: EmitStrategy = 'onWindowUpdate') =>
    run('never', (stream) => void stream.groupByKey().windowedBy(windows).emitStrategy(emit).count({ store }), [])

  it('keeps rows as long as they may change, and in the changelog a day longer', async () => {
    const builder = new StreamsBuilder()
    const grouped = builder.stream('in', strings).groupByKey()
    grouped.windowedBy(tumbling({ sizeMs: 1_000, graceMs: 500 })).count({ store: 'kept' })
    const changelog = builder
      .build()
      .internalTopics('app')
      .find(({ kind }) => kind === 'changelog')
    expect(changelog?.config).toMatchObject({ 'cleanup.policy': 'compact,delete', 'retention.ms': '86401500' })
  })

  it('refuses to forget rows that may change', async () => {
    await expect(draw(tumbling({ sizeMs: 1_000, graceMs: 500 }), { name: 'kept', retentionMs: 1_200 })).rejects.toThrow(
      expect.objectContaining({ code: 'TOPOLOGY_INVALID', message: expect.stringContaining('size=[1000], grace=[500], retention=[1200]') }),
    )
  })

  it('cannot wait for the close of windows that have none, or of which nobody knows when they begin', async () => {
    const own: Windows = { sizeMs: 10, graceMs: 0, windowsFor: () => [] }
    await expect(draw(unlimited(), {}, 'onWindowClose')).rejects.toThrow('cannot be used for UnlimitedWindows')
    await expect(draw(own, {}, 'onWindowClose')).rejects.toThrow('is only supported for TimeWindows and SlidingWindows')
  })
})
