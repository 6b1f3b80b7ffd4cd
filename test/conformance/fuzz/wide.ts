import type { ConsumedSpec, InputEvent, Step } from '../scenario.ts'
import { streamVerbs } from './draw-streams.ts'
import { asText, tableVerbs } from './draw-tables.ts'
import { addStream, addTable, type Drawing, drawingOf, fresh, maybeKept, recent, step } from './drawing.ts'
import { randomEvents } from './events.ts'
import { the } from './expressions.ts'
import type { Draft } from './oracle.ts'
import type { Random } from './random.ts'

/** A random topology of many verbs with data, whose keys and values are text between the verbs. */
export const wideGraph = (random: Random, name: string): Draft => {
  const drawing = drawingOf(random)
  source(drawing)
  const size = random.between(2, random.pick([4, 8, 12]))
  for (let made = 0; made < size; made++) grow(drawing)
  for (const stream of drawing.streams.slice(-3)) sink(drawing, stream)
  for (const table of drawing.tables.filter(({ windows, counts }) => !windows && !counts).slice(-2)) {
    sink(drawing, step(drawing, 'toStream', [table.id]))
  }
  const [first, ...more] = drawing.inputs
  if (!first) throw new Error('a drawing begins with a source')
  const { steps, topics } = drawing
  return { name, config: configOf(drawing), topics, topology: steps, events: oneByOne(drawing, randomEvents(random, [first, ...more])) }
}

/**
 * Where sessions grow in a cache, a record is an event: of a session that is too old for its store when it is replaced, Java's changelog
 * does not say that it is gone, and that it was there before is compared by event.
 */
const oneByOne = ({ steps }: Drawing, events: readonly InputEvent[]): readonly InputEvent[] =>
  steps.some(({ args }) => args?.windows?.type === 'session')
    ? events.flatMap<InputEvent>((event) => ('bulk' in event ? event.bulk : [event]))
    : events

const grow = (drawing: Drawing): undefined => {
  const { random, tables, streams } = drawing
  const open = tables.findIndex(({ windows, counts }) => windows || counts)
  if (open >= 0) {
    const [table] = tables.splice(open, 1)
    if (table) return asText(drawing, table)
  }
  if (random.chance(0.18)) return source(drawing)
  if (tables.length > 0 && (streams.length === 0 || random.chance(0.45)))
    return weighed(random, tableVerbs)(drawing, recent(drawing, tables))
  weighed(random, streamVerbs)(drawing, recent(drawing, streams))
}

const weighed = <T>(random: Random, choices: readonly (readonly [times: number, what: T])[]): T => {
  let left = random.int(choices.reduce((sum, [times]) => sum + times, 0))
  for (const [times, what] of choices) {
    left -= times
    if (left < 0) return what
  }
  throw new Error('there is nothing to choose from')
}

const input = ({ random, inputs, topics }: Drawing, { unreadable = false, global = false } = {}): string => {
  const topic = `in-${inputs.length}`
  inputs.push({ topic, nullKeys: random.chance(0.7), unreadable, global })
  topics[topic] = ['string', 'string']
  return topic
}

const consumed = (drawing: Drawing): { readonly consumed?: ConsumedSpec } => {
  const { random } = drawing
  if (!random.chance(0.15)) return {}
  return {
    consumed: {
      ...{ key: 'string', value: 'string' },
      ...(random.chance(0.4) ? { name: fresh(drawing, 'source') } : {}),
      ...(random.chance(0.4) ? { timestampExtractor: random.pick(extractors) } : {}),
    },
  }
}

const minus = (ms: number) => ({ fn: 'sub', a: the('ts'), b: { fn: 'lit', value: { long: ms } } })
const extractors: readonly NonNullable<ConsumedSpec['timestampExtractor']>[] = [
  { fn: 'max', a: minus(10), b: { fn: 'lit', value: { long: 0 } } },
  { fn: 'mul', a: the('ts'), b: { fn: 'lit', value: { long: 2 } } },
  { fn: 'max', a: the('partitionTime'), b: the('ts') },
  // negative at the beginning: such records are skipped
  minus(7),
]

const source = (drawing: Drawing): undefined => {
  const { random } = drawing
  const kind = drawing.streams.length === 0 ? 0 : random.next()
  if (kind < 0.45) {
    if (random.chance(0.1))
      return addStream(
        drawing,
        step(drawing, 'stream', [], { topics: [input(drawing, { unreadable: true })], consumed: { key: 'string', value: 'picky' } }),
      )
    const topics = random.chance(0.15) ? [input(drawing), input(drawing)] : [input(drawing)]
    return addStream(drawing, step(drawing, 'stream', [], { topics, ...consumed(drawing) }))
  }
  if (kind < 0.7)
    return addTable(drawing, step(drawing, 'table', [], { topic: input(drawing), ...consumed(drawing), ...maybeKept(drawing) }))
  if (kind < 0.85) {
    const supplier = { kind: 'versioned', name: fresh(drawing, 'versions'), historyMs: random.pick([0, 20, 100, 1000]) }
    const args = { topic: input(drawing), materialized: { supplier, key: 'string', value: 'string' } }
    return addTable(drawing, step(drawing, 'table', [], args), { versioned: true })
  }
  drawing.globals.push(step(drawing, 'globalTable', [], { topic: input(drawing, { global: true }) }))
}

/** To a topic; now and then one that the topology reads again. */
const sink = (drawing: Drawing, stream: string): void => {
  const topic = `out-${drawing.steps.length}`
  drawing.topics[topic] = ['string', 'string']
  step(drawing, 'to', [stream], { topic })
  if (!drawing.random.chance(0.08)) return
  const again = step(drawing, 'stream', [], { topics: [topic] })
  drawing.topics[`${topic}-again`] = ['string', 'string']
  step(drawing, 'to', [again], { topic: `${topic}-again` })
}

/** There Java's stores in memory age by null values, which are no rows: those on a disk and ours do not. */
const joinsStreams = (steps: readonly Step[]): boolean => steps.some(({ args }) => args?.windows?.type === 'join')

const configOf = ({ random, steps }: Drawing): Readonly<Record<string, string>> => ({
  ...{ 'default.key.serde': 'string', 'default.value.serde': 'string' },
  ...(random.chance(0.6)
    ? {
        'topology.optimization': random.pick([
          'none',
          'all',
          'all',
          'merge.repartition.topics',
          'reuse.ktable.source.topics',
          'single.store.self.join',
        ]),
      }
    : {}),
  ...(random.chance(0.12) && !joinsStreams(steps) ? { 'dsl.store.suppliers.class': 'inMemory' } : {}),
  ...(random.chance(0.4)
    ? { 'processing.exception.handler': random.pick(['LogAndContinue', 'LogAndContinue', 'LogAndContinue', 'LogAndFail']) }
    : {}),
  ...(random.chance(0.5)
    ? { 'deserialization.exception.handler': random.pick(['LogAndContinue', 'LogAndContinue', 'LogAndFail', 'ToCustomDlq']) }
    : {}),
  ...(random.chance(0.15) ? { 'errors.dead.letter.queue.topic.name': 'dead' } : {}),
  ...(random.chance(0.15) ? { 'default.timestamp.extractor': random.pick(['LogAndSkip', 'UsePartitionTime']) } : {}),
})
