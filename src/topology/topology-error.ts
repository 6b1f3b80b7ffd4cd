import { StreamsError } from '../errors.ts'

/** An error of the topology itself, with Java's `TopologyException` wording. */
export const topologyError = (why: string): StreamsError => new StreamsError('TOPOLOGY_INVALID', `Invalid topology: ${why}`)
