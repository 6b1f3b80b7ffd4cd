import { type Awaitable, andThen, forEachInOrder } from '../awaitable.ts'
import type { ProcessorContext } from '../processor/processor.ts'
import type { Record } from '../processor/record.ts'
import type { KeyValueStore } from '../processor/store.ts'
import type { JoinSide, OuterJoinKey, OuterJoinValue } from '../serde/outer-join.ts'

/** What both sides of a left or outer join say of the records that wait for a partner. */
export interface PendingJoinsOptions<L, R, VR, K> {
  /** Both sides share it. */
  readonly store: string
  readonly graceMs: number
  /** How much later than a record of a side its partner may be; undefined: records of that side do not wait. */
  readonly waitsMs: { readonly left: number | undefined; readonly right: number | undefined }
  /** The result of a record that found no partner. */
  readonly alone: (value: OuterJoinValue<L, R>, key: K) => VR
}

/** Records of a left or outer join that have not found a partner yet; kept in one store by both sides of the join. */
export interface PendingJoins<K, L, R> {
  /** Takes in a record's time; answers the highest one of both sides, also in tasks before this one (S-03). */
  observe(timestamp: number): number
  add(timestamp: number, of: { readonly side: JoinSide; readonly key: K }, value: L | R): Awaitable<void>
  /** It found a partner. */
  remove(timestamp: number, of: { readonly side: JoinSide; readonly key: K }): Awaitable<void>
  /** Sends the results of those that can find none any more, by time, right before left, and key, with the headers of `record` (S-27). */
  sendClosed(record: Record<unknown, unknown>, waitMs: number): Awaitable<void>
}

type Waiting<K, L, R> = readonly [OuterJoinKey<K>, readonly (OuterJoinValue<L, R> | null)[]]

export const openPendingJoins = <K, L, R, VR>(
  context: ProcessorContext<K, VR>,
  { store: name, graceMs, waitsMs, alone }: PendingJoinsOptions<L, R, VR, K>,
): PendingJoins<K, L, R> => {
  const store = context.getStateStore<KeyValueStore<OuterJoinKey<K>, readonly (OuterJoinValue<L, R> | null)[]>>(name)
  // both sides of the join, and tasks after this one, see the same numbers
  const [timeName, firstName, fromName] = [`${name}/stream-time`, `${name}/first-waiting`, `${name}/none-before`]
  const nothing = -1
  const streamTime = (): number => context.remembered(timeName) ?? -1
  const leastWaitMs = Math.min(waitsMs.left ?? Number.POSITIVE_INFINITY, waitsMs.right ?? Number.POSITIVE_INFINITY)
  const bothWait = waitsMs.left !== undefined && waitsMs.right !== undefined

  /** A record of this time may wait. */
  const mayWait = (timestamp: number): boolean => {
    const from = context.remembered(fromName) ?? nothing
    return from !== nothing && timestamp >= from
  }

  let isRead = false
  /** What waits is read at once, the first time that any of it is asked for. */
  const read = (): Awaitable<unknown> => {
    if (isRead) return
    isRead = true
    return store.range({ timestamp: context.remembered(fromName) ?? 0 }, { timestamp: Number.MAX_SAFE_INTEGER })
  }

  const waitingAt = (key: OuterJoinKey<K>): Awaitable<Waiting<K, L, R>[1] | null> =>
    mayWait(key.timestamp) ? andThen(read(), () => store.get(key)) : null

  const send = ([{ timestamp, of }, values]: Waiting<K, L, R>, { headers }: Record<unknown, unknown>): Awaitable<void> =>
    forEachInOrder(values, (value) => {
      if (of && value) return context.forward({ key: of.key, value: alone(value, of.key), timestamp, headers })
    })

  /** Goes through those that wait; true once both sides have one that still may find a partner: all later ones may too. */
  const sendFound = (
    open: Map<JoinSide, number>,
    found: readonly Waiting<K, L, R>[],
    record: Record<unknown, unknown>,
  ): Awaitable<boolean> => {
    let ended = false
    const visited = forEachInOrder(found, (waiting) => {
      const [key, values] = waiting
      const { timestamp, of } = key
      if (ended || !of) return
      context.remember(firstName, timestamp)
      if (open.size === 2) {
        ended = true
        return
      }
      if (timestamp + (waitsMs[of.side] ?? 0) + graceMs >= streamTime()) {
        if (!open.has(of.side)) open.set(of.side, timestamp)
        // the second record of a row counts as one more
        ended = open.size === 2 && values.length > 1
        return
      }
      return andThen(send(waiting, record), () => store.put(key, null))
    })
    return andThen(visited, () => ended)
  }

  /** Reads what may be sent, and then piece by piece what waits after it, as far as it takes to know from when on to look again. */
  const sendFrom = (
    from: OuterJoinKey<K>,
    toMs: number,
    { open, stepMs, record }: { readonly open: Map<JoinSide, number>; readonly stepMs: number; readonly record: Record<unknown, unknown> },
  ): Awaitable<void> =>
    andThen(store.range(from, { timestamp: toMs }), (found) =>
      andThen(sendFound(open, found, record), (ended) => {
        if (!ended && toMs <= streamTime()) return sendFrom({ timestamp: toMs }, toMs + stepMs, { open, stepMs: stepMs * 4, record })
        // what was sent leaves nothing but rows that say so: no look goes over them again
        context.remember(fromName, open.size === 0 ? nothing : Math.min(...open.values()))
      }),
    )

  return {
    observe: (timestamp) => {
      const latest = Math.max(streamTime(), timestamp)
      if (latest === timestamp) context.remember(timeName, timestamp)
      return latest
    },
    add: (timestamp, of, value) => {
      const key = { timestamp, of }
      return andThen(waitingAt(key), (waiting) => {
        for (const boundary of [firstName, fromName]) {
          const before = context.remembered(boundary) ?? nothing
          if (before === nothing || timestamp < before) context.remember(boundary, timestamp)
        }
        store.put(key, [...(waiting ?? []), { side: of.side, value }])
      })
    },
    remove: (timestamp, of) => {
      const key = { timestamp, of }
      return andThen(waitingAt(key), (waiting) => {
        if (waiting !== null) store.put(key, null)
      })
    },
    sendClosed: (record, waitMs) => {
      const first = context.remembered(firstName) ?? nothing
      const now = streamTime()
      if (first === nothing || first + waitMs + graceMs >= now) return
      const from = { timestamp: context.remembered(fromName) ?? 0 }
      context.remember(firstName, nothing)
      const closedBefore = Math.max(from.timestamp, now - graceMs - leastWaitMs)
      const restMs = now + 1 - closedBefore
      const stepMs = bothWait ? Math.ceil(restMs / 1024) : restMs
      return andThen(read(), () => sendFrom(from, closedBefore, { open: new Map(), stepMs: Math.max(1, stepMs), record }))
    },
  }
}
