import type { TaskItem } from '../state/backend.ts'

const minuteMs = 60_000
/** Every task is looked at this often, whatever its item says: a commit whose owner died before any write shows only in the log. */
const regularMinutes = 10

/** Whether the sweeper should send a tick to a task (protocol §8): asked once a minute. */
export const needsTick = (
  item: TaskItem | undefined,
  { nowMs, partition }: { readonly nowMs: number; readonly partition: number },
): boolean => {
  if (Math.floor(nowMs / minuteMs) % regularMinutes === partition % regularMinutes) return true
  if (!item) return false
  if (item.lease) return nowMs > item.lease.expiresAtMs
  const { wakeMs = 0, seq = 0 } = item.checkpoint ?? {}
  if ((item.deferredSeq ?? 0) > seq) return true
  if (wakeMs > 0 && wakeMs <= nowMs) return true
  return Object.entries(item.bells).some(([topic, target]) => target > (item.checkpoint?.positions[topic] ?? 0))
}
