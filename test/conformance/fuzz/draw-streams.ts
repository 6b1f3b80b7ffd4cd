import type { BranchSpec, ProcessorSpec, StateStoreSpec, StepArgs, WindowsSpec } from '../scenario.ts'
import { addStream, addTable, type Drawing, fresh, maybeKept, maybeNamed, recent, step } from './drawing.ts'
import {
  concat,
  merger,
  pair,
  randomAggregator,
  randomJoiner,
  randomKey,
  randomPredicate,
  randomValue,
  short,
  text,
  the,
} from './expressions.ts'
import type { Random } from './random.ts'

type Draw = (drawing: Drawing, stream: string) => undefined

const joinWindows = (random: Random): WindowsSpec => ({
  type: 'join',
  diffMs: random.between(0, 30),
  ...(random.chance(0.7) ? { graceMs: random.pick([0, 1, 20, 200]) } : {}),
  ...(random.chance(0.15) ? { beforeMs: random.between(0, 20) } : {}),
  ...(random.chance(0.15) ? { afterMs: random.between(0, 20) } : {}),
})

const aggregateWindows = (random: Random): WindowsSpec =>
  random.pick([
    { type: 'time', sizeMs: random.between(1, 25), graceMs: random.pick([0, 3, 10, 500]) },
    { type: 'time', sizeMs: 24, advanceMs: random.between(3, 24), graceMs: random.pick([0, 4, 30]) },
    { type: 'time', sizeMs: 20 },
    { type: 'sliding', diffMs: random.between(1, 25), graceMs: random.pick([0, 10, 100]) },
    { type: 'session', gapMs: random.pick([0, 1, 9, 20]), graceMs: random.pick([0, 10, 50]) },
    { type: 'unlimited', ...(random.chance(0.5) ? { startMs: 20 } : {}) },
    { type: 'offset', sizeMs: 20, offsetMs: random.between(1, 19), graceMs: random.pick([0, 10]) },
  ])

const grouped = (drawing: Drawing, stream: string): string => {
  const { random } = drawing
  const options = random.chance(drawing.named) ? { grouped: { name: fresh(drawing, 'group') } } : {}
  if (random.chance(0.6)) return step(drawing, 'groupByKey', [stream], options)
  return step(drawing, 'groupBy', [stream], { mapper: randomKey(random), ...options })
}

const streamJoined = (drawing: Drawing): Pick<StepArgs, 'joined'> => {
  const { random } = drawing
  if (!random.chance(0.3)) return {}
  return {
    joined: {
      ...(random.chance(0.5) ? { name: fresh(drawing, 'join') } : {}),
      ...(random.chance(0.5) ? { storeName: fresh(drawing, 'joined') } : {}),
      ...(random.chance(0.2) ? { logging: false } : {}),
    },
  }
}

const store = (drawing: Drawing, more: Partial<StateStoreSpec> = {}): StateStoreSpec => ({
  ...{ kind: 'keyValue', name: fresh(drawing, 'own'), key: 'string', value: 'string' },
  ...(drawing.random.chance(0.2) ? { caching: true } : {}),
  ...(drawing.random.chance(0.2) ? { persistent: true } : {}),
  ...more,
})

const numbers = (drawing: Drawing): StateStoreSpec => store(drawing, { value: 'long' })

/** Processors that forward text, with the store they use. */
const processors: readonly ((drawing: Drawing) => readonly [ProcessorSpec, StateStoreSpec?])[] = [
  ({ random }) => [{ proc: 'map', key: randomKey(random), value: short(the('value')) }],
  ({ random }) => [{ proc: 'map', ts: { fn: 'add', a: the('ts'), b: { fn: 'lit', value: { long: random.between(0, 40) } } } }],
  () => [{ proc: 'fanOut', n: 2 }],
  ({ random }) => [{ proc: 'punctuator', intervalMs: random.between(10, 60), type: random.pick(['stream', 'wall']) }],
  ({ random }) => [{ proc: 'punctuator', intervalMs: 30, type: 'stream', cancelAfter: random.between(1, 3) }],
  () => [{ proc: 'headers', add: [['x', '1']], copy: true }],
  (drawing) => {
    const own = store(drawing)
    return [{ proc: 'accumulate', store: own.name, next: short(concat('', the('value'), the('agg'))) }, own]
  },
  (drawing) => {
    const own = store(drawing, { kind: drawing.random.pick(['timestampedKeyValue', 'headersKeyValue']) })
    return [{ proc: 'accumulate', store: own.name, next: short(concat('', the('value'), the('agg'))) }, own]
  },
  (drawing) => {
    const own = numbers(drawing)
    return [{ proc: 'dedupe', store: own.name, by: the('value') }, own]
  },
  (drawing) => {
    const own = store(drawing, { kind: 'window', value: 'long', retentionMs: 10_000_000, windowMs: 30, caching: false })
    return [{ proc: 'windowDedupe', store: own.name, by: the('value'), windowMs: 30 }, own]
  },
  (drawing) => {
    const own = numbers(drawing)
    return [
      {
        proc: 'ttl',
        store: own.name,
        ttlMs: drawing.random.between(10, 60),
        intervalMs: 25,
        type: drawing.random.pick(['stream', 'wall']),
      },
      own,
    ]
  },
]

