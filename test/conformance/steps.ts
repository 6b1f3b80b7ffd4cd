import type {
  Aggregated,
  Branched,
  CogroupedKStream,
  GlobalKTable,
  KGroupedStream,
  KGroupedTable,
  KStream,
  KTable,
  ProcessorSupplier,
  SessionWindowedCogroupedKStream,
  SessionWindowedKStream,
  SessionWindows,
  StreamsBuilder,
  TableJoined,
  TimeWindowedCogroupedKStream,
  TimeWindowedKStream,
  Windows,
} from 'millrace'
import { evaluate, holds, type Scope } from './expressions.ts'
import {
  aggregatedOf,
  consumedOf,
  consumedTableOf,
  groupedOf,
  joinedOf,
  namedOf,
  producedOf,
  repartitionedOf,
  streamJoinedOf,
  suppressedOf,
  tableJoinedOf,
  topicExtractorOf,
} from './options.ts'
import { fixedKeyProcessorOf, type ProcessorScene, processorOf, transformerOf } from './processors.ts'
import type { BranchSpec, Expression, NestedSteps, Step, StepArgs, WindowsSpec } from './scenario.ts'
import { storeOf } from './stores.ts'
import { Pair, show } from './values.ts'
import { joinWindowsOf, windowsOf } from './windows.ts'

/** What a step is called on; `nothing`: the builder. */
export type Kind =
  | 'nothing'
  | 'stream'
  | 'table'
  | 'global table'
  | 'grouped stream'
  | 'grouped table'
  | 'windowed stream'
  | 'cogrouped stream'
  | 'windowed cogrouped stream'
  | 'split'

/** What the steps of one scenario share. */
export interface Scene extends ProcessorScene {
  readonly builder: StreamsBuilder<unknown, unknown>
  /** Lines of foreach, peek and processors. */
  readonly log: string[]
  /** What the steps so far gave; a split adds what its branches' own steps give. */
  readonly drawn: Map<string, Drawn>
}

interface Verb {
  /** The kind of what it returns; undefined: nothing that another step can stand on. */
  readonly gives: Kind | undefined
  /** `other` is what the step names second: the other stream of a merge or a join. */
  readonly draw: (on: unknown, args: StepArgs, scene: Scene, other: unknown) => unknown
}

type Stream = KStream<unknown, unknown>
type Table = KTable<unknown, unknown>
type Global = GlobalKTable<unknown, unknown>
type Draw<On> = (on: On, args: StepArgs, scene: Scene, other: unknown) => unknown

const onBuilder = (gives: Kind, draw: Draw<undefined>): Verb => ({
  gives,
  draw: (_on, args, scene, other) => draw(undefined, args, scene, other),
})
const onStream = (gives: Kind | undefined, draw: Draw<Stream>): Verb => ({
  gives,
  draw: (on, args, scene, other) => draw(on as Stream, args, scene, other),
})
const onTable = (gives: Kind, draw: Draw<KTable<unknown, unknown>>): Verb => ({
  gives,
  draw: (on, args, scene, other) => draw(on as KTable<unknown, unknown>, args, scene, other),
})
const onGrouped = (gives: Kind, draw: Draw<KGroupedStream<unknown, unknown>>): Verb => ({
  gives,
  draw: (on, args, scene, other) => draw(on as KGroupedStream<unknown, unknown>, args, scene, other),
})
const onGroupedTable = (draw: Draw<KGroupedTable<unknown, unknown>>): Verb => ({
  gives: 'table',
  draw: (on, args, scene, other) => draw(on as KGroupedTable<unknown, unknown>, args, scene, other),
})

type Grouped = KGroupedStream<unknown, unknown>

const onCogrouped = (gives: Kind, draw: Draw<CogroupedKStream<unknown, unknown>>): Verb => ({
  gives,
  draw: (on, args, scene, other) => draw(on as CogroupedKStream<unknown, unknown>, args, scene, other),
})

const onWindowed = (gives: Kind, draw: Draw<TimeWindowedKStream<unknown, unknown>>): Verb => ({
  gives,
  draw: (on, args, scene, other) => draw(on as TimeWindowedKStream<unknown, unknown>, args, scene, other),
})

