import { StreamsError } from '../../errors.ts'
import { invariant } from '../../invariant.ts'
import type { Bounds, FetchedPartition, FetchRequest, PartitionReader, TopicPartition } from '../../runtime/ports.ts'
import { type BrokerAddress, byTopic, type FetchAnswer, fetch, listOffsets, type OfTopic, type PartitionError } from './apis.ts'
import { isLeaderMoved, nameOf, requestError } from './broker-errors.ts'
import { assertInTime, backOff, type Cluster, within } from './cluster.ts'
import { addressText, timerMsMax, Unanswered } from './connection.ts'
import { decodeCommitted } from './record-batch.ts'

/** A read is given up on one socket after this time, beyond what it was told to wait, and sent again on another. */
const readMsMax = 5_000

/**
 * A broker that stood still believes for a while that it leads what others lead by now: its log ends before offsets that are there.
 * So long an offset outside of the log is asked for again.
 */
const staleLeaderMs = 3_000
const offsetOutOfRange = 1

type Send<P, A> = (to: BrokerAddress, topics: readonly OfTopic<P>[]) => Promise<readonly OfTopic<A & PartitionError>[]>

/** Asks each partition's leader, again where the leader has moved or said nothing, and answers in request order. */
export const askLeaders = async <P extends TopicPartition, A>(
  cluster: Cluster,
  partitions: readonly P[],
  what: string,
  deadlineMs: number,
  send: Send<P, A>,
): Promise<readonly A[]> => {
  const answers = new Map<P, A>()
  let reason = 'nothing was asked'
  const staleUntilMs = Math.min(deadlineMs, Date.now() + staleLeaderMs)
  const comesAgain = (error: number): boolean =>
    isLeaderMoved(error) || (error === offsetOutOfRange && what === 'Fetch' && Date.now() < staleUntilMs)
  for (let attempt = 0; ; attempt++) {
    const open = partitions.filter((at) => !answers.has(at))
    const leaders = await cluster.leadersOf(open, deadlineMs)
    const byLeader = Map.groupBy(
      open.map((at, i) => ({ at, to: leaders[i] as BrokerAddress })),
      ({ to }) => addressText(to),
    )
    await Promise.all(
      [...byLeader.values()].map(async (group) => {
        const { to } = group[0] as { to: BrokerAddress }
        try {
          const topics = await send(to, byTopic(group.map(({ at }) => at)))
          const found = new Map(topics.flatMap(({ topic, partitions: all }) => all.map((one) => [`${topic}/${one.partition}`, one])))
          for (const { at } of group) {
            const answer = found.get(`${at.topic}/${at.partition}`)
            if (answer?.error === 0) answers.set(at, answer)
            else if (answer !== undefined && !comesAgain(answer.error)) throw readError(answer, at, what)
            else cluster.forgetLeader(at)
            reason = `${at.topic}/${at.partition}: ${answer === undefined ? 'no answer for it' : nameOf(answer.error)}`
          }
        } catch (error) {
          if (!(error instanceof Unanswered)) throw error
          reason = error.message
          for (const { at } of group) cluster.forgetLeader(at)
        }
      }),
    )
    if (answers.size === new Set(partitions).size) return partitions.map((at) => answers.get(at) as A)
    assertInTime(deadlineMs, `${what}: ${reason}`)
    await backOff(attempt)
  }
}

const readError = (
  { error }: PartitionError,
  { topic, partition, ...at }: TopicPartition & { readonly offset?: number },
  what: string,
): StreamsError =>
  error === offsetOutOfRange
    ? new StreamsError('LOG_TRUNCATED', `offset ${at.offset} of ${topic}/${partition} is outside of its log`)
    : requestError(error, `${what} of ${topic}/${partition}`)

const decode = ({ topic, partition, offset }: FetchRequest, answer: FetchAnswer): FetchedPartition => {
  const { highWatermark, lastStableOffset, logStartOffset, set, aborted } = answer
  const decoded = set === null ? { records: [], nextOffset: offset } : decodeCommitted(set, offset, aborted)
  return { topic, partition, ...decoded, highWatermark, lastStableOffset, logStartOffset }
}

