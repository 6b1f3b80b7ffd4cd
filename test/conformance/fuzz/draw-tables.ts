import { addStream, addTable, type Drawing, fresh, maybeKept, maybeNamed, recent, step, type TableAt } from './drawing.ts'
import { concat, pair, randomJoiner, randomPredicate, randomValue, short, text, the, windowText } from './expressions.ts'

type Draw = (drawing: Drawing, table: TableAt) => undefined

/** What is text, and has keys of text, among the tables. */
const plain = ({ tables }: Drawing): readonly TableAt[] => tables.filter(({ windows, counts }) => !windows && !counts)

const joining: Draw = (drawing, table) => {
  const args = { joiner: randomJoiner(drawing.random), ...maybeKept(drawing), ...maybeNamed(drawing) }
  addTable(
    drawing,
    step(drawing, drawing.random.pick(['join', 'leftJoin', 'outerJoin']), [table.id, recent(drawing, plain(drawing)).id], args),
  )
}

const foreignJoining: Draw = (drawing, table) => {
  const { random } = drawing
  const args = {
    extractor: random.pick([the('value'), short(the('value'), 1), text('a')]),
    joiner: randomJoiner(random),
    ...(random.chance(drawing.named) ? { tableJoined: { name: fresh(drawing, 'fk') } } : {}),
    ...maybeKept(drawing),
  }
  addTable(drawing, step(drawing, random.pick(['fkJoin', 'fkLeftJoin']), [table.id, recent(drawing, plain(drawing)).id], args))
}

const regrouping: Draw = (drawing, table) => {
  const { random } = drawing
  const group = step(drawing, 'groupBy', [table.id], {
    mapper: pair(random.pick([the('value'), short(the('value'), 1), the('key')]), the('value')),
  })
  const added = { fn: 'prefix', n: 12, of: concat('', the('agg'), the('value')) }
  const kind = random.pick(['count', 'reduce', 'aggregate'])
  if (kind === 'count') return addTable(drawing, step(drawing, kind, [group], maybeKept(drawing)), { counts: true })
  const args = {
    adder: added,
    subtractor: short(concat('-', the('agg'), the('value')), 12),
    ...(kind === 'aggregate' ? { initializer: text('') } : {}),
  }
  addTable(drawing, step(drawing, kind, [group], { ...args, ...maybeKept(drawing) }))
}

const suppressing: Draw = (drawing, table) => {
  const { random } = drawing
  if (table.versioned) return
  const buffer = random.pick([
    {},
    {},
    { maxRecords: 2, full: 'emitEarly' as const },
    { maxBytes: 200, full: 'emitEarly' as const },
    { logging: false as const },
  ])
  const named = random.chance(drawing.named) ? { name: fresh(drawing, 'hold') } : {}
  addTable(drawing, step(drawing, 'suppress', [table.id], { untilTimeLimitMs: random.pick([0, 5, 30, 200]), buffer, ...named }))
}

const transforming: Draw = (drawing, table) => {
  const { random } = drawing
  if (random.chance(0.6)) {
    const transformer = { xf: 'expr', value: short(concat('~', the('key'), the('value'))) }
    return addTable(drawing, step(drawing, 'transformValues', [table.id], { transformer, ...maybeKept(drawing) }))
  }
  const store = { kind: 'keyValue', name: fresh(drawing, 'memory'), key: 'string', value: 'string' }
  step(drawing, 'addStateStore', [], { store })
  const transformer = { xf: 'remember', store: store.name }
  // without a store of its own a join that looks rows up would transform them again, and in Java has no access to the transformer's store
  const kept = maybeKept(drawing, { name: fresh(drawing, 'remembered') })
  addTable(drawing, step(drawing, 'transformValues', [table.id], { transformer, stores: [store.name], ...kept }))
}

/** Each with how often it is drawn, on tables of text whose keys are text. */
export const tableVerbs: readonly (readonly [times: number, draw: Draw])[] = [
  [
    2,
    (on, { id }) =>
      addTable(
        on,
        step(on, on.random.pick(['filter', 'filterNot']), [id], {
          predicate: randomPredicate(on.random),
          ...maybeKept(on),
          ...maybeNamed(on),
        }),
      ),
  ],
  [
    2,
    (on, { id }) =>
      addTable(on, step(on, 'mapValues', [id], { mapper: randomValue(on.random, on.mayFail), ...maybeKept(on), ...maybeNamed(on) })),
  ],
  [2, (on, { id }) => addStream(on, step(on, 'toStream', [id], maybeNamed(on)))],
  [3, joining],
  [2, foreignJoining],
  [2, regrouping],
  [2, suppressing],
  [1, transforming],
]

/** A table of windows, or of numbers: on the way back to text. */
export const asText: Draw = (drawing, table) => {
  const { random } = drawing
  const closes = table.windows && table.windows.type !== 'unlimited' && random.chance(0.4)
  const held = closes ? step(drawing, 'suppress', [table.id], { untilWindowCloses: true, buffer: {} }) : table.id
  const filtered =
    table.windows && random.chance(0.2) ? step(drawing, 'filter', [held], { predicate: { fn: 'notNull', of: the('value') } }) : held
  if (!table.windows && random.chance(0.5)) {
    return addTable(drawing, step(drawing, 'mapValues', [filtered], { mapper: { fn: 'str', of: the('value') } }))
  }
  const stream = step(drawing, 'toStream', [filtered], table.windows ? { mapper: windowText } : {})
  addStream(drawing, table.counts ? step(drawing, 'mapValues', [stream], { mapper: { fn: 'str', of: the('value') } }) : stream)
}
