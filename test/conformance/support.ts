import { handlersKnown } from './handlers.ts'
import { timestampExtractors } from './options.ts'
import { isKnownProcessor } from './processors.ts'
import type { MaterializedSpec, Scenario, SerdeSpec, Step, StepArgs } from './scenario.ts'
import { missingSerde } from './serdes.ts'
import { type Kind, verbOf } from './steps.ts'
import { knownStores } from './stores.ts'
import { topologySteps } from './topology-steps.ts'

/** What a scenario needs and the project, or this interpreter, does not have yet. */
export interface Missing {
  /** As `kind.verb`; only what can be told without the verbs that are missing above it. */
  readonly verbs: readonly string[]
  readonly features: readonly string[]
}

/** Defects and liberties of Java's that we do not have, by the reason (docs/architecture.md). */
const otherwiseIn = ({ quirk, topology }: Scenario): string | undefined => {
  if (quirk === 'transform-own-store') return 'stores of a transformValues supplier that Java forgets to connect'
  const changing = topology.find(({ args }) => args?.processor?.proc === 'headers' && !args.processor.copy)
  const siblings = topology.filter(({ on }) => on?.[0] === changing?.on?.[0])
  if (changing && siblings.length > 1 && siblings[0] === changing) return "headers that one child changes under another's eyes"
  return undefined
}

export const missingIn = (scenario: Scenario): Missing => {
  const reason = otherwiseIn(scenario)
  if (reason !== undefined) return { verbs: [], features: [reason] }
  const missing = scenario.api === 'topology' ? missingTopologySteps(scenario.topology) : missingVerbs(scenario.topology)
  const features = [...configFeatures(scenario), ...stepFeatures(scenario), ...expectationFeatures(scenario, missing.length > 0)]
  return { verbs: missing, features: [...new Set(features)] }
}

const missingTopologySteps = (steps: readonly Step[]): readonly string[] => [
  ...new Set(steps.flatMap(({ op }) => (Object.hasOwn(topologySteps, op) ? [] : [op]))),
]

/** Steps below a missing verb cannot be judged, as nobody knows what they are called on; those next to it are. */
const missingVerbs = (steps: readonly Step[]): readonly string[] => {
  const kinds = new Map<string, Kind>([['$', 'stream']])
  const missing = new Set<string>()
  for (const { id, op, on = [] } of withNested(steps)) {
    const kind = on[0] === undefined ? 'nothing' : kinds.get(on[0])
    if (!kind) continue
    const other = on[1] === undefined ? undefined : kinds.get(on[1])
    if (on[1] !== undefined && !other) continue
    const verb = verbOf(kind, op, other)
    if (!verb) missing.add(kind === 'nothing' ? op : `${kind}.${op}${other === undefined ? '' : ` ${other}`}`)
    else if (id !== undefined && verb.gives) kinds.set(id, verb.gives)
  }
  return [...missing]
}

/** Steps with those of their branches before them, as they are drawn. */
const withNested = (steps: readonly Step[]): readonly Step[] =>
  steps.flatMap((step) => {
    const { branches = [], default: last = {} } = step.args ?? {}
    const nested = [...branches, last].flatMap(({ function: chained, consumer }) => [...(chained?.steps ?? []), ...(consumer?.steps ?? [])])
    return [...withNested(nested), step]
  })

/** Properties that are understood, or that make no difference to us: a store on a disk and one in memory are the same table. */
const knownConfig = new Set([
  'default.key.serde',
  'default.value.serde',
  'default.timestamp.extractor',
  'topology.optimization',
  'ensure.explicit.internal.resource.naming',
  'dsl.store.suppliers.class',
  'dsl.store.format',
  'max.task.idle.ms',
  'processor.wrapper.class',
  'errors.dead.letter.queue.topic.name',
  'processing.exception.handler.global.enabled',
])

const configFeatures = ({ config = {}, topics = {} }: Scenario): readonly string[] => {
  const extractor = config['default.timestamp.extractor']
  return [
    ...Object.entries(config).flatMap(([name, value]) =>
      knownConfig.has(name) || handlersKnown[name]?.includes(String(value)) ? [] : [name],
    ),
    ...(extractor === undefined || Object.hasOwn(timestampExtractors, extractor) ? [] : [`timestamp extractor ${extractor}`]),
    ...serdeFeatures([config['default.key.serde'], config['default.value.serde'], ...Object.values(topics).flat()]),
  ]
}

const serdeFeatures = (specs: readonly (SerdeSpec | undefined)[]): readonly string[] =>
  specs.flatMap((spec) => (spec === undefined ? [] : (missingSerde(spec) ?? [])))

const knownWindows = new Set(['time', 'unlimited', 'utcMonth', 'offset', 'sliding', 'session'])

const stepFeatures = ({ topology }: Scenario): readonly string[] =>
  topology.flatMap(({ op, args = {} }) => {
    const { consumed = {}, produced = {}, grouped = {}, materialized = {} } = args
    const extractor = consumed.timestampExtractor
    return [
      ...serdeFeatures([consumed, produced, grouped, materialized].flatMap(({ key, value }) => [key, value])),
      ...(typeof extractor === 'string' && !Object.hasOwn(timestampExtractors, extractor) ? [`timestamp extractor ${extractor}`] : []),
      ...storeFeatures(materialized),
      ...processorFeatures(args),
      ...(op === 'windowedBy' && args.windows && !knownWindows.has(args.windows.type) ? [`${args.windows.type} windows`] : []),
    ]
  })

/** Processors and stores that the interpreter does not know. */
const processorFeatures = ({ processor, transformer, store }: StepArgs): readonly string[] => [
  ...(processor && !isKnownProcessor(processor.proc) ? [`processor ${processor.proc}`] : []),
  ...[store, ...(processor?.ownStores ?? []), ...(transformer?.ownStores ?? [])].flatMap((it) =>
    it && !knownStores.has(it.kind) ? [`${it.kind} store`] : [],
  ),
]

/**
 * Kafka's in-memory key-value supplier and its timestamped ones make the store that we have, and so do those of windows and
 * sessions, but for a retention of their own; others are other stores.
 */
const storeFeatures = ({ supplier }: MaterializedSpec): readonly string[] => {
  if (
    !supplier ||
    ['versioned', 'lru', 'window', 'timestampedWindow', 'session'].includes(supplier.kind) ||
    supplier.kind === 'timestampedKeyValue' ||
    (supplier.kind === 'keyValue' && !supplier.persistent)
  )
    return []
  return [supplier.kind === 'keyValue' ? 'supplier of a persistent keyValue store' : `supplier of a ${supplier.kind} store`]
}

const observed = new Set([
  'error',
  'describe',
  'branches',
  'queryableStoreNames',
  'subtopologies',
  'copartition',
  'internalTopics',
  'events',
  'stores',
  'probes',
  'dropped',
  'wrapped',
  'startLog',
  'closeLog',
])

/** Parts of the expectations that come with a missing verb (`branches` with `split`) are not told apart from it. */
const expectationFeatures = ({ expect }: Scenario, verbsMissing: boolean): readonly string[] => [
  ...(verbsMissing ? [] : Object.keys(expect).filter((part) => !observed.has(part))),
]
