import type { InputEvent, InputRecord } from '../scenario.ts'
import type { Random } from './random.ts'

/** A topic that gets records, all of text. */
export interface Input {
  readonly topic: string
  /** Whether its records may have no key: not where Kafka Streams fails at them. */
  readonly nullKeys: boolean
  /** Of a global table: its records are applied at once, there is no queue for several. */
  readonly global: boolean
  /** Some of its values cannot be read (`picky`). */
  readonly unreadable: boolean
}

const keys = ['a', 'b', 'c', 'ab', '']

/** How time goes by in one scenario. */
interface Pace {
  readonly step: number
  readonly late: number
  readonly lateBy: number
  readonly jump: number
  readonly jumpBy: number
}

const paceOf = (random: Random): Pace => ({
  step: random.pick([0, 1, 4, 8, 8, 20]),
  late: random.pick([0, 0.1, 0.25, 0.5]),
  lateBy: random.pick([5, 30, 60, 200]),
  jump: random.pick([0, 0.03, 0.1]),
  jumpBy: random.pick([30, 200, 1000, 100_000]),
})

/** Records of all inputs in a random order, some late, some at once, with the wall clock going on in between. */
export const randomEvents = (random: Random, inputs: readonly [Input, ...Input[]]): readonly InputEvent[] => {
  const pace = paceOf(random)
  const bulks = random.pick([0, 0, 0.1, 0.4])
  const clocks = random.pick([0, 0.05, 0.15])
  const count = random.between(3, random.pick([12, 25, 40]))
  const globals = new Set(inputs.filter(({ global }) => global).map(({ topic }) => topic))
  const isGlobal = ({ topic }: InputRecord): boolean => globals.has(topic)
  let now = random.pick([0, 0, 5, 1000])
  const record = (index: number): InputRecord => {
    now += random.int(pace.step + 1)
    if (random.chance(pace.jump)) now += random.int(pace.jumpBy)
    const ts = random.chance(pace.late) ? Math.max(0, now - random.int(pace.lateBy + 1)) : now
    return recordOf(random, random.pick(inputs), { index, ts })
  }
  return Array.from({ length: count }, (_, index): InputEvent => {
    if (random.chance(clocks)) return { clock: random.between(1, 150) }
    const first = record(index)
    if (!random.chance(bulks) || isGlobal(first)) return first
    const more = Array.from({ length: random.int(5) }, (_, place) => record(index + place))
    return { bulk: [first, ...more.filter((it) => !isGlobal(it))] }
  })
}

const recordOf = (
  random: Random,
  { topic, nullKeys, unreadable }: Input,
  { index, ts }: { readonly index: number; readonly ts: number },
) => {
  const letter = String.fromCharCode(97 + (index % 26))
  const text = unreadable && random.chance(0.15) ? `!${letter}` : random.pick([letter, letter, random.pick(keys), `${letter} ${letter}`])
  return {
    topic,
    k: nullKeys && random.chance(0.05) ? null : random.pick(keys),
    v: random.chance(0.12) ? null : text,
    ts,
    ...(random.chance(0.2) ? { h: [['n', String(index)] as const] } : {}),
  }
}
