import { isStreamsError } from '../../src/errors.ts'
import { ScenarioError } from './expressions.ts'
import { goesOnWithout, isChangelog, lostRecords, withoutRowsJavaLost } from './lost-windows.ts'
import type { Observed } from './run-scenario.ts'
import type { EventResult, Expectations, HeaderList, InternalTopicConfig, JavaError, OutputRecord, SubTopologyTopics } from './scenario.ts'

/** Where what we did differs from what Java did. */
export interface Difference {
  /** As a path into the expectations. */
  readonly at: string
  readonly expected: unknown
  readonly actual: unknown
}

/** What Java does not do that a scenario may have. */
export interface ComparedOtherwise {
  /** It loses windows that close. */
  readonly mayLoseWindows?: boolean
  /** It does not look through a suppression or a cogroup for the topics of a join, nor at a repartition topic that another join has made. */
  readonly mayAskMorePartitions?: boolean
  /** It has a cogroup. */
  readonly joinsMore?: boolean
  /** It counts rows that are too late for a window of a store in memory as dropped; those on a disk, and ours, take them. */
  readonly mayDropMore?: boolean
}

/** README section 8; the exceptions are named where they are made. */
export const compare = (
  expected: Expectations,
  actual: Observed,
  { mayLoseWindows = false, mayAskMorePartitions = false, joinsMore = false, mayDropMore = false }: ComparedOtherwise = {},
): readonly Difference[] => {
  // what else is wrong with such a topology Java never comes to see, and we may
  const ofJavaAlone = isOptimizerDefect(expected.error) || (joinsMore && isCogroupDefect(expected.error))
  if (ofJavaAlone && (actual.error === undefined || isStreamsError(actual.error))) return []
  if (expected.error || actual.error !== undefined) return errorDifferences('error', expected.error, actual.error)
  return [
    ...differences('describe', expected.describe, actual.describe),
    ...differences('branches', expected.branches ?? {}, actual.branches ?? {}),
    ...differences('subtopologies', subTopologies(expected.subtopologies), subTopologies(actual.subtopologies)),
    ...(joinsMore && repartitions(actual.internalTopics)
      ? []
      : differences(
          'copartition',
          copartition(expected.copartition),
          copartition(mayAskMorePartitions ? withoutWhatJavaForgot(expected.copartition, actual.copartition) : actual.copartition),
        )),
    ...differences('wrapped', expected.wrapped, actual.wrapped),
    ...differences('internalTopics', internalTopics(expected.internalTopics), internalTopics(actual.internalTopics)),
    ...(expected.events
      ? mayLoseWindows
        ? differencesWithLosses(expected, actual)
        : runDifferences(mayDropMore ? withOurDrops(expected, actual) : expected, actual, false)
      : []),
  ]
}

/** More than ours is as good as ours. */
const withOurDrops = (expected: Expectations, { dropped = 0 }: Observed): Expectations => ({
  ...expected,
  dropped: (expected.dropped ?? 0) > dropped ? dropped : (expected.dropped ?? 0),
})

const runDifferences = (expected: Expectations, actual: Observed, mayLoseWindows: boolean): readonly Difference[] => {
  const defect = defectAt(expected, actual)
  if (defect >= 0) return eventDifferences((expected.events ?? []).slice(0, defect), (actual.events ?? []).slice(0, defect))
  const failed = expected.events?.some((event) => event.error)
  return [
    ...differences('queryableStoreNames', expected.queryableStoreNames ?? {}, actual.queryableStoreNames),
    ...differences('startLog', expected.startLog ?? [], actual.startLog ?? []),
    ...(failed ? [] : differences('closeLog', expected.closeLog ?? [], actual.closeLog ?? [])),
    ...eventDifferences(expected.events ?? [], actual.events ?? []),
    ...(failed ? [] : differences('stores', ...storesOf(expected, mayLoseWindows ? withoutRowsJavaLost(expected, actual) : actual))),
    ...(failed ? [] : differences('probes', expected.probes ?? [], actual.probes ?? [])),
    ...(mayLoseWindows ? [] : differences('dropped', expected.dropped ?? 0, actual.dropped)),
  ]
}

