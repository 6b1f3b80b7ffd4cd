import { isDeepStrictEqual } from 'node:util'
import type { Windowed } from 'millrace'
import type { Expression } from './scenario.ts'
import { fromJson } from './serdes.ts'
import { isWindowed, longOf, Pair, show, toJson } from './values.ts'

export type Scope = Readonly<Record<string, unknown>>
type Evaluate = (expression: Expression, scope: Scope) => unknown

/** Thrown by the scenario itself (`throw`): its message is part of the expectation. */
export class ScenarioError extends Error {
  override readonly name = 'ScenarioError'
}

/** What a function of the scenario gives (README section 4); an absent one gives null. */
export const evaluate = (expression: Expression | undefined, scope: Scope): unknown => {
  if (!expression) return null
  const { fn } = expression
  const known = functions[fn]
  if (known) return known(expression, scope)
  if (!variables.has(fn)) throw new Error(`unknown function ${fn}`)
  if (!Object.hasOwn(scope, fn)) throw new Error(`variable ${fn} is not bound here`)
  return scope[fn] ?? null
}

/** Only the value true is true. */
export const holds = (expression: Expression | undefined, scope: Scope): boolean => evaluate(expression, scope) === true

const variables = new Set(['key', 'value', 'agg', 'left', 'right', 'item', 'ts', 'topic', 'partition', 'offset', 'partitionTime'])

const of: Evaluate = (expression, scope) => evaluate(expression.of ?? { fn: 'value' }, scope)

const textual =
  (change: (text: string, expression: Expression) => string): Evaluate =>
  (expression, scope) => {
    const value = of(expression, scope)
    return value === null ? null : change(show(value), expression)
  }

const literal: Evaluate = ({ value }) => {
  if (typeof value !== 'object' || value === null) return value
  const [type = '', content] = Object.entries(value)[0] ?? []
  return fromJson(type, content)
}

/** Text split at every occurrence of the separator; null gives no parts. */
const parts =
  (split: (text: string, expression: Expression) => readonly string[]): Evaluate =>
  (expression, scope) => {
    const value = of(expression, scope)
    return value === null ? [] : split(show(value), expression)
  }

interface Operation {
  readonly exact: (a: bigint, b: bigint) => bigint
  readonly real: (a: number, b: number) => number
}

/** Whole numbers that a JavaScript number holds exactly count as long (or int, which cannot be told apart), others as double. */
const arithmetic =
  ({ exact, real }: Operation): Evaluate =>
  (expression, scope) => {
    const [a, b] = [evaluate(expression.a, scope) ?? 0, evaluate(expression.b, scope) ?? 0]
    if (typeof a === 'number' && typeof b === 'number') {
      const result = real(a, b)
      const whole = Number.isSafeInteger(a) && Number.isSafeInteger(b)
      return !whole || Number.isSafeInteger(result) ? result + 0 : longOf(exact(BigInt(a), BigInt(b)))
    }
    if (typeof a === 'bigint' || typeof b === 'bigint') {
      if ([a, b].every((it) => typeof it === 'bigint' || Number.isSafeInteger(it)))
        return longOf(exact(BigInt(a as number), BigInt(b as number)))
      return real(Number(a), Number(b))
    }
    throw new TypeError(`not a number: ${show(a)} or ${show(b)}`)
  }

const comparison =
  (compare: (a: number, b: number) => boolean): Evaluate =>
  (expression, scope) => {
    const [a, b] = [evaluate(expression.a, scope), evaluate(expression.b, scope)]
    return a !== null && b !== null && compare(Number(a), Number(b))
  }

const isNumber = (value: unknown): value is number | bigint => typeof value === 'number' || typeof value === 'bigint'

const equal: Evaluate = (expression, scope) => {
  const [a, b] = [evaluate(expression.a, scope), evaluate(expression.b, scope)]
  return isNumber(a) && isNumber(b) ? Number(a) === Number(b) : isDeepStrictEqual(a, b)
}

const truncated = (value: number | bigint): bigint => (typeof value === 'bigint' ? value : BigInt(Math.trunc(value)))

const parsedNumber = (text: string, pattern: RegExp): string => {
  if (!pattern.test(text)) throw new Error(`For input string: "${text}"`)
  return text.replace(/^\+/, '')
}

type JsonObject = Readonly<Record<string, unknown>>

const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' &&
  value !== null &&
  !Array.isArray(value) &&
  !(value instanceof Uint8Array || isWindowed(value) || value instanceof Pair)

