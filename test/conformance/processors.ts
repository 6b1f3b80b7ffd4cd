import type {
  FixedKeyProcessor,
  FixedKeyProcessorContext,
  KeyValueStore,
  ProcessingContext,
  Processor,
  ProcessorContext,
  Record,
  StateStore,
  ValueTransformer,
  VersionedKeyValueStore,
  WindowStore,
} from 'millrace'
import { withStores } from 'millrace'
import { evaluate, holds, ScenarioError, type Scope } from './expressions.ts'
import { headersJson, headersText, setHeaders } from './headers.ts'
import type { ProcessorSpec, StateStoreSpec, TransformerSpec } from './scenario.ts'
import { type CommandScope, heldBy, plainOf, runCommand, type StoreCommand, storeOf } from './stores.ts'
import { longOf, show, toJson } from './values.ts'

/** What the processors of one scenario share. */
export interface ProcessorScene {
  readonly log: string[]
  /** Stores by name, as the scenario declares them. */
  readonly stores: ReadonlyMap<string, StateStoreSpec>
  /**
   * What a processor keeps in its own fields, by its specification. Java's driver never ends a task, so that there they last as
   * long as the scenario; here they would end at a cut, which is nobody's fault but the processor's.
   */
  readonly fields: Map<object, { readonly kept: Record<unknown, unknown>[]; fired: number }>
}

type Context = ProcessorContext<unknown, unknown>
type AnyRecord = Record<unknown, unknown>
type Process = (record: AnyRecord) => unknown

const scopeOf = ({ key, value, timestamp }: AnyRecord): Scope => ({ key, value, ts: timestamp })

/** A store of the processor, taken when it is first used, with its kind, which tells how it holds values. */
const open = (context: ProcessingContext, { store: name = '' }: { readonly store?: string }, scene: ProcessorScene) => {
  const spec = scene.stores.get(name)
  const kind = spec?.kind ?? 'timestampedKeyValue'
  const store = () => context.getStateStore<KeyValueStore<unknown, unknown>>(name)
  return {
    spec,
    kind,
    store,
    get: async (key: unknown): Promise<unknown> => plainOf(kind, await store().get(key)),
    put: (key: unknown, value: unknown, { timestamp, headers }: Pick<AnyRecord, 'timestamp' | 'headers'>): void =>
      store().put(key, heldBy(kind, { value, timestamp, headers })),
  }
}

const fieldsOf = (spec: object, { fields }: ProcessorScene) => {
  const known = fields.get(spec) ?? { kept: [], fired: 0 }
  fields.set(spec, known)
  return known
}

const scheduleOf = ({ intervalMs = 0, type = 'stream', startMs }: ProcessorSpec) => ({
  intervalMs,
  type: type === 'wall' ? ('WALL_CLOCK_TIME' as const) : ('STREAM_TIME' as const),
  ...(startMs === undefined ? {} : { startMs }),
})

const contextText = (context: ProcessingContext, { timestamp }: AnyRecord): string => {
  const { topic, partition, offset } = context.recordMetadata ?? { topic: '', partition: -1, offset: -1 }
  const times = `stream=${context.currentStreamTimeMs()} wall=${context.currentSystemTimeMs()} ts=${timestamp}`
  return `${topic}/${partition}/${offset} app=${context.applicationId} task=${context.taskId} ${times}`
}

