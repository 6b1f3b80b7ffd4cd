import { type Awaitable, forEachInOrder } from '../awaitable.ts'
import type { Change } from '../processor/change.ts'
import type { ProcessorContext } from '../processor/processor.ts'
import type { Record } from '../processor/record.ts'
import type { CacheableWindowedStore, StoreWithCache, ValueAndTimestamp } from '../processor/store.ts'
import type { Windowed } from '../serde/windowed.ts'
import { openTableRows } from './table-rows.ts'

/** When a windowed aggregation sends what it has: at every update, or once, when the window closes (Kafka's `EmitStrategy`, D-72). */
export type EmitStrategy = 'onWindowUpdate' | 'onWindowClose'

export interface WindowedRowsOptions {
  readonly store: string
  readonly emit: EmitStrategy
  /** Tells nodes apart that share a store: each has its own time. */
  readonly part?: number
  /** Every update tells the row before as well (S-16); what is sent at the close does not. */
  readonly oldValues: boolean
}

/** What the rows need of their node. */
export type RowsContext<K, A> = Pick<ProcessorContext<Windowed<K>, Change<A>>, 'getStateStore' | 'forward' | 'remember' | 'remembered'>

/** The rows of a windowed aggregation, and the event time by which its windows close. */
export interface WindowedRows<K, A> {
  readonly store: CacheableWindowedStore<K, A>
  /** Takes in a record's time; answers the highest one that came to this node, also in tasks before this one (S-03). */
  observe(timestamp: number): number
  /** Writes the record's value as the row, null deletes it, and sends it on where every update is sent: cached ones at the commit (S-15). */
  update(record: Record<Windowed<K>, A | null>, before: A | null): Awaitable<void>
  /**
   * Where windows are sent when they close: sends those that end after `closed(t)` for the time `t` of the last call and up to
   * `closed(closeTime)`, by end, start and key (S-10), with the headers of the record that closed them.
   */
  emitClosed(record: Record<unknown, unknown>, closeTime: number, closed: ClosedUpTo): Awaitable<void>
}

/** The latest end of a window that is closed at a close time. */
export type ClosedUpTo = (closeTime: number) => number

export const openWindowedRows = <K, A>(
  context: RowsContext<K, A>,
  { store: name, emit, oldValues, part }: WindowedRowsOptions,
): WindowedRows<K, A> => {
  const store = context.getStateStore<StoreWithCache<CacheableWindowedStore<K, A>>>(name).cacheable
  const everyUpdate = emit === 'onWindowUpdate'
  const sent = everyUpdate ? openTableRows(context, name, oldValues) : undefined
  const [timeName, closeName] = [part === undefined ? `${name}/stream-time` : `${name}/stream-time/${part}`, `${name}/closed`]
  let observed = context.remembered(timeName) ?? -1
  let lastClose = context.remembered(closeName)
  const send = ([key, { value, timestamp }]: readonly [Windowed<K>, ValueAndTimestamp<A>], { headers }: Record<unknown, unknown>) =>
    context.forward({ key, value: { newValue: value, oldValue: null }, timestamp, headers })
  const sendBetween = async (after: number, upTo: number, record: Record<unknown, unknown>): Promise<void> => {
    const found = (await store.all()).filter(([{ window }]) => window.endMs > after && window.endMs <= upTo)
    // equal windows stay in the order of their keys' bytes
    const inOrder = found.toSorted(([a], [b]) => a.window.endMs - b.window.endMs || a.window.startMs - b.window.startMs)
    await forEachInOrder(inOrder, (row) => send(row, record))
  }
  return {
    store,
    observe: (timestamp) => {
      if (timestamp > observed) {
        observed = timestamp
        context.remember(timeName, timestamp)
      }
      return observed
    },
    update: (record, before) => {
      if (sent) return sent.update(record, before)
      store.put(record.key, record.value === null ? null : { value: record.value, timestamp: record.timestamp })
    },
    emitClosed: (record, closeTime, closed) => {
      if (everyUpdate || (lastClose !== undefined && lastClose >= closeTime)) return
      const upTo = closed(closeTime)
      if (upTo < 0) return
      const after = lastClose === undefined ? -1 : closed(lastClose)
      lastClose = closeTime
      context.remember(closeName, closeTime)
      if (upTo > after) return sendBetween(after, upTo, record)
    },
  }
}
