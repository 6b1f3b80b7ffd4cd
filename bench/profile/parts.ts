import type { Profiler } from 'node:inspector'

/** Where time can go, in the order of a picture. */
export const parts = ['serdes', 'record batches', 'adapters', 'state', 'operators', 'tasks', 'Node', 'garbage collector'] as const

export type Part = (typeof parts)[number]

const root = new URL('../..', import.meta.url).href

/** By the path of a file in the project. The first that fits; the user's own functions are called by operators, and count with them. */
const folders: readonly (readonly [RegExp, Part])[] = [
  [/^src\/(runtime\/(record-block|varints)|adapters\/kafkajs\/(record-batch|crc32c|compression))\.ts$/, 'record batches'],
  [/^src\/serde\//, 'serdes'],
  [/^src\/adapters\//, 'adapters'],
  [/^src\/state\//, 'state'],
  [/^src\/(operators|processor|dsl|topology)\//, 'operators'],
  [/^src\//, 'tasks'],
]

export interface Spent {
  /** Microseconds; without those in which nothing ran, and those of the benchmark itself. */
  readonly byPart: Readonly<Record<Part, number>>
  /** Microseconds by function of ours, as `function (file)`. */
  readonly byFunction: ReadonlyMap<string, number>
}

/**
 * Self time of a CPU profile. What Node and V8 do for a function of ours, as a copy or a conversion, is that function's; what they do for
 * nobody, as reading sockets, is Node's. The benchmark's own functions count only where ours have called them: as a user's.
 */
export const spentIn = ({ nodes, samples = [], timeDeltas = [] }: Profiler.Profile): Spent => {
  const parents = new Map(nodes.flatMap(({ id, children = [] }) => children.map((child) => [child, id] as const)))
  const frames = new Map(nodes.map(({ id, callFrame }) => [id, callFrame]))
  const owners = new Map(nodes.map(({ id }) => [id, ownerOf(id, { frames, parents })]))
  const byPart = Object.fromEntries(parts.map((part) => [part, 0])) as Record<Part, number>
  const byFunction = new Map<string, number>()
  for (const [at, id] of samples.entries()) {
    const owner = owners.get(id)
    if (owner === undefined) continue
    const us = timeDeltas[at + 1] ?? 0
    byPart[owner.part] += us
    if (owner.name !== undefined) byFunction.set(owner.name, (byFunction.get(owner.name) ?? 0) + us)
  }
  return { byPart, byFunction }
}

interface Tree {
  readonly frames: ReadonlyMap<number, { readonly functionName: string; readonly url: string }>
  readonly parents: ReadonlyMap<number, number>
}

/** Undefined for what does not count. */
const ownerOf = (id: number, { frames, parents }: Tree): { readonly part: Part; readonly name?: string } | undefined => {
  const own = frames.get(id)?.functionName
  if (own === '(idle)') return undefined
  if (own === '(garbage collector)') return { part: 'garbage collector' }
  let ofBench = false
  for (let at: number | undefined = id; at !== undefined; at = parents.get(at)) {
    const { functionName = '', url = '' } = frames.get(at) ?? {}
    const file = url.startsWith(root) ? url.slice(root.length) : ''
    const part = folders.find(([pattern]) => pattern.test(file))?.[1]
    if (part) return { part, name: `${functionName || 'anonymous'} (${file.slice(file.lastIndexOf('/') + 1, -3)})` }
    ofBench ||= file.startsWith('bench/')
  }
  return ofBench ? undefined : { part: 'Node' }
}
