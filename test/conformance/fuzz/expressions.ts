import type { Expression } from '../scenario.ts'
import type { Random } from './random.ts'

/** Expressions (README section 4) over text that give text, as short as a topology that feeds itself needs them. */

export const the = (fn: string): Expression => ({ fn })
export const text = (value: string | null | boolean): Expression => ({ fn: 'lit', value })
export const concat = (sep: string, ...parts: readonly Expression[]): Expression => ({ fn: 'concat', sep, parts })
export const short = (of: Expression, n = 8): Expression => ({ fn: 'prefix', n, of })
export const pair = (key: Expression, val: Expression): Expression => ({ fn: 'pair', key, val })

// biome-ignore lint/suspicious/noThenProperty: the scenario language calls it so
const whether = (cond: Expression, yes: Expression, no: Expression): Expression => ({ fn: 'if', cond, then: yes, else: no })
const contains = (part: string, of: Expression = the('value')): Expression => ({ fn: 'contains', text: part, of })
const isShorter = (of: Expression, n: number): Expression => ({ fn: 'lt', a: { fn: 'length', of }, b: { fn: 'lit', value: { long: n } } })

export const randomPredicate = (random: Random): Expression =>
  random.pick([
    { fn: 'notNull', of: the('value') },
    { fn: 'not', arg: contains(random.pick(['a', 'e', 'k'])) },
    contains(random.pick(['a', 'b', ' '])),
    isShorter(the('value'), random.between(1, 4)),
    { fn: 'eq', a: the('key'), b: text(random.pick(['a', 'b'])) },
    text(true),
  ])

/** Text of the value; now and then null, or an error where `mayFail`. */
export const randomValue = (random: Random, mayFail: boolean): Expression =>
  random.pick([
    the('upper'),
    short(concat('', the('value'), text('.'))),
    whether(contains('c'), text(null), the('value')),
    { fn: 'append', suffix: random.pick(['1', '!']) },
    ...(mayFail ? [failing(random)] : []),
  ])

const failing = (random: Random): Expression =>
  whether(contains(random.pick(['d', 'h', 'b'])), { fn: 'throw', message: random.pick(['fatal end', 'odd value']) }, the('value'))

/** A key out of key and value; null where the value is. */
export const randomKey = (random: Random): Expression =>
  random.pick([
    the('value'),
    short(the('value'), 1),
    whether({ fn: 'isNull', of: the('value') }, the('key'), short(the('value'), 1)),
    whether(contains('b'), text(null), the('key')),
  ])

export const randomJoiner = (random: Random): Expression =>
  random.pick([
    short(concat('+', the('left'), the('right'))),
    short(concat('+', the('left'), the('right'))),
    whether({ fn: 'isNull', of: the('left') }, text(null), short(concat('', the('right'), the('left')))),
  ])

export const randomAggregator = (random: Random): Expression =>
  random.pick([
    short(concat('', the('value'), the('agg'))),
    short(concat('', the('value'), the('agg'))),
    whether(isShorter(the('agg'), 4), concat('', the('agg'), the('value')), text(null)),
  ])

export const merger: Expression = short(concat('&', the('left'), the('right')))
export const windowText: Expression = concat('@', { fn: 'windowKey', of: the('key') }, { fn: 'windowStart', of: the('key') })
