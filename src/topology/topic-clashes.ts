import type { SourceNode } from './nodes.ts'
import { topologyError } from './topology-error.ts'

const matches = (pattern: RegExp, topic: string): boolean => new RegExp(`^(?:${pattern.source})$`, pattern.flags).test(topic)

/** A topic is read by one source of a topology only, by its name or by a pattern. Throws TOPOLOGY_INVALID. */
export const checkTopics = ({ topics, pattern }: SourceNode, taken: readonly SourceNode[]): void => {
  if (topics.length === 0 && !pattern) throw topologyError('topics cannot be empty')
  for (const { name: topic } of topics) {
    const clash = taken.some((other) => other.topics.some((it) => it.name === topic) || (other.pattern && matches(other.pattern, topic)))
    if (clash) throw topologyError(`Topic ${topic} has already been registered by another source.`)
  }
  if (pattern && taken.some((other) => other.topics.some((it) => matches(pattern, it.name)))) {
    throw topologyError(`Pattern ${pattern.source} will match a topic that has already been registered by another source.`)
  }
}