/** The oracle does not show the rows of some stores, and says so by their kind. */
const shown = (stores: Observed['stores'] = {}, { stores: theirs = {} }: Expectations): Observed['stores'] =>
  Object.fromEntries(
    Object.entries(stores).map(([name, store]) => {
      const kind = theirs[name]?.kind
      return [name, kind === 'internal' ? { kind } : store]
    }),
  )

const storesOf = (expected: Expectations, actual: Observed): readonly [unknown, unknown] => {
  const [theirs, ours] = [
    liveRows(withoutUnused(expected.stores, actual.stores), expected),
    liveRows(shown(actual.stores, expected), expected),
  ]
  return [joinedValues(theirs, ours), ours]
}

/** A store that nobody is connected to Java lists without rows; we do not open it. */
const withoutUnused = (theirs: Expectations['stores'] = {}, ours: Expectations['stores'] = {}): Expectations['stores'] =>
  Object.fromEntries(
    Object.entries(theirs).filter(([name, { kind, entries = [] }]) => name in ours || kind !== 'internal' || entries.length > 0),
  )

/** Java's stores of joined streams in memory hold time and headers beside the value; ours the value, which is all that a join asks for. */
const joinedValues = (theirs: Expectations['stores'] = {}, ours: Expectations['stores'] = {}): Expectations['stores'] =>
  Object.fromEntries(
    Object.entries(theirs).map(([name, store]) => {
      const isHeld = (entry: unknown): boolean =>
        isObject((entry as readonly [unknown, unknown])[1]) && 'h' in (entry as readonly [unknown, object])[1]
      const onlyTheirs = store.entries?.every(isHeld) && !ours[name]?.entries?.some(isHeld)
      if (store.kind !== 'window' || !onlyTheirs) return [name, store]
      return [name, { ...store, entries: store.entries?.map((entry) => valueAlone(entry as HeldEntry)) ?? [] }]
    }),
  )

type HeldEntry = readonly [key: unknown, held: { readonly value: unknown }]
const valueAlone = ([key, { value }]: HeldEntry) => [key, value]

interface WindowedEntry {
  readonly start: number
  readonly end: number
}

/**
 * Windowed rows in any order, and only those that stream time has not left behind: Java's persistent stores forget whole
 * segments of them, and later; its stores in memory and ours each one, when it is due.
 */
const liveRows = (stores: Expectations['stores'] = {}, { internalTopics: topics = {} }: Expectations): Expectations['stores'] =>
  Object.fromEntries(
    Object.entries(stores).map(([name, { kind, entries = [] }]) => {
      if (kind !== 'window' && kind !== 'session') return [name, { kind, entries }]
      const timeOf = (entry: unknown): number => {
        const [{ start, end }] = entry as readonly [WindowedEntry]
        return kind === 'window' ? start : end
      }
      const retentionMs = Number(topics[`app-${name}-changelog`]?.config['retention.ms'] ?? Number.POSITIVE_INFINITY) - 86_400_000
      const oldest = Math.max(...entries.map(timeOf)) - retentionMs
      const live = entries.filter((entry) => timeOf(entry) > oldest)
      return [name, { kind, entries: live.toSorted((one, other) => (JSON.stringify(one) < JSON.stringify(other) ? -1 : 1)) }]
    }),
  )

/**
 * Java may lose a window that closes, we never do; nor does a late record find one that is lost to be too late for, which is not
 * compared. What we sent beyond Java's records is left out; once such a record has gone on to another sub-topology, or Java goes on
 * with a key without the window that only we have, nothing is comparable.
 */
const differencesWithLosses = (expected: Expectations, actual: Observed): readonly Difference[] => {
  const { events = [] } = actual
  const lost = events.map(({ out = [] }, index) => lostRecords(expected.events?.[index]?.out ?? [], out))
  const isGoneOn = (records: ReadonlySet<OutputRecord>): boolean => [...records].some(({ topic }) => topic.endsWith('-repartition'))
  const goneOn = lost.findIndex((records, index) => isGoneOn(records) || goesOnWithout(expected.events?.[index]?.out, lost.slice(0, index)))
  const left = events.map((event, index) => ({ ...event, out: (event.out ?? []).filter((record) => !lost[index]?.has(record)) }))
  if (goneOn >= 0) return eventDifferences((expected.events ?? []).slice(0, goneOn), left.slice(0, goneOn))
  return runDifferences(expected, { ...actual, events: left }, true)
}

