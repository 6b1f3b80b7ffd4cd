import { type Entries, StreamsBuilder, type StreamsConfig, Topology, type ValueTimestampHeaders } from 'millrace'
import { TopologyTestDriver } from 'millrace/testing'
import type { Awaitable } from '../../src/awaitable.ts'
import type { LogRecord } from '../../src/runtime/ports.ts'
import { type StoreSpec, topicName } from '../../src/topology/nodes.ts'
import { handlersOf } from './handlers.ts'
import { headerBytes, headersJson } from './headers.ts'
import { timestampExtractors } from './options.ts'
import { answerOf } from './probes.ts'
import type {
  EventResult,
  HeaderList,
  InputEvent,
  InputRecord,
  Observations,
  OutputRecord,
  Scenario,
  SerdeSpec,
  StateStoreSpec,
} from './scenario.ts'
import { decode, encode, serdeOf } from './serdes.ts'
import { type Drawn, drawSteps } from './steps.ts'
import { drawTopology } from './topology-steps.ts'
import { toJson } from './values.ts'

/** `warm`: one task for the whole scenario. `cold`: a new one for every event, with nothing but what the state table has. */
export type Mode = 'warm' | 'cold'

export const modes: readonly Mode[] = ['warm', 'cold']

/** What we did with the scenario; errors are what was thrown. */
export type Observed = Observations<unknown>

const applicationId = 'app'

type StoreKind = StoreSpec['kind']

type Config = StreamsConfig<unknown, unknown>

const configOf = (scenario: Scenario, log: string[]): Config => {
  const { config = {} } = scenario
  const [key, value] = [config['default.key.serde'], config['default.value.serde']]
  const extractor = config['default.timestamp.extractor']
  const optimization = config['topology.optimization']
  return {
    ...(key === undefined ? {} : { 'default.key.serde': serdeOf(key) }),
    ...(value === undefined ? {} : { 'default.value.serde': serdeOf(value) }),
    ...(extractor === undefined
      ? {}
      : { 'default.timestamp.extractor': timestampExtractors[extractor] as NonNullable<Config['default.timestamp.extractor']> }),
    ...(optimization === undefined ? {} : { 'topology.optimization': optimization }),
    ...handlersOf(scenario, log),
    ...(config['max.task.idle.ms'] === undefined ? {} : { 'max.task.idle.ms': Number(config['max.task.idle.ms']) }),
    ...(config['dsl.store.format'] === 'HEADERS' ? { 'dsl.store.format': 'HEADERS' } : {}),
    'ensure.explicit.internal.resource.naming': config['ensure.explicit.internal.resource.naming'] === 'true',
  }
}

/** Builds the topology, feeds the events and looks at what came of it, up to the first error. */
export const runScenario = async (scenario: Scenario, mode: Mode): Promise<Observed> => {
  const log: string[] = []
  const wrapped = new Set<string>()
  let built: { readonly topology: Topology; readonly drawn: ReadonlyMap<string, Drawn> }
  try {
    built = buildScenario(scenario, { log, wrapped })
  } catch (error) {
    return { error }
  }
  const { topology, drawn } = built
  const shape = {
    describe: topology.describe(),
    branches: branchesOf(drawn),
    ...(scenario.config?.['processor.wrapper.class'] === undefined ? {} : { wrapped: [...wrapped].sort() }),
    ...topicsOf(topology),
  }
  if (!scenario.events) return shape
  let driver: TopologyTestDriver
  try {
    driver = new TopologyTestDriver(topology, {
      applicationId,
      wallClockMs: scenario.clock ?? 0,
      cutAfter: mode === 'cold' ? 'record' : 'never',
    })
  } catch (error) {
    return { ...shape, error }
  }
  const startLog = log.splice(0)
  const events = await feed(scenario, driver, log)
  const failed = events.some((event) => 'error' in event)
  const stores = failed ? {} : { stores: await storesOf(topology, driver), probes: await probesOf(scenario, topology, driver) }
  await driver.close()
  return {
    ...shape,
    startLog,
    closeLog: log,
    queryableStoreNames: queryableStoreNamesOf(drawn),
    events,
    ...stores,
    dropped: driver.dropped,
  }
}