/** Processors of README section 5.1: each answers what it does with a record, once it has its context. */
const processors: Readonly<{ [name: string]: (spec: ProcessorSpec, context: Context, scene: ProcessorScene) => Process }> = {
  forward: (_spec, context) => (record) => context.forward(record),
  drop: () => () => undefined,
  map:
    ({ key, value, ts, to }, context) =>
    (record) => {
      const scope = scopeOf(record)
      const changed = {
        key: key ? evaluate(key, scope) : record.key,
        value: value ? evaluate(value, scope) : record.value,
        timestamp: ts ? Number(evaluate(ts, scope)) : record.timestamp,
        headers: record.headers,
      }
      return context.forward(changed, to)
    },
  route:
    ({ routes = [], otherwise }, context) =>
    (record) => {
      const to = routes.find(({ when }) => holds(when, scopeOf(record)))?.to ?? otherwise
      if (to !== undefined) return to === '*' ? context.forward(record) : context.forward(record, to)
    },
  fanOut:
    ({ n = 0 }, context) =>
    async (record) => {
      for (let i = 0; i < n; i++) await context.forward({ ...record, value: `${show(record.value)}#${i}` })
    },
  fail:
    ({ when, message = '' }, context) =>
    (record) => {
      if (holds(when, scopeOf(record))) throw new ScenarioError(message)
      return context.forward(record)
    },
  dedupe: (spec, context, scene) => {
    const { store } = open(context, spec, scene)
    return async (record) => {
      const before = await store().putIfAbsent(show(evaluate(spec.by, scopeOf(record))), record.timestamp)
      if (before === null) await context.forward(record)
    }
  },
  windowDedupe: ({ by, windowMs = 0, store: name = '' }, context) => {
    const store = context.getStateStore<WindowStore<unknown, unknown>>(name)
    return async (record) => {
      const id = show(evaluate(by, scopeOf(record)))
      const seen = await store.fetch(id, Math.max(0, record.timestamp - windowMs), record.timestamp + windowMs)
      store.put(id, record.timestamp, record.timestamp)
      if (seen.length === 0) await context.forward(record)
    }
  },
  countPunctuate: (spec, context, scene) => {
    const counts = open(context, spec, scene)
    context.schedule(scheduleOf(spec), async (timestamp) => {
      for (const [key, held] of await counts.store().all()) {
        await context.forward({ key, value: plainOf(counts.kind, held), timestamp, headers: [] })
        if (spec.reset) await counts.store().delete(key)
      }
    })
    return async (record) => counts.put(record.key, Number((await counts.get(record.key)) ?? 0) + 1, record)
  },
  wallBuffer: (spec, context, scene) => {
    const { kept } = fieldsOf(spec, scene)
    context.schedule(scheduleOf(spec), async () => {
      for (const record of kept.splice(0)) await context.forward(record)
    })
    return (record) => void kept.push(record)
  },
  punctuator: (spec, context, scene) => {
    const fields = fieldsOf(spec, scene)
    const schedule = context.schedule(scheduleOf(spec), async (timestamp) => {
      const present = context.recordMetadata !== undefined
      const value = `${timestamp} stream=${context.currentStreamTimeMs()} wall=${context.currentSystemTimeMs()} metadata=${present}`
      fields.fired++
      if (spec.cancelAfter !== undefined && fields.fired >= spec.cancelAfter) schedule.cancel()
      await context.forward({ key: 'punctuate', value, timestamp, headers: [] })
    })
    return (record) => context.forward(record)
  },
  ttl: (spec, context, scene) => {
    const seen = open(context, spec, scene)
    context.schedule(scheduleOf(spec), async (timestamp) => {
      const oldest = timestamp - (spec.ttlMs ?? 0)
      for (const [key, held] of await seen.store().all()) {
        if (Number(plainOf(seen.kind, held)) >= oldest) continue
        await seen.store().delete(key)
        await context.forward({ key, value: null, timestamp, headers: [] })
      }
    })
    return (record) => {
      seen.put(record.key, record.timestamp, record)
      return context.forward(record)
    }
  },
  topN: (spec, context, scene) => {
    const lists = open(context, spec, scene)
    return async (record) => {
      const scope = scopeOf(record)
      const [group, id] = [evaluate(spec.group, scope), show(evaluate(spec.by, scope))]
      const before = ((await lists.get(group)) ?? []) as readonly { readonly id: string; readonly score: unknown }[]
      const score = toJson(evaluate(spec.score, scope))
      const after = noLongerThan(spec.n ?? 0, [...before.filter((it) => it.id !== id), { id, score }])
      lists.put(group, after, record)
      if (JSON.stringify(after) !== JSON.stringify(before)) await context.forward({ ...record, key: group, value: after })
    }
  },
  lookup: (spec, context, scene) => {
    const table = open(context, spec, scene)
    return async (record) => {
      const key = spec.by ? evaluate(spec.by, scopeOf(record)) : record.key
      const right = key === null ? null : await table.get(key)
      await context.forward({ ...record, value: evaluate(spec.joiner, { ...scopeOf(record), left: record.value, right }) })
    }
  },
  lookupAsOf: (spec, context) => {
    const versions = context.getStateStore<VersionedKeyValueStore<unknown, unknown>>(spec.store ?? '')
    return async (record) => {
      const key = spec.by ? evaluate(spec.by, scopeOf(record)) : record.key
      const found = key === null ? null : await versions.get(key, record.timestamp)
      const right = found === null ? null : found.value
      await context.forward({ ...record, value: evaluate(spec.joiner, { ...scopeOf(record), left: record.value, right }) })
    }
  },
  put: (spec, context, scene) => {
    const table = open(context, spec, scene)
    return (record) => {
      const scope = scopeOf(record)
      table.put(spec.key ? evaluate(spec.key, scope) : record.key, spec.value ? evaluate(spec.value, scope) : record.value, record)
      if (spec.forward) return context.forward(record)
    }
  },
  accumulate: (spec, context, scene) => {
    const table = open(context, spec, scene)
    return async (record) => {
      const next = evaluate(spec.next, { ...scopeOf(record), agg: await table.get(record.key) })
      table.put(record.key, next, record)
      await context.forward({ ...record, value: next })
    }
  },
  commands: (spec, context, scene) => {
    const { store, spec: declared } = open(context, spec, scene)
    return async (record) => {
      if (!declared) throw new Error(`store ${spec.store} is not declared`)
      const scope: CommandScope = {
        spec: declared,
        store: store() as StateStore,
        timestamp: record.timestamp,
        headers: record.headers,
        headersJson,
      }
      await context.forward({ ...record, value: await runCommand(record.value as StoreCommand, scope) })
    }
  },
  headers: (spec, context) => (record) => context.forward({ ...record, headers: setHeaders(record.headers, spec) }),
  headersToValue: (_spec, context) => (record) => context.forward({ ...record, value: headersText(record.headers) }),
  context: (_spec, context) => (record) => context.forward({ ...record, value: contextText(context, record) }),
}

