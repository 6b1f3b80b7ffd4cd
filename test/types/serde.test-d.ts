import type { ErrorCode } from '../../src/errors.ts'
import { type Serde, serde, type ValueOf } from '../../src/serde/serde.ts'

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
const yes = <T extends true>(): T | undefined => undefined

const dates = serde({
  serialize: (date: Date) => new TextEncoder().encode(date.toISOString()),
  deserialize: (bytes) => new Date(new TextDecoder().decode(bytes)),
})

// The value type of a serde comes from its functions.
yes<Same<typeof dates, Serde<Date>>>()
yes<Same<ValueOf<typeof dates>, Date>>()

// @ts-expect-error a serde reads what it writes
serde({ serialize: (value: string) => new TextEncoder().encode(value), deserialize: () => 1 })

// @ts-expect-error a serde of one type is not a serde of another
export const wrong: Serde<string> = dates

// @ts-expect-error the codes are a closed list
export const unknown: ErrorCode = 'SOMETHING_ELSE'
