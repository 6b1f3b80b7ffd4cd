import { StreamsError } from '../errors.ts'
import { keyId } from '../serde/serde.ts'
import type { StateKey, StateRow, TableBackend, TaskId } from '../state/backend.ts'
import { decodePage, groupOf, hashOf, indexAt, levelMax, packedBytes, pageKey, placeOf } from '../state/page.ts'
import type { Row } from '../state/rows.ts'
import { latestWindowName } from '../state/windowed-row-store.ts'
import type { StoreSpec } from '../topology/nodes.ts'
import { tableStoreOf } from '../topology/table-options.ts'
import type { TaskTimes } from './effects.ts'
import { newestRows, type Page, type WrittenPage } from './packed-store.ts'
import { stateRowsOf } from './table-rows.ts'

/** Of one store of one task, in one generation. */
type Where = TaskId & { readonly gen: number }

const rowBytesMax = 32 * 1024

/** A large row would be written again with every small one beside it: STATE_TOO_LARGE. */
export const assertPackable = (row: StateRow): void => {
  const bytes = packedBytes(row)
  if (bytes <= rowBytesMax) return
  const { store, subTopology, partition } = row
  throw new StreamsError(
    'STATE_TOO_LARGE',
    `store '${store}' of task ${subTopology}/${partition}: a row of ${bytes} bytes; packed stores are for small rows, up to ${rowBytesMax} bytes`,
    { remedy: 'Leave out packed for this store, or split the value.' },
  )
}

/** The start of the latest window that a store has seen, which the commit record tells. */
export const latestWindowOf = (store: string, { remembered }: TaskTimes): number => remembered?.[latestWindowName(store)] ?? -1

/** Pages as the table takes them: each has what was committed up to `seq`. */
export const pageRowsOf = (
  pages: readonly WrittenPage[],
  store: StoreSpec,
  at: Where & { readonly seq: number; readonly nowMs: number },
): readonly StateRow[] =>
  stateRowsOf(
    pages.map((page) => ({ key: pageKey(page), value: page.value, timestamp: page.timestamp })),
    { ...at, store: tableStoreOf(store), retentionMs: store.retentionMs },
  )

const pageOf = ({ key, value, seq, store }: StateRow): Page => {
  const place = placeOf(key)
  return { ...place, seq, rows: decodePage(value ?? new Uint8Array(), `page ${place.level}/${place.index} of ${store}`) }
}

/**
 * All pages of a packed store. Where rows move to other pages meanwhile, they are there: pages are read in the order of their levels, and
 * those of a higher one are written first.
 */
export const readPages = async (
  table: Pick<TableBackend, 'query'>,
  { store, ...where }: Where & { readonly store: StoreSpec },
  deadlineMs: number,
): Promise<readonly Page[]> => {
  const pages: Page[] = []
  for await (const some of table.query({ ...where, store: tableStoreOf(store) }, deadlineMs)) pages.push(...some.map(pageOf))
  return pages
}

/** The rows that the table has of any store, by the store's own keys, some at a time: packed or not. */
export async function* readStoreRows(
  table: Pick<TableBackend, 'query'>,
  { store, ...where }: Where & { readonly store: StoreSpec },
  deadlineMs: number,
): AsyncGenerator<readonly Row[]> {
  if (!store.packed) {
    yield* table.query({ ...where, store: store.name }, deadlineMs)
    return
  }
  const groups = Map.groupBy(await readPages(table, { ...where, store }, deadlineMs), ({ group }) => group)
  for (const pages of groups.values()) yield newestRows(pages)
}

const levels = Array.from({ length: levelMax + 1 }, (_, level) => level)

/** The items in which a row of a store may be. */
export const itemsOf = (key: Uint8Array, { store, ...where }: Where & { readonly store: StoreSpec }): readonly StateKey[] => {
  if (!store.packed) return [{ ...where, store: store.name, key }]
  const id = keyId(key)
  const [group, hash] = [groupOf(id, store.kind === 'window'), hashOf(id)]
  return levels.map((level) => ({ ...where, store: tableStoreOf(store), key: pageKey({ group, level, index: indexAt(hash, level) }) }))
}

/** A row as its items had it, with the seq of what it was read from; `moved` where it went from one page to another while they were read. */
export const rowFrom = (
  key: Uint8Array,
  items: readonly (StateRow | undefined)[],
  { packed }: Pick<StoreSpec, 'packed'>,
): { readonly row: (Row & { readonly seq: number }) | undefined; readonly seq: number } | 'moved' => {
  if (!packed) return { row: items[0], seq: items[0]?.seq ?? 0 }
  let newest: StateRow | undefined
  let goneSeq = 0
  for (const item of items) {
    if (item?.value === null) goneSeq = Math.max(goneSeq, item.seq)
    else if (item && item.seq >= (newest?.seq ?? 0)) newest = item
  }
  // what stands for a page that is gone was written before, with its seq
  if (goneSeq > (newest?.seq ?? 0)) return 'moved'
  if (!newest) return { row: undefined, seq: 0 }
  const { seq } = newest
  const found = pageOf(newest).rows.find((row) => Buffer.compare(row.key, key) === 0)
  return { row: found && { ...found, seq }, seq }
}
