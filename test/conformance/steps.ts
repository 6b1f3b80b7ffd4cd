import type { KGroupedStream, KStream, KTable, StreamsBuilder } from 'millrace'
import { evaluate, holds, type Scope } from './expressions.ts'
import { aggregatedOf, consumedOf, consumedTableOf, groupedOf, namedOf, producedOf, topicExtractorOf } from './options.ts'
import type { Expression, Step, StepArgs } from './scenario.ts'
import { Pair, show } from './values.ts'

/** What a step is called on; `nothing`: the builder. */
export type Kind = 'nothing' | 'stream' | 'table' | 'grouped stream'

/** What the steps of one scenario share. */
export interface Scene {
  readonly builder: StreamsBuilder<unknown, unknown>
  /** Lines of foreach and peek. */
  readonly log: string[]
}

interface Verb {
  /** The kind of what it returns; undefined: nothing that another step can stand on. */
  readonly gives: Kind | undefined
  readonly draw: (on: unknown, args: StepArgs, scene: Scene) => unknown
}

type Stream = KStream<unknown, unknown>
type Draw<On> = (on: On, args: StepArgs, scene: Scene) => unknown

const onBuilder = (gives: Kind, draw: Draw<undefined>): Verb => ({ gives, draw: (_on, args, scene) => draw(undefined, args, scene) })
const onStream = (gives: Kind | undefined, draw: Draw<Stream>): Verb => ({
  gives,
  draw: (on, args, scene) => draw(on as Stream, args, scene),
})
const onTable = (gives: Kind, draw: Draw<KTable<unknown, unknown>>): Verb => ({
  gives,
  draw: (on, args, scene) => draw(on as KTable<unknown, unknown>, args, scene),
})
const onGrouped = (gives: Kind, draw: Draw<KGroupedStream<unknown, unknown>>): Verb => ({
  gives,
  draw: (on, args, scene) => draw(on as KGroupedStream<unknown, unknown>, args, scene),
})

const byKeyAndValue = (expression: Expression | undefined) => (key: unknown, value: unknown) => evaluate(expression, { key, value })
const predicate = (expression: Expression | undefined) => (key: unknown, value: unknown) => holds(expression, { key, value })
const byValue =
  ({ mapper, withKey }: StepArgs) =>
  (value: unknown, key: unknown) =>
    evaluate(mapper, withKey ? { key, value } : { value })

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
  groupByKey: onStream('grouped stream', (stream, args) => stream.groupByKey(groupedOf(args))),
  groupBy: onStream('grouped stream', (stream, args) => stream.groupBy(byKeyAndValue(args.mapper), groupedOf(args))),
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
    table: onBuilder('table', (_on, args, { builder }) => builder.table(args.topic ?? '', consumedTableOf(args))),
  },
  stream: streamVerbs,
  table: {
    toStream: onTable('stream', (table, args) =>
      args.mapper ? table.toStream(byKeyAndValue(args.mapper), namedOf(args)) : table.toStream(namedOf(args)),
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
  },
}

const noScope: Scope = {}

/** What the steps gave, by step id. */
export interface Drawn {
  readonly kind: Kind
  readonly object: unknown
}

/** Draws the steps in order. Throws what the DSL throws. */
export const drawSteps = (steps: readonly Step[], scene: Scene): ReadonlyMap<string, Drawn> => {
  const drawn = new Map<string, Drawn>()
  for (const { id, op, on = [], args = {} } of steps) {
    const target = on[0] === undefined ? { kind: 'nothing' as const, object: undefined } : drawn.get(on[0])
    const verb = target && verbs[target.kind][op]
    if (!verb) throw new Error(`step ${id ?? op}: ${op} is not defined on ${target?.kind ?? `the unknown step ${on[0]}`}`)
    const object = verb.draw(target.object, args, scene)
    if (id !== undefined && verb.gives) drawn.set(id, { kind: verb.gives, object })
  }
  return drawn
}
