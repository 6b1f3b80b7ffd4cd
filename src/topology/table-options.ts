import { StreamsError } from '../errors.ts'
import type { DeferredFlush, PackedPages, ResidentStore, StoreSpec } from './nodes.ts'

const bytesDefault = 1024 * 1024
/** What SYNC reads at once of each topic. */
const bytesLimit = 8 * 1024 * 1024
/** Every task gets a tick within this time, and a tick flushes. */
const intervalMsLimit = 10 * 60_000

/** One write unit. */
export const pageBytesDefault = 1024
const pageBytesLeast = 64
const pageBytesMost = 65_536

/** How the rows of a store are written to the table, and read from it. */
interface TableOptions {
  readonly flush?: DeferredFlush | undefined
  readonly resident?: ResidentStore | undefined
  readonly packed?: PackedPages | undefined
}

/** The options as a store has them. CONFIG_INVALID where they could not be kept, or where rows would be nowhere while they wait. */
export const tableOptions = (
  store: string,
  { flush, resident, packed, logging, kind }: TableOptions & { readonly logging?: unknown; readonly kind: StoreSpec['kind'] },
): Pick<StoreSpec, 'flush' | 'resident' | 'packed'> => {
  if (resident !== undefined && !(resident.bytesMax >= 0))
    throw new StreamsError('CONFIG_INVALID', `Store ${store}: resident.bytesMax is a number of bytes, not ${resident.bytesMax}`)
  if (flush !== undefined) checkFlush(store, flush, logging)
  if (packed !== undefined) checkPacked(store, packed, { logging, kind })
  return { ...(flush ? { flush } : {}), ...(resident ? { resident } : {}), ...(packed ? { packed } : {}) }
}

const refusal =
  (store: string) =>
  (why: string): never => {
    throw new StreamsError('CONFIG_INVALID', `Store ${store}: ${why}`)
  }

const mayBePacked = (kind: StoreSpec['kind']): boolean => kind === 'key-value' || kind === 'window'

const checkPacked = (
  store: string,
  { pageBytes = pageBytesDefault }: PackedPages,
  { logging, kind }: { readonly logging: unknown; readonly kind: StoreSpec['kind'] },
): void => {
  const refuse = refusal(store)
  if (!mayBePacked(kind)) refuse(`rows of a ${kind} store cannot be packed: only those of key-value and window stores`)
  if (logging === false) refuse('rows cannot be packed without a changelog of their own')
  if (!Number.isSafeInteger(pageBytes) || pageBytes < pageBytesLeast || pageBytes > pageBytesMost)
    refuse(`packed.pageBytes is ${pageBytesLeast} to ${pageBytesMost}, not ${pageBytes}`)
}

const checkFlush = (store: string, flush: DeferredFlush, logging: unknown): void => {
  const refuse = refusal(store)
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

/** No character of a store's name. */
const pagesSuffix = '#pages'

/** The name under which rows of a store are in the table: pages and rows never mix, whatever a store was before. */
export const tableStoreOf = ({ name, packed }: Pick<StoreSpec, 'name' | 'packed'>): string => (packed ? `${name}${pagesSuffix}` : name)

/** The name under which they would be if the store were what it is not: packed, or not packed. */
export const otherTableStoreOf = ({ name, packed }: Pick<StoreSpec, 'name' | 'packed'>): string => (packed ? name : `${name}${pagesSuffix}`)

/** Every name under which rows of a store may be in the table, those of other deployments too. */
export const tableStoresOf = (store: Pick<StoreSpec, 'name' | 'packed' | 'kind' | 'logging'>): readonly string[] =>
  mayBePacked(store.kind) && store.logging !== false ? [tableStoreOf(store), otherTableStoreOf(store)] : [store.name]
