import { StreamsError } from '../errors.ts'
import type { DeferredFlush, ResidentStore, StoreSpec } from './nodes.ts'

const bytesDefault = 1024 * 1024
/** What SYNC reads at once of each topic. */
const bytesLimit = 8 * 1024 * 1024
/** Every task gets a tick within this time, and a tick flushes. */
const intervalMsLimit = 10 * 60_000

/** How the rows of a store are written to the table, and read from it. */
interface TableOptions {
  readonly flush?: DeferredFlush | undefined
  readonly resident?: ResidentStore | undefined
}

/** The options as a store has them. CONFIG_INVALID where they could not be kept, or where rows would be nowhere while they wait. */
export const tableOptions = (
  store: string,
  { flush, resident, logging }: TableOptions & { readonly logging?: unknown },
): Pick<StoreSpec, 'flush' | 'resident'> => {
  if (resident !== undefined && !(resident.bytesMax >= 0))
    throw new StreamsError('CONFIG_INVALID', `Store ${store}: resident.bytesMax is a number of bytes, not ${resident.bytesMax}`)
  if (flush !== undefined) checkFlush(store, flush, logging)
  return { ...(flush ? { flush } : {}), ...(resident ? { resident } : {}) }
}

const checkFlush = (store: string, flush: DeferredFlush, logging: unknown): void => {
  const refuse = (why: string): never => {
    throw new StreamsError('CONFIG_INVALID', `Store ${store}: ${why}`)
  }
  const { intervalMs, recordsMax = 1, bytesMax = 1 } = flush
  const isWithin = (value: number, max: number): boolean => Number.isSafeInteger(value) && value >= 1 && value <= max
  if (logging === false) refuse('rows cannot wait for their flush without a changelog: until then they are nowhere else')
  if (!isWithin(intervalMs, intervalMsLimit)) refuse(`flush.intervalMs is 1 to ${intervalMsLimit} ms, not ${intervalMs}`)
  if (!isWithin(recordsMax, Number.MAX_SAFE_INTEGER)) refuse(`flush.recordsMax is at least 1, not ${recordsMax}`)
  if (!isWithin(bytesMax, bytesLimit)) refuse(`flush.bytesMax is 1 to ${bytesLimit}, not ${bytesMax}`)
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
