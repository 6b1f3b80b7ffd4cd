import { describe, expect, it } from 'vitest'
import { fencesOf, moduleOf } from './fences.ts'

const codeOf = (text: string, names: ReadonlyMap<string, string> = new Map()): string => {
  const [fence] = fencesOf({ path: 'README.md', text: `\`\`\`ts\n${text}\n\`\`\`` })
  if (fence === undefined) throw new Error('no fence was found')
  return moduleOf(fence, names).split('\n').slice(2, -2).join('\n')
}

describe('code fences', () => {
  it('are found in documents and in docstrings, with their line', () => {
    const markdown = 'Text\n\n```ts\nconst a = 1\n```\n```sh\nls\n```\n```ts no-run\nconst b = 2\n```\n'
    expect(fencesOf({ path: 'docs/guide.md', text: markdown })).toEqual([
      { at: 'docs/guide.md:3', code: 'const a = 1', runs: true },
      { at: 'docs/guide.md:9', code: 'const b = 2', runs: false },
    ])
    const docstring = "/**\n * Drops.\n * @example\n * ```ts\n * if (a) {\n *   b()\n * }\n * ```\n */\nconst text = '```ts'\n"
    expect(fencesOf({ path: 'src/a.ts', text: docstring })).toEqual([{ at: 'src/a.ts:4', code: 'if (a) {\n  b()\n}', runs: true }])
  })

  it('assert the value behind an arrow', () => {
    expect(codeOf('add(1, 2) // => 3')).toBe('__same(add(1, 2), 3)')
    expect(codeOf('const sum = add(1, 2) // => 3')).toBe('const sum = add(1, 2)\n__same(sum, 3)')
    expect(codeOf('console.log(add(1, 2)) // => 3')).toBe('__same(add(1, 2), 3)')
  })

  it('assert expressions and values over several lines', () => {
    expect(codeOf('open()\nqueue\n  .readAll()\n  .map(String) // => [\n//   1,\n// ]\nend()')).toBe(
      'open()\n__same(queue\n  .readAll()\n  .map(String), [\n   1,\n ])\nend()',
    )
    expect(codeOf('open()\nread({\n  a: 1,\n}) // => 2')).toBe('open()\n__same(read({\n  a: 1,\n}), 2)')
  })

  it('import the names that they use when they import nothing', () => {
    const names = new Map([
      ['StreamsBuilder', 'millrace'],
      ['Topology', 'millrace'],
      ['TopologyTestDriver', 'millrace/testing'],
    ])
    expect(codeOf('const driver = new TopologyTestDriver(new StreamsBuilder().build())', names).split('\n')).toEqual([
      "import { StreamsBuilder } from 'millrace'",
      "import { TopologyTestDriver } from 'millrace/testing'",
      'const driver = new TopologyTestDriver(new StreamsBuilder().build())',
    ])
    expect(codeOf("import { StreamsBuilder } from 'millrace'\nnew Topology()", names)).not.toContain('import { Topology }')
  })
})
