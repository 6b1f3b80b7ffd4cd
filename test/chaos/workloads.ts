import { Serdes } from '../../src/serde/serdes.ts'
import type { Topology } from '../../src/topology/topology.ts'
import type { Random } from '../conformance/fuzz/random.ts'
import joins from './apps/joins/topology.ts'
import windows from './apps/windows/topology.ts'
import words from './apps/words/topology.ts'
import { chained } from './chain.ts'
import type { Findings } from './findings.ts'
import { checkEach, checkRows, checkStates, checkVersions, type Entry } from './verify-outputs.ts'

export interface InputRecord extends Entry {
  readonly topic: string
  readonly timestamp: number
  /** Default: by the key. */
  readonly partition?: number
}

/** What is written to an application, and what must come of it. One feed for one run. */
export interface Feed {
  /** A few more records, stamped around this time. */
  next(nowMs: number): readonly InputRecord[]
  /** What must follow the last of them, so that everything is told. */
  last(nowMs: number): readonly InputRecord[]
  /** Judges the outputs, by topic in the order of each partition, against all that was written. */
  check(outputs: ReadonlyMap<string, readonly Entry[]>): readonly Findings[]
}

export interface Workload {
  readonly name: string
  readonly topology: Topology
  readonly outputs: readonly OutputTopic[]
  feed(random: Random, partitions: number): Feed
}

export interface OutputTopic {
  readonly topic: string
  /** Default: text. */
  readonly read?: (value: Uint8Array) => string
}

const countText = (value: Uint8Array): string => String(Serdes.long.deserialize(value, ''))
const outputOf = (outputs: ReadonlyMap<string, readonly Entry[]>, topic: string): readonly Entry[] => outputs.get(topic) ?? []

/** The number of a record in its key: 1, 2, 3. */
const createNumbers = (): ((key: string) => number) => {
  const numbers = new Map<string, number>()
  return (key) => {
    const number = (numbers.get(key) ?? 0) + 1
    numbers.set(key, number)
    return number
  }
}

const push = <T>(lists: Map<string, T[]>, key: string, value: T): void => {
  const list = lists.get(key)
  if (list) list.push(value)
  else lists.set(key, [value])
}

const wordCount: Workload = {
  name: 'words',
  topology: words,
  outputs: [{ topic: 'echo' }, { topic: 'chains' }, { topic: 'tokens' }, { topic: 'word-counts', read: countText }],
  feed(random) {
    const numberOf = createNumbers()
    const lines: InputRecord[] = []
    return {
      next(nowMs) {
        const made = Array.from({ length: random.between(2, 8) }, (): InputRecord => {
          const key = `k${random.int(30)}`
          const chosen = Array.from({ length: random.between(1, 4) }, () => `w${random.int(60)}`)
          return { topic: 'lines', key, value: [numberOf(key), ...chosen].join(' '), timestamp: nowMs }
        })
        lines.push(...made)
        return made
      },
      last: () => [],
      check(outputs) {
        const chains = new Map<string, string[]>()
        const counts = new Map<string, string[]>()
        const tokens: Entry[] = []
        for (const { key, value } of lines) {
          const [number = '', ...chosen] = (value ?? '').split(' ')
          const before = chains.get(key)?.at(-1)?.split(' ')[1] ?? '-'
          push(chains, key, `${number} ${chained(before, value ?? '')}`)
          for (const [at, word] of chosen.entries()) {
            tokens.push({ key: word, value: `${key} ${number} ${at}` })
            push(counts, word, String((counts.get(word)?.length ?? 0) + 1))
          }
        }
        return [
          checkEach('topic echo', lines, outputOf(outputs, 'echo')),
          checkStates('topic chains', chains, outputOf(outputs, 'chains')),
          checkEach('topic tokens', bySource(tokens), bySource(outputOf(outputs, 'tokens'))),
          checkStates('topic word-counts', counts, outputOf(outputs, 'word-counts')),
        ]
      },
    }
  },
}

