import type { ContextHolder } from '../processor/context.ts'
import { noHeaders } from '../processor/record.ts'
import type { ValueAndTimestamp, ValueTimestampHeaders } from '../processor/store.ts'
import type { Held } from './row-store.ts'

/** How a processor sees a row: what it reads as `S` and what becomes of the `S` that it writes. */
export interface Contents<V, S> {
  seen(held: Held<V>): S
  held(seen: S, holder: ContextHolder): Held<V>
}

/** The value alone; the row has the time of the record that writes it. */
export const values: Contents<unknown, unknown> = Object.freeze({
  seen: ({ value }: Held<unknown>) => value,
  held: (value: unknown, { current }: ContextHolder) => ({ value, timestamp: current?.timestamp ?? 0 }),
})

export const timestamped: Contents<unknown, ValueAndTimestamp<unknown>> = Object.freeze({
  seen: ({ value, timestamp }: Held<unknown>) => ({ value, timestamp }),
  held: ({ value, timestamp }: ValueAndTimestamp<unknown>) => ({ value, timestamp }),
})

export const withHeaders: Contents<unknown, ValueTimestampHeaders<unknown>> = Object.freeze({
  seen: ({ value, timestamp, headers = noHeaders }: Held<unknown>) => ({ value, timestamp, headers }),
  held: (seen: ValueTimestampHeaders<unknown>) => seen,
})

/** Sessions have no time of their own, so that theirs with headers is a value with headers. */
export const valuesWithHeaders: Contents<unknown, Omit<ValueTimestampHeaders<unknown>, 'timestamp'>> = Object.freeze({
  seen: ({ value, headers = noHeaders }: Held<unknown>) => ({ value, headers }),
  held: ({ value, headers }: Omit<ValueTimestampHeaders<unknown>, 'timestamp'>, { current }: ContextHolder) => ({
    value,
    timestamp: current?.timestamp ?? 0,
    headers,
  }),
})
