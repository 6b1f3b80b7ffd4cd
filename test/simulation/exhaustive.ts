import type { AppName } from './apps.ts'
import { applies, type Blow, callFaults, type Faults } from './faults.ts'
import { calm, type Profile, profileOf, streams } from './profile.ts'
import { type RunResult, simulate } from './simulation.ts'

/** One blow at one call of an otherwise quiet run. */
export interface Case {
  readonly call: number
  readonly blow: Blow
  readonly result: RunResult
}

/** Small, and in the order of the requests: what is different is the blow alone. */
const quiet = (app: AppName): Profile => ({
  ...calm(profileOf(streams(app).profile)),
  policy: 'oldest',
  markers: 0.2,
  lateRequests: 0.02,
  thaw: 0,
  sources: 1,
  markersAtOnce: false,
  rowsPerPut: 1,
  fetchesApart: false,
  processes: 3,
  invocationMs: 60_000,
  chunkBytesMax: 1,
  storeBytesMax: 0,
  goOnMs: 0,
  batches: 3,
  recordsPerBatch: 3,
  stepMs: 1,
})

/** Small inputs with what matters in them: deletes, records of both topics, windows that close. */
const seeds: Readonly<Record<AppName, string>> = {
  counting: '0',
  windows: '22',
  joined: '24',
  outer: '0',
  changing: '0',
  deferred: '0',
  packed: '0',
  packing: '0',
}

/** Everything that can happen at a call: each fault, and what may come at that moment. */
const blowsAt = (call: Parameters<typeof applies>[1]): readonly Blow[] => [
  ...callFaults.filter((fault) => applies(fault, call)).map((fault) => ({ fault })),
  { fault: 'freeze before', events: ['jump', 'tick'] },
  { fault: 'freeze after', events: ['jump', 'tick'] },
  { fault: 'freeze before', events: ['duplicate', 'tick'] },
  { fault: 'crash, request late', events: ['jump', 'tick'] },
  { events: ['duplicate'] },
  { events: ['tick'] },
  { events: ['jump'] },
  { events: ['drift', 'duplicate'] },
]

/** One blow of every kind at every call that a quiet run makes. */
export async function* exhaustive(app: AppName, seed = seeds[app]): AsyncGenerator<Case> {
  const calls: Parameters<typeof applies>[1][] = []
  const options = { app, seed, profile: quiet(app) }
  const note: Faults['at'] = ({ call }) => {
    calls[call.number] = call.name
    return undefined
  }
  await simulate({ ...options, faults: { at: note } })
  for (const [call, name] of calls.entries()) {
    if (name === undefined) continue
    for (const blow of blowsAt(name)) {
      const result = await simulate({ ...options, faults: { at: (request) => (request.call.number === call ? blow : undefined) } })
      yield { call, blow, result }
    }
  }
}
