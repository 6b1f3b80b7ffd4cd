import { StreamsError } from '../errors.ts'
import type { InvocationRequest } from './invocation-request.ts'

/** Where each source begins: at its committed position, or where the topology says a source without one does (default: the earliest record). */
export const startPositions = async (
  { ports, plan, partition, deadlineMs }: Pick<InvocationRequest, 'ports' | 'plan' | 'partition' | 'deadlineMs'>,
  committed: Readonly<Record<string, number>>,
): Promise<Readonly<Record<string, number>>> => {
  const unknown = [...plan.sources.keys()].filter((topic) => committed[topic] === undefined)
  // there are as many tasks as the widest topic has partitions: a narrower one has none for the last of them
  const counts = await Promise.all(unknown.map((topic) => ports.partitionsOf(topic)))
  const fresh = unknown.filter((_, at) => partition < (counts[at] ?? 0))
  const known = Object.fromEntries(
    [...plan.sources.keys()].flatMap((topic) => (committed[topic] === undefined ? [] : [[topic, committed[topic]]])),
  )
  if (fresh.length === 0) return known
  const bounds = await ports.reader.bounds(
    fresh.map((topic) => ({ topic, partition })),
    deadlineMs,
  )
  const starts = bounds.map(({ topic, logStartOffset, highWatermark }) => {
    const reset = plan.sources.get(topic)?.offsetReset ?? 'earliest'
    if (reset === 'earliest') return [topic, logStartOffset]
    if (reset === 'latest') return [topic, highWatermark]
    throw new StreamsError(
      'CONFIG_INVALID',
      `Topic ${topic} has no committed position and offsetReset ${JSON.stringify(reset)} does not give one`,
      {
        remedy: 'Use "earliest" or "latest".',
      },
    )
  })
  return { ...known, ...Object.fromEntries(starts) }
}
