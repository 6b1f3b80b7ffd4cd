import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { App, Stack } from 'aws-cdk-lib'
import { Serdes, StreamsBuilder, type Topology, tumbling } from 'millrace'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { holdAgainstLock } from '../../infra/constructs/lock-file.ts'
import { annotationsOf } from './fixture.ts'

const strings = { keySerde: Serdes.string, valueSerde: Serdes.string }
let folder: string
let file: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-lock-'))
  file = join(folder, 'millrace.lock.json')
})
afterEach(() => rmSync(folder, { recursive: true }))

/** `counts` by key and `windows` by minute, in one sub-topology that has the name of its first source. */
const counting = ({
  counts = ['counts'],
  windowMs = 60_000,
  sources = ['in'],
}: {
  counts?: string[]
  windowMs?: number
  sources?: string[]
} = {}): Topology => {
  const builder = new StreamsBuilder()
  const byKey = builder.stream(sources, strings).groupByKey()
  for (const store of counts) byKey.count({ store })
  byKey.windowedBy(tumbling({ sizeMs: windowMs, graceMs: 0 })).count({ store: 'windows' })
  return builder.build()
}

const held = (topology: Topology, { write = false, applicationId = 'demo' } = {}) => {
  const stack = new Stack(new App({ context: write ? { 'millrace:lock': 'write' } : {} }), 'Test')
  const findings = holdAgainstLock(stack, file, applicationId, topology)
  return [...findings.map(({ message }) => message), ...annotationsOf(stack, 'aws:cdk:warning')]
}
const wrote = (topology: Topology, applicationId = 'demo') => held(topology, { write: true, applicationId })

describe('the lock file', () => {
  it('is written when asked for, application by application', () => {
    expect(wrote(counting(), 'other')).toEqual([])
    expect(wrote(counting())).toEqual([])
    const shape = { in: { stores: { counts: 'key-value logged', windows: 'window 60000 logged' }, sources: ['in'] } }
    expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual({ demo: shape, other: shape })
  })

  it('says nothing of what is as it was, is new, keeps rows for a shorter time, or was never written down', () => {
    expect(held(counting())).toEqual([])
    wrote(counting())
    expect(held(counting())).toEqual([])
    expect(held(counting({ counts: ['counts', 'more'] }))).toEqual([])
    expect(held(counting({ sources: ['in', 'also'] }))).toEqual([])
    expect(held(counting({ windowMs: 30_000 }))).toEqual([])
    expect(held(counting({ counts: ['others'] }), { applicationId: 'unknown' })).toEqual([])
  })

  it('finds a store that was renamed', () => {
    wrote(counting())
    expect(held(counting({ counts: ['totals'] }))).toEqual([
      'Store "counts" of sub-topology "in" was deployed and is gone, and "totals" is new and of its kind: it was renamed',
    ])
  })

  it('finds a sub-topology that was renamed', () => {
    wrote(counting({ sources: ['in', 'also'] }))
    expect(held(counting({ sources: ['also', 'in'] }))).toEqual([
      'Sub-topology "in" was deployed and is gone, and "also" reads what it has read: it was renamed',
    ])
  })

  it('finds a store that was renamed together with the repartition topic that has its name', () => {
    const words = (store: string) => {
      const builder = new StreamsBuilder()
      builder
        .stream('lines', strings)
        .groupBy((_key, value) => value, strings)
        .count({ store })
      return builder.build()
    }
    wrote(words('counts'))
    expect(held(words('totals'))).toEqual([
      'Sub-topology "counts-repartition" was deployed and is gone, and "totals-repartition" is new and keeps rows of the same kinds: it was renamed',
    ])
  })

  it('finds a store whose rows would be refused', () => {
    wrote(counting())
    expect(held(counting({ windowMs: 120_000 }))).toEqual([
      'Store "windows" of sub-topology "in" was deployed as "window 60000 logged" and is "window 120000 logged": tasks would refuse its rows',
    ])
  })

  it('warns of what is gone', () => {
    wrote(counting())
    expect(held(counting({ counts: [] }))).toEqual([
      expect.stringMatching(/^Store "counts" of sub-topology "in" was deployed and is gone; its rows and topics stay/),
    ])
    expect(held(counting({ sources: ['elsewhere'], counts: ['counts', 'more'] }))).toEqual([
      expect.stringMatching(/^Sub-topology "in" was deployed and is gone; its rows and topics stay/),
    ])
  })

  it('must be JSON', () => {
    writeFileSync(file, '<<<<<<< ours')
    expect(() => held(counting())).toThrow('millrace.lock.json is not JSON')
  })
})
