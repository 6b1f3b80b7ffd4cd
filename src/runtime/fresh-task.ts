import type { Checkpoint } from '../state/backend.ts'
import { type Row, Rows } from '../state/rows.ts'
import type { Unflushed } from './flush.ts'
import type { InvocationRequest } from './invocation-request.ts'
import type { LogState } from './log-sync.ts'
import { residentBytesMaxOf } from './store-sizes.ts'
import { tableReader } from './table-rows.ts'
import { Task } from './task.ts'

const storeBytesDefault = 128 * 1024 * 1024

/** A new task over the log's tail and the table. */
export const freshTask = (
  { ports, plan, partition, memory, globals, storeBytesMax = storeBytesDefault }: InvocationRequest,
  log: LogState,
  { sizes, packed }: Pick<Unflushed, 'packed'> & { readonly sizes: Checkpoint['sizes'] },
): Task => {
  const { gen } = log.commit
  return new Task({
    ...{ plan, partition, clock: ports.clock, partitionsOf: ports.partitionsOf, times: log.commit.times, seq: log.commit.seq },
    ...(globals ? { globalStore: (name: string) => globals.store(name) } : {}),
    rowsOf: (store) => {
      const tail = log.tail.get(store.name) ?? []
      const own = packed.get(store.name)
      if (own) return rowsOver([...own.rows()], tail)
      const where = { subTopology: plan.subTopology, partition, gen, store: store.name }
      const rows = new Rows({
        // a kept task reads within the invocation that uses it
        reader: tableReader(ports.table, where, () => memory.deadlineMs),
        // what is behind the checkpoint is in the tail
        complete: (log.rebuilt || (sizes !== undefined && sizes[store.name] === undefined)) && plan.changelogs.has(store.name),
        bytesMax: storeBytesMax,
        size: sizes?.[store.name],
        residentBytesMax: Math.min(residentBytesMaxOf(store), storeBytesMax),
      })
      rows.overlay(tail)
      return rows
    },
  })
}

/** All rows of a store. */
const rowsOver = (...layers: readonly (readonly Row[])[]): Rows => {
  const rows = new Rows()
  for (const layer of layers) rows.overlay(layer)
  return rows
}
