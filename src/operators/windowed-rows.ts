import { type Awaitable, andThen, forEachInOrder } from '../awaitable.ts'
import type { Change } from '../processor/change.ts'
import type { ProcessorContext } from '../processor/processor.ts'
import type { Headers, Record } from '../processor/record.ts'
import type { CacheableWindowedStore, StoreWithCache, ValueAndTimestamp } from '../processor/store.ts'
import type { Windowed } from '../serde/windowed.ts'
import { createOpenWindows, type OpenWindow } from './open-windows.ts'
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
  /** What a fold begins with: an update that is not cached tells it as the row before where there was none, as in Kafka. */
  readonly initial?: () => unknown
}

/** The aggregate before an update, as the update tells it. */
export const toldBefore = <A>(row: ValueAndTimestamp<A> | null, { initial }: WindowedRowsOptions): A | null =>
  row === null ? ((initial?.() ?? null) as A | null) : row.value

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
  // windows end at this time or later, but for those that were sent; not there: nobody knows
  const firstName = `${name}/first-end`
  let observed = context.remembered(timeName) ?? -1
  let lastClose = context.remembered(closeName)
  const windows = createOpenWindows<K, ValueAndTimestamp<A>>()
  // a store that no task had before this one is known without being read
  let known = observed < 0
  const send = ({ key }: OpenWindow<K, unknown>, row: ValueAndTimestamp<A> | null, headers: Headers): Awaitable<void> => {
    if (row !== null) return context.forward({ key, value: { newValue: row.value, oldValue: null }, timestamp: row.timestamp, headers })
  }
  /** Takes in the windows that tasks before this one left open. */
  const load = (after: number): Awaitable<void> => {
    if (known) return
    return andThen(store.all(), (found) => {
      for (const [key, row] of found) if (key.window.endMs > after) windows.add(store.idOf(key), key, row)
      known = true
    })
  }
  const sendBetween = (after: number, upTo: number, { headers }: Record<unknown, unknown>): Awaitable<void> => {
    const first = context.remembered(firstName)
    if (first !== undefined && first > upTo) return
    return andThen(load(after), () => {
      const closed = windows.takeUpTo(upTo)
      context.remember(firstName, windows.firstEnd ?? Number.MAX_SAFE_INTEGER)
      return forEachInOrder(closed, (window) => andThen(window.row ?? store.get(window.key), (row) => send(window, row, headers)))
    })
  }
  const opened = (key: Windowed<K>): void => {
    const first = context.remembered(firstName)
    if (first === undefined ? known : key.window.endMs < first) context.remember(firstName, key.window.endMs)
    windows.add(store.idOf(key), key)
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
      opened(record.key)
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
