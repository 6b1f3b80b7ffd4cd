import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import topology from '../functions/word-count/topology.ts'

const root = join(import.meta.dirname, '..')
const read = (path: string): string => readFileSync(join(root, path), 'utf8')
const readme = read('README.md')

describe('the README', () => {
  it.each(['functions/word-count/topology.ts', 'functions/word-count/handler.ts'])('quotes %s as it is', (path) => {
    expect(readme).toContain(`\n${read(path)}\`\`\`\n`)
  })

  it('shows the picture that the topology draws of itself', () => {
    expect(readme).toContain(`\`\`\`mermaid\n${topology.toMermaid()}\`\`\`\n`)
  })

  it('names only scripts that package.json has', () => {
    const { scripts }: { readonly scripts: Record<string, string> } = JSON.parse(read('package.json'))
    const named = [...readme.matchAll(/npm run ([a-z-]+)/g)].map(([, name]) => name ?? '')
    expect(named.filter((name) => !(name in scripts))).toEqual([])
    expect(named.length).toBeGreaterThan(3)
  })
})
