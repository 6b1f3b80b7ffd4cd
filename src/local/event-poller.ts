import { isStreamsError, messageOf } from '../errors.ts'
import type { EventSourceMappingConfig } from './event-source-mapping.ts'
import { fill, type Lane } from './lane.ts'
import type { Lifetime } from './lifetime.ts'

export interface Poller {
  /** Commits of the group; where there are none, the starting position. */
  startingOffsets(): Promise<readonly number[]>
  /** Fetches into the lanes until the lifetime is over. */
  run(): Promise<void>
  /** Asks the log itself, past the fetch that may be waiting. */
  nothingReadable(): Promise<boolean>
}

const requestTimeoutMs = 30_000
const waitMs = 500
/** While a partition's buffer is full: it must be seen soon when there is room again. */
const waitMsWithFullLanes = 20
const bufferBytesMax = 64 * 2 ** 20
const laneBytesMost = 8 * 2 ** 20
const laneBytesLeast = 2 ** 20

/** One fetch at a time over all partitions with room; it waits in the broker, so an idle mapping asks twice a second. */
export function createPoller(config: EventSourceMappingConfig, lanes: readonly Lane[], lifetime: Lifetime, onFilled: () => void): Poller {
  const { reader, admin, topic, partitions, groupId, startingPosition, onEvent } = config
  const all = Array.from({ length: partitions }, (_, partition) => ({ topic, partition }))
  const laneBytesMax = Math.min(laneBytesMost, Math.max(laneBytesLeast, bufferBytesMax / partitions))
  const soon = () => Date.now() + requestTimeoutMs
  const fetch = (from: readonly Lane[], bytesMax: number, patienceMs: number) => {
    const requests = from.map(({ partition, fetchOffset }) => ({ topic, partition, offset: fetchOffset, bytesMax }))
    return reader.fetch(requests, { waitMs: patienceMs, deadlineMs: soon() + patienceMs })
  }

  async function fetchOnce(): Promise<void> {
    const open = lanes.filter((lane) => lane.bytes < laneBytesMax)
    const patienceMs = open.length < lanes.length ? waitMsWithFullLanes : waitMs
    if (open.length === 0) {
      await lifetime.pause(patienceMs)
      return
    }
    const answers = await fetch(open, laneBytesMax, patienceMs)
    if (lifetime.over) return
    for (const [i, answer] of answers.entries()) fill(open[i] as Lane, answer, Date.now())
    onFilled()
    // An in-memory log answers within microtasks: timers and sockets of this process must get their turn.
    await new Promise(setImmediate)
  }

  /** Partitions whose position has left the log go on at its start, or at its end with LATEST. */
  async function resetLost(): Promise<void> {
    for (const { partition, logStartOffset, highWatermark } of await reader.bounds(all, soon())) {
      const lane = lanes[partition]
      if (!lane || (lane.fetchOffset >= logStartOffset && lane.fetchOffset <= highWatermark)) continue
      onEvent?.({ kind: 'reset', records: 0, partitions: [partition], detail: `offset ${lane.fetchOffset} is not in the log` })
      lane.fetchOffset = startingPosition === 'LATEST' ? highWatermark : logStartOffset
    }
  }

  async function afterFailure(error: unknown, failures: number): Promise<void> {
    onEvent?.({ kind: 'problem', records: 0, partitions: [], detail: messageOf(error) })
    // If this fails too, the next fetch says so.
    if (isStreamsError(error, 'LOG_TRUNCATED')) await resetLost().catch(() => undefined)
    await lifetime.pause(Math.min(100 * 2 ** failures, 5_000))
  }

  return {
    async startingOffsets() {
      const commits = new Map((await admin.groupOffsets(groupId, all, soon())).map(({ partition, offset }) => [partition, offset]))
      const bounds = commits.size === partitions ? [] : await reader.bounds(all, soon())
      const first = bounds.map(({ logStartOffset, highWatermark }) => (startingPosition === 'LATEST' ? highWatermark : logStartOffset))
      return all.map(({ partition }) => commits.get(partition) ?? first[partition] ?? 0)
    },
    async run() {
      for (let failures = 0; !lifetime.over; ) {
        try {
          await fetchOnce()
          failures = 0
        } catch (error) {
          if (!lifetime.over) await afterFailure(error, failures++)
        }
      }
    },
    async nothingReadable() {
      try {
        const answers = await fetch(lanes, 1, 0)
        return answers.every(({ records, nextOffset, lastStableOffset }) => records.length === 0 && nextOffset >= lastStableOffset)
      } catch {
        // The poll meets the same error, reports it and tries again.
        return false
      }
    },
  }
}
