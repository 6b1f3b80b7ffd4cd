import * as fc from 'fast-check'
import type { Checkpoint, StateRow, TableBackend, TaskId, TaskItem } from '../../src/state/backend.ts'

/** One random request. Small numbers everywhere, so that conditions meet their borders. */
export type Operation =
  | { readonly kind: 'acquire'; readonly token: string; readonly source: string; readonly nowMs: number; readonly steal: boolean }
  | { readonly kind: 'ring'; readonly token: string; readonly topic: string; readonly target: number }
  | {
      readonly kind: 'release'
      readonly token: string
      readonly checkpoint: Checkpoint | undefined
      readonly handover: { readonly bell?: { readonly topic: string; readonly target: number } } | undefined
      readonly deferred: boolean
    }
  | { readonly kind: 'checkpoint'; readonly checkpoint: Checkpoint }
  | { readonly kind: 'put'; readonly key: number; readonly seq: number; readonly value: number | null }
  | { readonly kind: 'query'; readonly from: number; readonly to: number; readonly reverse: boolean }

export const topics = ['left', 'right'] as const
const token = fc.constantFrom('t1', 't2', 't3')
const topic = fc.constantFrom(...topics)
const small = fc.integer({ min: 0, max: 6 })
const key = fc.constantFrom(0, 1, 127, 128, 255)
const bell = fc.record({ topic, target: small })
const checkpoint: fc.Arbitrary<Checkpoint> = fc.record(
  {
    seq: small,
    gen: fc.constantFrom(0, 1),
    ends: fc.dictionary(fc.constantFrom('commits', 'changelog'), small),
    positions: fc.dictionary(topic, small),
    wakeMs: small,
    sizes: fc.dictionary(
      fc.constantFrom('numbers', 'letters'),
      fc.record({ rows: small, bytes: small, agedMs: small }, { requiredKeys: ['rows', 'bytes'] }),
    ),
  },
  { requiredKeys: ['seq', 'gen', 'ends', 'positions'] },
)

export const operations: fc.Arbitrary<readonly Operation[]> = fc.array(
  fc.oneof(
    fc.record({
      kind: fc.constant('acquire' as const),
      token,
      source: fc.constantFrom('src:left', 'src:right', 'tick'),
      nowMs: small,
      steal: fc.boolean(),
    }),
    fc.record({ kind: fc.constant('ring' as const), token, topic, target: small }),
    fc.record({
      kind: fc.constant('release' as const),
      token,
      checkpoint: fc.option(checkpoint, { nil: undefined }),
      handover: fc.option(fc.oneof(fc.constant({}), fc.record({ bell })), { nil: undefined }),
      deferred: fc.boolean(),
    }),
    fc.record({ kind: fc.constant('checkpoint' as const), checkpoint }),
    fc.record({ kind: fc.constant('put' as const), key, seq: small, value: fc.option(small, { nil: null }) }),
    fc.record({ kind: fc.constant('query' as const), from: key, to: key, reverse: fc.boolean() }),
  ),
  { maxLength: 40 },
)

const leaseMs = 2
const store = 'numbers'

export async function ask(backend: TableBackend, task: TaskId, operation: Operation, deadlineMs: number): Promise<unknown> {
  switch (operation.kind) {
    case 'acquire':
      return backend.acquire(task, { ...operation, expiresAtMs: operation.nowMs + leaseMs }, deadlineMs)
    case 'ring':
      return backend.ring(task, operation, deadlineMs)
    case 'release': {
      const { token, checkpoint, handover, deferred } = operation
      return backend.release(task, { token, checkpoint, sources: topics, deferred, ...(handover && { handover }) }, deadlineMs)
    }
    case 'checkpoint':
      return backend.checkpoint(task, operation.checkpoint, deadlineMs)
    case 'put': {
      const row = rowOf(task, operation.key, operation.seq, operation.value)
      await backend.put([row], deadlineMs)
      return backend.get([row], deadlineMs)
    }
    case 'query': {
      const { from, to, reverse } = operation
      const range = { ...task, gen: 0, store, from: Uint8Array.of(from), to: Uint8Array.of(to), reverse }
      const rows: StateRow[] = []
      for await (const page of backend.query(range, deadlineMs)) rows.push(...page)
      return rows
    }
    default:
      return operation satisfies never
  }
}

