import { createHash } from 'node:crypto'
import { StreamsError } from '../errors.ts'
import { canGoOn, storeText } from '../topology/store-text.ts'
import { otherTableStoreOf, tableStoreOf } from '../topology/table-options.ts'
import type { CommitRecord } from './commit-record.ts'
import type { TaskPlan } from './plan.ts'

/** What of a sub-topology has to hold from one deployment to the next, as the commit record tells it. */
export interface Shape {
  /** Store, by the name of its rows in the table, to what they are: kind, retention in milliseconds where it has one, and where they are logged. */
  readonly stores: Readonly<Record<string, string>>
  readonly sources: readonly string[]
}

/** What one deployment has that another has not. */
export interface ShapeChange {
  readonly addedStores: readonly string[]
  readonly removedStores: readonly string[]
  readonly addedSources: readonly string[]
  readonly removedSources: readonly string[]
}

/** An older deployment may live on this long behind the last commit of a newer one: an invocation takes 15 minutes at most. */
const overlapMs = 20 * 60_000
const formerMax = 8

export const shapeOf = ({ stores, sources }: Pick<TaskPlan, 'stores' | 'sources'>): Shape => ({
  stores: Object.fromEntries(stores.map((store) => [tableStoreOf(store), storeText(store)])),
  sources: [...sources.keys()],
})

const hashOf = ({ stores, sources }: Shape): string =>
  createHash('sha256')
    .update(JSON.stringify([Object.entries(stores).sort(), [...sources].sort()]))
    .digest('hex')
    .slice(0, 12)

/** Stores that were not there at the last commit, or not as far as it tells. */
export const addedStores = (plan: TaskPlan, { shape }: CommitRecord): ReadonlySet<string> =>
  new Set(shape === undefined ? [] : plan.stores.flatMap((store) => (shape.stores[tableStoreOf(store)] === undefined ? [store.name] : [])))

/**
 * The last commit as this deployment goes on from it: with its own shape, with positions of sources that were away for a while, and
 * without those of sources that it does not read. TOPOLOGY_MISMATCH where rows are of another kind, or were kept for a shorter time;
 * and for an older deployment as long as a newer one, with other stores or sources, may be at work.
 */
export const adoptCommit = (
  plan: TaskPlan,
  commit: CommitRecord,
  { nowMs, committedMs }: { readonly nowMs: number; readonly committedMs: number },
): { readonly commit: CommitRecord; readonly change: ShapeChange | undefined } => {
  const now = shapeOf(plan)
  const { shape: before, former = [] } = commit
  const mine = { ...commit, ...movedPositions(plan, commit), ...succeeding(commit, now) }
  if (before === undefined) return { commit: mine, change: undefined }
  checkStores(plan, before, now)
  const is = hashOf(now)
  if (hashOf(before) === is) return { commit: mine, change: undefined }
  const change = changeOf(before, now)
  if (former.includes(is) && nowMs < committedMs + overlapMs) throw older(plan, change, committedMs + overlapMs)
  return { commit: mine, change }
}

/** A shape in place of that of the last commit, which is then a former one. */
export const succeeding = (
  { shape: before, former = [] }: Pick<CommitRecord, 'shape' | 'former'> = {},
  now: Shape,
): Pick<CommitRecord, 'shape' | 'former'> => {
  const [was, is] = [before && hashOf(before), hashOf(now)]
  const kept = former.filter((it) => it !== is && it !== was)
  const all = was === undefined || was === is ? former : [...kept, was].slice(-formerMax)
  return { shape: now, ...(all.length > 0 ? { former: all } : {}) }
}

/** Positions of sources that the topology does not have wait in the commit record until it has them again. */
const movedPositions = ({ sources }: TaskPlan, { positions, parked = {} }: CommitRecord): Pick<CommitRecord, 'positions' | 'parked'> => {
  const all = Object.entries({ ...parked, ...positions })
  const away = all.filter(([topic]) => !sources.has(topic))
  return {
    positions: Object.fromEntries(all.filter(([topic]) => sources.has(topic))),
    ...(away.length > 0 || Object.keys(parked).length > 0 ? { parked: Object.fromEntries(away) } : {}),
  }
}

const checkStores = (plan: TaskPlan, before: Shape, now: Shape): void => {
  for (const store of plan.stores) {
    const { name } = store
    const is = now.stores[tableStoreOf(store)] as string
    const was = before.stores[tableStoreOf(store)] ?? before.stores[otherTableStoreOf(store)]
    if (was === undefined || canGoOn(was, is)) continue
    throw new StreamsError(
      'TOPOLOGY_MISMATCH',
      `Store "${name}" of sub-topology ${plan.subTopology} was "${was}" and is "${is}" in this code`,
      {
        remedy: 'Give the store another name, deploy what it was before, or empty it: millrace reset (docs/operations.md).',
      },
    )
  }
}

const changeOf = (before: Shape, now: Shape): ShapeChange => {
  const without = (some: readonly string[], others: readonly string[]): readonly string[] => some.filter((it) => !others.includes(it))
  const [oldStores, newStores] = [Object.keys(before.stores), Object.keys(now.stores)]
  return {
    addedStores: without(newStores, oldStores),
    removedStores: without(oldStores, newStores),
    addedSources: without(now.sources, before.sources),
    removedSources: without(before.sources, now.sources),
  }
}

const older = ({ subTopology }: TaskPlan, change: ShapeChange, untilMs: number): StreamsError => {
  const lacks = [...change.removedStores.map((it) => `store "${it}"`), ...change.removedSources.map((it) => `topic "${it}"`)]
  const what = lacks.length > 0 ? `without ${lacks.join(', ')}, which the newer has` : 'with stores or topics that the newer has not'
  return new StreamsError(
    'TOPOLOGY_MISMATCH',
    `Newer code is at work on sub-topology ${subTopology}; this is an older deployment ${what}`,
    {
      remedy: `Deploy the newer code, or leave only this one running: it goes on from ${new Date(untilMs).toISOString()}.`,
    },
  )
}
