import { type Random, randomOf } from '../conformance/fuzz/random.ts'

/** `pause`: stopped within its time, while another process is given the same event; `zombie`: stopped for longer than every timeout. */
export type ProcessFault = 'kill' | 'pause' | 'zombie'
/** `restart`: shut down in order, so that leaders and coordinators move while it is still there; after each fault they move back. */
export type BrokerFault = 'broker kill' | 'broker freeze' | 'broker restart'
/**
 * `throttle`: refused; `drop`: not sent on; `delay`: sent on late, also if nobody waits any more; `cut`: done, and the answer
 * lost with its connection; `partly`: a batch is done in part and the rest is unprocessed.
 */
export type TableFault = 'throttle' | 'drop' | 'delay' | 'cut' | 'partly'

export const processFaults: readonly ProcessFault[] = ['kill', 'pause', 'zombie']
export const brokerFaults: readonly BrokerFault[] = ['broker kill', 'broker freeze', 'broker restart']
export const tableFaults: readonly TableFault[] = ['throttle', 'drop', 'delay', 'cut', 'partly']

interface Scheduled<Kind> {
  /** From the start of the chaos. */
  readonly atMs: number
  readonly kind: Kind
  /** For how long; of a kill or a restart of a broker: until it is started again. */
  readonly lengthMs: number
}

export interface Schedule {
  /** `target` from 0 to 1 chooses the function; the process is hit so long after an invocation has begun. */
  readonly processes: readonly (Scheduled<ProcessFault> & { readonly target: number; readonly intoMs: number })[]
  /** One after the other: at most one broker is down. */
  readonly brokers: readonly (Scheduled<BrokerFault> & { readonly broker: number })[]
  /** Each hits the given share of the requests to the table. */
  readonly tables: readonly (Scheduled<TableFault> & { readonly share: number })[]
}

/** The faults of a run of `lengthMs`: the same seed makes the same ones. */
export const scheduleOf = (seed: string, lengthMs: number, brokers: number): Schedule => ({
  processes: each(randomOf(`${seed} processes`), lengthMs, { gapMs: [400, 2_400] }, (random, atMs) => {
    const kind = weighted(random, { kill: 10, pause: 4, zombie: 3 })
    const lengthMs = kind === 'kill' ? 0 : kind === 'pause' ? random.between(1_000, 6_000) : random.between(16_000, 30_000)
    // early on, where the transaction is, more often than late
    return { atMs, kind, lengthMs, target: random.next(), intoMs: Math.floor(400 * random.next() ** 2) }
  }),
  brokers: each(randomOf(`${seed} brokers`), lengthMs - 10_000, { gapMs: [12_000, 24_000] }, (random, atMs) => ({
    ...{ atMs, kind: random.pick(brokerFaults), lengthMs: random.between(2_000, 8_000), broker: random.int(brokers) },
  })),
  tables: each(randomOf(`${seed} tables`), lengthMs, { gapMs: [3_000, 9_000] }, (random, atMs) => ({
    ...{ atMs, kind: random.pick(tableFaults), lengthMs: random.between(1_000, 4_000), share: 0.05 + 0.55 * random.next() },
  })),
})

/** A gap, what happens, for how long it does, and the next gap. */
const each = <T extends { readonly lengthMs: number }>(
  random: Random,
  untilMs: number,
  { gapMs: [gapMin, gapMax] }: { readonly gapMs: readonly [number, number] },
  make: (random: Random, atMs: number) => T & { readonly kind: ProcessFault | BrokerFault | TableFault },
): readonly T[] => {
  const made: T[] = []
  for (let atMs = random.between(gapMin, gapMax); atMs < untilMs; ) {
    const next = make(random, atMs)
    made.push(next)
    // processes are many, and one that stands still does not keep others from it
    atMs += random.between(gapMin, gapMax) + (isProcessFault(next.kind) ? 0 : next.lengthMs)
  }
  return made
}

const isProcessFault = (kind: string): boolean => processFaults.some((it) => it === kind)

const weighted = <K extends string>(random: Random, weights: Readonly<Record<K, number>>): K => {
  const kinds = Object.keys(weights) as K[]
  return random.pick(kinds.flatMap((kind) => Array.from({ length: weights[kind] }, () => kind)))
}