const byKeyAndValue = (expression: Expression | undefined) => (key: unknown, value: unknown) => evaluate(expression, { key, value })
const predicate = (expression: Expression | undefined) => (key: unknown, value: unknown) => holds(expression, { key, value })
const byValue =
  ({ mapper, withKey }: StepArgs) =>
  (value: unknown, key: unknown) =>
    evaluate(mapper, withKey ? { key, value } : { value })

const byBothSides =
  ({ joiner, withKey }: StepArgs) =>
  (left: unknown, right: unknown, key: unknown) =>
    evaluate(joiner, withKey ? { left, right, key } : { left, right })
/** Of a join by foreign key: `withKey` is about its extractor. */
const byValues =
  ({ joiner }: StepArgs) =>
  (left: unknown, right: unknown) =>
    evaluate(joiner, { left, right })
const extractorOf =
  ({ extractor, withKey }: StepArgs) =>
  (value: unknown, key: unknown) =>
    evaluate(extractor, withKey ? { key, value } : { value })
const foreignJoinOf = (args: StepArgs) => tableJoinedOf(args) as TableJoined<unknown, NonNullable<unknown>>
const tableJoinOf = (args: StepArgs) => aggregatedOf(args) as Aggregated<unknown, NonNullable<unknown>>

/** Java's KeyValue is our `[key, value]`; whatever else a mapper gives goes to the operator as it is. */
const entryOf = (value: unknown): readonly [unknown, unknown] =>
  value instanceof Pair ? [value.key, value.value] : (value as readonly [unknown, unknown])
const listOf = (value: unknown): readonly unknown[] => value as readonly unknown[]
const entriesOf = (value: unknown): readonly (readonly [unknown, unknown])[] =>
  Array.isArray(value) ? value.map(entryOf) : (value as readonly (readonly [unknown, unknown])[])

const logged =
  ({ label = '' }: StepArgs, { log }: Scene) =>
  (key: unknown, value: unknown): void =>
    void log.push(`${label}(${show(key)}, ${show(value)})`)

/** Runs a branch's own steps on its stream, which they call `$`. */
const branchedOf = ({ name, function: chained, consumer }: BranchSpec, scene: Scene): Branched<unknown, unknown> => {
  const inside = (steps: NestedSteps) => (stream: Stream) => {
    scene.drawn.set('$', { kind: 'stream', object: stream })
    drawSteps(steps.steps, scene)
    return steps.result === undefined ? undefined : (scene.drawn.get(steps.result)?.object as Stream)
  }
  return {
    ...(name === undefined ? {} : { name }),
    ...(chained === undefined ? {} : { function: inside(chained) }),
    ...(consumer === undefined ? {} : { consumer: (stream) => void inside(consumer)(stream) }),
  }
}

