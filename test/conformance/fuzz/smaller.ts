import type { InputEvent, Step } from '../scenario.ts'
import type { Draft } from './oracle.ts'

/** Scenarios that are smaller than a given one, the much smaller ones first. Not all of them have a meaning. */
export type Smaller = (draft: Draft) => Iterable<Draft>

/** Fewer events: halves, then quarters, and at last single ones are left out. */
export const fewerEvents: Smaller = function* (draft) {
  const { events } = draft
  if (!events) return
  for (const fewer of fewerOf(events)) yield { ...draft, events: fewer }
  for (const [at, event] of events.entries()) {
    if (!('bulk' in event)) continue
    yield withEvents(draft, events.toSpliced(at, 1, ...event.bulk))
    for (const bulk of fewerOf(event.bulk)) if (bulk.length > 0) yield withEvents(draft, events.with(at, { bulk }))
  }
}

const withEvents = (draft: Draft, events: readonly InputEvent[]): Draft => ({ ...draft, events })

function* fewerOf<T>(list: readonly T[]): Generator<readonly T[]> {
  for (let size = list.length; size >= 1; size = Math.floor(size / 2)) {
    // what comes last matters least
    for (let end = list.length; end > 0; end -= size) yield list.toSpliced(Math.max(0, end - size), Math.min(size, end))
  }
}

/** Fewer steps: one with all that hangs on it is left out, or one alone, and what hung on it hangs on what that hung on. */
export const fewerSteps: Smaller = function* (draft) {
  for (const { id } of draft.topology) if (id !== undefined) yield { ...draft, topology: without(draft.topology, id) }
  for (const { id, on: [above] = [] } of draft.topology.toReversed()) {
    if (id !== undefined && above !== undefined) yield { ...draft, topology: bypassed(draft.topology, id, above) }
  }
  for (const at of draft.topology.keys()) yield { ...draft, topology: draft.topology.toSpliced(at, 1) }
}

const without = (steps: readonly Step[], id: string): readonly Step[] => {
  const gone = new Set([id])
  return steps.filter((step) => {
    const hangs = step.id === id || step.on?.some((above) => gone.has(above))
    if (hangs && step.id !== undefined) gone.add(step.id)
    return !hangs
  })
}

/** Without a step: what hung on it hangs on another one. */
export const bypassed = (steps: readonly Step[], id: string, above: string): readonly Step[] =>
  steps.flatMap((step) => (step.id === id ? [] : [step.on ? { ...step, on: step.on.map((it) => (it === id ? above : it)) } : step]))

/** Simpler arguments, settings and events: a member less, a simpler expression, a smaller number, a shorter list. */
export const simplerArguments: Smaller = function* (draft) {
  for (const name of ['clock', 'buildWithoutConfig', 'probes'])
    if (name in draft) yield omit(draft as unknown as Members, name) as unknown as Draft
  for (const name of Object.keys(draft.config ?? {})) yield { ...draft, config: omit(draft.config ?? {}, name) } as Draft
  for (const [at, step] of draft.topology.entries()) {
    for (const simpler of simplerOf(step.args ?? {}))
      yield { ...draft, topology: draft.topology.with(at, { ...step, args: simpler } as Step) }
  }
  for (const [at, event] of (draft.events ?? []).entries()) {
    for (const simpler of simplerEvents(event)) yield withEvents(draft, (draft.events ?? []).with(at, simpler as InputEvent))
  }
  for (const topic of Object.keys(draft.topics ?? {})) yield { ...draft, topics: omit(draft.topics ?? {}, topic) } as Draft
}

/** With no headers, sooner, and with a command as value that is simpler. */
function* simplerEvents(event: InputEvent): Generator<Json> {
  if ('bulk' in event) return
  if (!('ts' in event)) for (const clock of simplerOf(event.clock)) yield { clock }
  else {
    if (event.h) yield omit({ ...event }, 'h')
    for (const ts of simplerOf(event.ts)) yield { ...event, ts }
    if (isMembers(event.v)) for (const v of simplerOf(event.v)) yield { ...event, v }
  }
}

type Json = unknown
type Members = Readonly<Record<string, Json>>

const isMembers = (json: Json): json is Members => typeof json === 'object' && json !== null && !Array.isArray(json)
const isExpression = (json: Json): boolean => isMembers(json) && 'fn' in json

const omit = (of: Members, name: string): Members => Object.fromEntries(Object.entries(of).filter(([it]) => it !== name))

/** JSON that is one thing simpler. */
function* simplerOf(json: Json): Generator<Json> {
  if (typeof json === 'number') yield* [0, Math.floor(json / 2), json - 1].filter((smaller) => smaller >= 0 && smaller < json)
  else if (Array.isArray(json)) {
    for (const at of json.keys()) yield json.toSpliced(at, 1)
    for (const [at, item] of json.entries()) for (const simpler of simplerOf(item)) yield json.with(at, simpler)
  } else if (isMembers(json)) yield* simplerMembers(json)
}

/** Members of arguments that a step can do without; without others it is none, or another one. */
const optional = new Set([
  ...['named', 'name', 'label', 'consumed', 'produced', 'grouped', 'joined', 'tableJoined', 'repartitioned', 'materialized', 'partitioner'],
  ...['key', 'value', 'left', 'right', 'storeName', 'storeType', 'caching', 'logging', 'persistent', 'retentionMs', 'timestampExtractor'],
  ...['graceMs', 'beforeMs', 'afterMs', 'startMs', 'maxRecords', 'maxBytes', 'full', 'default', 'function', 'consumer', 'cancelAfter'],
])

/** Nothing is 0 long. */
const lengths = new Set(['sizeMs', 'diffMs', 'advanceMs', 'intervalMs', 'historyMs'])

function* simplerMembers(json: Members): Generator<Json> {
  if (isExpression(json)) {
    if (json.fn !== 'value') yield { fn: 'value' }
    yield* Object.values(json)
      .flat()
      .filter((part) => isExpression(part))
  } else {
    for (const name of Object.keys(json)) if (optional.has(name)) yield omit(json, name)
  }
  for (const [name, value] of Object.entries(json))
    for (const simpler of simplerOf(value)) {
      if (simpler !== 0 || !lengths.has(name)) yield { ...json, [name]: simpler }
    }
}
