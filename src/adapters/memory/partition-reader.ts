import type { FetchedPartition, FetchRequest, PartitionReader } from '../../runtime/ports.ts'
import type { MemoryKafkaOptions } from './log.ts'
import { assertInTime, partitionOf, type Topics } from './topics.ts'
import type { Coordinator } from './transactions.ts'

/** The longest timer that Node has; a longer one would ring at once. */
const timerMsMax = 0x7fff_ffff

/** Reads committed records. A waiting fetch answers in the turn in which something became readable. */
export const createMemoryPartitionReader = (
  topics: Topics,
  coordinator: Coordinator,
  replicatedTo: MemoryKafkaOptions['replicatedTo'],
): PartitionReader => {
  const { now } = coordinator
  const pending = new Set<() => void>()

  const readAll = (requests: readonly FetchRequest[]): readonly FetchedPartition[] => {
    coordinator.expire()
    return requests.map((request) => {
      const log = partitionOf(topics, request)
      return log.read(request, replicatedTo?.(log))
    })
  }

  const anythingNew = (answers: readonly FetchedPartition[], requests: readonly FetchRequest[]) =>
    answers.some((answer, i) => answer.nextOffset > (requests[i] as FetchRequest).offset)

  const waitForNew = (requests: readonly FetchRequest[], waitMs: number): Promise<void> =>
    new Promise((resolve) => {
      const logs = requests.map((request) => partitionOf(topics, request))
      const finish = () => {
        clearTimeout(timer)
        pending.delete(finish)
        for (const log of logs) log.stopWaiting(finish)
        resolve()
      }
      const timer = setTimeout(finish, Math.min(waitMs, timerMsMax))
      pending.add(finish)
      for (const log of logs) log.wait(finish)
    })

  return {
    async bounds(partitions, deadlineMs) {
      assertInTime(now, deadlineMs, 'bounds')
      coordinator.expire()
      return partitions.map((at) => {
        const { topic, partition, logStartOffset, highWatermark } = partitionOf(topics, at)
        return { topic, partition, logStartOffset, highWatermark }
      })
    },
    async fetch(requests, { waitMs, deadlineMs }) {
      assertInTime(now, deadlineMs, 'fetch')
      const answers = readAll(requests)
      const patienceMs = Math.min(waitMs, deadlineMs - now(), coordinator.nextExpiryMs() - now())
      if (patienceMs <= 0 || requests.length === 0 || anythingNew(answers, requests)) return answers
      await waitForNew(requests, patienceMs)
      return readAll(requests)
    },
    async close() {
      for (const finish of pending) finish()
    },
  }
}