/** A defect of Java's optimiser (README section 8): an implementation may accept such a topology, and we do. */
const isOptimizerDefect = (error: JavaError | undefined): boolean =>
  Boolean(error?.message?.startsWith('Found a null keyChangingChild node'))

/** README section 8.4: the repartition topics of a cogroup's groupings are added twice, we share them; its results pass for versioned. */
const isCogroupDefect = (error: JavaError | undefined): boolean =>
  Boolean(error?.message?.endsWith('-repartition-filter is already added.')) ||
  Boolean(error?.message?.startsWith('Invalid topology: suppress() is only supported for non-versioned KTables'))

/** Sub-topologies that only read a pattern have no topics before they run: Java leaves them out, we list them empty. */
const subTopologies = (of: Readonly<Record<string, SubTopologyTopics>> = {}): unknown =>
  Object.fromEntries(Object.entries(of).filter(([, { sources }]) => sources.length > 0))

/** Below a suppression or a cogroup Java does not know any more which topics a table comes from: of a group of ours it may ask for a part, or nothing. */
const withoutWhatJavaForgot = (expected: Observed['copartition'] = [], actual: Observed['copartition'] = []): Observed['copartition'] =>
  actual.flatMap((group) => expected.filter((asked) => asked.every((topic) => group.includes(topic))))

/**
 * Defects of Java (README section 8.4) that end a run, compared is what came before; -1: none. A suppression without serdes of its own takes
 * the defaults, also where it is known that they do not fit; ours takes those of the table above. A cached session store that is
 * read backward in time 0 computes a negative time; ours answers.
 */
const defectAt = ({ events = [] }: Expectations, actual: Observed): number =>
  events.findIndex(
    ({ error }, at) =>
      error?.message?.startsWith('ClassCastException invoking processor: KTABLE-SUPPRESS') ||
      (!actual.events?.[at]?.error && error?.causes?.some(({ message }) => message === 'Window startMs time cannot be negative.')),
  )

/** Groups in no particular order; two that share a topic are one: their topics have all the same number of partitions. */
const copartition = (groups: Observed['copartition'] = []): readonly string[] =>
  groups
    .reduce<readonly (readonly string[])[]>((united, group) => {
      const touching = united.filter((other) => other.some((topic) => group.includes(topic)))
      return [...united.filter((other) => !touching.includes(other)), [...new Set([...group, ...touching.flat()])]]
    }, [])
    .map((group) => group.toSorted().join(' '))
    .sort()

/**
 * Of a cogroup with repartition topics Java compares the partition counts of what is above them, which need not be equal, and not
 * those of the repartition topics, which must be: there we differ on purpose, and groups are not compared.
 */
const repartitions = (topics: Observed['internalTopics'] = {}): boolean => Object.values(topics).some(({ kind }) => kind === 'repartition')

/**
 * Left out: commit topics, and how long deletes stay readable in a changelog. Both are ours on purpose: exactly-once without a
 * consumer group keeps its progress in a commit topic, and replays the tail of the changelogs from a checkpoint that may lag.
 */
const internalTopics = (of: Readonly<Record<string, InternalTopicConfig>> = {}): unknown =>
  Object.fromEntries(
    Object.entries(of)
      .filter(([, { kind }]) => kind !== 'commits')
      .map(([name, { config, ...topic }]) => {
        const { 'delete.retention.ms': ours, ...rest } = config
        return [name, { ...topic, config: topic.kind === 'changelog' ? rest : config }]
      }),
  )

/** Of what was sent, logged and thrown, event by event. */
export const eventDifferences = (
  expected: readonly EventResult<JavaError>[],
  actual: readonly EventResult<unknown>[],
): readonly Difference[] => {
  const found = Array.from({ length: Math.max(expected.length, actual.length) }, (_, index): readonly Difference[] => {
    const [theirs, ours] = [expected[index], actual[index]]
    const at = `events[${index}]`
    if (!theirs || !ours) return [{ at, expected: theirs, actual: ours }]
    const untimed = untimedTopics(theirs.out)
    return [
      ...(theirs.error
        ? rolledBack(`${at}.out`, outputs(theirs.out, untimed, false), outputs(ours.out, untimed))
        : sentDifferences(`${at}.out`, outputs(theirs.out, untimed), outputs(ours.out, untimed))),
      ...differences(`${at}.log`, theirs.log ?? [], ours.log ?? []),
      ...errorDifferences(`${at}.error`, theirs.error, ours.error),
    ]
  })
  return found.flat()
}