const member = (value: unknown, path: string): unknown => {
  let at: unknown = value
  for (const part of path.split('.')) at = isObject(at) && Object.hasOwn(at, part) ? at[part] : null
  return at
}

const windowed = (expression: Expression, scope: Scope): Windowed<unknown> => {
  const value = of(expression, scope)
  if (isWindowed(value)) return value
  throw new TypeError(`not a windowed key: ${show(value)}`)
}

const functions: Readonly<Record<string, Evaluate>> = {
  lit: literal,

  upper: textual((text) => text.toUpperCase()),
  lower: textual((text) => text.toLowerCase()),
  append: textual((text, { suffix }) => text + suffix),
  prepend: textual((text, { prefix }) => prefix + text),
  prefix: textual((text, { n }) => text.slice(0, n)),
  length: (expression, scope) => {
    const value = of(expression, scope)
    return value === null ? 0 : show(value).length
  },
  str: (expression, scope) => show(of(expression, scope)),
  concat: ({ parts: all = [], sep = '' }, scope) => all.map((part) => show(evaluate(part, scope))).join(sep),
  words: parts((text) => text.match(/[A-Za-z0-9_]+/g) ?? []),
  splitOn: parts((text, { sep = '' }) => text.split(sep)),

  add: arithmetic({ exact: (a, b) => a + b, real: (a, b) => a + b }),
  sub: arithmetic({ exact: (a, b) => a - b, real: (a, b) => a - b }),
  mul: arithmetic({ exact: (a, b) => a * b, real: (a, b) => a * b }),
  max: arithmetic({ exact: (a, b) => (a > b ? a : b), real: Math.max }),
  min: arithmetic({ exact: (a, b) => (a < b ? a : b), real: Math.min }),
  mod: (expression, scope) => longOf(truncated((of(expression, scope) ?? 0) as number | bigint) % BigInt(expression.n ?? 1)),
  toLong: (expression, scope) => {
    const value = of(expression, scope)
    if (value === null) return null
    return longOf(isNumber(value) ? truncated(value) : BigInt(parsedNumber(value as string, /^[+-]?\d+$/)))
  },
  toDouble: (expression, scope) => {
    const value = of(expression, scope)
    if (value === null) return null
    return isNumber(value) ? Number(value) : Number(parsedNumber((value as string).trim(), /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i))
  },

  field: (expression, scope) => member(of(expression, scope), expression.path ?? ''),
  setField: (expression, scope) => {
    const value = of(expression, scope)
    return { ...(isObject(value) ? value : {}), [expression.path ?? '']: toJson(evaluate(expression.to, scope)) }
  },
  obj: ({ fields = [] }, scope) => Object.fromEntries(fields.map(([name, part]) => [name, toJson(evaluate(part, scope))])),
  parseJson: (expression, scope) => {
    const value = of(expression, scope)
    return value === null ? null : JSON.parse(value as string)
  },

  eq: equal,
  gt: comparison((a, b) => a > b),
  lt: comparison((a, b) => a < b),
  ge: comparison((a, b) => a >= b),
  le: comparison((a, b) => a <= b),
  isNull: (expression, scope) => of(expression, scope) === null,
  notNull: (expression, scope) => of(expression, scope) !== null,
  contains: (expression, scope) => {
    const value = of(expression, scope)
    return value !== null && show(value).includes(expression.text ?? '')
  },
  startsWith: (expression, scope) => {
    const value = of(expression, scope)
    return value !== null && show(value).startsWith(expression.text ?? '')
  },
  and: ({ args = [] }, scope) => args.every((arg) => holds(arg, scope)),
  or: ({ args = [] }, scope) => args.some((arg) => holds(arg, scope)),
  not: ({ arg }, scope) => !holds(arg, scope),
  if: (expression, scope) => evaluate(holds(expression.cond, scope) ? expression.then : expression.else, scope),
  throw: ({ message }) => {
    throw new ScenarioError(message)
  },

  pair: ({ key, val }, scope) => new Pair(evaluate(key, scope), evaluate(val, scope)),
  list: ({ items = [] }, scope) => items.map((item) => evaluate(item, scope)),
  each: ({ list, do: body }, scope) => {
    const items = (evaluate(list, scope) ?? []) as Iterable<unknown>
    return Array.from(items, (item) => evaluate(body, { ...scope, item }))
  },
  windowKey: (expression, scope) => windowed(expression, scope).key,
  windowStart: (expression, scope) => windowed(expression, scope).window.startMs,
  windowEnd: (expression, scope) => windowed(expression, scope).window.endMs,
}