/** Builds a scenario's topology; what its steps print goes to `log`. */
export const buildScenario = (
  scenario: Scenario,
  { log, wrapped }: { readonly log: string[]; readonly wrapped: Set<string> } = { log: [], wrapped: new Set() },
): { readonly topology: Topology; readonly drawn: ReadonlyMap<string, Drawn> } => {
  const config = configOf(scenario, log)
  const recording: Config =
    scenario.config?.['processor.wrapper.class'] === undefined
      ? config
      : {
          ...config,
          'processor.wrapper.class': (name, supplier) => {
            wrapped.add(name)
            return supplier
          },
        }
  const scene = { log, stores: new Map(declaredStores(scenario.topology).map((store) => [store.name, store])), fields: new Map() }
  if (scenario.api === 'topology') {
    const topology = new Topology(recording)
    drawTopology(topology, scenario.topology, scene)
    return { topology, drawn: new Map<string, Drawn>() }
  }
  const builder = new StreamsBuilder<unknown, unknown>(recording)
  const drawn = drawSteps(scenario.topology, { ...scene, builder, drawn: new Map() })
  return { topology: scenario.buildWithoutConfig ? builder.build({}) : builder.build(), drawn }
}

/** Every store that a step or a processor's supplier declares, in nested steps too. */
const declaredStores = (of: unknown): readonly StateStoreSpec[] => {
  if (typeof of !== 'object' || of === null) return []
  const own = 'kind' in of && 'name' in of && 'key' in of && 'value' in of ? [of as StateStoreSpec] : []
  return [...own, ...Object.values(of).flatMap(declaredStores)]
}

const queryableStoreNamesOf = (drawn: ReadonlyMap<string, Drawn>): Readonly<Record<string, string | null>> =>
  Object.fromEntries(
    [...drawn].flatMap(([id, { kind, object }]) =>
      kind === 'table' || kind === 'global table'
        ? [[id, (object as { readonly queryableStoreName: string | null }).queryableStoreName]]
        : [],
    ),
  )

const branchesOf = (drawn: ReadonlyMap<string, Drawn>): Readonly<Record<string, readonly string[]>> =>
  Object.fromEntries(
    [...drawn].flatMap(([id, { kind, object }]) =>
      kind === 'split' ? [[id, [...(object as ReadonlyMap<string, unknown>).keys()].sort()]] : [],
    ),
  )

const topicsOf = (topology: Topology): Pick<Observed, 'subtopologies' | 'copartition' | 'internalTopics'> => {
  // who fills a global store, and how, is no part of Kafka Streams' topology
  const ownTasks = new Set(topology.subTopologies.flatMap((sub) => (sub.globalStore ? [] : [sub.name])))
  const internal = topology.internalTopics(applicationId).filter((topic) => ownTasks.has(topic.subTopology))
  const subs = topology.subTopologies
    .filter((sub) => !sub.globalStore)
    .map(({ id, name, sourceTopics, sinks, stores }) => {
      const fixed = sinks.flatMap(({ topic }) => (typeof topic === 'function' ? [] : [topicName(topic, applicationId)]))
      const changelogs = internal.filter((topic) => topic.kind === 'changelog' && topic.subTopology === name)
      return [
        id,
        {
          sources: sourceTopics.map((topic) => topicName(topic, applicationId)).sort(),
          sinks: [...new Set(fixed)].sort(),
          changelogs: [...changelogs.map((topic) => topic.name), ...stores.flatMap((store) => store.sourceTopic ?? [])].sort(),
        },
      ]
    })
  const internalTopics = internal.map(({ name, kind, partitions, config }) => [
    name,
    { kind, ...(partitions === undefined ? {} : { partitions }), config },
  ])
  const copartition = topology.subTopologies.flatMap((sub) =>
    sub.copartitioned.map((group) => group.map((topic) => topicName(topic, applicationId)).sort()),
  )
  return { subtopologies: Object.fromEntries(subs), copartition, internalTopics: Object.fromEntries(internalTopics) }
}