/** Reads with own sockets and own filter, without a group: kafkajs' consumer leaks overlapping aborted transactions. */
export const createKafkaJsPartitionReader = (cluster: Cluster, options: { readonly onClose: () => void }): PartitionReader => {
  const list = (at: 'earliest' | 'latest', partitions: readonly TopicPartition[], deadlineMs: number) =>
    askLeaders(cluster, partitions, 'ListOffsets', deadlineMs, async (to, topics: readonly OfTopic<TopicPartition>[]) => {
      const answer = await cluster.send(to, listOffsets, { at, topics }, within(deadlineMs, readMsMax))
      return answer.topics
    })

  const fetchOnce = async (requests: readonly FetchRequest[], waitMs: number, deadlineMs: number): Promise<readonly FetchedPartition[]> => {
    const patienceMs = Math.max(0, Math.min(waitMs, deadlineMs - Date.now() - 50, timerMsMax))
    const send: Send<FetchRequest, FetchAnswer> = async (to, topics) => {
      const answer = await cluster.send(
        to,
        fetch,
        { waitMs: patienceMs, topics },
        within(deadlineMs, patienceMs + readMsMax),
        patienceMs > 0,
      )
      if (answer.error !== 0) throw requestError(answer.error, 'Fetch')
      return answer.topics
    }
    const answers = await askLeaders(cluster, requests, 'Fetch', deadlineMs, send)
    return requests.map((request, i) => decode(request, answers[i] as FetchAnswer))
  }

  const anythingNew = (answers: readonly FetchedPartition[], requests: readonly FetchRequest[]): boolean =>
    answers.some(({ nextOffset }, i) => nextOffset > (requests[i] as FetchRequest).offset)

  /** Several leaders: whoever has something first ends the wait; the others answer what they had when it began. */
  const fetchFirst = async (
    requests: readonly FetchRequest[],
    waitMs: number,
    deadlineMs: number,
  ): Promise<readonly FetchedPartition[]> => {
    const before = await fetchOnce(requests, 0, deadlineMs)
    if (anythingNew(before, requests)) return before
    const leaders = await cluster.leadersOf(requests, deadlineMs)
    const groups = Map.groupBy(requests, (_, i) => addressText(leaders[i] as BrokerAddress))
    const waits = [...groups.values()].map(async (group) => {
      const answers = await fetchOnce(group, waitMs, deadlineMs)
      return { group, answers, news: anythingNew(answers, group) }
    })
    const withNews = waits.map(async (wait) => {
      const result = await wait
      if (!result.news) throw new Unanswered(true, 'nothing new')
      return result
    })
    const first = await Promise.any(withNews).catch(() => Promise.all(waits).then(([any]) => any))
    return requests.map((request, i) => first?.answers[first.group.indexOf(request)] ?? (before[i] as FetchedPartition))
  }

  return {
    async bounds(partitions, deadlineMs) {
      assertInTime(deadlineMs, 'bounds')
      if (partitions.length === 0) return []
      const [starts, ends] = await Promise.all([list('earliest', partitions, deadlineMs), list('latest', partitions, deadlineMs)])
      return partitions.map(({ topic, partition }, i): Bounds => {
        const start = starts[i]
        const end = ends[i]
        invariant(start !== undefined && end !== undefined, 'every partition has an answer')
        return { topic, partition, logStartOffset: start.offset, highWatermark: end.offset }
      })
    },
    async fetch(requests, { waitMs, deadlineMs }) {
      assertInTime(deadlineMs, 'fetch')
      if (requests.length === 0) return []
      const leaders = waitMs > 0 ? await cluster.leadersOf(requests, deadlineMs) : []
      const several = new Set(leaders.map(addressText)).size > 1
      return several ? fetchFirst(requests, waitMs, deadlineMs) : fetchOnce(requests, waitMs, deadlineMs)
    },
    async close() {
      options.onClose()
    },
  }
}
