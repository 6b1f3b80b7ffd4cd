import { type Random, randomOf } from '../conformance/fuzz/random.ts'
import type { PortCall } from '../runtime/faults.ts'
import { applies, type CallFault, callFaults, type Event, events, type Faults, type Operation } from './faults.ts'

/** How a run is scheduled: which of those that could go on does. */
export type Policy = 'any' | 'oldest' | 'sticky'

/** Everything that a seed decides at the start of a run: each run has a character of its own. */
export interface Profile {
  readonly policy: Policy
  readonly callFaults: readonly CallFault[]
  /** Calls that a fault happens to; absent: all. */
  readonly at?: Readonly<Partial<Record<CallFault, readonly PortCall[]>>>
  readonly events: readonly Event[]
  /** Chance of a fault per request, of an event per step, and how many of both at most. */
  readonly perCall: number
  readonly perStep: number
  readonly faultsMax: number
  /** Weights of what waits elsewhere, against 1 for a request or answer of a process. */
  readonly markers: number
  readonly lateRequests: number
  readonly thaw: number
  readonly sources: number
  /** Markers are written in the turn of the decision. */
  readonly markersAtOnce: boolean
  readonly rowsPerPut: number
  readonly fetchesApart: boolean
  readonly processes: number
  readonly invocationMs: number
  readonly chunkBytesMax: number
  readonly storeBytesMax: number
  readonly goOnMs: number
  readonly batches: number
  readonly recordsPerBatch: number
  /** How long a step takes. */
  readonly stepMs: number
  /** What is done to the application in this order, somewhere on the way. */
  readonly operations: readonly Operation[]
}

const some = <T>(random: Random, list: readonly T[]): readonly T[] => {
  const chance = random.pick([0.15, 0.4, 0.8])
  const chosen = list.filter(() => random.chance(chance))
  return chosen.length > 0 ? chosen : [random.pick(list)]
}

const lookingAtTheLog: readonly PortCall[] = ['open', 'bounds', 'fetch']

/** Queries of what was written to the table and not checkpointed, which stand still while they look at the log. */
const unsettledQueries = (random: Random): Partial<Profile> => ({
  policy: 'sticky',
  callFaults: ['crash before', 'freeze after'],
  at: { 'crash before': ['release', 'checkpoint'], 'freeze after': ['bounds', 'fetch'] },
  events: ['query', 'query', 'duplicate'],
  perCall: 0.3,
  perStep: 0.1,
  faultsMax: 32,
  markers: random.pick([0.2, 1]),
  thaw: random.pick([0.02, 0.05, 0.2]),
  sources: random.pick([0.1, 0.5]),
  fetchesApart: false,
  invocationMs: 900_000,
  stepMs: 1,
})

/** Resets whose runs die while what they sent is on its way, and the run after it stands still when it has looked. */
const lateResets = (random: Random): Partial<Profile> => ({
  policy: 'sticky',
  callFaults: ['crash, request late', 'freeze after'],
  at: { 'crash, request late': ['commit'], 'freeze after': ['bounds', 'fetch'] },
  events: ['duplicate'],
  perCall: random.pick([0.1, 0.2]),
  perStep: 0.03,
  faultsMax: 24,
  lateRequests: random.pick([0.03, 0.1, 0.3]),
  thaw: random.pick([0.02, 0.05]),
  invocationMs: 900_000,
  stepMs: 1,
  operations: ['reset', 'reset'],
})