/** Only tokens that come from lines of one key keep their order: those of two keys may come from two partitions. */
const bySource = (tokens: readonly Entry[]): readonly Entry[] =>
  tokens.map(({ key, value }) => ({ key: `${key} of ${value?.split(' ')[0]}`, value }))

/** As in the application. */
const windowMs = 2_000
const behindMsMax = 1_500

const windowedCount: Workload = {
  name: 'windows',
  topology: windows,
  outputs: [{ topic: 'click-counts' }],
  feed(random, partitions) {
    const numberOf = createNumbers()
    const counts = new Map<string, Map<number, number>>()
    return {
      next: (nowMs) =>
        Array.from({ length: random.between(2, 8) }, (): InputRecord => {
          const key = `p${random.int(25)}`
          // never late: less behind than the grace of a window
          const timestamp = nowMs - random.int(behindMsMax)
          const startMs = timestamp - (timestamp % windowMs)
          const ofKey = counts.get(key) ?? new Map<number, number>()
          counts.set(key, ofKey.set(startMs, (ofKey.get(startMs) ?? 0) + 1))
          return { topic: 'clicks', key, value: `click ${numberOf(key)}`, timestamp }
        }),
      // closes all windows but its own
      last: (nowMs) =>
        Array.from({ length: partitions }, (_, partition) => ({
          ...{ topic: 'clicks', key: `end ${partition}`, value: 'end', timestamp: nowMs + 60_000, partition },
        })),
      check(outputs) {
        const expected = [...counts].flatMap(([key, ofKey]) =>
          [...ofKey].sort(([one], [other]) => one - other).map(([startMs, count]) => ({ key, value: `${startMs} ${count}` })),
        )
        return [checkEach('topic click-counts', expected, outputOf(outputs, 'click-counts'))]
      },
    }
  },
}

const foreignKeyJoin: Workload = {
  name: 'joins',
  topology: joins,
  outputs: [{ topic: 'overview' }, { topic: 'totals' }],
  feed(random) {
    const numberOf = createNumbers()
    const rows = { orders: new Map<string, string | null>(), customers: new Map<string, string | null>() }
    const row = (topic: 'orders' | 'customers', key: string, rest: string, timestamp: number): InputRecord => {
      const value = random.chance(0.1) ? null : `${numberOf(key)} ${rest}`
      rows[topic].set(key, value)
      return { topic, key, value, timestamp }
    }
    return {
      next: (nowMs) => [
        ...Array.from({ length: random.between(3, 9) }, () =>
          row('orders', `o${random.int(200)}`, `c${random.int(30)} ${random.between(1, 50)}`, nowMs),
        ),
        ...Array.from({ length: random.int(2) }, () => row('customers', `c${random.int(30)}`, `r${random.int(6)}`, nowMs)),
      ],
      last: () => [],
      check(outputs) {
        const overview = new Map<string, string>()
        const totals = new Map<string, { count: number; sum: number }>()
        for (const [key, order] of rows.orders) {
          const [, id = '', amount] = order?.split(' ') ?? []
          if (!order) continue
          const customer = rows.customers.get(id) ?? '- nowhere'
          overview.set(key, `${order} ${customer}`)
          const region = customer.split(' ')[1] ?? ''
          const total = totals.get(region) ?? { count: 0, sum: 0 }
          totals.set(region, { count: total.count + 1, sum: total.sum + Number(amount) })
        }
        const sums = new Map([...totals].map(([region, { count, sum }]) => [region, `${count} ${sum}`]))
        return [
          checkRows('topic overview', overview, outputOf(outputs, 'overview')),
          checkVersions('topic overview', outputOf(outputs, 'overview'), (value) => Number(value.split(' ')[0])),
          checkRows('topic totals', sums, outputOf(outputs, 'totals'), '0 0'),
        ]
      },
    }
  },
}

export const workloads: readonly Workload[] = [wordCount, windowedCount, foreignKeyJoin]