const streamVerbs: Readonly<Record<string, Verb>> = {
  filter: onStream('stream', (stream, args) => stream.filter(predicate(args.predicate), namedOf(args))),
  filterNot: onStream('stream', (stream, args) => stream.filterNot(predicate(args.predicate), namedOf(args))),
  selectKey: onStream('stream', (stream, args) => stream.selectKey(byKeyAndValue(args.mapper), namedOf(args))),
  map: onStream('stream', (stream, args) => {
    const mapper = byKeyAndValue(args.mapper)
    return stream.map((key, value) => entryOf(mapper(key, value)), namedOf(args))
  }),
  mapValues: onStream('stream', (stream, args) => stream.mapValues(byValue(args), namedOf(args))),
  flatMap: onStream('stream', (stream, args) => {
    const mapper = byKeyAndValue(args.mapper)
    return stream.flatMap((key, value) => entriesOf(mapper(key, value)), namedOf(args))
  }),
  flatMapValues: onStream('stream', (stream, args) => {
    const mapper = byValue(args)
    return stream.flatMapValues((value, key) => listOf(mapper(value, key)), namedOf(args))
  }),
  peek: onStream('stream', (stream, args, scene) => stream.peek(logged(args, scene), namedOf(args))),
  foreach: onStream(undefined, (stream, args, scene) => stream.foreach(logged(args, scene), namedOf(args))),
  merge: onStream('stream', (stream, args, _scene, other) => stream.merge(other as Stream, namedOf(args))),
  repartition: onStream('stream', (stream, { repartitioned }) => stream.repartition(repartitioned && repartitionedOf(repartitioned))),
  print: onStream(undefined, (stream, { label, mapper, ...args }, { log }) =>
    stream.print({
      ...namedOf(args),
      ...(label === undefined ? {} : { label }),
      ...(mapper === undefined ? {} : { mapper: (key: unknown, value: unknown) => show(evaluate(mapper, { key, value })) }),
      write: (line) => void log.push(line),
    }),
  ),
  split: onStream('split', (stream, { branches = [], default: last, ...args }, scene) => {
    const split = stream.split(namedOf(args))
    for (const { predicate: fits, ...branched } of branches) split.branch(predicate(fits), branchedOf(branched, scene))
    return last ? split.defaultBranch(branchedOf(last, scene)) : split.noDefaultBranch()
  }),
  groupByKey: onStream('grouped stream', (stream, args) => stream.groupByKey(groupedOf(args))),
  groupBy: onStream('grouped stream', (stream, args) => stream.groupBy(byKeyAndValue(args.mapper), groupedOf(args))),
  'join table': onStream('stream', (stream, args, _scene, other) => stream.join(other as Table, byBothSides(args), joinedOf(args))),
  'leftJoin table': onStream('stream', (stream, args, _scene, other) => stream.leftJoin(other as Table, byBothSides(args), joinedOf(args))),
  'join stream': onStream('stream', (stream, args, _scene, other) =>
    stream.join(other as Stream, byBothSides(args), joinWindowsOf(args.windows ?? noWindows), streamJoinedOf(args)),
  ),
  'leftJoin stream': onStream('stream', (stream, args, _scene, other) =>
    stream.leftJoin(other as Stream, byBothSides(args), joinWindowsOf(args.windows ?? noWindows), streamJoinedOf(args)),
  ),
  'outerJoin stream': onStream('stream', (stream, args, _scene, other) =>
    stream.outerJoin(other as Stream, byBothSides(args), joinWindowsOf(args.windows ?? noWindows), streamJoinedOf(args)),
  ),
  'join global table': onStream('stream', (stream, args, _scene, other) =>
    stream.join(other as Global, byKeyAndValue(args.mapper), byBothSides(args), namedOf(args)),
  ),
  'leftJoin global table': onStream('stream', (stream, args, _scene, other) =>
    stream.leftJoin(other as Global, byKeyAndValue(args.mapper), byBothSides(args), namedOf(args)),
  ),
  process: onStream('stream', (stream, { processor = { proc: 'forward' }, stores, ...args }, scene) =>
    stream.process(processorOf(processor, scene), { ...namedOf(args), ...(stores === undefined ? {} : { stores }) }),
  ),
  processValues: onStream('stream', (stream, { processor = { proc: 'fixedMap' }, stores, ...args }, scene) =>
    stream.processValues(fixedKeyProcessorOf(processor, scene), { ...namedOf(args), ...(stores === undefined ? {} : { stores }) }),
  ),
  toTable: onStream('table', (stream, args) => stream.toTable(aggregatedOf(args) as Parameters<Stream['toTable']>[0])),
  to: onStream(undefined, (stream, args) =>
    stream.to(args.extractor ? topicExtractorOf(args.extractor) : (args.topic ?? ''), producedOf(args.produced)),
  ),
}

