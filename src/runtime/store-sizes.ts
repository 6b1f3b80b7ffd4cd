import type { Checkpoint, StoreSize } from '../state/backend.ts'
import type { StoreSpec } from '../topology/nodes.ts'
import { tableStoreOf } from '../topology/table-options.ts'
import type { Flush } from './flush.ts'
import type { InvocationRequest } from './invocation-request.ts'
import { expiresAfterMs } from './table-rows.ts'
import type { Task } from './task.ts'

type Sizes = Checkpoint['sizes']

const residentBytesDefault = 8 * 1024 * 1024

/** How large a store may be to be read whole by a process that does not know it. */
export const residentBytesMaxOf = ({ resident }: StoreSpec): number => resident?.bytesMax ?? residentBytesDefault

/** What a checkpoint tells of the stores in this generation. Without one of it the table has nothing but what the log tells as well. */
export const sizesAt = (checkpoint: Checkpoint | undefined, gen: number): Sizes =>
  checkpoint === undefined || checkpoint.seq === 0 || checkpoint.gen !== gen ? {} : checkpoint.sizes

/** What the next checkpoint tells. Stores that this code does not have stay as they are; where nobody knew, nobody will. */
export const sizesNow = (
  { plan, ports }: Pick<InvocationRequest, 'plan' | 'ports'>,
  { task, flush }: { readonly task: Task; readonly flush: Pick<Flush, 'packed'> },
  before: Sizes,
): Sizes => {
  if (before === undefined) return undefined
  const nowMs = ports.clock.nowMs()
  const own = plan.stores.flatMap((store) => {
    const packed = flush.packed(store.name)
    const size = packed ? packed.size : sizeNow(store, task, { before: before[store.name], nowMs })
    return size ? [[tableStoreOf(store), size] as const] : []
  })
  return { ...before, ...Object.fromEntries(own) }
}

/** Rows that expire are taken off evenly: of those that are written at a steady rate as many are left as there are. */
const sizeNow = (
  { name, retentionMs }: StoreSpec,
  task: Task,
  { before, nowMs }: { readonly before: StoreSize | undefined; readonly nowMs: number },
): StoreSize | undefined => {
  const rows = task.store(name)?.rows
  const livesMs = expiresAfterMs(retentionMs)
  if (rows === undefined || livesMs === undefined) return rows?.size
  const { agedMs = nowMs } = before ?? {}
  // a clock that was set back takes nothing off
  const passedMs = Math.max(0, nowMs - agedMs)
  // seldom, or rounding would eat it up
  const isTime = passedMs >= livesMs / 100
  if (isTime) rows.age(Math.exp(-passedMs / livesMs))
  return rows.size && { ...rows.size, agedMs: isTime ? nowMs : agedMs }
}
