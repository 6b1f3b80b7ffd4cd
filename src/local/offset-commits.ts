import { messageOf } from '../errors.ts'
import type { GroupOffset, TopicAdmin } from '../runtime/ports.ts'

/** Offsets on their way to the group: one request at a time, with the latest of each partition. */
export interface OffsetCommits {
  /** Does not wait: the next batch is not kept waiting for a commit that the one behind it would repeat. */
  add(offsets: readonly GroupOffset[]): void
  /** Nothing is on its way. */
  readonly done: boolean
  /** Resolves when all that was added is committed, or could not be. */
  settled(): Promise<void>
}

const timeoutMs = 30_000

/** `onFailure` is told of a commit that failed: the next one covers it; a restart before that delivers again, as with the service. */
export const createOffsetCommits = (
  admin: Pick<TopicAdmin, 'commitGroupOffsets'>,
  groupId: string,
  on: { readonly settled: () => void; readonly failure: (offsets: readonly GroupOffset[], reason: string) => void },
): OffsetCommits => {
  const waiting = new Map<number, GroupOffset>()
  let running: Promise<void> | undefined

  const run = async (): Promise<void> => {
    while (waiting.size > 0) {
      const offsets = [...waiting.values()]
      waiting.clear()
      try {
        await admin.commitGroupOffsets(groupId, offsets, Date.now() + timeoutMs)
      } catch (error) {
        on.failure(offsets, messageOf(error))
      }
    }
    running = undefined
    on.settled()
  }

  return {
    add(offsets) {
      for (const at of offsets) waiting.set(at.partition, at)
      running ??= run()
    },
    get done() {
      return running === undefined
    },
    settled: async () => running,
  }
}