/** Kind and verb to the call on our DSL (README section 3). A verb that is not here is not supported yet. */
export const verbs: Readonly<Record<Kind, Readonly<Record<string, Verb>>>> = {
  nothing: {
    stream: onBuilder('stream', (_on, { topics = [], pattern, consumed }, { builder }) =>
      builder.stream(pattern === undefined ? topics : new RegExp(pattern), consumed && consumedOf(consumed)),
    ),
    globalTable: onBuilder('global table', (_on, args, { builder }) => builder.globalTable(args.topic ?? '', consumedTableOf(args))),
    addStateStore: {
      gives: undefined,
      draw: (_on, { store }, { builder }) => store && builder.addStateStore(storeOf(store)),
    },
    addGlobalStore: {
      gives: undefined,
      draw: (_on, { store, topic = '', consumed, processor = { proc: 'drop' } }, scene) => {
        const supplier = processorOf(processor, scene) as ProcessorSupplier<unknown, unknown, never, never>
        return store && scene.builder.addGlobalStore(storeOf(store), topic, supplier, consumed && consumedOf(consumed))
      },
    },
    table: onBuilder('table', (_on, args, { builder }) => builder.table(args.topic ?? '', consumedTableOf(args))),
  },
  stream: streamVerbs,
  'global table': {},
  table: {
    filter: onTable('table', (table, args) => table.filter(predicate(args.predicate), aggregatedOf(args))),
    filterNot: onTable('table', (table, args) => table.filterNot(predicate(args.predicate), aggregatedOf(args))),
    mapValues: onTable('table', (table, args) =>
      table.mapValues(byValue(args), aggregatedOf(args) as Parameters<typeof table.mapValues>[1]),
    ),
    transformValues: onTable('table', (table, { transformer = { xf: 'expr' }, stores, ...args }, scene) =>
      table.transformValues(transformerOf(transformer, scene), { ...aggregatedOf(args), ...(stores === undefined ? {} : { stores }) }),
    ),
    'join table': onTable('table', (table, args, _scene, other) => table.join(other as Table, byBothSides(args), tableJoinOf(args))),
    'leftJoin table': onTable('table', (table, args, _scene, other) =>
      table.leftJoin(other as Table, byBothSides(args), tableJoinOf(args)),
    ),
    'outerJoin table': onTable('table', (table, args, _scene, other) =>
      table.outerJoin(other as Table, byBothSides(args), tableJoinOf(args)),
    ),
    suppress: onTable('table', (table, args) => table.suppress(suppressedOf(args))),
    'fkJoin table': onTable('table', (table, args, _scene, other) =>
      table.join(other as Table, extractorOf(args), byValues(args), foreignJoinOf(args)),
    ),
    'fkLeftJoin table': onTable('table', (table, args, _scene, other) =>
      table.leftJoin(other as Table, extractorOf(args), byValues(args), foreignJoinOf(args)),
    ),
    groupBy: onTable('grouped table', (table, args) => {
      const mapper = byKeyAndValue(args.mapper)
      return table.groupBy((key, value) => entryOf(mapper(key, value)), groupedOf(args))
    }),
    toStream: onTable('stream', (table, args) =>
      args.mapper ? table.toStream(byKeyAndValue(args.mapper), namedOf(args)) : table.toStream(namedOf(args)),
    ),
  },
  split: {
    branch: {
      gives: 'stream',
      draw: (on, { key = '' }) => {
        const found = (on as ReadonlyMap<string, Stream>).get(String(key))
        if (!found) throw new Error(`the split has no branch ${key}`)
        return found
      },
    },
  },
  'grouped table': {
    count: onGroupedTable((grouped, args) => grouped.count(aggregatedOf(args) as Parameters<typeof grouped.count>[0])),
    reduce: onGroupedTable((grouped, args) => grouped.reduce(byReducer(args.adder), byReducer(args.subtractor), aggregatedOf(args))),
    aggregate: onGroupedTable((grouped, args) =>
      grouped.aggregate(
        () => evaluate(args.initializer, noScope),
        byAggregator(args.adder),
        byAggregator(args.subtractor),
        aggregatedOf(args),
      ),
    ),
  },
  'grouped stream': {
    count: onGrouped('table', (grouped, args) => grouped.count(aggregatedOf(args) as Parameters<typeof grouped.count>[0])),
    reduce: onGrouped('table', (grouped, args) =>
      grouped.reduce((agg, value) => evaluate(args.reducer, { agg, value }), aggregatedOf(args)),
    ),
    aggregate: onGrouped('table', (grouped, args) =>
      grouped.aggregate(
        () => evaluate(args.initializer, noScope),
        (key, value, agg) => evaluate(args.aggregator, { key, value, agg }),
        aggregatedOf(args),
      ),
    ),
    cogroup: onGrouped('cogrouped stream', (grouped, args) => grouped.cogroup(byAggregator(args.aggregator))),
    windowedBy: onGrouped('windowed stream', (grouped, { windows = noWindows }) =>
      grouped.windowedBy(windowsOf(windows) as Windows & SessionWindows),
    ),
  },
  'cogrouped stream': {
    cogroup: onCogrouped('cogrouped stream', (cogrouped, args, _scene, other) =>
      cogrouped.cogroup(other as Grouped, byAggregator(args.aggregator)),
    ),
    aggregate: onCogrouped('table', (cogrouped, args) =>
      cogrouped.aggregate(() => evaluate(args.initializer, noScope), aggregatedOf(args)),
    ),
    windowedBy: onCogrouped('windowed cogrouped stream', (cogrouped, { windows = noWindows }) =>
      cogrouped.windowedBy(windowsOf(windows) as Windows & SessionWindows),
    ),
  },
  'windowed cogrouped stream': {
    aggregate: {
      gives: 'table',
      draw: (on, args) => {
        const initializer = () => evaluate(args.initializer, noScope)
        if (!args.merger) return (on as TimeWindowedCogroupedKStream<unknown, unknown>).aggregate(initializer, aggregatedOf(args))
        const sessions = on as SessionWindowedCogroupedKStream<unknown, unknown>
        return sessions.aggregate(initializer, (key, left, right) => evaluate(args.merger, { key, left, right }), aggregatedOf(args))
      },
    },
  },
  'windowed stream': {
    emitStrategy: onWindowed('windowed stream', (windowed, { strategy = 'onWindowUpdate' }) => windowed.emitStrategy(strategy)),
    count: onWindowed('table', (windowed, args) => windowed.count(aggregatedOf(args) as Parameters<typeof windowed.count>[0])),
    reduce: onWindowed('table', (windowed, args) =>
      windowed.reduce((agg, value) => evaluate(args.reducer, { agg, value }), aggregatedOf(args)),
    ),
    aggregate: onWindowed('table', (windowed, args) =>
      args.merger
        ? sessionAggregate(windowed as unknown as SessionWindowedKStream<unknown, unknown>, args)
        : windowed.aggregate(
            () => evaluate(args.initializer, noScope),
            (key, value, agg) => evaluate(args.aggregator, { key, value, agg }),
            aggregatedOf(args),
          ),
    ),
  },
}