const feed = async (scenario: Scenario, driver: TopologyTestDriver, log: string[]): Promise<readonly EventResult<unknown>[]> => {
  const results: EventResult<unknown>[] = []
  for (const event of scenario.events ?? []) {
    let thrown: { readonly error: unknown } | undefined
    try {
      await fire(scenario, driver, event)
    } catch (error) {
      thrown = { error }
    }
    results.push({ out: collect(scenario, driver), log: log.splice(0), ...thrown })
    if (thrown) break
  }
  return results
}

const fire = async (scenario: Scenario, driver: TopologyTestDriver, event: InputEvent): Promise<void> => {
  if ('clock' in event) {
    await driver.advanceWallClockTime(event.clock)
    return
  }
  await driver.pipeAll(
    ('bulk' in event ? event.bulk : [event]).map((record) => ({ topic: record.topic, record: inputOf(scenario, record) })),
  )
}

/** An input record as bytes. */
export const inputOf = ({ topics = {} }: Scenario, { topic, k, v, kb, vb, ts, h = [] }: InputRecord) => {
  const bytes = (side: 0 | 1, json: unknown, raw: string | null | undefined): Uint8Array | null => {
    if (raw !== undefined) return raw === null ? null : Buffer.from(raw, 'base64')
    const spec = topics[topic]?.[side]
    if (spec === undefined) throw new Error(`no serdes declared for topic ${topic}`)
    return encode(spec, json, topic)
  }
  return {
    key: bytes(0, k, kb),
    value: bytes(1, v, vb),
    timestamp: ts,
    headers: h.map(([name, text]) => [name, headerBytes(text)] as const),
  }
}

/** What was produced since the last call: by topic, in the order in which it was sent (README section 8.1). */
const collect = (scenario: Scenario, driver: TopologyTestDriver): readonly OutputRecord[] =>
  [...driver.producedTopicNames()].sort().flatMap((topic) =>
    driver
      .producedTo(topic)
      .splice(0)
      .map((record) => outputOf(scenario, topic, record)),
  )

/** A record that was written, as an expectation shows it. */
export const outputOf = ({ topics = {} }: Scenario, topic: string, { key, value, timestamp, headers }: LogRecord): OutputRecord => {
  const h: HeaderList = headersJson(headers)
  const [keySpec, valueSpec] = topics[topic] ?? []
  return {
    topic,
    ts: timestamp,
    ...sideOf({ decoded: 'k', raw: 'kb' }, topic, key, keySpec),
    ...sideOf({ decoded: 'v', raw: 'vb' }, topic, value, valueSpec),
    ...(h.length > 0 ? { h } : {}),
  }
}

/** The decoded side where the serde can read it, and the bytes where the decoded text does not determine them. */
const sideOf = (
  names: { readonly decoded: string; readonly raw: string },
  topic: string,
  bytes: Uint8Array | null,
  spec: SerdeSpec | undefined,
): Readonly<Record<string, unknown>> => {
  const side: Record<string, unknown> = {}
  if (spec !== undefined) {
    try {
      side[names.decoded] = decode(spec, bytes, topic)
    } catch {
      // raw records that an error handler passed on: bytes only
    }
  }
  const plainText = (spec === 'string' || spec === 'json') && names.decoded in side
  if (!plainText) side[names.raw] = bytes === null ? null : Buffer.from(bytes).toString('base64')
  return side
}

