import type { InputEvent, Step } from '../scenario.ts'
import type { Draft } from './oracle.ts'
import type { Random } from './random.ts'
import { bypassed } from './smaller.ts'

/** What the generators of the vectors (`oracle/gen`) make: topologies by area, and events for them that a seed chooses. */
interface Case extends Draft {
  readonly random?: ((random: Random) => readonly InputEvent[]) | null
  readonly noDefaultSerdes?: boolean
}

type Area = (add: (it: Case) => void) => void
type Graph = (random: Random, name: string) => Draft

const load = async <T>(file: string): Promise<T> => await import(new URL(`../oracle/gen/${file}`, import.meta.url).href)

const [areas, processors, { randomGraph }, { randomDataGraph }] = await Promise.all([
  load<Readonly<Record<string, Area>>>('areas.mjs'),
  load<Readonly<Record<string, Area>>>('papi.mjs'),
  load<{ readonly randomGraph: Graph }>('graphs.mjs'),
  load<{ readonly randomDataGraph: Graph }>('datagraphs.mjs'),
])

const cases: Case[] = []
for (const area of [...Object.values(areas), ...Object.values(processors)]) area((it) => void (it.random && cases.push(it)))

/** A random topology that is only described. */
export const describedGraph: Graph = randomGraph

/**
 * A random topology of text with data. Windows that Java may lose when they close (README section 8.4) send at every update instead:
 * what is below them would differ as well.
 */
export const textGraph: Graph = (random, name) => {
  const { quirk, ...draft } = randomDataGraph(random, name)
  const sliding = new Set(draft.topology.filter(({ args }) => args?.windows?.type === 'sliding').map(({ id }) => id))
  return draft.topology.reduce(
    (kept, { id, op, on: [above = ''] = [] }) =>
      op === 'emitStrategy' && id !== undefined && (quirk !== undefined || sliding.has(above)) ? bypassing(kept, id, above) : kept,
    draft,
  )
}

const bypassing = (draft: Draft, id: string, above: string): Draft => ({ ...draft, topology: bypassed(draft.topology, id, above) })

/** A topology of one of the vectors' areas, with other events. */
export const areaScenario: Graph = (random, name) => {
  const { random: events, noDefaultSerdes = false, config, topology, probes = [], ...rest } = random.pick(cases)
  const defaults = noDefaultSerdes ? {} : { 'default.key.serde': 'string', 'default.value.serde': 'string' }
  const made = events?.(random) ?? []
  const read = topicsRead(topology)
  return {
    ...definedOnly(rest),
    name: `${name}/${rest.name}`,
    config: { ...defaults, ...config },
    topology,
    // windows of many keys: Java's stores on a disk give them in another order than those in memory, which is ours
    ...(probes.length > 0 ? { probes: probes.filter(({ query, key }) => query !== 'windowRange' || key !== undefined) } : {}),
    events: made.filter((event) => !('topic' in event) || ((read?.has(event.topic) ?? true) && !isJavasOwn(topology, event.v))),
  }
}

/**
 * Where duplicates are kept a null is no row; Java's stores in memory take its time in all the same, those on a disk and ours do not.
 * A `putAll` of Java's LRU store logs what it evicts before the new rows, which makes no difference to those who read its changelog.
 */
const isJavasOwn = (steps: readonly Step[], value: unknown): boolean => {
  const { op, value: put } =
    typeof value === 'object' && value !== null ? (value as { readonly op?: unknown; readonly value?: unknown }) : {}
  return steps.some(({ args: { store, joined } = {} }) => {
    if (joined?.storeType === 'inMemory' || joined?.thisSupplier || joined?.otherSupplier) return value === null
    return (store?.retainDuplicates && !store.persistent && op === 'put' && put === null) || (store?.kind === 'lru' && op === 'putAll')
  })
}

const definedOnly = (of: Draft | Omit<Draft, 'topology' | 'config'>): Omit<Draft, 'topology'> => JSON.parse(JSON.stringify(of))

/** Topics that a topology reads; undefined: a pattern, which may read any. */
const topicsRead = (steps: readonly Step[]): ReadonlySet<string> | undefined =>
  steps.some(({ args }) => args?.pattern !== undefined)
    ? undefined
    : new Set(
        steps.flatMap(({ op, args: { topics = [], topic } = {} }) => {
          if (op === 'stream' || op === 'addSource') return topics
          return ['table', 'globalTable', 'addGlobalStore', 'addReadOnlyStateStore'].includes(op) && topic !== undefined ? [topic] : []
        }),
      )