const byReducer = (expression: Expression | undefined) => (agg: unknown, value: unknown) => evaluate(expression, { agg, value })
const byAggregator = (expression: Expression | undefined) => (key: unknown, value: unknown, agg: unknown) =>
  evaluate(expression, { key, value, agg })

const noScope: Scope = {}
const noWindows: WindowsSpec = { type: 'none' }

/** The verb of a kind; one that is another verb for another second object has that one's kind in its name. */
export const verbOf = (kind: Kind, op: string, other: Kind | undefined): Verb | undefined => {
  const name = other === undefined || Object.hasOwn(verbs[kind], op) ? op : `${op} ${other}`
  return Object.hasOwn(verbs[kind], name) ? verbs[kind][name] : undefined
}

const sessionAggregate = (sessions: SessionWindowedKStream<unknown, unknown>, args: StepArgs): unknown =>
  sessions.aggregate(
    () => evaluate(args.initializer, noScope),
    (key, value, agg) => evaluate(args.aggregator, { key, value, agg }),
    (key, left, right) => evaluate(args.merger, { key, left, right }),
    aggregatedOf(args),
  )

/** What the steps gave, by step id. */
export interface Drawn {
  readonly kind: Kind
  readonly object: unknown
}

/** Draws the steps in order into `scene.drawn`. Throws what the DSL throws. */
export const drawSteps = (steps: readonly Step[], scene: Scene): ReadonlyMap<string, Drawn> => {
  const { drawn } = scene
  for (const { id, op, on = [], args = {} } of steps) {
    const target = on[0] === undefined ? { kind: 'nothing' as const, object: undefined } : drawn.get(on[0])
    const other = on[1] === undefined ? undefined : drawn.get(on[1])
    const verb = target && verbOf(target.kind, op, other?.kind)
    if (!verb) throw new Error(`step ${id ?? op}: ${op} is not defined on ${target?.kind ?? `the unknown step ${on[0]}`}`)
    const object = verb.draw(target.object, args, scene, other?.object)
    if (id !== undefined && verb.gives) drawn.set(id, { kind: verb.gives, object })
  }
  return drawn
}