const withKeys = (drawing: Drawing, stream: string): string =>
  step(drawing, 'filter', [stream], { predicate: { fn: 'and', args: ['key', 'value'].map((of) => ({ fn: 'notNull', of: the(of) })) } })

const processing: Draw = (drawing, stream) => {
  const [processor, own] = drawing.random.pick(processors)(drawing)
  const shared = own && drawing.random.chance(0.3)
  if (shared) step(drawing, 'addStateStore', [], { store: own })
  addStream(
    drawing,
    step(drawing, 'process', [withKeys(drawing, stream)], {
      processor: { ...processor, ...(own && !shared ? { ownStores: [own] } : {}) },
      ...(shared ? { stores: [own.name] } : {}),
      ...maybeNamed(drawing),
    }),
  )
}

const fixedProcessing: Draw = (drawing, stream) => {
  const own = numbers(drawing)
  const processor: ProcessorSpec = drawing.random.pick<ProcessorSpec>([
    { proc: 'fixedMap', value: short(concat('', text('f'), the('value'))) },
    { proc: 'fixedHeaders' },
    { proc: 'fixedCount', store: own.name, ownStores: [own] },
    { proc: 'fixedWallTick', intervalMs: 40 },
  ])
  addStream(drawing, step(drawing, 'processValues', [withKeys(drawing, stream)], { processor }))
}

const splitting: Draw = (drawing, stream) => {
  const { random } = drawing
  const prefix = fresh(drawing, 'br')
  const nested = (place: number): BranchSpec =>
    random.chance(0.2)
      ? {
          function: {
            steps: [{ id: `${prefix}n${place}`, op: 'mapValues', on: ['$'], args: { mapper: the('upper') } }],
            result: `${prefix}n${place}`,
          },
        }
      : {}
  const branches = Array.from({ length: random.between(1, 3) }, (_, place) => ({ predicate: randomPredicate(random), ...nested(place) }))
  const split = step(drawing, 'split', [stream], { named: prefix, branches, ...(random.chance(0.5) ? { default: {} } : {}) })
  for (const place of branches.keys())
    if (random.chance(0.8)) addStream(drawing, step(drawing, 'branch', [split], { key: `${prefix}${place + 1}` }))
}

const aggregating: Draw = (drawing, stream) => {
  const { random } = drawing
  const group = grouped(drawing, stream)
  const kind = random.pick(['count', 'reduce', 'aggregate'])
  if (kind === 'count') return addTable(drawing, step(drawing, 'count', [group], maybeKept(drawing)), { counts: true })
  const args = kind === 'reduce' ? { reducer: randomAggregator(random) } : { initializer: text(''), aggregator: randomAggregator(random) }
  addTable(drawing, step(drawing, kind, [group], { ...args, ...maybeKept(drawing) }))
}

const windowing: Draw = (drawing, stream) => {
  const { random } = drawing
  const windows = aggregateWindows(random)
  // in sliding windows Java fails at a row that its cache knows to be deleted
  const aggregator = windows.type === 'sliding' ? short(concat('', the('value'), the('agg'))) : randomAggregator(random)
  const cogroups = random.chance(0.15)
  const group = grouped(drawing, stream)
  const cogroup = cogroups ? step(drawing, 'cogroup', [group], { aggregator }) : group
  const windowed = step(drawing, 'windowedBy', [cogroup], { windows })
  const kind = cogroups ? 'aggregate' : random.pick(['count', 'reduce', 'aggregate'])
  const retention = random.chance(0.15) && windows.type !== 'unlimited' ? { retentionMs: 5000 } : {}
  // out of a cache Java's windows are as long as those of their kind, also the first one, which is cut off at 0
  const uncached = windows.type === 'offset' ? { caching: false } : {}
  const kept = maybeKept(drawing, { key: 'string', value: kind === 'count' ? 'long' : 'string', ...retention, ...uncached })
  const args: Readonly<Record<string, StepArgs>> = {
    count: {},
    reduce: { reducer: aggregator },
    aggregate: {
      initializer: text(''),
      ...(cogroups ? {} : { aggregator }),
      ...(windows.type === 'session' ? { merger } : {}),
    },
  }
  addTable(drawing, step(drawing, kind, [windowed], { ...args[kind], ...kept }), { windows, counts: kind === 'count' })
}

