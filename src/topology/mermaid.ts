import type { SubTopology } from './sub-topologies.ts'

/** A mermaid flowchart: topics as cylinders, one box per sub-topology, stores beside the processors that use them. */
export const mermaidOf = (subTopologies: readonly SubTopology[]): string => {
  const ids = new Map<string, string>()
  const idOf = (key: string): string => {
    const known = ids.get(key)
    if (known) return known
    const id = `n${ids.size}`
    ids.set(key, id)
    return id
  }
  const text = (label: string): string => `"${label.replaceAll('"', "'")}"`
  const topics = new Set<string>()
  const topic = (name: string): string => {
    topics.add(name)
    return idOf(`topic ${name}`)
  }
  const boxes: string[] = []
  const arrows: string[] = []
  for (const sub of subTopologies) {
    const lines: string[] = []
    for (const node of sub.nodes) {
      const id = idOf(`node ${node.name}`)
      if (node.kind === 'source') {
        lines.push(`    ${id}([${text(node.name)}])`)
        const names = node.pattern ? [`/${node.pattern.source}/`] : node.topics.map((it) => it.name)
        for (const name of names) arrows.push(`  ${topic(name)} --> ${id}`)
        continue
      }
      lines.push(`    ${id}${node.kind === 'sink' ? `([${text(node.name)}])` : `[${text(node.name)}]`}`)
      for (const parent of node.parents) arrows.push(`  ${idOf(`node ${parent}`)} --> ${id}`)
      if (node.kind === 'sink') arrows.push(`  ${id} --> ${topic(typeof node.topic === 'function' ? '(by record)' : node.topic.name)}`)
      else for (const store of node.stores) arrows.push(`  ${id} -.- ${idOf(`store ${store}`)}`)
    }
    for (const store of sub.stores) lines.push(`    ${idOf(`store ${store.name}`)}[(${text(store.name)})]`)
    boxes.push(
      `  subgraph s${sub.id}[${text(`sub-topology ${sub.id}: ${sub.name}${sub.globalStore ? ' (read by all)' : ''}`)}]\n${lines.join('\n')}\n  end`,
    )
  }
  const cylinders = [...topics].map((name) => `  ${idOf(`topic ${name}`)}[/${text(name)}/]`)
  return `flowchart TD\n${[...cylinders, ...boxes, ...arrows].join('\n')}\n`
}