const storeKinds: Readonly<Record<StoreKind, string>> = {
  'key-value': 'keyValue',
  window: 'window',
  session: 'session',
  'suppression-buffer': 'internal',
  'join-buffer': 'internal',
  versioned: 'versioned',
}

/** Of versioned stores; other probes are not known (support.ts). */
const probesOf = async (scenario: Scenario, topology: Topology, driver: TopologyTestDriver): Promise<readonly unknown[]> => {
  const specs = new Map(topology.subTopologies.flatMap((sub) => sub.stores).map((store) => [store.name, store]))
  // windows in memory, and on a disk those that tell final results, are kept by time
  const byKey = !hasWindowsInMemory(scenario) && !scenario.topology.some(({ args }) => args?.strategy === 'onWindowClose')
  const results: unknown[] = []
  for (const probe of scenario.probes ?? []) {
    const spec = specs.get(probe.store)
    if (!spec) throw new Error(`no store ${probe.store} to probe`)
    const declared = declaredStores(scenario.topology).find(({ name }) => name === probe.store)
    results.push(await answerOf(probe, { spec, declared, byKey }, driver))
  }
  return results
}

/** Java may keep windows in memory, where they are in another order and forgotten one by one. */
export const hasWindowsInMemory = ({ config, topology }: Scenario): boolean =>
  topology.some(({ args: { windows } = {} }) => windows) &&
  (config?.['dsl.store.suppliers.class'] === 'inMemory' ||
    topology.some(
      ({ args: { materialized, joined } = {} }) =>
        materialized?.storeType === 'inMemory' || joined?.storeType === 'inMemory' || joined?.thisSupplier || joined?.otherSupplier,
    ))

type ReadableSpec = Extract<StoreSpec, { readonly kind: 'key-value' | 'window' | 'session' }>

const storesOf = async (topology: Topology, driver: TopologyTestDriver): Promise<NonNullable<Observed['stores']>> => {
  const stores: Record<string, { readonly kind: string; readonly entries: readonly unknown[] }> = {}
  for (const spec of topology.subTopologies.flatMap((sub) => sub.stores)) {
    if (spec.kind === 'suppression-buffer' || spec.kind === 'join-buffer' || spec.kind === 'versioned') {
      stores[spec.name] = { kind: storeKinds[spec.kind], entries: [] }
      continue
    }
    const entries = await entriesOf(spec, driver)
    stores[spec.name] = {
      kind: storeKinds[spec.kind],
      entries: entries.map(([key, stored]) => [toJson(key), storedJson(spec.holds, stored)]),
    }
  }
  return stores
}

const entriesOf = ({ kind, holds, name }: ReadableSpec, driver: TopologyTestDriver): Awaitable<Entries<unknown, unknown>> => {
  switch (kind) {
    case 'key-value':
      if (holds === 'values') return driver.getKeyValueStore(name).all()
      return holds === 'timestamped'
        ? driver.getTimestampedKeyValueStore(name).all()
        : driver.getTimestampedKeyValueStoreWithHeaders(name).all()
    case 'window':
      if (holds === 'values') return driver.getWindowStore(name).all()
      return holds === 'timestamped'
        ? driver.getTimestampedWindowStore(name).all()
        : driver.getTimestampedWindowStoreWithHeaders(name).all()
    case 'session':
      return holds === 'values'
        ? driver.getSessionStore(name).fetchRange(null, null)
        : driver.getSessionStoreWithHeaders(name).fetchRange(null, null)
    default:
      return kind satisfies never
  }
}

/** A stored value as README section 5.4 shows it. */
const storedJson = (holds: ReadableSpec['holds'], stored: unknown): unknown => {
  if (holds === 'values') return toJson(stored)
  const { value, timestamp, headers } = stored as Partial<ValueTimestampHeaders<unknown>>
  return {
    value: toJson(value),
    ...(timestamp === undefined ? {} : { ts: timestamp }),
    ...(headers === undefined ? {} : { h: headersJson(headers) }),
  }
}