/** What goes wrong together: seeds without a theme try everything, those with one try hard. */
const themes: readonly ((random: Random) => Partial<Profile>)[] = [
  () => ({}),
  () => ({}),
  // requests that land long after
  (random) => ({
    callFaults: ['copied', 'request late', 'crash, request late'],
    events: ['jump', 'duplicate'],
    perCall: random.pick([0.05, 0.15]),
    perStep: 0.02,
    faultsMax: 16,
    lateRequests: random.pick([0.003, 0.01]),
  }),
  // processes that stand still in the middle, while another goes on and markers take their time
  (random) => ({
    policy: 'sticky',
    callFaults: ['freeze before', 'freeze after'],
    events: ['duplicate', 'freeze'],
    perCall: random.pick([0.05, 0.15]),
    perStep: 0.03,
    faultsMax: 16,
    markers: random.pick([0.01, 0.03, 0.1]),
    thaw: random.pick([0.03, 0.1, 0.3]),
    markersAtOnce: false,
    invocationMs: 900_000,
  }),
  // the same, while they look at the log
  (random) => ({
    policy: 'sticky',
    callFaults: ['freeze before', 'freeze after'],
    at: { 'freeze before': lookingAtTheLog, 'freeze after': lookingAtTheLog },
    events: ['duplicate'],
    perCall: 0.2,
    perStep: random.pick([0.03, 0.08]),
    faultsMax: 24,
    markers: random.pick([0.03, 0.1]),
    thaw: random.pick([0.05, 0.2]),
    markersAtOnce: false,
    invocationMs: 900_000,
    stepMs: 1,
    processes: 3,
  }),
  // one stands still between two looks at the log, and the other commits meanwhile and stands still before it writes its rows
  (random) => ({
    policy: 'sticky',
    callFaults: ['freeze after', 'freeze before'],
    at: { 'freeze after': ['bounds'], 'freeze before': ['put'] },
    events: ['duplicate'],
    perCall: 0.3,
    perStep: 0.03,
    faultsMax: 24,
    markersAtOnce: true,
    thaw: random.pick([0.02, 0.05, 0.1]),
    invocationMs: 900_000,
    stepMs: 1,
    processes: 2,
  }),
  // resets whose runs die, while what they have sent is still on its way
  (random) => ({
    policy: random.pick<Policy>(['any', 'sticky']),
    callFaults: ['crash, request late', 'crash after'],
    at: { 'crash, request late': ['commit', 'append', 'release'], 'crash after': ['commit', 'append'] },
    events: ['query', 'duplicate'],
    perCall: 0.15,
    perStep: 0.03,
    faultsMax: 16,
    lateRequests: random.pick([0.05, 0.3]),
    invocationMs: 900_000,
    stepMs: 1,
    operations: ['reset', 'reset'],
  }),
  // each of the two things is rare
  lateResets,
  lateResets,
  // brokers that stood still tell old ends of logs whose owners died
  () => ({
    callFaults: ['stale', 'crash before'],
    at: { 'crash before': ['put', 'release', 'checkpoint'] },
    events: ['duplicate', 'crash'],
    perCall: 0.2,
    perStep: 0.02,
    faultsMax: 16,
    invocationMs: 900_000,
    stepMs: 1,
  }),
  // queries while transactions end and rows are written
  (random) => ({
    policy: random.pick<Policy>(['any', 'sticky']),
    callFaults: ['freeze after'],
    at: { 'freeze after': ['get', 'bounds', 'fetch', 'put'] },
    events: ['query'],
    perCall: 0.05,
    perStep: 0.1,
    faultsMax: 24,
    markers: random.pick([0.03, 0.2]),
    thaw: random.pick([0.05, 0.2]),
    markersAtOnce: false,
    fetchesApart: true,
    invocationMs: 900_000,
    stepMs: 1,
  }),
  // of the two things that have to meet there each is rare
  unsettledQueries,
  unsettledQueries,
  unsettledQueries,
  // deliveries of one source and of several, all equally fast
  () => ({ policy: 'oldest', perCall: 0, events: ['duplicate'], perStep: 0.05, faultsMax: 8, markersAtOnce: true, invocationMs: 900_000 }),
  // requests that fail here and there
  (random) => ({
    callFaults: ['request lost', 'answer lost', 'refused', 'done but refused', 'sent twice'],
    perCall: random.pick([0.05, 0.15, 0.3]),
    perStep: 0,
    faultsMax: 16,
  }),
]

/** A version that is deployed where there is no other is none. */
const works: readonly (readonly Operation[])[] = [
  [],
  [],
  ['deploy'],
  ['deploy'],
  ['deploy', 'deploy'],
  ['deploy', 'reset'],
  ['reset', 'deploy'],
  ['reset'],
  ['deploy', 'reset', 'deploy', 'reset'],
  ['silence'],
  ['silence', 'reset', 'silence'],
  ['deploy', 'silence'],
]

const ordinary = (random: Random): Omit<Profile, 'operations' | 'goOnMs'> => ({
  policy: random.pick<Policy>(['any', 'any', 'sticky', 'sticky', 'oldest']),
  callFaults: some(random, callFaults),
  events: some(random, events),
  perCall: random.pick([0, 0.02, 0.05, 0.15]),
  perStep: random.pick([0, 0.01, 0.03, 0.08]),
  faultsMax: random.pick([2, 4, 8, 16]),
  markers: random.pick([0.03, 0.2, 1]),
  lateRequests: random.pick([0.01, 0.05, 0.3]),
  thaw: random.pick([0.005, 0.02, 0.1]),
  sources: random.pick([0.1, 0.5, 1]),
  markersAtOnce: random.chance(0.3),
  rowsPerPut: random.pick([1, 1, 25]),
  fetchesApart: random.chance(0.5),
  processes: random.pick([2, 3]),
  invocationMs: random.pick([60_000, 60_000, 8_000, 900_000]),
  chunkBytesMax: random.pick([1, 1, 1_000_000]),
  batches: random.between(2, 7),
  recordsPerBatch: random.between(1, 4),
  stepMs: random.pick([1, 1, 1, 30, 300]),
  storeBytesMax: random.pick([0, 300, 1_000_000]),
})

export const profileOf = (random: Random): Profile => {
  const profile = { ...ordinary(random), ...random.pick(themes)(random) }
  return { operations: random.pick(works), ...profile, goOnMs: random.pick([0, 0, 100, 1_000_000]) }
}

/** Without any fault and any event: what is left is who goes first. */
export const calm = (profile: Profile): Profile => ({ ...profile, perCall: 0, perStep: 0, faultsMax: 0, operations: [] })

export const randomFaults = (random: Random, profile: Profile): Faults => ({
  at: ({ call }) => {
    if (profile.perCall === 0 || !random.chance(profile.perCall)) return undefined
    const possible = profile.callFaults.filter((fault) => applies(fault, call.name) && (profile.at?.[fault]?.includes(call.name) ?? true))
    return possible.length === 0 ? undefined : { fault: random.pick(possible) }
  },
})

/** Independent streams of choices: that one part draws more changes nothing for the others. */
export const streams = (seed: string) => ({
  profile: randomOf(`${seed} profile`),
  schedule: randomOf(`${seed} schedule`),
  faults: randomOf(`${seed} faults`),
  input: randomOf(`${seed} input`),
  operations: randomOf(`${seed} operations`),
})