const cogrouping: Draw = (drawing, stream) => {
  const first = step(drawing, 'cogroup', [grouped(drawing, stream)], { aggregator: randomAggregator(drawing.random) })
  const other = grouped(drawing, recent(drawing, drawing.streams))
  const both = step(drawing, 'cogroup', [first, other], { aggregator: short(concat('2', the('value'), the('agg'))) })
  addTable(drawing, step(drawing, 'aggregate', [both], { initializer: text(''), ...maybeKept(drawing) }))
}

const joiningTable: Draw = (drawing, stream) => {
  const { random } = drawing
  const tables = drawing.tables.filter(({ windows, counts }) => !windows && !counts)
  if (tables.length === 0) return aggregating(drawing, stream)
  const table = recent(drawing, tables)
  const waits = table.versioned && random.chance(0.5)
  addStream(
    drawing,
    // with a grace period Java fails at a null key (README section 8.4)
    step(drawing, random.pick(['join', 'leftJoin']), [waits ? withKeys(drawing, stream) : stream, table.id], {
      joiner: randomJoiner(random),
      ...(waits ? { joined: { key: 'string', left: 'string', right: 'string', graceMs: random.between(0, 60) } } : {}),
    }),
  )
}

const joiningGlobal: Draw = (drawing, stream) => {
  const { random, globals } = drawing
  if (globals.length === 0) return aggregating(drawing, stream)
  const args = { mapper: random.pick([the('key'), the('value'), randomKey(random)]), joiner: randomJoiner(random) }
  addStream(drawing, step(drawing, random.pick(['join', 'leftJoin']), [stream, random.pick(globals)], { ...args, ...maybeNamed(drawing) }))
}

const joiningStream: Draw = (drawing, stream) => {
  // each join may square the number of records: three of them keep Java busy for minutes
  if (drawing.steps.filter(({ args }) => args?.windows?.type === 'join').length >= 2) return joiningTable(drawing, stream)
  const { random } = drawing
  const op = random.pick(['join', 'leftJoin', 'outerJoin'])
  const args = { joiner: randomJoiner(random), windows: joinWindows(random), ...streamJoined(drawing) }
  addStream(drawing, step(drawing, op, [stream, recent(drawing, drawing.streams)], args))
}

/** Each with how often it is drawn. */
export const streamVerbs: readonly (readonly [times: number, draw: Draw])[] = [
  [
    2,
    (on, stream) =>
      addStream(
        on,
        step(on, on.random.pick(['filter', 'filterNot']), [stream], { predicate: randomPredicate(on.random), ...maybeNamed(on) }),
      ),
  ],
  [2, (on, stream) => addStream(on, step(on, 'mapValues', [stream], { mapper: randomValue(on.random, on.mayFail), ...maybeNamed(on) }))],
  [2, (on, stream) => addStream(on, step(on, 'selectKey', [stream], { mapper: randomKey(on.random), ...maybeNamed(on) }))],
  [
    1,
    (on, stream) =>
      addStream(on, step(on, 'map', [stream], { mapper: pair(randomKey(on.random), short(the('value'))), ...maybeNamed(on) })),
  ],
  [1, (on, stream) => addStream(on, step(on, 'flatMapValues', [stream], { mapper: { fn: 'splitOn', sep: ' ', of: the('value') } }))],
  [
    1,
    (on, stream) =>
      addStream(
        on,
        step(on, 'flatMap', [stream], { mapper: { fn: 'list', items: [pair(the('key'), the('value')), pair(the('value'), the('key'))] } }),
      ),
  ],
  [1, (on, stream) => addStream(on, step(on, 'peek', [stream], { label: `p${on.steps.length}` }))],
  [1, (on, stream) => addStream(on, step(on, 'merge', [stream, recent(on, on.streams)], maybeNamed(on)))],
  [
    1,
    (on, stream) =>
      addStream(on, step(on, 'repartition', [stream], on.random.chance(0.3) ? { repartitioned: { name: fresh(on, 'again') } } : {})),
  ],
  [2, (on, stream) => addTable(on, step(on, 'toTable', [stream], maybeKept(on)))],
  [2, processing],
  [1, fixedProcessing],
  [1, splitting],
  [3, aggregating],
  [3, windowing],
  [1, cogrouping],
  [2, joiningTable],
  [1, joiningGlobal],
  [3, joiningStream],
]