interface Scored {
  readonly id: string
  readonly score: unknown
}

/** The `n` highest scores, equal ones by id. */
const noLongerThan = (n: number, list: readonly Scored[]): readonly Scored[] =>
  list.toSorted((a, b) => Number(b.score) - Number(a.score) || (a.id < b.id ? -1 : 1)).slice(0, n)

type FixedContext = FixedKeyProcessorContext<unknown, unknown>

/** README section 5.2. */
const fixedProcessors: Readonly<{ [name: string]: (spec: ProcessorSpec, context: FixedContext, scene: ProcessorScene) => Process }> = {
  fixedMap:
    ({ value, ts }, context) =>
    (record) => {
      const scope = scopeOf(record)
      const timestamp = ts ? Number(evaluate(ts, scope)) : record.timestamp
      return context.forward({ ...record, value: evaluate(value, scope), timestamp })
    },
  fixedCount: (spec, context, scene) => {
    const counts = open(context, spec, scene)
    return async (record) => {
      const count = Number((await counts.get(record.key)) ?? 0) + 1
      counts.put(record.key, longOf(BigInt(count)), record)
      await context.forward({ ...record, value: `${show(record.value)}#${count}` })
    }
  },
  fixedHeaders: (_spec, context) => (record) => context.forward({ ...record, value: headersText(record.headers) }),
  fixedContext: (_spec, context) => (record) => context.forward({ ...record, value: contextText(context, record) }),
  fixedWallTick: ({ intervalMs = 0 }, context, { log }) => {
    context.schedule({ intervalMs, type: 'WALL_CLOCK_TIME' }, (timestamp) => void log.push(`tick ${timestamp}`))
    return (record) => context.forward(record)
  },
}

/** The processors that the interpreter knows. */
export const isKnownProcessor = (proc: string): boolean => Object.hasOwn(processors, proc) || Object.hasOwn(fixedProcessors, proc)

const supplied = <P>(spec: { readonly ownStores?: readonly StateStoreSpec[] }, make: () => P): (() => P) =>
  spec.ownStores === undefined ? make : withStores(make, spec.ownStores.map(storeOf))

/** A node's processor: its work begins when it has its context. */
const running = <C>(spec: ProcessorSpec, scene: ProcessorScene, start: (context: C) => Process) => {
  let process: Process = () => undefined
  return {
    init: (context: C) => {
      if (spec.logInit) scene.log.push(`init ${spec.proc}`)
      process = start(context)
    },
    process: async (record: AnyRecord) => void (await process(record)),
    close: () => {
      if (spec.logInit) scene.log.push(`close ${spec.proc}`)
    },
  }
}

export const processorOf = (spec: ProcessorSpec, scene: ProcessorScene): (() => Processor<unknown, unknown, unknown, unknown>) =>
  supplied(spec, () =>
    running<Context>(spec, scene, (context) => {
      const make = processors[spec.proc]
      if (!make) throw new Error(`unknown processor ${spec.proc}`)
      return make(spec, context, scene)
    }),
  )

export const fixedKeyProcessorOf = (spec: ProcessorSpec, scene: ProcessorScene): (() => FixedKeyProcessor<unknown, unknown, unknown>) =>
  supplied(spec, () =>
    running<FixedContext>(spec, scene, (context) => {
      const make = fixedProcessors[spec.proc]
      if (!make) throw new Error(`unknown fixed-key processor ${spec.proc}`)
      return make(spec, context, scene)
    }),
  )

/** README section 5.3. */
export const transformerOf = (spec: TransformerSpec, scene: ProcessorScene): (() => ValueTransformer<unknown, unknown, unknown>) =>
  supplied(spec, () => {
    let context: ProcessingContext
    return {
      init: (given) => {
        context = given
      },
      transform: async (key, value) => {
        if (spec.xf === 'expr') return evaluate(spec.value, { key, value })
        if (spec.xf === 'forward') return (context as Context).forward({ key, value, timestamp: 0, headers: [] })
        const table = open(context, spec, scene)
        const text = `${show(await table.get(key))}>${show(value)}`
        table.put(key, show(value), { timestamp: 0, headers: [] })
        return text
      },
    }
  })
