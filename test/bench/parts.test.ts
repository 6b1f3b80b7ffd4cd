import type { Profiler } from 'node:inspector'
import { describe, expect, it } from 'vitest'
import { spentIn } from '../../bench/profile/parts.ts'

/** A function, what it calls, and how long it runs itself, in microseconds. */
type Call = readonly [functionName: string, file: string, us: number, ...calls: Call[]]

const profileOf = (root: Call): Profiler.Profile => {
  const nodes: Profiler.ProfileNode[] = []
  const samples: number[] = []
  const timeDeltas = [0]
  const add = ([functionName, url, us, ...calls]: Call): number => {
    const id = nodes.length + 1
    const node: Profiler.ProfileNode = { id, callFrame: { functionName, url, scriptId: '0', lineNumber: 0, columnNumber: 0 } }
    nodes.push(node)
    if (us > 0) {
      samples.push(id)
      timeDeltas.push(us)
    }
    node.children = calls.map(add)
    return id
  }
  add(root)
  return { nodes, startTime: 0, endTime: 0, samples, timeDeltas }
}

const found = (...calls: readonly Call[]) => {
  const { byPart, byFunction } = spentIn(profileOf(['(root)', '', 0, ...calls]))
  return [Object.fromEntries(Object.entries(byPart).filter(([, us]) => us > 0)), Object.fromEntries(byFunction)]
}

const house = new URL('../..', import.meta.url).href.slice(0, -1)

describe('where the time of a profile went', () => {
  it('is told by the folder of the function that ran', () => {
    expect(
      found(
        ['append', `${house}/src/runtime/record-block.ts`, 10],
        ['crc32c', `${house}/src/adapters/kafkajs/crc32c.ts`, 1],
        ['#send', `${house}/src/adapters/kafkajs/connection.ts`, 2],
        ['read', `${house}/src/serde/text.ts`, 20],
        ['put', `${house}/src/state/rows.ts`, 30],
        ['process', `${house}/src/operators/filter.ts`, 40],
        ['poll', `${house}/src/runtime/record-queues.ts`, 50],
        ['pipe', `${house}/src/testing/topology-test-driver.ts`, 5],
      ),
    ).toEqual([
      { 'record batches': 11, adapters: 2, serdes: 20, state: 30, operators: 40, tasks: 55 },
      {
        'append (record-block)': 10,
        'crc32c (crc32c)': 1,
        '#send (connection)': 2,
        'read (text)': 20,
        'put (rows)': 30,
        'process (filter)': 40,
        'poll (record-queues)': 50,
        'pipe (topology-test-driver)': 5,
      },
    ])
  })

  it('is that of the function of ours for which Node or V8 worked, and else theirs', () => {
    const read: Call = ['read', `${house}/src/serde/text.ts`, 1, ['toString', 'node:buffer', 2, ['latin1Slice', '', 4]]]
    expect(found(read, ['onStreamRead', 'node:internal/stream_base_commons', 8], ['(program)', '', 16])).toEqual([
      { serdes: 7, Node: 24 },
      { 'read (text)': 7 },
    ])
  })

  it('leaves out what the benchmark does, but for the functions of a user that ours have called', () => {
    const user: Call = ['', `${house}/bench/engine/workloads.ts`, 4]
    expect(
      found(
        [
          'run',
          `${house}/bench/engine/own-engine.ts`,
          1,
          ['from', 'node:buffer', 2],
          ['process', `${house}/src/operators/filter.ts`, 8, user],
        ],
        user,
      ),
    ).toEqual([{ operators: 12 }, { 'process (filter)': 12 }])
  })

  it('knows the garbage collector, and leaves out what was idle', () => {
    expect(found(['(garbage collector)', '', 3], ['(idle)', '', 5])).toEqual([{ 'garbage collector': 3 }, {}])
  })
})