/**
 * Changelogs of suppression buffers: Java leaves the time of their records to the producer, which takes the wall clock, and writes
 * them in the order of a hash set. Ours have the time of the change that waits, in the order of the writes. Compared is each key's record.
 */
const untimedTopics = (records: readonly OutputRecord[] = []): ReadonlySet<string> =>
  new Set(records.filter(({ ts }) => ts === null).map(({ topic }) => topic))

type ByTopic = ReadonlyMap<string, readonly unknown[]>

/**
 * By topic, changelogs with the last record per key: Java's stores without a cache log every write of an event, we log one
 * per key and transaction.
 */
const outputs = (records: readonly OutputRecord[] = [], untimed: ReadonlySet<string>, lastOnly = true): ByTopic => {
  const topics = new Map<string, Map<string, unknown>>()
  for (const [index, { h, ...record }] of records.entries()) {
    const ofTopic = topics.get(record.topic) ?? new Map<string, unknown>()
    topics.set(record.topic, ofTopic)
    const id = isChangelog(record.topic) ? JSON.stringify([record.k, record.kb, ...(lastOnly ? [] : [index])]) : String(index)
    ofTopic.delete(id)
    const compared = untimed.has(record.topic) ? { ...record, ts: null } : record
    ofTopic.set(id, textOf(h ? { ...compared, h: aboutErrors(h) } : compared))
  }
  const inOrder = (topic: string, kept: ReadonlyMap<string, unknown>): ReadonlyMap<string, unknown> =>
    untimed.has(topic) ? new Map([...kept].toSorted(([one], [other]) => (one < other ? -1 : 1))) : kept
  return new Map([...topics].map(([topic, kept]) => [topic, [...inOrder(topic, kept).values()]]))
}

/**
 * Dead letters name the exception's class, its message and its trace, and those are Java's there and ours here: compared is that
 * they are there, and the message where the scenario wrote it.
 */
const aboutErrors = (headers: HeaderList): HeaderList => {
  const own = headers.some(
    ([name, text]) => name === `${errorHeader}exception` && ['java.lang.IllegalStateException', 'ScenarioError'].includes(String(text)),
  )
  const told = new Set(['exception', 'stacktrace', ...(own ? [] : ['message'])].map((name) => `${errorHeader}${name}`))
  return headers.map(([name, text]) => [name, told.has(name) ? '*' : text])
}
const errorHeader = '__streams.errors.'

/** Stands for a value that is not compared. */
export const anyValue = 'any value'

/** Keys and values as text: the order of the members of a JSON object is part of its bytes. */
const textOf = (record: OutputRecord): Readonly<Record<string, unknown>> => ({
  ...record,
  ...('k' in record ? { k: JSON.stringify(record.k) } : {}),
  ...('v' in record ? { v: JSON.stringify(record.v) } : {}),
})

const sentDifferences = (at: string, expected: ByTopic, actual: ByTopic): readonly Difference[] =>
  [...new Set([...expected.keys(), ...actual.keys()])].flatMap((topic) => {
    const theirs = expected.get(topic) ?? []
    const ours = withoutForgotten(topic, theirs, actual.get(topic) ?? []).map((record, place) => asUncompared(record, theirs[place]))
    return differences(`${at}.${topic}`, theirs, ours)
  })

/**
 * A cached row older than the retention time is found by Java and by us; where it is deleted, Java's changelog does not say so,
 * as the store below the cache has forgotten it. Ours does: a later owner of the task reads the changelog.
 */
const withoutForgotten = (topic: string, theirs: readonly unknown[], ours: readonly unknown[]): readonly unknown[] => {
  if (!topic.endsWith('-changelog') || ours.length <= theirs.length) return ours
  const known = new Set(theirs.map((record) => JSON.stringify(record)))
  return ours.filter((record) => !isObject(record) || record.vb !== null || known.has(JSON.stringify(record)))
}

const asUncompared = (record: unknown, expected: unknown): unknown => {
  const any = JSON.stringify(anyValue)
  return isObject(record) && isObject(expected) && expected.v === any ? { ...record, v: any } : record
}

