import { StreamsError } from '../errors.ts'
import type { Checkpoint, TaskItem } from '../state/backend.ts'
import type { Progress } from './chunks.ts'
import type { Flush } from './flush.ts'
import { type InvocationOutcome, type InvocationRequest, type InvocationStats, taskIdOf } from './invocation-request.ts'
import { endsByName } from './named-ends.ts'
import type { TxnSession } from './ports.ts'

export interface HeldTask extends InvocationRequest {
  readonly token: string
  /** As ACQUIRE returned it; undefined where there is no lease: only over a warm session (protocol §7, C'). */
  readonly item: TaskItem | undefined
  readonly stats: InvocationStats
  /** FENCE, where it was begun together with ACQUIRE. */
  readonly early: Promise<TxnSession> | undefined
}

export type Ended = Pick<InvocationOutcome, 'result' | 'seq' | 'positions'>

export const sourcesOf = ({ plan }: HeldTask): readonly string[] => [...plan.sources.keys()]

/** RELEASE, DEFER, HANDOVER, or without a lease CKPT if anything, and then undefined where a bell is needed. */
export const end = async (
  held: HeldTask,
  { progress, flush }: { readonly progress: Progress; readonly flush: Flush },
  { unfinished, deferred }: { readonly unfinished: boolean; readonly deferred: boolean },
): Promise<Ended | 'bell' | undefined> => {
  if (held.item) return unfinished ? handOver(held, progress, true) : release(held, progress, deferred)
  if (flush.isBehind && !deferred) await held.ports.table.checkpoint(taskIdOf(held), checkpointOf(held, progress), held.deadlineMs)
  return unfinished ? undefined : endedAs('done', progress)
}

const ownReached = ({ trigger }: HeldTask, { positions }: Progress): boolean =>
  trigger.kind === 'tick' || (positions[trigger.topic] ?? -1) >= trigger.target

export const checkpointOf = ({ plan }: HeldTask, { commit, positions, ends, wakeMs, sizes }: Progress): Checkpoint => ({
  seq: commit.seq,
  gen: commit.gen,
  ends: endsByName(plan, ends),
  positions,
  ...(wakeMs === undefined ? {} : { wakeMs }),
  ...(sizes === undefined ? {} : { sizes }),
})

export const endedAs = (result: InvocationOutcome['result'], { commit, positions }: Progress): Ended => ({
  result,
  seq: commit.seq,
  positions,
})

/** RELEASE or DEFER; `bell` where somebody rang in the meantime, undefined where the lease was lost below the own target. */
const release = async (held: HeldTask, progress: Progress, deferred: boolean): Promise<Ended | 'bell' | undefined> => {
  const { ports, token, deadlineMs } = held
  const checkpoint = checkpointOf(held, progress)
  const request = { token, checkpoint, sources: sourcesOf(held), deferred }
  const { released, item } = await ports.table.release(taskIdOf(held), request, deadlineMs)
  return released ? endedAs('done', progress) : refused(held, progress, { item, checkpoint, deferred })
}

/**
 * HANDOVER: gives the lease back although bells stand, and leaves one for the own target if it was not reached. With
 * `flushed` false the checkpoint stays as it is: the next owner looks at the log's tail.
 */
export const handOver = async (held: HeldTask, progress: Progress, flushed: boolean): Promise<Ended | 'bell' | undefined> => {
  const { ports, trigger, token, deadlineMs } = held
  const checkpoint = flushed ? checkpointOf(held, progress) : undefined
  const bell = trigger.kind === 'delivery' && !ownReached(held, progress) ? { topic: trigger.topic, target: trigger.target } : undefined
  const { released, item } = await ports.table.release(
    taskIdOf(held),
    { token, checkpoint, sources: sourcesOf(held), handover: bell ? { bell } : {} },
    deadlineMs,
  )
  // a release that finds no lease counts as repeated, but somebody else may have given it back: then our bell is not there
  const recorded = bell === undefined || (item?.bells[bell.topic] ?? -1) >= bell.target
  if (!released || !recorded) return refused(held, progress, { item, checkpoint })
  return endedAs(bell ? 'handed over' : 'done', progress)
}

/** Why a release was refused: a bell above the position, another's lease (then no bell of ours was written), or a newer checkpoint. */
const refused = async (
  held: HeldTask,
  progress: Progress,
  {
    item,
    checkpoint,
    deferred = false,
  }: { readonly item: TaskItem | undefined; readonly checkpoint: Checkpoint | undefined; readonly deferred?: boolean },
): Promise<Ended | 'bell' | undefined> => {
  if (item?.lease?.token !== held.token) {
    if (checkpoint && !deferred) await held.ports.table.checkpoint(taskIdOf(held), checkpoint, held.deadlineMs)
    progress.spoiled = true
    return ownReached(held, progress) ? endedAs('done', progress) : undefined
  }
  if (item.checkpoint && checkpoint && item.checkpoint.seq > checkpoint.seq)
    throw new StreamsError('FENCED', 'The table has a newer checkpoint')
  progress.bells = item.bells
  return 'bell'
}
