import { keyId } from '../serde/serde.ts'
import type { Checkpoint } from '../state/backend.ts'
import { otherTableStoreOf, tableStoreOf } from '../topology/table-options.ts'
import { type Unflushed, unflushedOf } from './flush.ts'
import { type InvocationRequest, taskIdOf } from './invocation-request.ts'
import type { LogState, TailRow } from './log-sync.ts'
import { PackedStore } from './packed-store.ts'
import { latestWindowOf, readPages } from './pages.ts'

type LoadRequest = Pick<InvocationRequest, 'ports' | 'plan' | 'partition' | 'deadlineMs'>

/** What is committed behind the checkpoint, and the packed stores up to it: as another task was `kept`, which stands where the log does, or as the table has them. */
export const recall = async (
  request: LoadRequest,
  log: LogState,
  { sizes, kept }: { readonly sizes: Checkpoint['sizes']; readonly kept: Unflushed | undefined },
): Promise<{ readonly tail: LogState['tail']; readonly unflushed: Unflushed }> => {
  const now = await withoutOldRows(request, log, sizes)
  const packed = kept?.packed ?? (await loadPacked(request, log, sizes))
  return { tail: now.tail, unflushed: unflushedOf(request, now, { packed, kept }) }
}

/** The packed stores of a task that begins, by name, each as the table has it; read only where a checkpoint tells that there may be something. */
const loadPacked = async (
  request: LoadRequest,
  { commit, rebuilt, added }: LogState,
  sizes: Checkpoint['sizes'],
): Promise<ReadonlyMap<string, PackedStore>> => {
  const { ports, plan, deadlineMs } = request
  const loaded = await Promise.all(
    plan.stores.flatMap((store) => {
      if (!store.packed) return []
      const load = async (): Promise<readonly [string, PackedStore]> => {
        const packed = new PackedStore(store)
        if (sizes === undefined || sizes[tableStoreOf(store)] !== undefined) {
          const pages = await readPages(ports.table, { ...taskIdOf(request), gen: commit.gen, store }, deadlineMs)
          const inLog = rebuilt || (added?.has(store.name) ?? false)
          packed.load(pages, { inLog, latestMs: latestWindowOf(store.name, commit.times) })
        }
        return [store.name, packed]
      }
      return [load()]
    }),
  )
  return new Map(loaded)
}

/**
 * The log of a task, with deletes of the rows that the table has of a store from before it was packed, if it is no longer: the log has all of its
 * rows, but may not remember what was deleted meanwhile.
 */
const withoutOldRows = async (request: LoadRequest, log: LogState, sizes: Checkpoint['sizes']): Promise<LogState> => {
  const { ports, plan, deadlineMs } = request
  const { commit, added } = log
  const tail = new Map(log.tail)
  for (const store of plan.stores) {
    const wasPacked = sizes === undefined || sizes[otherTableStoreOf(store)] !== undefined
    if (!added?.has(store.name) || store.packed || !wasPacked) continue
    const own = log.tail.get(store.name) ?? []
    const ids = new Set(own.map((row) => keyId(row.key)))
    const deleted: TailRow[] = []
    // what is newer is of somebody who has read more of the log
    for await (const page of ports.table.query({ ...taskIdOf(request), gen: commit.gen, store: store.name }, deadlineMs))
      for (const { key, timestamp, seq } of page)
        if (seq < commit.seq && !ids.has(keyId(key))) deleted.push({ key, value: null, timestamp, seq: commit.seq })
    tail.set(store.name, [...own, ...deleted])
  }
  return { ...log, tail }
}