/** At an event that fails Java shows what it had sent; we have rolled back the failing transaction, so ours is how theirs begins; of changelogs, some of it. */
const rolledBack = (at: string, expected: ByTopic, actual: ByTopic): readonly Difference[] =>
  [...actual].flatMap(([topic, records]) => {
    const theirs = expected.get(topic) ?? []
    const known = new Set(theirs.map((record) => JSON.stringify(record)))
    const sent = isChangelog(topic) ? records.filter((record) => known.has(JSON.stringify(record))) : theirs.slice(0, records.length)
    return differences(`${at}.${topic}`, sent, records)
  })

/** Java's classes as our codes, by the innermost cause. Missing serdes are found by `build` here and at the start in Java: the phase is not compared. */
const codes: Readonly<Record<string, readonly string[]>> = {
  TopologyException: ['TOPOLOGY_INVALID'],
  ConfigException: ['CONFIG_INVALID'],
  SerializationException: ['SERDE_FAILED'],
  ClassCastException: ['SERDE_FAILED', 'PROCESSING_FAILED'],
  IllegalArgumentException: ['CONFIG_INVALID', 'TOPOLOGY_INVALID', 'PROCESSING_FAILED'],
  IllegalStateException: ['PROCESSING_FAILED'],
  NullPointerException: ['PROCESSING_FAILED'],
  NumberFormatException: ['PROCESSING_FAILED'],
  // a negative timestamp on the way in or out, a store that is not connected, a suppression that has no window
  UnsupportedOperationException: ['PROCESSING_FAILED'],
  StreamsException: ['RECORD_INVALID', 'PROCESSING_FAILED', 'CONFIG_INVALID', 'TOPOLOGY_INVALID'],
}

const errorDifferences = (at: string, expected: JavaError | undefined, actual: unknown): readonly Difference[] => {
  if (!expected && actual === undefined) return []
  const told = (error: unknown): string => (error instanceof Error ? `${codeOf(error)}: ${error.message}` : String(error))
  if (!expected) return [{ at, expected: 'no error', actual: told(actual) }]
  const chain = [expected, ...(expected.causes ?? [])]
  const theirs = chain.map((error) => `${error.class}: ${error.message}`).join(' <- ')
  if (actual === undefined) return [{ at, expected: theirs, actual: 'no error' }]
  const root = chain.at(-1) ?? expected
  const sameCode = codes[root.class]?.includes(codeOf(actual)) ?? false
  return sameCode && sameMessage(root, actual) ? [] : [{ at, expected: theirs, actual: told(actual) }]
}

const codeOf = (error: unknown): string => (isStreamsError(error) ? error.code : error instanceof Error ? error.name : typeof error)

/** Messages are compared where users depend on them, and where the scenario itself wrote them. */
const sameMessage = (expected: JavaError, actual: unknown): boolean => {
  if (expected.class === 'TopologyException') return actual instanceof Error && actual.message === expected.message
  if (expected.class !== 'IllegalStateException') return true
  return causesOf(actual).some((cause) => cause instanceof ScenarioError && cause.message === expected.message)
}

const causesOf = (error: unknown): readonly unknown[] => (error instanceof Error ? [error, ...causesOf(error.cause)] : [])

/** The first place where two JSON values differ; members may come in any order. */
export const differences = (at: string, expected: unknown, actual: unknown): readonly Difference[] => {
  if (Object.is(expected, actual)) return []
  if (Array.isArray(expected) && Array.isArray(actual)) {
    const index = expected.findIndex((item, place) => place >= actual.length || differences('', item, actual[place]).length > 0)
    if (index >= 0) return differences(`${at}[${index}]`, expected[index], actual[index])
    return expected.length === actual.length
      ? []
      : [{ at: `${at}[${expected.length}]`, expected: undefined, actual: actual[expected.length] }]
  }
  if (isObject(expected) && isObject(actual)) {
    const names = [...new Set([...Object.keys(expected), ...Object.keys(actual)])]
    const name = names.find((it) => differences('', expected[it], actual[it]).length > 0)
    return name === undefined ? [] : differences(`${at}.${name}`, expected[name], actual[name])
  }
  return [{ at, expected, actual }]
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
