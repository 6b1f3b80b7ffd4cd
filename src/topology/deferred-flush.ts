import { StreamsError } from '../errors.ts'
import type { DeferredFlush, StoreSpec } from './nodes.ts'

const bytesDefault = 1024 * 1024
/** What SYNC reads at once of each topic. */
const bytesLimit = 8 * 1024 * 1024
/** Every task gets a tick within this time, and a tick flushes. */
const intervalMsLimit = 10 * 60_000

/** The option as a store has it. CONFIG_INVALID where it could not be kept, or where rows would be nowhere while they wait. */
export const deferredFlush = (
  store: string,
  { flush, logging }: { readonly flush?: DeferredFlush | undefined; readonly logging?: unknown },
): { readonly flush?: DeferredFlush } => {
  if (flush === undefined) return {}
  const refuse = (why: string): never => {
    throw new StreamsError('CONFIG_INVALID', `Store ${store}: ${why}`)
  }
  const { intervalMs, recordsMax = 1, bytesMax = 1 } = flush
  const isWithin = (value: number, max: number): boolean => Number.isSafeInteger(value) && value >= 1 && value <= max
  if (logging === false) refuse('rows cannot wait for their flush without a changelog: until then they are nowhere else')
  if (!isWithin(intervalMs, intervalMsLimit)) refuse(`flush.intervalMs is 1 to ${intervalMsLimit} ms, not ${intervalMs}`)
  if (!isWithin(recordsMax, Number.MAX_SAFE_INTEGER)) refuse(`flush.recordsMax is at least 1, not ${recordsMax}`)
  if (!isWithin(bytesMax, bytesLimit)) refuse(`flush.bytesMax is 1 to ${bytesLimit}, not ${bytesMax}`)
  return { flush }
}

/** When the rows of a task that wait are written: the strictest limits of its stores, which share one checkpoint. Undefined: none waits. */
export const flushOf = (stores: readonly StoreSpec[]): (Required<DeferredFlush> & { readonly stores: ReadonlySet<string> }) | undefined => {
  const some = stores.flatMap(({ name, flush }) => (flush ? [{ name, ...flush }] : []))
  if (some.length === 0) return undefined
  return {
    stores: new Set(some.map(({ name }) => name)),
    intervalMs: Math.min(...some.map(({ intervalMs }) => intervalMs)),
    recordsMax: Math.min(...some.map(({ recordsMax = Number.POSITIVE_INFINITY }) => recordsMax)),
    bytesMax: Math.min(...some.map(({ bytesMax = bytesDefault }) => bytesMax)),
  }
}