const rowOf = (task: TaskId, key: number, seq: number, value: number | null): StateRow => ({
  ...task,
  gen: 0,
  store,
  key: Uint8Array.of(key),
  value: value === null ? null : Uint8Array.of(value),
  timestamp: seq,
  seq,
  ...(value === null && { expiresAtSeconds: 4_000_000_000 }),
})

/** The conditions of the protocol once more, as naively as possible: one task, mutable. */
export function createModel(task: TaskId) {
  let exists = false
  const item = {
    seq: undefined as number | undefined,
    checkpoint: undefined as Checkpoint | undefined,
    bells: {} as Record<string, number>,
    deferredSeq: undefined as number | undefined,
  }
  let lease: TaskItem['lease']
  const rows = new Map<number, StateRow>()
  const look = (): TaskItem | undefined => {
    const { checkpoint, bells, deferredSeq } = item
    return exists ? { checkpoint, bells: { ...bells }, lease, ...(deferredSeq === undefined ? {} : { deferredSeq }) } : undefined
  }

  function save(next: Checkpoint) {
    exists = true
    item.seq = next.seq
    const { wakeMs } = item.checkpoint ?? {}
    item.checkpoint = {
      ...(wakeMs === undefined ? {} : { wakeMs }),
      ...next,
      positions: { ...item.checkpoint?.positions, ...next.positions },
    }
  }

  function release({ token, checkpoint, handover, deferred }: Operation & { kind: 'release' }) {
    const refused = () => ({ released: false, item: look() })
    const told = Math.max(item.seq ?? -1, deferred ? (item.deferredSeq ?? -1) : -1)
    if (!lease) return { released: !checkpoint || told >= checkpoint.seq, item: look() }
    if (lease.token !== token) return refused()
    if (checkpoint && item.seq !== undefined && item.seq > checkpoint.seq) return refused()
    for (const topic of handover ? [] : topics) {
      const position = checkpoint?.positions[topic] ?? item.checkpoint?.positions[topic] ?? -1
      if ((item.bells[topic] ?? -1) > position) return refused()
    }
    lease = undefined
    if (checkpoint && deferred) item.deferredSeq = checkpoint.seq
    else if (checkpoint) save(checkpoint)
    if (handover?.bell) item.bells[handover.bell.topic] = Math.max(item.bells[handover.bell.topic] ?? 0, handover.bell.target)
    return { released: true, item: look() }
  }

  return (operation: Operation): unknown => {
    switch (operation.kind) {
      case 'acquire': {
        const { token, source, nowMs, steal } = operation
        const won = !lease || lease.token === token || lease.expiresAtMs < nowMs || (steal && lease.source === source)
        if (won) lease = { token, source, expiresAtMs: nowMs + leaseMs }
        exists = true
        return { won, item: look() }
      }
      case 'ring': {
        if (!lease || lease.token === operation.token) return 'free'
        item.bells[operation.topic] = Math.max(item.bells[operation.topic] ?? 0, operation.target)
        return 'rung'
      }
      case 'release':
        return release(operation)
      case 'checkpoint':
        if (item.seq === undefined || item.seq < operation.checkpoint.seq) save(operation.checkpoint)
        return undefined
      case 'put': {
        const current = rows.get(operation.key)
        if (!current || current.seq < operation.seq) rows.set(operation.key, rowOf(task, operation.key, operation.seq, operation.value))
        return [rows.get(operation.key)]
      }
      case 'query': {
        const hits = [...rows]
          .filter(([at, row]) => at >= operation.from && at <= operation.to && row.value !== null)
          .sort((a, b) => a[0] - b[0])
        return (operation.reverse ? hits.reverse() : hits).map(([, row]) => row)
      }
      default:
        return operation satisfies never
    }
  }
}
